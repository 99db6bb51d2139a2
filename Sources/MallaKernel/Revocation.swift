// SPDX-License-Identifier: Apache-2.0
import BPFKit
import CMallaABI
public import MallaModel
import Synchronization

/// An open connection's socket that was destroyed because what is in force does not allow the connection any more. Its
/// process got ECONNABORTED, its TCP peer a reset. A connection between two sockets of this node gives one or two.
public struct Cut: Sendable, Equatable {
    /// Names the connection: the connecting socket's cookie.
    public let connection: UInt64
    /// Which end was destroyed.
    public let direction: ConnectionRecord.Direction
    /// `revoked`, `identity_changed` or `endpoint_changed`.
    public let reason: Reason
    /// How it went.
    public let path: Path
    /// TCP, or UDP that is connected; nil for another.
    public let transport: TransportProtocol?
    /// The numbers of the workloads at its ends; 0: unknown.
    public let sourceWorkload: UInt32, targetWorkload: UInt32
    /// The service's number; 0: none.
    public let service: UInt32
    /// The number of the rule that refuses it now; 0: a default.
    public let rule: UInt32

    init(_ cut: malla_cut) {
        connection = cut.connection
        direction = ConnectionRecord.Direction(rawValue: cut.direction) ?? .outbound
        reason = Reason(rawValue: cut.reason)
        path = Path(rawValue: cut.path) ?? .pass
        transport = TransportProtocol(rawValue: cut.protocol)
        sourceWorkload = cut.source_workload
        targetWorkload = cut.target_workload
        service = cut.service
        rule = cut.rule
    }
}

/// The programs that judge open connections again. They go over the sockets of a thread's network namespace: of the
/// calling one's, and of those that workloads have for themselves.
final class Revoker: Sendable {
    private let programs: [KernelProgram]
    private let state = Mutex(State())

    private struct State {
        var namespaces: Set<String> = []
        var obstacles: [String: String] = [:]
    }

    /// Nil when the kernel refused the programs.
    init?(_ programs: [KernelProgram]) {
        self.programs = programs.filter { $0.name.hasPrefix("malla_revoke_") }
        guard !self.programs.isEmpty else { return nil }
    }

    /// The files that name the workloads' network namespaces. None is kept open: a namespace must be able to end.
    var namespaces: Set<String> {
        get { state.withLock { $0.namespaces } }
        set { state.withLock { $0.namespaces = newValue } }
    }

    /// Why the last run could not go into namespaces, by their files. What is open there is judged at its next packet.
    var obstacles: [String: String] { state.withLock { $0.obstacles } }

    /// Judges every connection by the generation in force.
    func run() throws -> [Cut] {
        var cuts = try cutHere()
        var obstacles: [String: String] = [:]
        for path in namespaces.sorted() {
            do {
                cuts += try NetworkNamespace.visit(path) { try self.cutHere() } ?? []
            } catch {
                obstacles[path] = "\(error)"
            }
        }
        state.withLock { $0.obstacles = obstacles }
        return cuts
    }

    private func cutHere() throws -> [Cut] {
        try programs.flatMap { try $0.program.iterate(as: malla_cut.self).map(Cut.init) }
    }
}
