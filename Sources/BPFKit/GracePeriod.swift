// SPDX-License-Identifier: Apache-2.0
import CLibBPF

/// Waits until every program that was running has ended, so that what it may have looked up can be deleted.
///
/// The kernel makes one promise of this kind: when a map inside a map is replaced, the call returns only after all
/// programs that could have seen the old one are through (RCU; sleepable programs excepted). `membarrier` would be
/// shorter to write, but it returns at once where only one CPU is on and fails where `nohz_full` is in use.
public struct GracePeriod: ~Copyable, Sendable {
    private let outer: Descriptor
    private let inner: Descriptor

    /// Makes the two tiny maps that it takes. Kernel 4.12.
    ///
    /// - Throws: ``BPFError``: EPERM without CAP_BPF.
    public init() throws {
        let inner = Descriptor(
            owning: try checked(
                clibbpf_map_create(BPF_MAP_TYPE_ARRAY.rawValue, "grace_inner", 4, 4, 1, 0, 0), "create",
                "map grace_inner"))
        let outer = Descriptor(
            owning: try checked(
                clibbpf_map_create(BPF_MAP_TYPE_ARRAY_OF_MAPS.rawValue, "grace_outer", 4, 4, 1, 0, inner.raw), "create",
                "map grace_outer"))
        self.inner = inner
        self.outer = outer
    }

    /// Returns when every program that was running at the call has ended: after some milliseconds.
    public func wait() throws {
        var key: UInt32 = 0
        var map = inner.raw
        try checked(bpf_map_update_elem(outer.raw, &key, &map, 0), "wait for", "running programs")
    }
}
