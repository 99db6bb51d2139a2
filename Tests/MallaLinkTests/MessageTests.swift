// SPDX-License-Identifier: Apache-2.0

import MallaLink
import MallaModel
import Testing

@Suite("Messages between daemon and proxy")
struct MessageTests {
    static let snapshot = {
        var snapshot = bare
        snapshot.nodes = [
            .init(
                number: 2, name: "n2", tunnel: SocketAddress(Address(ipv4: 0x0a00_0002), 15008),
                addresses: [Address(ipv4: 0x0a00_0002), .loopback6])
        ]
        return snapshot
    }()
    private static let bare = Snapshot(
        generation: 7, trustDomain: "malla.local",
        identities: [
            16: Identity(trustDomain: "malla.local", namespace: "default", serviceAccount: "frontend"),
            17: Identity(trustDomain: "malla.local", namespace: "birds", serviceAccount: "bäckend"),
        ],
        services: [
            Snapshot.Service(
                number: 3, name: ObjectName("backend", namespace: "birds"),
                addresses: [Address(ipv4: 0xf0f0_0001), Address(high: 0xfd6d_616c_6c61_0000, low: 1)],
                ports: [
                    Snapshot.ServicePort(
                        name: "http", port: 80, transport: .tcp, appProtocol: "http", path: .proxy, failOpen: true,
                        connectTimeout: 1_000_000_000, idleTimeout: 0, scope: 9,
                        endpoints4: [.init(endpoint: 1, weight: 3), .init(endpoint: 2, weight: 1)],
                        endpoints6: [.init(endpoint: 2, weight: 1)])
                ])
        ],
        endpoints: [
            Snapshot.Endpoint(
                number: 1, address: SocketAddress(.loopback4, 7000), workload: 5, identity: 17, scope: 9),
            Snapshot.Endpoint(
                number: 2, address: SocketAddress(.loopback6, 7001), workload: 6, identity: 17, scope: 9,
                seesClients: true),
            Snapshot.Endpoint(
                number: 3, address: SocketAddress(Address(ipv4: 0x0a00_0002), 7001), workload: 0, identity: 17,
                scope: 0, node: 2),
        ],
        policies: PolicyTable(entries: [
            .init(scope: 9, source: 16, port: 0): .init(allowRule: 4),
            .init(scope: 9, source: PolicyTable.anySource, port: 0): .init(
                denyRule: 2, defaultReason: .policyNotAllowed),
        ]),
        rules: [2: "birds/deny[0]", 4: "birds/allow[1]"])

    static let messages: [Message] = [
        .hello(.init(program: "malla-proxy 0.1", node: "n1", pid: 4711, generation: 6)),
        .connections,
        .listeners(count: 4),
        .patch(
            SnapshotPatch(
                generation: 8, base: 7, isLast: false, endpoints: snapshot.endpoints, gone: [3, 4],
                services: snapshot.services)),
        .credential(
            Credential(
                identity: Identity(trustDomain: "malla.local", namespace: "shop", serviceAccount: "web"),
                chain: Array("chain".utf8), key: Array("key".utf8), notAfter: 1_800_000_000)),
        .withdrawal(Identity(trustDomain: "malla.local", namespace: "shop", serviceAccount: "web")),
        .bundles([TrustBundle(domain: "malla.local", roots: Array("roots".utf8)), TrustBundle(domain: "b", roots: [])]),
        .reservedPorts([15020, 9090]),
        .tunnelQuestion(.init(number: 3, from: 200)),
        .tunnels(
            .init(
                number: 3, total: 201,
                tunnels: TunnelFact.State.allCases.map { state in
                    TunnelFact(
                        isInbound: state == .open, state: state, own: "spiffe://malla.local/ns/shop/sa/web", peer: "",
                        node: 2, address: SocketAddress(.loopback6, 15008), streams: 3, streamsTotal: 1 << 40, sent: 5,
                        received: 6, age: 7, roundTrip: 8)
                })),
        .applied(generation: 7),
        .rejected(.init(generation: 8, reason: "because")),
        .drain(.init(grace: 5_000_000_000)),
    ]

    @Test("every message comes out as it went in, in one piece or byte by byte", arguments: [Int.max, 1, 7])
    func roundTrip(portion: Int) throws {
        let sent = Self.messages + (try SnapshotMessages(Self.snapshot).messages)
        let bytes = sent.flatMap { $0.encoded() }
        var decoder = FrameDecoder()
        var received: [Message] = []
        var at = 0
        while at < bytes.count {
            let end = min(bytes.count, at + min(portion, bytes.count))
            decoder.append(bytes[at..<end])
            at = end
            while let message = try decoder.next() { received.append(message) }
        }
        #expect(received == sent)
    }

    @Test("a snapshot is whole after its last message and not before")
    func assemble() throws {
        var assembler = SnapshotAssembler()
        let messages = try SnapshotMessages(Self.snapshot).messages
        for message in messages.dropLast() {
            let early = try assembler.take(message)
            #expect(early == nil)
        }
        let last = try #require(messages.last)
        let whole = try assembler.take(last)
        #expect(whole == Self.snapshot)
    }

    @Test("thousands of endpoints and rules go through in parts below the frame limit")
    func large() throws {
        var snapshot = Snapshot(generation: 1, trustDomain: "malla.local")
        snapshot.endpoints = (1...5000).map {
            Snapshot.Endpoint(
                number: $0, address: SocketAddress(Address(ipv4: $0), 80), workload: $0, identity: 16, scope: 1)
        }
        snapshot.rules = Dictionary(uniqueKeysWithValues: (1...5000).map { ($0, "default/rule-number-\($0)[0]") })
        let all = snapshot.endpoints.map { Snapshot.WeightedEndpoint(endpoint: $0.number, weight: 1) }
        snapshot.services = [
            Snapshot.Service(
                number: 1, name: ObjectName("wide"), addresses: [],
                ports: [
                    Snapshot.ServicePort(
                        name: "", port: 80, transport: .tcp, appProtocol: nil, path: .proxy, failOpen: false,
                        connectTimeout: 1, idleTimeout: 1, scope: 1, endpoints4: all, endpoints6: all)
                ])
        ]
        var assembler = SnapshotAssembler()
        var decoder = FrameDecoder()
        var result: Snapshot?
        for message in try SnapshotMessages(snapshot).messages {
            let bytes = message.encoded()
            #expect(bytes.count <= Frame.maximum + 4)
            decoder.append(bytes)
            while let message = try decoder.next() { result = try assembler.take(message) ?? result }
        }
        #expect(result == snapshot)
    }

    @Test("parts without a beginning, dangling endpoints, another generation's end are errors")
    func invalidSnapshots() throws {
        #expect(throws: LinkError.self) {
            var assembler = SnapshotAssembler()
            _ = try assembler.take(.rules([1: "x"]))
        }
        #expect(throws: LinkError.self) {
            var assembler = SnapshotAssembler()
            _ = try assembler.take(.snapshotBegin(.init(generation: 2, trustDomain: "t")))
            _ = try assembler.take(.snapshotEnd(generation: 3))
        }
        #expect(throws: LinkError.self) {
            var assembler = SnapshotAssembler()
            _ = try assembler.take(.snapshotBegin(.init(generation: 2, trustDomain: "t")))
            _ = try assembler.take(.services(Self.snapshot.services))
            _ = try assembler.take(.snapshotEnd(generation: 2))
        }
    }

    @Test("a patch of thousands of endpoints goes in parts, and is whole after the last")
    func patch() throws {
        var service = Self.snapshot.services[0]
        service.ports[0].endpoints4 = (1...3000).map { .init(endpoint: $0, weight: 1) }
        let patch = SnapshotPatch(
            generation: 9, base: 8,
            endpoints: (1...9000).map {
                Snapshot.Endpoint(
                    number: $0, address: SocketAddress(Address(ipv4: $0), 80), workload: $0, identity: 16, scope: 1)
            }, gone: Array(10_000...20_000), services: Array(repeating: service, count: 5))
        let messages = try #require(patch.messages)
        var assembler = PatchAssembler()
        var decoder = FrameDecoder()
        var whole: [SnapshotPatch] = []
        for message in messages {
            let bytes = message.encoded()
            #expect(bytes.count <= Frame.maximum + 4)
            decoder.append(bytes)
            while case .patch(let part)? = try decoder.next() {
                if let patch = try assembler.take(part) { whole.append(patch) }
            }
        }
        #expect(whole == [patch] && messages.count > 5)
        service.ports[0].endpoints4 = (1...20_001).map { .init(endpoint: $0, weight: 1) }
        #expect(SnapshotPatch(generation: 9, base: 8, services: [service]).messages == nil)
    }

    @Test("versions: a common one is found or not")
    func versions() {
        var hello = Message.Hello(program: "", node: "", pid: 0)
        #expect(Link.common(with: hello) == Link.version)
        hello.newest = 1
        #expect(Link.common(with: hello) == 1, "a proxy of before there were patches")
        hello.newest = 9
        #expect(Link.common(with: hello) == Link.version)
        hello.oldest = 8
        #expect(Link.common(with: hello) == nil)
    }
}
