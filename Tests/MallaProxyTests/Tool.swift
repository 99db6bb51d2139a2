// SPDX-License-Identifier: Apache-2.0

import Glibc
import Testing

/// Programs that speak HTTP, as their users run them.
enum Tool {
    /// Runs a shell command for at most 60 s; what it wrote to standard output and error.
    static func run(_ command: String) throws -> String {
        let stream = popen("timeout 60 sh -c '\(command)' 2>&1", "r")
        let open = try #require(stream)
        var bytes: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = fread(&part, 1, part.count, open)
            if count == 0 { break }
            bytes += part[..<count]
        }
        pclose(open)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// A directory that is gone with the value.
    final class Folder {
        let path: String

        init() throws {
            var name = Array("/tmp/malla-test-http-XXXXXX".utf8CString)
            let made = mkdtemp(&name)
            path = String(cString: try #require(made))
        }

        deinit { _ = try? Tool.run("rm -rf \(path)") }

        /// Writes a file.
        func write(_ name: String, _ bytes: [UInt8]) throws {
            let file = fopen("\(path)/\(name)", "w")
            let open = try #require(file)
            try #require(fwrite(bytes, 1, bytes.count, open) == bytes.count)
            fclose(open)
        }
    }

    /// A program that listens on a port of loopback; killed with the value.
    final class Server {
        let port: UInt16
        private let pid: Int32

        /// Starts what `command` makes of a free port, and waits until it listens.
        init(_ command: (UInt16) -> [String]) throws {
            // Free a moment ago; should somebody else take it first, the server ends and the test says so.
            port = try TCP.reserve().port
            let arguments = command(port)
            var argv: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
            defer { argv.forEach { free($0) } }
            var child: pid_t = 0
            let result = posix_spawnp(&child, arguments[0], nil, nil, &argv, environ)
            try #require(result == 0, "\(arguments[0]) is missing: run scripts/install-packages test")
            pid = child
            for _ in 0..<1500 {
                if (try? TCP.connect(port: port)) != nil { return }
                usleep(10_000)
            }
            Issue.record("\(arguments[0]) does not listen")
        }

        deinit {
            kill(pid, SIGKILL)
            var status: Int32 = 0
            waitpid(pid, &status, 0)
        }

        /// nghttpd, an HTTP/2 origin without TLS that serves a folder.
        static func http2(_ folder: Folder, _ options: [String] = []) throws -> Server {
            try Server { ["nghttpd", "--no-tls", "-a", "127.0.0.1", "-d", folder.path] + options + ["\($0)"] }
        }
    }

    /// The interpreter of `scripts/install-python`, and a script of `Tests/Interop`.
    static func python(_ script: String) throws -> [String] {
        let home = getenv("MALLA_TEST_PYTHON").map { String(cString: $0) }
        let environment = home ?? (getenv("HOME").map { String(cString: $0) } ?? "/root") + "/.cache/malla-test"
        try #require(
            access("\(environment)/bin/python", X_OK) == 0, "\(environment) is missing: run scripts/install-python")
        let tests = "\(#filePath)".split(separator: "/", omittingEmptySubsequences: false).dropLast(2)
        return ["\(environment)/bin/python", tests.joined(separator: "/") + "/Interop/\(script)"]
    }
}
