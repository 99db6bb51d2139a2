// SPDX-License-Identifier: Apache-2.0

/// One compiled BPF object, embedded in this binary: an ELF file for the BPF machine with its BTF.
///
/// The build plugin `CompileBPF` generates ``all`` from `bpf/*.bpf.c`.
public struct ObjectCode: Sendable {
    /// The source's path below `bpf/`, without `.bpf.c`: `connect`.
    public let name: String
    private let base64: StaticString

    /// An object that the build plugin embedded.
    ///
    /// - Parameters:
    ///   - name: the source's path without `.bpf.c`.
    ///   - base64: RFC 4648 with padding, no line breaks.
    public init(name: String, base64: StaticString) {
        self.name = name
        self.base64 = base64
    }

    /// The ELF file, decoded anew on each call.
    ///
    /// Empty when the embedded text is not base64, which only a broken build makes; the loader refuses an empty object.
    public var bytes: [UInt8] {
        base64.withUTF8Buffer { Base64.decode($0) ?? [] }
    }

    /// The object of that name among ``all``, or nil.
    public static func named(_ name: String) -> ObjectCode? {
        all.first { $0.name == name }
    }
}
