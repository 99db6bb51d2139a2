// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import Glibc

/// Standard input and output, whole.
enum StandardStreams {
    /// Writes all of the text; what cannot be written ends the program.
    static func write(_ text: String, to descriptor: Int32) {
        let bytes = [UInt8](text.utf8)
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 else { exit(1) }
            sent += count
        }
    }

    /// Everything up to the end of the file.
    static func readAll(_ descriptor: Int32) -> Data {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = read(descriptor, &buffer, buffer.count)
            guard count > 0 else { return Data(bytes) }
            bytes += buffer[..<count]
        }
    }
}
