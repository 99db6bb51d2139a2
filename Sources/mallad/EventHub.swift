// SPDX-License-Identifier: Apache-2.0
import MallaAPI
import Synchronization

/// The last events, and everybody who wants the next ones. Any thread.
final class EventHub: Sendable {
    /// Events that are kept for those who ask later.
    static let kept = 1000

    private struct Follower {
        var continuation: AsyncStream<EventView>.Continuation
        var all: Bool
    }

    private struct State {
        var recent: [EventView] = []
        var followers: [UInt64: Follower] = [:]
        var next: UInt64 = 0
        var ended = false
    }

    private let state = Mutex(State())
    private let onDemand: @Sendable (_ all: Bool) -> Void

    /// A hub that tells `onDemand` whether anybody wants events of allowed connections, too, whenever that changes.
    init(onDemand: @escaping @Sendable (_ all: Bool) -> Void) { self.onDemand = onDemand }

    /// Keeps an event and hands it on.
    func record(_ event: EventView) {
        state.withLock { state in
            if state.recent.count >= Self.kept { state.recent.removeFirst(Self.kept / 10) }
            state.recent.append(event)
            for follower in state.followers.values where follower.all || !event.isOfAllowed {
                follower.continuation.yield(event)
            }
        }
    }

    /// The last events, then, if asked, new ones. A consumer that is slower than they come loses the oldest.
    func stream(follow: Bool, all: Bool) -> AsyncStream<EventView> {
        let (stream, continuation) = AsyncStream<EventView>.makeStream(bufferingPolicy: .bufferingNewest(4096))
        let changed = state.withLock { state in
            for event in state.recent where all || !event.isOfAllowed { continuation.yield(event) }
            guard follow, !state.ended else {
                continuation.finish()
                return false
            }
            let wanted = state.followers.values.contains { $0.all }
            let number = state.next
            state.next += 1
            state.followers[number] = Follower(continuation: continuation, all: all)
            continuation.onTermination = { [weak self] _ in self?.leave(number) }
            return all && !wanted
        }
        if changed { onDemand(true) }
        return stream
    }

    /// Ends every stream, so that the admin API can end.
    func end() {
        let followers = state.withLock { state in
            state.ended = true
            return Array(state.followers.values)
        }
        for follower in followers { follower.continuation.finish() }
    }

    private func leave(_ number: UInt64) {
        let changed = state.withLock { state in
            guard let gone = state.followers.removeValue(forKey: number) else { return false }
            return gone.all && !state.followers.values.contains { $0.all }
        }
        if changed { onDemand(false) }
    }
}

extension EventView {
    /// Whether it is about a connection that was let through and got established.
    var isOfAllowed: Bool { kind == "opened" || kind == "closed" }
}
