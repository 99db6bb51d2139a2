// SPDX-License-Identifier: Apache-2.0

/// A timer that was set; 0 is none.
public struct Timer: Sendable, Hashable, BitwiseCopyable {
    fileprivate var node: UInt32
    /// No timer.
    public static var none: Timer { Timer(node: 0) }
}

/// Deadlines of one thread: setting, cancelling and firing cost the same however many there are.
///
/// Six levels of 64 slots; a slot of level n is 64^n ticks of about 4 ms wide. A timer stands in the level in
/// which its deadline differs from the present, and falls to lower levels as the time comes nearer. It never fires
/// early, and late by at most a tick and a turn of the loop.
public struct TimerWheel: ~Copyable {
    private struct Node: BitwiseCopyable {
        var deadline: UInt64 = 0  // ticks
        var token: UInt64 = 0
        var next: UInt32 = 0
        var previous: UInt32 = 0
        /// Level * 64 + slot, the list it stands in; `idle` in no list.
        var list: UInt16 = 0
    }

    private static let levels = 6
    private static let tickShift: UInt64 = 22
    private static let idle: UInt16 = .max

    private var nodes: [Node] = [Node()]  // node 0 is none
    private var free: [UInt32] = []
    private var heads = [UInt32](repeating: 0, count: TimerWheel.levels * 64)
    private var occupied = [UInt64](repeating: 0, count: TimerWheel.levels)
    private var elapsed: UInt64  // ticks that have been handled
    private var due: UInt32 = 0  // list of timers to hand out, linked by `next`

    /// A wheel that begins at `now`, nanoseconds of the loop's clock.
    public init(now: UInt64) { elapsed = now >> Self.tickShift }

    /// Sets a timer for `deadline` (nanoseconds of the loop's clock; a past one fires in the next turn).
    public mutating func set(deadline: UInt64, token: Token) -> Timer {
        let index: UInt32
        if let reused = free.popLast() {
            index = reused
        } else {
            index = UInt32(truncatingIfNeeded: nodes.count)
            nodes.append(Node())
        }
        let tick = deadline >> Self.tickShift
        nodes[Int(index)] = Node(
            deadline: max(elapsed + 1, deadline & (1 << Self.tickShift - 1) == 0 ? tick : tick + 1),
            token: token.bits, list: Self.idle)
        link(index)
        return Timer(node: index)
    }

    /// Ends a timer that has not fired. `none` is allowed; a timer that has fired must not be passed.
    public mutating func cancel(_ timer: Timer) {
        guard timer.node != 0, Int(timer.node) < nodes.count else { return }
        unlink(timer.node)
        free.append(timer.node)
    }

    /// How long the loop may sleep: milliseconds until the next slot has to be looked at; -1 without timers.
    public func sleep(now: UInt64) -> Int32 {
        if due != 0 { return 0 }
        guard let next = nextSlot()?.start else { return -1 }
        let deadline = next << Self.tickShift
        guard deadline > now else { return 0 }
        return Int32(clamping: (deadline - now + 999_999) / 1_000_000)
    }

    /// The token of a timer whose time has come, each once; `nil` when there are no more at `now`.
    public mutating func fire(now: UInt64) -> Token? {
        let tick = now >> Self.tickShift
        while due == 0 {
            guard let (start, level, slot) = nextSlot(), start <= tick else {
                elapsed = max(elapsed, tick)
                return nil
            }
            elapsed = max(elapsed, start)
            empty(level: level, slot: slot)
        }
        let index = due
        due = nodes[Int(index)].next
        free.append(index)
        return Token(bits: nodes[Int(index)].token)
    }

    /// Takes a slot's timers: those that are due are handed out, the others go to lower levels.
    private mutating func empty(level: Int, slot: Int) {
        var index = heads[level * 64 + slot]
        heads[level * 64 + slot] = 0
        occupied[level] &= ~(1 << UInt64(slot))
        while index != 0 {
            let next = nodes[Int(index)].next
            if nodes[Int(index)].deadline <= elapsed {
                nodes[Int(index)].next = due
                nodes[Int(index)].list = Self.idle
                due = index
            } else {
                link(index)
            }
            index = next
        }
    }

    /// The earliest slot with timers: lower levels come before higher ones.
    private func nextSlot() -> (start: UInt64, level: Int, slot: Int)? {
        for level in 0..<Self.levels where occupied[level] != 0 {
            let shift = UInt64(level * 6)
            let present = (elapsed >> shift) & 63
            let turned = occupied[level] >> present | (present == 0 ? 0 : occupied[level] << (64 - present))
            let distance = UInt64(turned.trailingZeroBitCount)
            let start = ((elapsed >> shift) + distance) << shift
            return (max(start, elapsed), level, Int((present + distance) & 63))
        }
        return nil
    }

    private mutating func link(_ index: UInt32) {
        // A deadline beyond the last level waits there and is looked at again when its slot comes round.
        let horizon = UInt64(1) << UInt64(Self.levels * 6)
        let deadline = min(nodes[Int(index)].deadline, elapsed + horizon - 1)
        let differing = (elapsed ^ deadline) | 63
        let level = min(Self.levels - 1, (63 - differing.leadingZeroBitCount) / 6)
        let slot = Int((deadline >> UInt64(level * 6)) & 63)
        let list = level * 64 + slot
        let head = heads[list]
        nodes[Int(index)].next = head
        nodes[Int(index)].previous = 0
        nodes[Int(index)].list = UInt16(list)
        if head != 0 { nodes[Int(head)].previous = index }
        heads[list] = index
        occupied[level] |= 1 << UInt64(slot)
    }

    private mutating func unlink(_ index: UInt32) {
        let node = nodes[Int(index)]
        guard node.list != Self.idle else {
            unlinkDue(index)
            return
        }
        let list = Int(node.list)
        if node.previous != 0 { nodes[Int(node.previous)].next = node.next } else { heads[list] = node.next }
        if node.next != 0 { nodes[Int(node.next)].previous = node.previous }
        if heads[list] == 0 { occupied[list / 64] &= ~(1 << UInt64(list % 64)) }
    }

    /// Cancelled in the very turn in which it became due, before it was handed out: rare, so a walk will do.
    private mutating func unlinkDue(_ index: UInt32) {
        if due == index {
            due = nodes[Int(index)].next
            return
        }
        var at = due
        while at != 0 {
            if nodes[Int(at)].next == index {
                nodes[Int(at)].next = nodes[Int(index)].next
                return
            }
            at = nodes[Int(at)].next
        }
    }
}
