// SPDX-License-Identifier: Apache-2.0

import Reactor
import Testing

@Suite("Timer wheel")
struct TimerWheelTests {
    private let millisecond: UInt64 = 1_000_000

    @Test("fires once, never early, and at most a tick late")
    func fires() {
        for delay in [1, 5, 63, 64, 300, 1_000, 20_000, 3_600_000, 90_000_000] as [UInt64] {
            let start: UInt64 = 7_777_777_777
            var wheel = TimerWheel(now: start)
            let deadline = start + delay * millisecond
            _ = wheel.set(deadline: deadline, token: Token(kind: 1, index: 42, generation: 3))
            var now = start
            var turns = 0
            var fired: Token?
            while fired == nil, turns < 64 {
                // What a loop does: sleep as long as it is told, then look.
                let sleep = wheel.sleep(now: now)
                #expect(sleep >= 0)
                now += UInt64(max(1, sleep)) * millisecond
                fired = wheel.fire(now: now)
                turns += 1
            }
            #expect(fired == Token(kind: 1, index: 42, generation: 3), "after \(delay) ms")
            #expect(now >= deadline, "after \(delay) ms")
            #expect(now <= deadline + 10 * millisecond, "after \(delay) ms")
            #expect(wheel.fire(now: now + 1_000_000 * millisecond) == nil)
            #expect(wheel.sleep(now: now) == -1)
        }
    }

    @Test("agrees with a sorted list over random sets, cancels and leaps of time")
    func model() {
        var random = SystemRandomNumberGenerator()
        var now: UInt64 = 1_000_000_000_000
        var wheel = TimerWheel(now: now)
        var waiting: [UInt32: (deadline: UInt64, timer: Timer)] = [:]
        var next: UInt32 = 0
        for _ in 0..<20_000 {
            switch UInt8.random(in: 0..<10, using: &random) {
            case 0..<6:
                let reach = UInt64(1) << UInt64.random(in: 10...44, using: &random)
                let deadline = now + UInt64.random(in: 0..<reach, using: &random)
                let timer = wheel.set(deadline: deadline, token: Token(kind: 0, index: next, generation: 0))
                waiting[next] = (deadline, timer)
                next += 1
            case 6..<8:
                if let (key, value) = waiting.randomElement(using: &random) {
                    wheel.cancel(value.timer)
                    waiting[key] = nil
                }
            default:
                now += UInt64.random(in: 0..<(UInt64(1) << UInt64.random(in: 10...38, using: &random)), using: &random)
                while let token = wheel.fire(now: now) {
                    let fired = waiting.removeValue(forKey: token.index)
                    #expect(fired != nil, "fired twice or after its cancel")
                    #expect((fired?.deadline ?? 0) <= now, "early")
                }
                let late = waiting.values.filter { $0.deadline + 9 * millisecond < now }
                #expect(late.isEmpty, "\(late.count) are late")
            }
        }
    }
}
