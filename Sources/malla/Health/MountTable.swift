// SPDX-License-Identifier: Apache-2.0

/// Where file systems are mounted, as this process sees it.
struct MountTable {
    private let mounts: [(type: String, place: String)]

    /// Reads `/proc/self/mounts`.
    init() {
        let text = TextFile.read("/proc/self/mounts") ?? ""
        mounts = text.split(separator: "\n").compactMap { line in
            let fields = line.split(separator: " ")
            guard fields.count > 2 else { return nil }
            return (type: String(fields[2]), place: Self.unescaped(fields[1]))
        }
    }

    /// The mount point of the cgroup v2 hierarchy.
    var cgroup2: String? { mounts.first { $0.type == "cgroup2" }?.place }

    /// Whether `path` is or would be in a BPF file system.
    func isInBPFFileSystem(_ path: String) -> Bool {
        let covering = mounts.filter { path == $0.place || path.hasPrefix($0.place == "/" ? "/" : $0.place + "/") }
        return covering.max { $0.place.utf8.count < $1.place.utf8.count }?.type == "bpf"
    }

    /// The mount points of BPF file systems, each once: one may be mounted over another.
    var bpf: [String] { Set(mounts.filter { $0.type == "bpf" }.map(\.place)).sorted() }

    /// Blanks and backslashes of paths stand as `\040` and so on.
    private static func unescaped(_ field: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = field.utf8[...]
        while let byte = rest.popFirst() {
            let digits = rest.prefix(3)
            if byte == UInt8(ascii: "\\"), digits.count == 3,
                let code = UInt8(String(decoding: digits, as: UTF8.self), radix: 8)
            {
                bytes.append(code)
                rest = rest.dropFirst(3)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
