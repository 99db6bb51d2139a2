// SPDX-License-Identifier: Apache-2.0
import Glibc

/// The C library's words for an `errno`.
enum SystemError {
    /// For example `Permission denied`. Safe to call from any thread.
    static func text(_ code: Int32) -> String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 128) { buffer in
            guard let start = buffer.baseAddress, strerror_r(code, start, buffer.count) == 0 else {
                return "error \(code)"
            }
            return String(cString: start)
        }
    }
}
