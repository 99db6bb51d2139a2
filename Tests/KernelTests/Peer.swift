// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// A `kernel-peer` at work. It ends when its input ends, at the latest with this value.
final class Peer {
    private let process = Process()
    private let input = Pipe()
    private let output = Pipe()

    /// Starts `kernel-peer ARGUMENTS…`.
    init(_ arguments: [String]) throws {
        process.executableURL = try Self.program()
        process.arguments = arguments
        process.standardInput = input
        process.standardOutput = output
        try process.run()
        // Ours of the ends that the child has, so that its end is seen.
        try output.fileHandleForWriting.close()
        try input.fileHandleForReading.close()
    }

    deinit { end() }

    /// The words of the next line that it prints. Waits for it: every wait of the peer itself is bounded.
    func line() throws -> [String] {
        var bytes: [UInt8] = []
        while let byte = try output.fileHandleForReading.read(upToCount: 1)?.first, byte != UInt8(ascii: "\n") {
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
        try? input.fileHandleForWriting.close()
        process.waitUntilExit()
        return process.terminationStatus
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

/// The program that the tests need is not there.
struct PeerMissing: Error, CustomStringConvertible {
    var description: String
}
