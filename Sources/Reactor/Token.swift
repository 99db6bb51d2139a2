// SPDX-License-Identifier: Apache-2.0

/// What an event or a timer is for: a slot of a slab with the slot's generation, and which of the things there.
///
/// Fits in the 64 bits that epoll carries. The generation makes events of a closed socket harmless: they may still
/// stand in the batch that was being handled when it was closed, and its slot may already have a new tenant.
public struct Token: Sendable, Hashable, BitwiseCopyable {
    /// The 64 bits: index (32), generation (24), kind (8).
    public let bits: UInt64

    /// The bits that epoll gave back.
    @inlinable public init(bits: UInt64) { self.bits = bits }

    /// The thing `kind` of slot `index` in its `generation`, of which 24 bits are kept.
    @inlinable public init(kind: UInt8, index: UInt32, generation: UInt32) {
        bits = UInt64(index) | UInt64(generation & 0xff_ffff) << 32 | UInt64(kind) << 56
    }

    /// Which thing of the slot; the owner of the loop says what its kinds are.
    @inlinable public var kind: UInt8 { UInt8(truncatingIfNeeded: bits >> 56) }
    /// The slot.
    @inlinable public var index: UInt32 { UInt32(truncatingIfNeeded: bits) }
    /// The generation of the slot.
    @inlinable public var generation: UInt32 { UInt32(truncatingIfNeeded: bits >> 32) & 0xff_ffff }

    /// The same slot, another thing.
    @inlinable public func with(kind: UInt8) -> Token { Token(bits: bits & 0xff_ffff_ffff_ffff | UInt64(kind) << 56) }
}
