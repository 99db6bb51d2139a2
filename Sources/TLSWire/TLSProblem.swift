// SPDX-License-Identifier: Apache-2.0

import COpenSSL

/// What is wrong with keys, certificates or roots of this side's own.
public struct TLSProblem: Error, Sendable, CustomStringConvertible {
    /// What could not be used, and what to look at.
    public let description: String

    /// What could not be used, and what to look at.
    public init(description: String) { self.description = description }

    /// Takes the text of what OpenSSL said last on this thread.
    static func of(_ subject: String, remedy: String) -> TLSProblem {
        var text = [CChar](repeating: 0, count: 256)
        openssl_take_text(&text, UInt(text.count))
        let end = text.firstIndex(of: 0) ?? text.count
        let said = String(decoding: text[..<end].map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return TLSProblem(description: "\(subject) cannot be used\(said.isEmpty ? "" : " (\(said))"). \(remedy)")
    }
}
