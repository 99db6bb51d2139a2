// SPDX-License-Identifier: Apache-2.0
import HTTPWire
import MallaModel
import MallaRouting

/// What routes may say of paths, header fields and hosts.
extension Syntax {
    /// Fields that the proxy writes from what a message is; a route that changed them would make two readings of one
    /// message.
    private static let ownFields: Set<String> = [
        "connection", "content-length", "expect", "host", "http2-settings", "keep-alive", "proxy-connection", "te",
        "trailer", "transfer-encoding", "upgrade",
    ]

    /// A header field's name (RFC 9110 §5.1).
    static func fieldName(_ text: String) -> Flaw? {
        let isToken = text.utf8.allSatisfy { byte in
            (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte)
                || "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
        return isToken && (1...256).contains(text.utf8.count)
            ? nil
            : Flaw(
                message: "\"\(text.excerpt)\" is no name of a header field",
                hint: "Use at most 256 letters, digits and dashes")
    }

    /// The name of a header field that a route may change.
    static func changeableField(_ text: String) -> Flaw? {
        if let flaw = fieldName(text) { return flaw }
        return ownFields.contains(text.lowercased())
            ? Flaw(
                message: "\(text.excerpt) cannot be changed by a route",
                hint: text.lowercased() == "host" ? "Use URLRewrite's hostname" : "It belongs to the connection")
            : nil
    }

    /// A header field's or parameter's value.
    static func fieldValue(_ text: String) -> Flaw? {
        if text.utf8.count > 4_096 { return Flaw(message: "the value is longer than 4096 bytes") }
        let isValue = text.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7f } && text.first != " " && text.last != " "
        return isValue
            ? nil
            : Flaw(
                message: "\"\(text.excerpt)\" has control characters, or spaces around it", hint: "Remove them")
    }

    /// A query parameter's name, as it is when percent-encoding is undone.
    static func parameterName(_ text: String) -> Flaw? {
        (1...256).contains(text.utf8.count)
            ? nil : Flaw(message: "a parameter's name has from 1 to 256 bytes, not \(text.utf8.count)")
    }

    /// A method (RFC 9110 §9.1).
    static func method(_ text: String) -> Flaw? {
        guard fieldName(text) == nil else {
            return Flaw(message: "\"\(text.excerpt)\" is no method", hint: "Write for example GET")
        }
        if text == "CONNECT" {
            return Flaw(message: "CONNECT is not forwarded", hint: "Remove the match")
        }
        return text == text.uppercased()
            ? nil
            : Flaw(
                message: "\"\(text.excerpt)\" would never match: methods are told apart by letter case",
                hint: "Did you mean \(text.uppercased().excerpt)?")
    }

    /// A path without query, in a form that the proxy could see.
    static func path(_ text: String) -> Flaw? {
        guard text.utf8.count <= 1_024 else { return Flaw(message: "the path is longer than 1024 bytes") }
        guard !text.contains("?"), !text.contains("#") else {
            return Flaw(message: "a path has no query and no fragment", hint: "Match parameters with queryParams")
        }
        guard normalBytes(text) != nil else {
            return Flaw(
                message: "\"\(text.excerpt)\" is no path that a request could have",
                hint: "Begin with /, and write no empty, `.` or `..` elements and nothing percent-encoded that means "
                    + "something in a path")
        }
        return nil
    }

    /// A path to match as prefix.
    static func prefix(_ text: String) -> Flaw? {
        if let flaw = path(text) { return flaw }
        let elements = text.split(separator: "/").count
        return elements <= RouteTable.mostPrefixElements
            ? nil
            : Flaw(
                message: "the prefix has \(elements) elements",
                hint: "At most \(RouteTable.mostPrefixElements) are allowed")
    }

    /// What a prefix is replaced by: a path, or nothing.
    static func replacement(_ text: String) -> Flaw? { text.isEmpty ? nil : path(text) }

    /// The path in the form in which the proxy sees every path.
    static func normal(_ text: String) -> String {
        normalBytes(text).map { String(decoding: $0, as: UTF8.self) } ?? text
    }

    /// `nil`: the path is refused, or is not what a request would keep.
    private static func normalBytes(_ text: String) -> [UInt8]? {
        guard text.hasPrefix("/") else { return nil }
        let input = Array(text.utf8)
        guard input.allSatisfy({ $0 > 0x20 && $0 < 0x7f }), !text.contains("//") else { return nil }
        for element in text.split(separator: "/") where element == "." || element == ".." { return nil }
        return NormalPath.normalized(input)
    }

    /// A host that names one peer: a DNS name or an address.
    static func hostname(_ text: String) -> Flaw? {
        let isHost =
            (1...253).contains(text.utf8.count)
            && text.split(separator: ".", omittingEmptySubsequences: false).allSatisfy {
                ObjectName.isLabel(String($0))
            }
        return isHost
            ? nil
            : Flaw(
                message: "\"\(text.excerpt)\" is no host name",
                hint: "Use lower-case letters, digits, dashes and dots, without a port")
    }

    /// A host name, or `*.` before one.
    static func hostPattern(_ text: String) -> Flaw? {
        hostname(text.hasPrefix("*.") ? String(text.dropFirst(2)) : text)
    }

    /// The name of a gRPC service or method.
    static func grpcName(_ text: String) -> Flaw? {
        let isName =
            (1...1_024).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte)
                    || byte == 0x5f || byte == 0x2e
            }
        return isName
            ? nil
            : Flaw(
                message: "\"\(text.excerpt)\" is no name of a gRPC service or method",
                hint: "Write for example package.Service, and Method")
    }
}

extension Value {
    /// Whether `text` is an expression that can be matched without ever taking long; reports a problem otherwise.
    func isExpression(_ text: String) -> Bool {
        do {
            _ = try Pattern(text)
            return true
        } catch {
            fail(
                "\"\(text.excerpt)\" is no expression that can be matched: \(error.description)",
                hint: "Use RE2's syntax without look-around, back references and \\b")
            return false
        }
    }
}
