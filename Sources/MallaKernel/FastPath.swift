// SPDX-License-Identifier: Apache-2.0
import BPFKit
import BPFObjects
import CMallaABI
import Synchronization

/// The kernel's fast path between sockets of one node, for services that ask for it.
///
/// It is off until somebody wants it and a trial on this kernel went well. Switched off it stays harmless: what is
/// on its way arrives, and connections go on by TCP. Any thread.
public final class FastPath: Sendable {
    /// What it is now.
    public enum State: Sendable, Equatable {
        /// Nobody asks for it.
        case off
        /// Connections of services that ask for it get it; what programs at either end must not rely on.
        case on(limits: [String])
        /// The kernel does not do it right, so nobody gets it: what went wrong.
        case refused(String)
    }

    private let maps: KernelMaps
    private let attach: @Sendable () throws -> Void
    private let trial: @Sendable () throws -> [String]
    private let current = Mutex<(state: State, verdict: State?)>((.off, nil))

    init(
        _ maps: KernelMaps, _ programs: ProgramSet, trial: @escaping @Sendable () throws -> [String]
    ) {
        self.maps = maps
        let program = programs.programs.first { $0.program.attachType == .message }
        let obstacle = programs.refused["redirect"] ?? "there is no program for it"
        attach = {
            guard let program else { throw FastPathFlaw(obstacle) }
            try program.program.attach(toSocketsOf: maps.fast)
        }
        self.trial = trial
    }

    /// What it is now.
    public var state: State { current.withLock { $0.state } }

    /// Switches it on or off; nothing happens when it is so already. The first time that somebody wants it, it is tried out,
    /// which takes some tens of milliseconds.
    ///
    /// - Throws: `BPFError` when the settings cannot be written. A trial that fails is no error: see ``state``.
    public func use(_ wanted: Bool) throws {
        try current.withLock { current in
            if wanted, current.verdict == nil { current.verdict = verdict() }
            let state = wanted ? current.verdict ?? .off : .off
            var isOn = false
            if case .on = state { isOn = true }
            if var settings = try maps.config.lookup(0), (settings.flags & MALLA_CONFIG_FAST.rawValue != 0) != isOn {
                settings.flags ^= MALLA_CONFIG_FAST.rawValue
                try maps.changing { try maps.config.update(0, settings, in: $0) }
            }
            current.state = state
        }
    }

    private func verdict() -> State {
        do {
            let limits = try trial()
            try attach()
            return .on(limits: limits)
        } catch {
            return .refused("\(error)")
        }
    }
}

/// What is wrong with the fast path on this kernel.
struct FastPathFlaw: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
