// SPDX-License-Identifier: Apache-2.0
import MallaAPI
import MallaKernel
import MallaModel

extension ConnectionView {
    /// A connection as the kernel has it, in names.
    init(_ record: ConnectionRecord, _ names: Names, now: UInt64) {
        self.init(
            cookie: record.cookie, direction: record.direction.name, path: record.path.name,
            source: names.workload(record.sourceWorkload), sourceIdentity: names.identity(record.source),
            target: names.workload(record.targetWorkload), targetIdentity: names.identity(record.target),
            service: names.service(record.service), local: record.local.description,
            remote: record.remote.description, original: record.original.description, state: record.stateName,
            sent: record.sent, received: record.received,
            ageSeconds: Double(now > record.opened ? now - record.opened : 0) / 1e9, rule: names.rule(record.rule),
            reason: record.reason.name)
    }
}

extension EventView {
    /// An event as the kernel told it, in names.
    init(_ event: KernelEvent, _ names: Names) {
        let ended = event.kind == .closed
        self.init(
            time: WallClock.text(monotonic: event.time), kind: event.kind?.name ?? "unknown",
            reason: event.reason.name, path: event.path.name, source: names.workload(event.sourceWorkload),
            sourceIdentity: names.identity(event.source), target: names.workload(event.targetWorkload),
            targetIdentity: names.identity(event.target), service: names.service(event.service),
            original: event.original.description, destination: event.destination.description,
            rule: names.rule(event.rule), command: event.command, pid: event.pid, cookie: event.cookie,
            sent: ended ? event.sent : nil, received: ended ? event.received : nil,
            durationSeconds: event.kind == .refused ? nil : Double(event.duration) / 1e9)
    }
}

extension ConnectionRecord.Direction {
    /// `outbound` or `inbound`.
    var name: String { self == .outbound ? "outbound" : "inbound" }
}
