// SPDX-License-Identifier: Apache-2.0

import Glibc

/// A system call that failed: what was being done, and the errno.
public struct SystemError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What was being done, as a phrase after "cannot": `listen on 127.0.0.1:15001`.
    public let action: String
    /// The positive errno.
    public let code: Int32

    /// The failure of `action` with `code`, a positive errno.
    public init(_ action: String, code: Int32) {
        self.action = action
        self.code = code
    }

    /// `cannot listen on 127.0.0.1:15001: Address already in use (errno 98)`.
    public var description: String {
        let text = strerror(code).map { String(cString: $0) } ?? "unknown"
        return "cannot \(action): \(text) (errno \(code))"
    }

    /// The result of a CLinux call, or its failure: such calls answer the negative errno.
    static func check(_ result: Int32, _ action: @autoclosure () -> String) throws(SystemError) -> Int32 {
        guard result >= 0 else { throw SystemError(action(), code: 0 &- result) }
        return result
    }
}
