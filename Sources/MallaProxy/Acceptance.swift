// SPDX-License-Identifier: Apache-2.0

import MallaModel
import Reactor

extension Worker {
    /// How long listeners rest after descriptors ran out.
    private static var acceptPause: UInt64 { 50_000_000 }
    /// Connections taken from a listener in one turn: others wait for theirs meanwhile.
    private static var acceptBatch: Int { 64 }

    /// Lets connections come.
    mutating func listen() {
        let code = max(listener4?.start() ?? 0, listener6?.start() ?? 0)
        if code != 0 {
            log.write(.error, "\(SystemError("listen for connections", code: code))", [("worker", "\(number)")])
        }
        for tunnel in tunnelListeners {
            let code = tunnel.listener.start()
            guard code != 0 else { continue }
            log.write(.error, "\(SystemError("listen for tunnels", code: code))", [("worker", "\(number)")])
        }
        watchListeners()
    }

    /// Registers the listeners with the loop.
    mutating func watchListeners() {
        if let descriptor = listener4?.descriptor {
            _ = loop.add(level: descriptor, token: Token(kind: Kind.listener, index: 4, generation: 0))
        }
        if let descriptor = listener6?.descriptor {
            _ = loop.add(level: descriptor, token: Token(kind: Kind.listener, index: 6, generation: 0))
        }
        for (index, tunnel) in tunnelListeners.enumerated() {
            _ = loop.add(
                level: tunnel.listener.descriptor,
                token: Token(kind: Kind.tunnelListener, index: UInt32(index), generation: 0))
        }
    }

    /// Takes other nodes' connections that wait.
    mutating func acceptTunnels(listener: Int) {
        guard listener < tunnelListeners.count else { return }
        for _ in 0..<(isDraining ? 65536 : Self.acceptBatch) {
            switch tunnelListeners[listener].listener.accept() {
            case .connection(let socket):
                inbound(socket)
            case .none:
                return
            case .exhausted:
                record(Finished(refusal: Refusal(reason: .outOfDescriptors), captured: nil))
                rest()
                return
            }
        }
    }

    /// Takes what waits at listener 4 or 6. When draining, all of it.
    mutating func acceptAll(listener: UInt32) {
        for _ in 0..<(isDraining ? 65536 : Self.acceptBatch) {
            guard let accepted = listener == 4 ? listener4?.accept() : listener6?.accept() else { return }
            switch accepted {
            case .connection(let socket):
                outbound(socket)
            case .none:
                return
            case .exhausted:
                record(Finished(refusal: Refusal(reason: .outOfDescriptors), captured: nil))
                rest()
                return
            }
        }
    }

    /// Leaves listeners alone for a moment: they would report their waiting connections in every turn.
    private mutating func rest() {
        guard acceptTimer == .none else { return }
        if let descriptor = listener4?.descriptor { loop.remove(descriptor) }
        if let descriptor = listener6?.descriptor { loop.remove(descriptor) }
        for tunnel in tunnelListeners { loop.remove(tunnel.listener.descriptor) }
        acceptTimer = timers.set(
            deadline: loop.now + Self.acceptPause, token: Token(kind: Kind.acceptAgain, index: 0, generation: 0))
    }
}

/// A worker's listener for tunnels; a class, because arrays hold nothing that cannot be copied. One thread's own.
final class TunnelListener: @unchecked Sendable {
    // Made by the thread that starts the worker, and the worker's alone from then on.
    var listener: Listener

    init(_ address: SocketAddress) throws(SystemError) {
        listener = try Listener(address: address.address.inlineBytes, port: address.port, shared: true)
    }
}
