// SPDX-License-Identifier: Apache-2.0

import MallaLink
import MallaModel
import Testing

@Suite("Rules on the link")
struct RouteCodingTests {
    private func snapshot(_ sets: [RouteSet]) -> Snapshot {
        var port = Snapshot.ServicePort(
            name: "", port: 80, transport: .tcp, appProtocol: nil, path: .proxy, failOpen: false, connectTimeout: 1,
            idleTimeout: 1, scope: 0, endpoints4: [], endpoints6: [])
        port.routes = sets
        let service = Snapshot.Service(number: 7, name: ObjectName("a"), addresses: [], ports: [port])
        return Snapshot(generation: 1, trustDomain: "t", services: [service])
    }

    private func travelled(_ snapshot: Snapshot) throws -> (snapshot: Snapshot?, largest: Int) {
        var assembler = SnapshotAssembler()
        var decoder = FrameDecoder()
        var result: Snapshot?
        var largest = 0
        for message in try SnapshotMessages(snapshot).messages {
            let bytes = message.encoded()
            largest = max(largest, bytes.count)
            decoder.append(bytes[...])
            while let message = try decoder.next() { result = try assembler.take(message) ?? result }
        }
        return (result, largest)
    }

    @Test("every field arrives")
    func everything() throws {
        let target = ObjectName("b", namespace: "n")
        let changes = HeaderModification(
            set: [.init(name: "a", value: "b")], add: [.init(name: "c", value: "")], remove: ["d"])
        let rule = RouteRule(
            name: "n/r[0]",
            matches: [
                RouteMatch(
                    path: .exact("/x"), method: "GET", headers: [.init(name: "h", value: "v", isExpression: true)],
                    parameters: [.init(name: "q", value: "w")]), RouteMatch(path: .prefix("/")),
                RouteMatch(path: .expression(".*")), RouteMatch(),
            ],
            filters: [
                .requestHeaders(changes), .responseHeaders(.init(remove: ["e"])),
                .redirect(
                    .init(scheme: "https", hostname: "h", port: 1, path: .prefix("/p"), status: 308)),
                .redirect(.init(path: .full("/f"))), .rewrite(.init(hostname: "i", path: .full("/g"))),
                .rewrite(.init(path: .prefix(""))), .rewrite(.init()),
                .mirror(.init(service: target, port: 3, numerator: 1, denominator: 7)),
            ],
            backends: [
                .init(service: target, port: 80, weight: 0, filters: [.requestHeaders(changes)]),
                .init(service: target, port: 81),
            ], requestTimeout: 5, backendTimeout: 0, retry: .init(codes: [500, 503], attempts: 3, backoff: 9))
        let sent = snapshot([
            RouteSet(rules: [rule, RouteRule(name: "")]),
            RouteSet(clientNamespace: "x", rules: [RouteRule(name: "y", retry: RouteRetry())]),
        ])
        #expect(try travelled(sent).snapshot == sent)
    }

    @Test("many rules are split, and stay in order")
    func many() throws {
        let text = String(repeating: "a", count: 1_000)
        let rules = (0..<5_000).map { RouteRule(name: "r\($0)", matches: [RouteMatch(path: .exact("/\($0)\(text)"))]) }
        let sent = snapshot([RouteSet(rules: rules), RouteSet(clientNamespace: "n", rules: Array(rules.prefix(3)))])
        let (arrived, largest) = try travelled(sent)
        #expect(arrived == sent)
        #expect(largest <= Frame.maximum)
    }

    @Test("rules without their port are refused")
    func stray() throws {
        var assembler = SnapshotAssembler()
        _ = try assembler.take(.snapshotBegin(.init(generation: 1, trustDomain: "t")))
        let part = Message.RoutePart(service: 1, port: 80, set: RouteSet(rules: []))
        #expect(throws: LinkError.self) { _ = try assembler.take(.routes([part])) }
        #expect(throws: LinkError.self) { _ = try assembler.take(.snapshotEnd(generation: 1)) }
    }
}
