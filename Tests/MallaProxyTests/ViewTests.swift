// SPDX-License-Identifier: Apache-2.0

import Glibc
import MallaLink
import MallaModel
import Reactor
import Testing

@testable import MallaProxy

@Suite("Views that follow one another")
struct ViewTests {
    @Test(
        "after any patches a view says what one says that is made of the whole snapshot",
        arguments: 0..<20 as Range<UInt64>)
    func random(seed: UInt64) throws {
        var scene = ChangingEndpoints(seed: seed)
        let records = try ConnectionRecords(map: Descriptor(owning: CapturedMap().duplicate()))
        var view = View(scene.snapshot, records: records)
        var lines: Set<UInt64> = [view.endpoints.line]
        for step in 0..<60 {
            let patch = scene.change()
            let former = view
            // Through the link, as the proxy gets it.
            var assembler = PatchAssembler()
            var decoder = FrameDecoder()
            var received: SnapshotPatch?
            for message in try #require(patch.messages) {
                decoder.append(message.encoded())
                while case .patch(let part)? = try decoder.next() { received = try assembler.take(part) }
            }
            try #require(received == patch, "seed \(seed), step \(step)")
            view = try View(former, patch, records: records)
            lines.insert(view.endpoints.line)
            let whole = View(scene.snapshot, records: records)
            try #require(Self.content(view, scene) == Self.content(whole, scene), "seed \(seed), step \(step)")
            if view.endpoints.line == former.endpoints.line {
                for place in 0..<former.endpoints.end {
                    #expect(view.endpoints[place].number == former.endpoints[place].number, "places stay")
                }
            }
        }
        #expect(lines.count > 1, "no line was renewed")
    }

    @Test("a patch for another snapshot, or of what is not there, makes no view")
    func wrong() throws {
        var scene = ChangingEndpoints(seed: 3)
        let records = try ConnectionRecords(map: Descriptor(owning: CapturedMap().duplicate()))
        let view = View(scene.snapshot, records: records)
        var patch = scene.change()
        patch.base += 1
        #expect(throws: LinkError.self) { try View(view, patch, records: records) }
        patch.base -= 1
        patch.services = scene.snapshot.services
        patch.services[0].ports[0].endpoints4.append(.init(endpoint: 1_000_000, weight: 1))
        #expect(throws: LinkError.self) { try View(view, patch, records: records) }
        patch.services = [scene.snapshot.services[0]]
        patch.services[0].number = 77
        #expect(throws: LinkError.self) { try View(view, patch, records: records) }
        var assembler = PatchAssembler()
        patch.isLast = false
        #expect(try assembler.take(patch) == nil)
        patch.base += 1
        #expect(throws: LinkError.self) { try assembler.take(patch) }
    }

    @Test("what a change costs at 100,000 endpoints is printed")
    func cost() throws {
        let records = try ConnectionRecords(map: Descriptor(owning: CapturedMap().duplicate()))
        for services in [100, 1000] as [UInt32] {
            let snapshot = Self.large(services: services)
            let clock = ContinuousClock()
            var view = View(snapshot, records: records)
            let whole = clock.measure { view = View(snapshot, records: records) }
            var longest = Duration.zero
            let rounds: UInt32 = 200
            let all = try clock.measure {
                for round in 0..<rounds {
                    var service = snapshot.services[Int(round % services)]
                    service.ports[0].endpoints4.remove(at: 0)
                    let patch = SnapshotPatch(
                        generation: view.generation + 1, base: view.generation,
                        gone: [snapshot.services[Int(round % services)].ports[0].endpoints4[0].endpoint],
                        services: [service])
                    let one = try clock.measure { view = try View(view, patch, records: records) }
                    longest = max(longest, one)
                }
            }
            print(
                "view of \(services * 100) endpoints: whole \(whole), by patches \(all / Int(rounds)) each, "
                    + "at most \(longest)")
        }
    }

    private static func large(services: UInt32) -> Snapshot {
        var snapshot = Snapshot(generation: 1, trustDomain: "t")
        for service in 0..<services {
            let endpoints = (0..<100 as Range<UInt32>).map { service * 100 + $0 + 1 }
            snapshot.endpoints += endpoints.map {
                Snapshot.Endpoint(
                    number: $0, address: SocketAddress(Address(ipv4: 0x0a00_0000 + $0), 80), workload: $0,
                    identity: 16, scope: 1)
            }
            let shares = endpoints.map { Snapshot.WeightedEndpoint(endpoint: $0, weight: 1) }
            snapshot.services.append(
                Snapshot.Service(
                    number: service + 1, name: ObjectName("s\(service)"), addresses: [],
                    ports: [ChangingEndpoints.port(80, shares)]))
        }
        return snapshot
    }

    /// All that can be asked of a view, without places.
    private struct Content: Equatable {
        var byNumber: [UInt32: String] = [:]
        var byAddress: [SocketAddress: String] = [:]
        var ports: [String] = []
    }

    private static func content(_ view: View, _ scene: ChangingEndpoints) -> Content {
        func text(_ endpoint: View.Endpoint) -> String {
            "\(endpoint.number) \(endpoint.address) \(endpoint.identity) \(endpoint.scope) \(endpoint.bytes[15])"
        }
        var content = Content()
        for number in 0..<scene.next {
            content.byNumber[number] = view.place(ofEndpoint: number).map { text(view.endpoints[$0]) }
        }
        for address in ChangingEndpoints.addresses {
            content.byAddress[address] = view.endpoint(at: address).map(text)
        }
        for service in scene.snapshot.services {
            for port in service.ports {
                guard let place = view.port(service: service.number, port: port.port) else { continue }
                let shares = [view.ports[place].endpoints4, view.ports[place].endpoints6]
                content.ports.append(
                    "\(place) "
                        + shares.map { $0.map { "\(view.endpoints[$0.endpoint].number)×\($0.weight)" }.description }
                        .joined())
            }
        }
        return content
    }
}

/// Endpoints of five services that change by chance, some of them at one address; always the same way for one seed.
private struct ChangingEndpoints {
    static let addresses = (1...60).map { SocketAddress(Address(ipv4: 0x0a00_0000 + UInt32($0)), 80) }
    private(set) var snapshot = Snapshot(generation: 1, trustDomain: "t")
    private(set) var next: UInt32 = 1
    private var random: UInt64

    init(seed: UInt64) {
        random = seed
        for service in 1...5 as ClosedRange<UInt32> {
            snapshot.services.append(
                Snapshot.Service(
                    number: service, name: ObjectName("s\(service)"), addresses: [],
                    ports: [Self.port(80, []), Self.port(81, [])]))
        }
        for _ in 0..<80 { come() }
    }

    static func port(_ port: UInt16, _ shares: [Snapshot.WeightedEndpoint]) -> Snapshot.ServicePort {
        Snapshot.ServicePort(
            name: "", port: port, transport: .tcp, appProtocol: nil, path: .proxy, failOpen: false,
            connectTimeout: 1, idleTimeout: 0, scope: 1, endpoints4: shares, endpoints6: [])
    }

    /// Up to a hundred endpoints come, go or change.
    mutating func change() -> SnapshotPatch {
        let before = snapshot
        for _ in 0...below(100) {
            switch below(4) {
            case 0: come()
            case 1:
                guard snapshot.endpoints.count > 20 else { continue }
                leave(snapshot.endpoints[below(UInt64(snapshot.endpoints.count))].number)
            case 2:
                let place = below(UInt64(snapshot.endpoints.count))
                snapshot.endpoints[place].identity = UInt32(16 + below(4))
            default:
                let service = below(5)
                guard !snapshot.services[service].ports[0].endpoints4.isEmpty else { continue }
                let place = below(UInt64(snapshot.services[service].ports[0].endpoints4.count))
                snapshot.services[service].ports[0].endpoints4[place].weight = UInt32(1 + below(5))
            }
        }
        snapshot.generation += 1
        let old = Dictionary(uniqueKeysWithValues: before.endpoints.map { ($0.number, $0) })
        let now = Set(snapshot.endpoints.map(\.number))
        return SnapshotPatch(
            generation: snapshot.generation, base: before.generation,
            endpoints: snapshot.endpoints.filter { old[$0.number] != $0 },
            gone: before.endpoints.map(\.number).filter { !now.contains($0) },
            services: zip(snapshot.services, before.services).filter { $0 != $1 }.map(\.0))
    }

    private mutating func come() {
        let number = next
        next += 1
        snapshot.endpoints.append(
            .init(number: number, address: Self.addresses[below(60)], workload: number, identity: 16, scope: 1))
        let service = below(5)
        snapshot.services[service].ports[0].endpoints4.append(.init(endpoint: number, weight: 1))
        if below(2) == 0 { snapshot.services[service].ports[1].endpoints6.append(.init(endpoint: number, weight: 2)) }
    }

    private mutating func leave(_ number: UInt32) {
        snapshot.endpoints.removeAll { $0.number == number }
        for service in 0..<5 {
            for port in 0..<2 {
                snapshot.services[service].ports[port].endpoints4.removeAll { $0.endpoint == number }
                snapshot.services[service].ports[port].endpoints6.removeAll { $0.endpoint == number }
            }
        }
    }

    /// SplitMix64.
    private mutating func below(_ bound: UInt64) -> Int {
        random &+= 0x9e37_79b9_7f4a_7c15
        var z = random
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return Int((z ^ (z >> 31)) % bound)
    }
}
