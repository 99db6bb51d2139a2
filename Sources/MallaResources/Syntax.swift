// SPDX-License-Identifier: Apache-2.0
import MallaModel

/// What names, labels and addresses may look like. Each check answers what is wrong, or `nil`.
enum Syntax {
    typealias Flaw = DocumentReport.Flaw

    private static let lower = "abcdefghijklmnopqrstuvwxyz"
    private static let upper = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    private static let digits = "0123456789"

    /// Names of resources and namespaces: DNS labels.
    static func name(_ text: String) -> Flaw? {
        guard !ObjectName.isLabel(text) else { return nil }
        if text.utf8.count > 63 {
            return Flaw(message: "the name is \(text.utf8.count) bytes long", hint: "At most 63 are allowed")
        }
        return Flaw(
            message: "\"\(text.excerpt)\" is no name",
            hint: "Use lower-case letters, digits and dashes, with a letter or digit at both ends")
    }

    /// Names of service accounts: DNS labels, with dots between them.
    static func serviceAccount(_ text: String) -> Flaw? {
        if text.utf8.count > 253 {
            return Flaw(message: "the name is \(text.utf8.count) bytes long", hint: "At most 253 are allowed")
        }
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        return parts.allSatisfy { ObjectName.isLabel(String($0)) }
            ? nil
            : Flaw(
                message: "\"\(text.excerpt)\" is no name of a service account",
                hint: "Use lower-case letters, digits, dashes and dots, with a letter or digit at both ends")
    }

    /// Names of ports (RFC 6335, as in Kubernetes): at most 15 characters with a letter among them, so that a name is
    /// never a number.
    static func portName(_ text: String) -> Flaw? {
        let isName =
            (1...15).contains(text.utf8.count) && text.allSatisfy { (lower + digits + "-").contains($0) }
            && text.contains { lower.contains($0) } && !text.hasPrefix("-") && !text.hasSuffix("-")
            && !text.contains("--")
        return isName
            ? nil
            : Flaw(
                message: "\"\(text.excerpt)\" is no name of a port",
                hint: "Use at most 15 lower-case letters, digits and single dashes, at least one of them a letter")
    }

    /// Keys of labels: an optional DNS prefix and `/`, then a name.
    static func labelKey(_ text: String) -> Flaw? {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        let isKey =
            (parts.count == 1 || (serviceAccount(String(parts[0])) == nil))
            && !(parts.last?.isEmpty ?? true) && isLabelName(String(parts.last ?? ""))
        return isKey
            ? nil
            : Flaw(
                message: "\"\(text.excerpt)\" is no key of a label",
                hint: "Use at most 63 letters, digits, dashes, dots and underscores, with a letter or digit at both "
                    + "ends, and before them at most a DNS name and a slash")
    }

    /// Values of labels; may be empty.
    static func labelValue(_ text: String) -> Flaw? {
        isLabelName(text)
            ? nil
            : Flaw(
                message: "\"\(text.excerpt)\" is no value of a label",
                hint:
                    "Use at most 63 letters, digits, dashes, dots and underscores, with a letter or digit at both ends")
    }

    /// Trust domains, as the SPIFFE ID standard has them.
    static func trustDomain(_ text: String) -> Flaw? {
        let isDomain =
            (1...255).contains(text.utf8.count) && text.allSatisfy { (lower + digits + ".-_").contains($0) }
        return isDomain
            ? nil
            : Flaw(
                message: "\"\(text.excerpt)\" is no trust domain",
                hint: "Use at most 255 lower-case letters, digits, dots, dashes and underscores, without spiffe://")
    }

    /// `appProtocol`: a name such as `http` or `kubernetes.io/h2c`.
    static func appProtocol(_ text: String) -> Flaw? {
        labelKey(text) == nil
            ? nil
            : Flaw(message: "\"\(text.excerpt)\" is no protocol's name", hint: "Write for example http, grpc or tcp")
    }

    private static func isLabelName(_ text: String) -> Bool {
        guard let first = text.first, let last = text.last else { return true }
        let ends = lower + upper + digits
        return text.utf8.count <= 63 && ends.contains(first) && ends.contains(last)
            && text.allSatisfy { (ends + "-._").contains($0) }
    }
}
