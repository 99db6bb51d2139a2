// SPDX-License-Identifier: Apache-2.0
import Glibc
public import MallaModel
import Synchronization

/// The resolvers that the system uses, read again whenever the file that lists them changes.
public final class SystemResolvers: Sendable {
    private struct State {
        var stamp = ""
        var looked: ContinuousClock.Instant?
        var servers: [SocketAddress] = []
    }

    private let path: String
    private let port: UInt16
    private let fixed: [SocketAddress]?
    private let state = Mutex(State())

    /// The resolvers in the file at `path`, all at `port`.
    public init(path: String = "/etc/resolv.conf", port: UInt16 = 53) {
        self.path = path
        self.port = port
        fixed = nil
    }

    /// These resolvers and no file.
    public init(fixed servers: [SocketAddress]) {
        path = ""
        port = 0
        fixed = servers
    }

    /// At most three, as the C library takes them. Looks at the file at most once a second.
    public var servers: [SocketAddress] {
        if let fixed { return fixed }
        return state.withLock { state in
            let now = ContinuousClock.now
            if let looked = state.looked, now - looked < .seconds(1) { return state.servers }
            state.looked = now
            var status = stat()
            guard stat(path, &status) == 0 else {
                state.stamp = ""
                state.servers = []
                return []
            }
            let time = status.st_mtim
            let stamp = "\(status.st_ino) \(status.st_size) \(time.tv_sec).\(time.tv_nsec)"
            if stamp != state.stamp {
                state.stamp = stamp
                state.servers = Self.parse(Self.text(path)).map { SocketAddress($0, port) }
            }
            return state.servers
        }
    }

    /// The `nameserver` lines of a file in the form of resolv.conf(5). A link-local address's zone cannot be used here
    /// and such a line is skipped.
    static func parse(_ text: String) -> [Address] {
        let servers = text.split(whereSeparator: \.isNewline).compactMap { line -> Address? in
            let words = line.split { $0 == " " || $0 == "\t" }
            guard words.count >= 2, words[0] == "nameserver" else { return nil }
            return Address(String(words[1]))
        }
        return Array(servers.prefix(3))
    }

    private static func text(_ path: String) -> String {
        guard let file = fopen(path, "re") else { return "" }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 65536)
        let count = fread(&bytes, 1, bytes.count, file)
        return String(decoding: bytes[..<count], as: UTF8.self)
    }
}
