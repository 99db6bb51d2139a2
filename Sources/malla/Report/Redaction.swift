// SPDX-License-Identifier: Apache-2.0

/// Takes secrets out of text that goes into a report: what a key's name gives away, keys in PEM, credentials in
/// addresses. It errs on the side of taking out too much.
struct Redaction {
    /// What stands instead of a secret.
    static let mark = "(removed)"

    /// Names, or parts of names, of fields whose values are not for others.
    private static let names = [
        "password", "passwd", "passphrase", "secret", "token", "credential", "privatekey", "apikey", "accesskey",
        "jwks", "signingkey", "clientkey", "sessionkey",
    ]

    /// How many secrets were taken out.
    private(set) var count = 0

    /// The text without secrets, line by line. The form of YAML and JSON stays.
    mutating func cleaned(_ text: String) -> String {
        var lines: [String] = []
        var insidePEM = false
        /// Of a field whose secret value goes on in deeper lines.
        var secretIndent: Int?
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            if insidePEM {
                if line.contains("-----END") { insidePEM = false }
                continue
            }
            let indent = line.prefix { $0 == " " }.count
            if let start = secretIndent {
                if indent > start || line.allSatisfy({ $0 == " " }) { continue }
                secretIndent = nil
            }
            if line.contains("-----BEGIN"), !line.contains("CERTIFICATE") {
                lines.append(String(repeating: " ", count: indent) + Self.mark)
                count += 1
                insidePEM = !line.contains("-----END")
            } else if let colon = Self.secretField(line) {
                let value = line[line.index(after: colon)...]
                let comma = value.last == "," ? "," : ""
                lines.append("\(line[...colon]) \"\(Self.mark)\"\(comma)")
                count += 1
                secretIndent = indent
            } else {
                lines.append(withoutCredentials(String(line)))
            }
        }
        return lines.joined(separator: "\n")
    }

    /// The colon after a field's name that tells of a secret; nil: there is none. A colon without a value may have it in
    /// the lines below.
    private static func secretField(_ line: Substring) -> Substring.Index? {
        guard let colon = line.firstIndex(of: ":") else { return nil }
        let name = line[..<colon].lowercased().filter { $0.isLetter || $0.isNumber }
        return names.contains { name.contains($0) } ? colon : nil
    }

    /// `https://user:password@host` without the first part.
    private mutating func withoutCredentials(_ line: String) -> String {
        guard let scheme = line.range(of: "://") else { return line }
        let rest = line[scheme.upperBound...]
        let authority = rest.prefix { !"/ \"'?#".contains($0) }
        guard let at = authority.lastIndex(of: "@") else { return line }
        count += 1
        return String(line[..<scheme.upperBound]) + Self.mark + String(rest[at...])
    }
}

extension String {
    /// Where `part` stands first.
    fileprivate func range(of part: String) -> Range<Index>? {
        var start = startIndex
        while start < endIndex {
            if self[start...].hasPrefix(part) { return start..<index(start, offsetBy: part.count) }
            start = index(after: start)
        }
        return nil
    }
}
