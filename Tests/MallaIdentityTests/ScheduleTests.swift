// SPDX-License-Identifier: Apache-2.0

import MallaIdentity
import MallaModel
import Testing

@Suite("When certificates are renewed")
struct ScheduleTests {
    private let mesh: Mesh
    private let backend = Mesh.backend
    private let web = Identity(trustDomain: "malla.test", namespace: "default", serviceAccount: "web")

    init() throws { mesh = try Mesh() }

    private func put(
        _ schedule: inout CredentialSchedule, _ identity: Identity, now: Int64, lifetime: Int64 = 1000
    ) throws -> Bool {
        let key = IdentityKey()
        let chain = try mesh.issue(identity, key: key, now: now, lifetime: lifetime)
        return schedule.put(
            try chain.credential(of: identity, key: key), chain, since: now, now: now, random: 0)
    }

    @Test("At half of its life, up to a tenth earlier")
    func halfLife() {
        #expect(Renewal.time(notBefore: 100, notAfter: 1100, random: 0) == 600)
        #expect(Renewal.time(notBefore: 100, notAfter: 1100, random: 1) == 500)
        #expect(Renewal.time(notBefore: 100, notAfter: 1100, random: 7) == 500)
        #expect(Renewal.time(notBefore: 100, notAfter: 50, random: 0.5) == 100)
    }

    @Test("Pauses double to five minutes, and vary")
    func backOff() {
        #expect(
            (1...12).map { Renewal.pause(failures: $0, random: 1) } == [
                1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300,
            ])
        #expect(
            (1...12).map { Renewal.pause(failures: $0, random: 0) } == [1, 1, 2, 4, 8, 16, 32, 64, 128, 150, 150, 150])
        #expect(Renewal.pause(failures: .max, random: 1) == 300)
        #expect(Renewal.pause(failures: .max, left: 400, random: 1) == 100)
        #expect(Renewal.pause(failures: .max, left: 0, random: 1) == 15, "nothing that holds is left")
    }

    @Test("An identity is asked for once, then at half of its life, and given up when it is wanted no longer")
    func life() throws {
        var schedule = CredentialSchedule()
        let start = Mesh.now
        #expect(schedule.want([backend, web], now: start).isEmpty)
        #expect(schedule.takeDue(now: start) == [backend, web])
        #expect(schedule.takeDue(now: start).isEmpty, "their answers are awaited")
        #expect(schedule.state(of: backend, now: start) == .waiting)
        let areUsed = (try put(&schedule, backend, now: start), try put(&schedule, web, now: start))
        #expect(areUsed == (true, true))
        #expect(schedule.counts(now: start) == [.valid: 2])
        #expect(schedule.takeDue(now: start + 499).isEmpty)
        #expect(schedule.takeDue(now: start + 500) == [backend, web])
        #expect(schedule.want([backend], now: start + 500) == [web])
        let isWanted = (try put(&schedule, web, now: start + 501), try put(&schedule, backend, now: start + 501))
        #expect(isWanted == (false, true))
        #expect(schedule.next == start + 1001)
        #expect(schedule.state(of: web, now: start) == nil)
    }

    @Test("An authority that is away costs nothing until the end; then there is nothing; then all is well by itself")
    func outage() throws {
        var schedule = CredentialSchedule()
        let start = Mesh.now
        _ = schedule.want([backend], now: start)
        _ = schedule.takeDue(now: start)
        let isUsed = try put(&schedule, backend, now: start)
        #expect(isUsed)
        var attempts = 0
        for time in start..<start + 1000 {
            #expect(schedule.expire(now: time).isEmpty)
            for identity in schedule.takeDue(now: time) {
                attempts += 1
                schedule.failed(identity, "nobody answers", now: time, random: 1)
            }
            #expect(schedule.entries[backend]?.credential != nil)
        }
        #expect((16...20).contains(attempts), "more often the closer the end is")
        #expect(schedule.state(of: backend, now: start + 999) == .overdue)
        #expect(schedule.expire(now: start + 1000) == [backend])
        #expect(schedule.entries[backend]?.credential == nil)
        #expect(schedule.state(of: backend, now: start + 1000) == .expired)
        #expect(schedule.expire(now: start + 1001).isEmpty)
        let next = try #require(schedule.next)
        #expect(next <= start + 1015)
        #expect(schedule.takeDue(now: next) == [backend])
        let isBack = try put(&schedule, backend, now: next)
        #expect(isBack)
        #expect(schedule.state(of: backend, now: next) == .valid)
    }

    @Test("What was issued with another clock is not used")
    func otherClock() throws {
        var schedule = CredentialSchedule()
        _ = schedule.want([backend], now: Mesh.now)
        _ = schedule.takeDue(now: Mesh.now)
        let key = IdentityKey()
        let chain = try mesh.issue(key: key, now: Mesh.now - 5000, lifetime: 1000)
        let credential = try chain.credential(of: backend, key: key)
        let isUsed = schedule.put(credential, chain, since: Mesh.now, now: Mesh.now, random: 0)
        #expect(!isUsed)
        #expect(schedule.entries[backend]?.problem?.contains("clocks") == true)
    }
}
