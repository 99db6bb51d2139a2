// SPDX-License-Identifier: Apache-2.0
import Glibc

/// A call to the system that failed: what was to be done, on what, and why it was not.
public struct SourceError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What failed and on what.
    public var what: String
    /// The errno.
    public var code: Int32

    /// A failure with this errno.
    public init(_ what: String, code: Int32) {
        self.what = what
        self.code = code
    }

    /// A failure with the errno of the call just made.
    static func last(_ what: String) -> SourceError { SourceError(what, code: errno) }

    /// `write /var/lib/malla/numbers.json: No space left on device`.
    public var description: String { "\(what): \(String(cString: strerror(code)))" }
}
