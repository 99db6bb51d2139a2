// SPDX-License-Identifier: Apache-2.0

import CLinux

/// Fixed places for values that come and go, without an allocation for each.
///
/// The places lie in one stretch of zero-filled address space: memory is used only as far as places have been used
/// at the same time, and a value's address never changes. Each place counts its tenants, so that a ``Token`` of a
/// former tenant finds nothing.
///
/// Used by one thread. Pointers given out are valid until the value is removed.
public struct Slab<Element: BitwiseCopyable>: ~Copyable {
    @usableFromInline struct Slot: BitwiseCopyable {
        /// Odd: occupied.
        @usableFromInline var generation: UInt32
        /// Index + 1 of the next free slot; 0: none.
        @usableFromInline var nextFree: UInt32
        @usableFromInline var element: Element
    }

    @usableFromInline let slots: UnsafeMutablePointer<Slot>
    /// How many values there is room for.
    public let capacity: Int
    /// How many values there are.
    @inlinable public var count: Int { occupants }
    @usableFromInline var occupants = 0
    /// Slots below this index have been used before.
    @usableFromInline var used: UInt32 = 0
    @usableFromInline var firstFree: UInt32 = 0

    /// A slab with room for `capacity` values.
    public init(capacity: Int) throws(SystemError) {
        let (size, overflow) = max(1, capacity).multipliedReportingOverflow(by: MemoryLayout<Slot>.stride)
        guard !overflow, capacity < Int(UInt32.max) - 1, let memory = linux_map_zeros(size) else {
            throw SystemError("reserve address space for \(capacity) connections", code: 12)
        }
        slots = memory.bindMemory(to: Slot.self, capacity: capacity)
        self.capacity = capacity
    }

    deinit { linux_unmap(slots, max(1, capacity) * MemoryLayout<Slot>.stride) }

    /// Puts a value into a free place.
    /// - Returns: its token with kind 0, or `nil` when the slab is full.
    @inlinable public mutating func insert(_ element: Element) -> Token? {
        let index: UInt32
        if firstFree != 0 {
            index = firstFree - 1
            firstFree = slots[Int(index)].nextFree
        } else {
            guard Int(used) < capacity else { return nil }
            index = used
            used += 1
        }
        let slot = slots + Int(index)
        slot.pointee.generation &+= 1
        slot.pointee.element = element
        occupants += 1
        return Token(kind: 0, index: index, generation: slot.pointee.generation)
    }

    /// The value of a token; `nil` when it is gone.
    @inlinable public func find(_ token: Token) -> UnsafeMutablePointer<Element>? {
        guard token.index < used else { return nil }
        let slot = slots + Int(token.index)
        guard slot.pointee.generation & 1 == 1, slot.pointee.generation & 0xff_ffff == token.generation else {
            return nil
        }
        return Self.element(slot)
    }

    /// The value in place `index` and its token, for going over all of them; `nil` when the place is free.
    @inlinable public func occupant(_ index: Int) -> (token: Token, element: UnsafeMutablePointer<Element>)? {
        guard index >= 0, index < Int(used), slots[index].generation & 1 == 1 else { return nil }
        let token = Token(kind: 0, index: UInt32(index), generation: slots[index].generation)
        return (token, Self.element(slots + index))
    }

    /// All places that may be occupied.
    @inlinable public var places: Range<Int> { 0..<Int(used) }

    /// Frees the place of a token. Nothing happens when it is gone already.
    @inlinable public mutating func remove(_ token: Token) {
        guard find(token) != nil else { return }
        let slot = slots + Int(token.index)
        slot.pointee.generation &+= 1
        slot.pointee.nextFree = firstFree
        firstFree = token.index + 1
        occupants -= 1
    }

    @inlinable static func element(_ slot: UnsafeMutablePointer<Slot>) -> UnsafeMutablePointer<Element> {
        let offset = MemoryLayout<Slot>.offset(of: \.element) ?? 0
        return (UnsafeMutableRawPointer(slot) + offset).assumingMemoryBound(to: Element.self)
    }
}
