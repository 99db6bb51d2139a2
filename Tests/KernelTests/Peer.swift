// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import Testing

/// A `kernel-peer` at work. It ends when its input ends, at the latest with this value.
final class Peer {
    private let process = Process()
    private let input: Ends
    private let output: Ends

    /// Starts `kernel-peer ARGUMENTS…`.
    init(_ arguments: [String]) throws {
        process.executableURL = try Self.program()
        process.arguments = arguments
        (input, output) = (try Ends(), try Ends())
        process.standardInput = input.reading
        process.standardOutput = output.writing
        try process.run()
        // Ours of the ends that the child has, so that its end is seen.
        try output.writing.close()
        try input.reading.close()
    }

    deinit { end() }

    /// Gives it a line of input.
    func say(_ line: String) throws {
        // A peer that has ended is an error of the write.
        signal(SIGPIPE, SIG_IGN)
        try input.writing.write(contentsOf: Array("\(line)\n".utf8))
    }

    /// The words of the next line that it prints. Waits for it: every wait of the peer itself is bounded.
    func line() throws -> [String] {
        var bytes: [UInt8] = []
        while let byte = try output.reading.read(upToCount: 1)?.first, byte != UInt8(ascii: "\n") {
            bytes.append(byte)
        }
        return String(decoding: bytes, as: UTF8.self).split(separator: " ").map(String.init)
    }

    /// The port that a server announces.
    func port() throws -> UInt16 {
        let words = try line()
        return try #require(words.first.flatMap { UInt16($0) }, "the server said \(words) instead of its port")
    }

    /// Ends its input and waits for its end; its exit status.
    @discardableResult
    func end() -> Int32 {
        try? input.writing.close()
        process.waitUntilExit()
        return process.terminationStatus
    }

    /// Ends it where it stands, as when it waits in a system call.
    func kill() {
        process.terminate()
        end()
    }

    /// Runs a peer to its end; the words of its line.
    static func ask(_ arguments: [String]) throws -> [String] {
        let peer = try Peer(arguments)
        let words = try peer.line()
        let status = peer.end()
        try #require(status == 0, "kernel-peer \(arguments.joined(separator: " ")) ended with \(status) after \(words)")
        return words
    }

    /// Beside the test's own executable, or in `MALLA_BIN`.
    private static func program() throws -> URL {
        let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let folder =
            ProcessInfo.processInfo.environment["MALLA_BIN"].map { URL(fileURLWithPath: $0) }
            ?? URL(fileURLWithPath: own).deletingLastPathComponent()
        let program = folder.appendingPathComponent("kernel-peer")
        guard FileManager.default.isExecutableFile(atPath: program.path) else {
            throw PeerMissing(description: "\(program.path) is missing: build the tests first")
        }
        return program
    }
}

/// A pipe whose ends no other child gets: it would keep the pipe open.
private struct Ends {
    let reading: FileHandle
    let writing: FileHandle

    init() throws {
        var ends: [CInt] = [0, 0]
        try #require(pipe(&ends) == 0, "\(String(cString: strerror(errno)))")
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        reading = FileHandle(fileDescriptor: ends[0], closeOnDealloc: true)
        writing = FileHandle(fileDescriptor: ends[1], closeOnDealloc: true)
    }
}

/// The program that the tests need is not there.
struct PeerMissing: Error, CustomStringConvertible {
    var description: String
}
