// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc
import Reactor
import Synchronization
import TLSWire
import Testing

@testable import MallaProxy

@Suite("Handshakes on threads of their own", .serialized, .timeLimit(.minutes(15)))
struct HandshakerTests {
    /// Answers in the order in which they come.
    private final class Answers: Sendable {
        private let all = Mutex<[Handshakers.Answer]>([])

        func add(_ answer: Handshakers.Answer) { all.withLock { $0.append(answer) } }

        /// One that has come; fails when there is none.
        func nextAtOnce() throws -> Handshakers.Answer {
            guard let answer = all.withLock({ $0.isEmpty ? nil : $0.removeFirst() }) else { throw TLSReason.failed }
            return answer
        }

        /// The next one, which comes within 20 s.
        func next() throws -> Handshakers.Answer {
            for _ in 0..<4000 {
                if let answer = all.withLock({ $0.isEmpty ? nil : $0.removeFirst() }) { return answer }
                usleep(5_000)
            }
            throw TLSReason.handshakeTimeout
        }
    }

    private func task(_ wire: Wire, _ settings: TLSSettings, tag: UInt64, _ answers: Answers) -> Handshakers.Task {
        let copy = dup(wire.number)
        _ = fcntl(copy, F_SETFL, O_NONBLOCK)
        return Handshakers.Task(
            socket: copy,
            side: settings.role == .client
                ? .client(settings, expected: [], serverName: nil) : .server(TLSDirectory(["any": settings])),
            tag: tag, answer: { answers.add($0) })
    }

    private func reason(_ answer: Handshakers.Answer) -> TLSReason? {
        guard case .failed(let reason) = answer.outcome else { return nil }
        return reason
    }

    @Test("a socket comes back with its stream, who is there, and what was sent behind the handshake")
    func comesBack() throws {
        let certificates = try Certificates.all()
        let handshakers = try Handshakers(threads: 2)
        defer { handshakers.stop() }
        let answers = Answers()
        for round in 0..<20 {
            let (near, far) = try Wire.pair()
            handshakers.carry(task(far, try certificates.settings(.server), tag: UInt64(round), answers))
            let speaker = Speaker(near)
            #expect(try speaker.shake(certificates.settings(.client)))
            speaker.send("at once")
            speaker.end()
            let answer = try answers.next()
            guard case .done(let socket, let stream, let peer, let rest) = answer.outcome else {
                Issue.record("\(answer)")
                continue
            }
            #expect(answer.tag == UInt64(round))
            #expect(peer.description == "spiffe://malla.test/ns/default/sa/frontend")
            // Some of it may have come along already.
            var input = rest
            while !stream.hasEnded, stream.opened(input).content != Array("at once".utf8) {
                let more = [UInt8](unsafeUninitializedCapacity: 4096) {
                    $1 = max(0, recv(socket, $0.baseAddress, 4096, 0))
                }
                if more.isEmpty { usleep(1000) }
                input = more
            }
            stream.free()
            close(socket)
        }
    }

    @Test("the client's side is carried in the same way")
    func clientSide() throws {
        let certificates = try Certificates.all()
        let handshakers = try Handshakers(threads: 1)
        defer { handshakers.stop() }
        let answers = Answers()
        let (near, far) = try Wire.pair()
        handshakers.carry(task(near, try certificates.settings(.client), tag: 1, answers))
        let speaker = Speaker(far)
        #expect(try speaker.shake(certificates.settings(.server)))
        guard case .done(let socket, let stream, _, _) = try answers.next().outcome else {
            Issue.record("no stream")
            return
        }
        stream.free()
        close(socket)
    }

    @Test("who says nothing, a byte now and then, or too much is let go, and holds up nobody")
    func patience() throws {
        let certificates = try Certificates.all()
        let handshakers = try Handshakers(threads: 1, limit: 4, patience: 2_000_000_000)
        defer { handshakers.stop() }
        let answers = Answers()
        let settings = try certificates.settings(.server)
        var silent: [Wire] = []
        for number in 0..<4 {
            let (near, far) = try Wire.pair()
            handshakers.carry(task(far, settings, tag: UInt64(number), answers))
            near.send([22, 3, 1, 1])
            silent.append(near)
        }
        // A fifth one has no place.
        let (_, fifth) = try Wire.pair()
        handshakers.carry(task(fifth, settings, tag: 9, answers))
        let refused = try answers.next()
        #expect(refused.tag == 9 && reason(refused) == .exhausted)
        for _ in 0..<4 { #expect(reason(try answers.next()) == .handshakeTimeout) }
        for near in silent { #expect(near.receive().isEmpty) }

        // Afterwards there is room again.
        let (near, far) = try Wire.pair()
        handshakers.carry(task(far, settings, tag: 10, answers))
        let speaker = Speaker(near)
        #expect(try speaker.shake(certificates.settings(.client)))
        guard case .done(let socket, let stream, _, _) = try answers.next().outcome else {
            Issue.record("no stream")
            return
        }
        stream.free()
        close(socket)
    }

    @Test("what is on its way when they end is failed")
    func stops() throws {
        let certificates = try Certificates.all()
        let handshakers = try Handshakers(threads: 1)
        let answers = Answers()
        let (near, far) = try Wire.pair()
        handshakers.carry(task(far, try certificates.settings(.server), tag: 1, answers))
        handshakers.stop()
        #expect(reason(try answers.next()) == .handshakeEnded)
        withExtendedLifetime(near) {}
    }

    @Test("a storm of handshakes beside traffic of an established connection: its round trips, printed")
    func storm() throws {
        let certificates = try Certificates.all()
        let handshakers = try Handshakers(threads: 2)
        defer { handshakers.stop() }
        let pair = try MemoryPair(client: certificates.settings(.client), server: certificates.settings(.server))
        let near = try #require(pair.client)
        let far = try #require(pair.server)
        /// For half a second.
        func trips() -> [UInt64] {
            let until = linux_monotonic() + 500_000_000
            return sequence(first: 0) { linux_monotonic() < until ? $0 + 1 : nil }.map { (_: Int) -> UInt64 in
                let begun = linux_monotonic()
                let answered = near.opened(
                    far.sealed(far.opened(near.sealed([UInt8](repeating: 7, count: 1000))).content))
                let took = linux_monotonic() - begun
                #expect(answered.content.count == 1000)
                return took
            }.sorted()
        }
        let quiet = trips()
        let answers = Answers()
        let isOver = Atomic<Bool>(false)
        let server = try certificates.settings(.server)
        let client = try certificates.settings(.client)
        let clients = try (0..<2).map { number in
            try Thread(name: "storm-\(number)") {
                _ = setpriority(Int32(PRIO_PROCESS.rawValue), 0, 10)
                while !isOver.load(ordering: .relaxed) {
                    guard let (near, far) = try? Wire.pair() else { return }
                    handshakers.carry(task(far, server, tag: 0, answers))
                    _ = try? Speaker(near).shake(client)
                }
            }
        }
        let stormy = trips()
        isOver.store(true, ordering: .relaxed)
        clients.forEach { $0.join() }
        var done = 0
        while let answer = try? answers.nextAtOnce() {
            guard case .done(let socket, let stream, _, _) = answer.outcome else { continue }
            stream.free()
            close(socket)
            done += 1
        }
        func microseconds(_ all: [UInt64], _ share: Double) -> Double {
            Double(all[Int(Double(all.count - 1) * share)]) / 1000
        }
        print(
            "round trip of 1000 bytes in µs, p50/p99: quiet \(microseconds(quiet, 0.5))/\(microseconds(quiet, 0.99)),",
            "beside \(done) handshakes \(microseconds(stormy, 0.5))/\(microseconds(stormy, 0.99))")
        #expect(done > 0)
    }
}
