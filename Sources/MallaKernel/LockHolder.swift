// SPDX-License-Identifier: Apache-2.0
public import Glibc

/// The process that holds a lock which this one did not get, and whether it can be expected to let go.
///
/// A holder that was stopped by a signal keeps its lock: two daemons that write to one kernel side would be worse than
/// one that writes nothing. What to do is the administrator's decision, so the refusal names process and remedy.
public struct LockHolder: Sendable, Equatable, CustomStringConvertible {
    /// Its number.
    public let pid: pid_t
    /// Whether a signal has stopped it.
    public let isStopped: Bool

    /// The holder of the `flock` on an open file, as `/proc/locks` knows it; nil when it does not tell, as for holders
    /// in another process namespace.
    public init?(of descriptor: CInt) {
        var status = stat()
        guard fstat(descriptor, &status) == 0, let locks = Self.text(of: "/proc/locks") else { return nil }
        // `3: FLOCK  ADVISORY  WRITE 4711 00:1f:3215 0 EOF`; waiters stand after an arrow.
        let holder = locks.split(separator: "\n").lazy
            .map { $0.split(separator: " ") }
            .first {
                $0.count > 5 && $0[1] == "FLOCK" && Self.inode($0[5]) == status.st_ino
                    && Self.isDevice($0[5], status.st_dev)
            }
        guard let holder, let pid = pid_t(holder[4]), pid > 0 else { return nil }
        self.pid = pid
        // `4711 (name) T …`; a name may have blanks and brackets.
        let process = Self.text(of: "/proc/\(pid)/stat") ?? ""
        let state = process.lastIndex(of: ")").map { process[$0...].dropFirst(2).first }
        isStopped = state == "T" || state == "t"
    }

    /// `, process 4711, stopped by a signal,`: to be put after a noun.
    public var description: String { ", process \(pid)\(isStopped ? ", stopped by a signal," : ",")" }

    /// What ends the conflict.
    public var remedy: String {
        isStopped
            ? "let it go on: kill -CONT \(pid); or end it, which harms no connection: kill -KILL \(pid)"
            : "stop it first: kill \(pid); or give this node directories of its own with --pins, --state and --cgroup"
    }

    private static func inode(_ place: Substring) -> ino_t? {
        place.lastIndex(of: ":").flatMap { ino_t(place[place.index(after: $0)...]) }
    }

    private static func isDevice(_ place: Substring, _ device: dev_t) -> Bool {
        let parts = place.split(separator: ":")
        guard parts.count == 3, let major = UInt32(parts[0], radix: 16), let minor = UInt32(parts[1], radix: 16) else {
            return false
        }
        // The C library's packing of both numbers into one.
        return UInt32(truncatingIfNeeded: device >> 8 & 0xfff | device >> 32 & 0xffff_f000) == major
            && UInt32(truncatingIfNeeded: device & 0xff | device >> 12 & 0xffff_ff00) == minor
    }

    private static func text(of path: String) -> String? {
        guard let file = fopen(path, "re") else { return nil }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 65536)
        while case let count = fread(&block, 1, block.count, file), count > 0 { bytes += block[..<count] }
        return String(decoding: bytes, as: UTF8.self)
    }
}
