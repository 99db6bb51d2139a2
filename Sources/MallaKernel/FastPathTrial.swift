// SPDX-License-Identifier: Apache-2.0
import BPFKit
public import BPFObjects
import CMallaABI

/// Tries the fast path out, with its own program over maps of the trial's own and two real sockets: everything arrives once and in
/// order while the ways change, a reader that stalls holds its writer back, an end is seen, and switching off loses
/// nothing. What does not hold on this kernel keeps it off.
public struct FastPathTrial: ~Copyable {
    /// What a writer may have accepted at the most while nobody reads. TCP alone takes some 4 MB.
    static let mostWaiting = 16 << 20

    private let config: BPFMap<UInt32, malla_config>
    private let lanes: BPFMap<malla_tuple, malla_lane>
    private let sockets: BPFMap<malla_tuple, UInt64>
    private let pair: TrialPair

    /// Tries out the program of `code`.
    ///
    /// - Returns: what programs at either end must not rely on, though the bytes are right.
    /// - Throws: what is wrong, or a `BPFError` for what the kernel refuses.
    public static func run(_ code: ObjectCode) throws -> [String] {
        let trial = try FastPathTrial(code)
        try trial.switched(on: true)
        try trial.exchange(rounds: 64)
        guard try trial.redirected() > 0 else { throw FastPathFlaw("nothing goes past TCP") }
        try trial.stall()
        try trial.exchange(rounds: 16)
        try trial.switchOff()
        let limits = try trial.limits()
        try trial.switched(on: true)
        try trial.end()
        return limits
    }

    private init(_ code: ObjectCode) throws {
        let object = try OpenObject(name: code.name, code: code.bytes)
        // The object brings all maps along; those that take their memory at once need little of it.
        for map in ["fast", "handoffs", "flows", "permits", "affinity", "limits"] {
            try object.setMaxEntries(of: "malla_" + map, to: 64)
        }
        let loaded = try object.load()
        let config = try BPFMap<UInt32, malla_config>(loaded.descriptor(ofMap: "malla_config"), name: "malla_config")
        let lanes = try BPFMap<malla_tuple, malla_lane>(loaded.descriptor(ofMap: "malla_lanes"), name: "malla_lanes")
        let map = try loaded.descriptor(ofMap: "malla_fast")
        guard let name = loaded.programs.first else { throw FastPathFlaw("the object has no program") }
        try loaded.program(name).attach(toSocketsOf: map)
        let sockets = try BPFMap<malla_tuple, UInt64>(map, name: "malla_fast")
        let pair = try TrialPair()
        let namespace = try NamespaceGuard.cookie()
        for end in [pair.client, pair.server] {
            let key = try TrialPair.tuple(of: end, namespace)
            try lanes.update(key, malla_lane())
            try sockets.update(key, UInt64(end))
        }
        self.config = config
        self.lanes = lanes
        self.sockets = sockets
        self.pair = pair
    }

    private func switched(on: Bool) throws {
        var settings = malla_config()
        settings.flags = on ? MALLA_CONFIG_FAST.rawValue : 0
        try config.update(0, settings)
    }

    private func redirected() throws -> UInt64 { try lanes.entries().reduce(0) { $0 &+ $1.value.sent } }

    /// Both ways in turn, and both at once, with reads that lag behind.
    private func exchange(rounds: Int) throws {
        for round in 0..<rounds {
            let size = 1 + round &* 7919 % 40_000
            let unread = try pair.send(size, from: pair.client)
            if round % 3 == 0 { _ = try pair.send(size / 2 + 1, from: pair.server) }
            if round % 5 != 4 { try pair.take(unread, at: pair.server) }
            if round % 3 == 0 { try pair.take(size / 2 + 1, at: pair.client) }
            if round % 5 == 4 {
                _ = try pair.send(10, from: pair.client)
                try pair.take(unread + 10, at: pair.server)
            }
        }
    }

    private func stall() throws {
        var accepted = 0
        while accepted <= Self.mostWaiting {
            let more = try pair.offer(65_536, from: pair.client)
            if more == 0, try !pair.waits(for: .writing, at: pair.client, milliseconds: 50) { break }
            accepted += more
        }
        guard accepted <= Self.mostWaiting else {
            throw FastPathFlaw(
                "a reader that stalls does not hold its writer back: \(accepted >> 20) MB wait in the kernel")
        }
        try pair.take(accepted, at: pair.server)
    }

    private func switchOff() throws {
        let before = try pair.send(30_000, from: pair.client)
        try switched(on: false)
        let after = try pair.send(30_000, from: pair.client)
        try pair.take(before + after, at: pair.server)
    }

    private func limits() throws -> [String] {
        let count = try pair.send(5, from: pair.client)
        _ = try pair.waits(for: .reading, at: pair.server, milliseconds: 2000)
        let told = pair.pending(at: pair.server)
        try pair.take(count, at: pair.server)
        var limits = ["splice(2), MSG_WAITALL, SO_RCVLOWAT and MSG_ZEROCOPY do not see what goes past TCP"]
        if told != count { limits.append("FIONREAD answers \(told) where \(count) bytes wait") }
        return limits
    }

    private func end() throws {
        let count = try pair.send(20_000, from: pair.client)
        pair.endWriting(pair.client)
        try pair.take(count, at: pair.server)
        guard try pair.isAtEnd(pair.server) else { throw FastPathFlaw("the end of a stream is not seen") }
    }
}
