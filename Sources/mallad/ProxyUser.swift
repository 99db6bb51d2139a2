// SPDX-License-Identifier: Apache-2.0
import Glibc
import MallaSources

/// Which user the proxy becomes.
struct ProxyUser: Sendable, Equatable {
    var uid: uid_t
    var gid: gid_t

    /// Where this process may change users and other users may run the program: the user `malla-proxy` where there is
    /// one, else nobody. Otherwise the daemon's own: without capabilities that is still less than the daemon.
    static func choose(for program: String) -> ProxyUser {
        let own = ProxyUser(uid: geteuid(), gid: getegid())
        guard own.uid == 0, mayChangeUsers(), othersMayReach(program) else { return own }
        if let entry = getpwnam("malla-proxy") {
            return ProxyUser(uid: entry.pointee.pw_uid, gid: entry.pointee.pw_gid)
        }
        return ProxyUser(uid: 65534, gid: 65534)
    }

    /// CAP_CHOWN, CAP_SETGID and CAP_SETUID among the effective capabilities.
    private static func mayChangeUsers() -> Bool {
        let bytes = (try? StateFile.read("/proc/self/status")) ?? []
        let needed: UInt64 = 1 << 0 | 1 << 6 | 1 << 7
        for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") where line.hasPrefix("CapEff:") {
            let digits = line.dropFirst("CapEff:".count).drop { $0.isWhitespace }
            return UInt64(digits, radix: 16).map { $0 & needed == needed } ?? false
        }
        return false
    }

    /// Whether every directory above the program, and the program, can be entered and run by anybody.
    private static func othersMayReach(_ program: String) -> Bool {
        guard let resolved = realpath(program, nil) else { return false }
        defer { free(resolved) }
        var path = ""
        for part in String(cString: resolved).split(separator: "/") {
            path += "/\(part)"
            var status = stat()
            guard stat(path, &status) == 0, status.st_mode & S_IXOTH != 0 else { return false }
        }
        return true
    }
}
