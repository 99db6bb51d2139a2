// SPDX-License-Identifier: Apache-2.0
import Glibc

/// A file descriptor that one owner has and that is closed with it.
public struct Descriptor: ~Copyable, Sendable {
    /// The number, valid as long as this value lives. Whoever stores it must keep this value alive.
    public let raw: CInt

    /// Takes over an open descriptor.
    public init(owning raw: CInt) {
        self.raw = raw
    }

    deinit {
        close(raw)
    }

    /// A second descriptor for the same object, close-on-exec.
    ///
    /// - Throws: ``BPFError`` when the process has no descriptor left.
    public func duplicate() throws -> Descriptor {
        try Self.duplicate(raw)
    }

    /// A descriptor of this process for what somebody else's descriptor names, close-on-exec.
    ///
    /// - Throws: ``BPFError`` when `raw` is not open or the process has no descriptor left.
    public static func duplicate(_ raw: CInt) throws -> Descriptor {
        let copy = fcntl(raw, F_DUPFD_CLOEXEC, 3)
        guard copy >= 0 else { throw BPFError(operation: "duplicate", object: "descriptor \(raw)", errno: Glibc.errno) }
        return Descriptor(owning: copy)
    }

    /// Gives the number away: the caller closes it.
    public consuming func release() -> CInt {
        let raw = raw
        discard self
        return raw
    }

    /// The numbers in `/proc/self/fdinfo` of this descriptor, by name: `memlock`, `map_id`.
    func procNumbers() -> [Substring: UInt64] {
        guard let file = fopen("/proc/self/fdinfo/\(raw)", "re") else { return [:] }
        defer { fclose(file) }
        var text = [UInt8](repeating: 0, count: 4096)
        let count = fread(&text, 1, text.count, file)
        var numbers: [Substring: UInt64] = [:]
        for line in String(decoding: text[..<count], as: UTF8.self).split(separator: "\n") {
            let fields = line.split(separator: ":", maxSplits: 1)
            guard fields.count == 2 else { continue }
            numbers[fields[0]] = UInt64(fields[1].drop { $0 == "\t" || $0 == " " })
        }
        return numbers
    }
}
