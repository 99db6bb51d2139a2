// SPDX-License-Identifier: Apache-2.0

import Glibc
import Testing

/// A program that speaks TLS, as its users run it; ended with the value.
final class Peer {
    private let pid: pid_t
    /// This end of its standard input, output and error.
    private let end: Int32

    /// Starts a program found on the path. It is killed with this process.
    init(_ arguments: [String]) throws {
        var ends: [Int32] = [0, 0]
        try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends) == 0)
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        for number in 0...2 { posix_spawn_file_actions_adddup2(&actions, ends[1], Int32(number)) }
        // Dies with the tests, however they end.
        let words = ["setpriv", "--pdeathsig", "KILL"] + arguments
        var argv: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
        defer { argv.forEach { Glibc.free($0) } }
        var child: pid_t = 0
        let result = posix_spawnp(&child, words[0], &actions, nil, &argv, environ)
        close(ends[1])
        pid = child
        end = ends[0]
        try #require(result == 0, "\(arguments[0]) cannot be run: scripts/install-packages test")
    }

    deinit {
        // Killed before its input ends, so that it has no time to say goodbye.
        if pid > 0 { kill(pid, SIGKILL) }
        close(end)
        guard pid > 0 else { return }
        var status: Int32 = 0
        waitpid(pid, &status, 0)
    }

    /// Writes to its standard input.
    func write(_ text: String) throws {
        let bytes = Array(text.utf8)
        try #require(send(end, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count)
    }

    /// Ends its standard input.
    func endInput() { shutdown(end, Int32(SHUT_WR)) }

    /// What it has written, once there is something; for at most 20 s. Empty: it has ended.
    func read() -> String {
        var ready = pollfd(fd: end, events: Int16(POLLIN), revents: 0)
        guard poll(&ready, 1, 20_000) > 0 else { return "" }
        let bytes = [UInt8](unsafeUninitializedCapacity: 65536) { buffer, filled in
            filled = max(0, Glibc.read(end, buffer.baseAddress, buffer.count))
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// What it writes until `text` stands there, or until it ends.
    func read(until text: String) -> String {
        var seen = ""
        while !seen.contains(text) {
            let more = read()
            if more.isEmpty { break }
            seen += more
        }
        return seen
    }

    /// Runs a program to its end; all that it wrote.
    static func run(_ arguments: [String]) throws -> String {
        let peer = try Peer(["timeout", "60"] + arguments)
        peer.endInput()
        var all = ""
        while true {
            let more = peer.read()
            if more.isEmpty { return all }
            all += more
        }
    }

    /// `openssl s_client`, patient about the server's certificate and with no floor to its own strength.
    static func client(port: UInt16, _ certificate: String? = nil, _ options: [String] = []) throws -> Peer {
        var arguments = ["openssl", "s_client", "-connect", "127.0.0.1:\(port)"]
        if let certificate {
            let file = try Certificates.all().file(certificate)
            arguments += ["-cert", "\(file).pem", "-cert_chain", "\(file).pem", "-key", "\(file).key"]
        }
        return try Peer(arguments + ["-cipher", "DEFAULT@SECLEVEL=0"] + options)
    }
}
