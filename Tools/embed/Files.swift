// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Says what is wrong and ends this process with code 1, which fails the build.
func complain(_ message: String) -> Never {
    let line = "embed: \(message)\n"
    _ = write(STDERR_FILENO, line, line.utf8.count)
    exit(1)
}

/// The folder part of a path; "." when it has none.
func folder(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return String(path[..<slash])
}

/// The whole file; ends this process when it cannot be read.
func readFile(_ path: String) -> [UInt8] {
    guard let file = fopen(path, "r") else { complain("\(path): \(String(cString: strerror(errno)))") }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65536)
    while true {
        let count = fread(&chunk, 1, chunk.count, file)
        guard count > 0 else { break }
        bytes += chunk[..<count]
    }
    guard ferror(file) == 0 else { complain("\(path): cannot be read") }
    return bytes
}

/// Replaces the file; ends this process when it cannot be written.
func writeFile(_ path: String, _ text: String) {
    guard let file = fopen(path, "w") else { complain("\(path): \(String(cString: strerror(errno)))") }
    guard fputs(text, file) >= 0, fclose(file) == 0 else { complain("\(path): cannot be written") }
}
