// SPDX-License-Identifier: Apache-2.0
import Glibc

extension Descriptor {
    /// Reads until the end of the file.
    ///
    /// - Throws: ``BPFError`` when a read fails; reads that a signal or the kernel's EAGAIN interrupted are repeated.
    func readToEnd(_ object: @autoclosure () -> String) throws -> [UInt8] {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = read(raw, &chunk, chunk.count)
            if count > 0 {
                bytes += chunk[..<count]
            } else if count == 0 {
                return bytes
            } else if Glibc.errno != EINTR, Glibc.errno != EAGAIN {
                throw BPFError(operation: "read", object: object(), errno: Glibc.errno)
            }
        }
    }
}
