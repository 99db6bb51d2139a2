// SPDX-License-Identifier: Apache-2.0
import MallaDNS
import MallaModel
import Testing

@Suite("DNS messages")
struct MessageTests {
    private func parse(_ bytes: [UInt8]) -> DNSQuery? {
        if case .query(let query) = DNSQuery.parse(bytes) { query } else { nil }
    }

    @Test("a question is understood, in any spelling")
    func question() throws {
        let query = try #require(parse(Messages.question("BackEnd.Default", type: 28, payload: 1232)))
        #expect(query.id == 0x1234 && query.recursionDesired && query.payloadSize == 1232)
        #expect(query.question.name == "backend.default")
        #expect(query.question.type == 28 && query.question.recordClass == 1)
        #expect(String(decoding: query.questionBytes, as: UTF8.self).contains("BackEnd"), "replies repeat the spelling")
        #expect(parse(Messages.question("a", payload: 12))?.payloadSize == 512)
        #expect(parse(Messages.question(""))?.question.name == "")
    }

    @Test("a label with strange bytes is not taken for another name")
    func strange() throws {
        var bytes = Messages.question("a_b")
        bytes[14] = UInt8(ascii: ".")
        #expect(parse(bytes)?.question.name == "a\\46b")
    }

    static let long = [UInt8](repeating: 0, count: 5) + [1] + [UInt8](repeating: 0, count: 6)

    @Test(
        "what is no question is refused with a bare header or not answered at all",
        arguments: [
            ("empty", [], nil), ("short", [UInt8](repeating: 0, count: 11), nil),
            ("a reply", Messages.reply(to: Messages.question("a"), address: [1, 2, 3, 4]), nil),
            ("no question", [UInt8](repeating: 0, count: 12), 1), ("header only", long, 1),
            ("label past the end", long + [63, 1], 1), ("no type", long + [1, 97, 0], 1),
            ("half a type", long + [1, 97, 0, 0, 1, 0], 1), ("compressed", long + [0xc0, 12, 0, 1, 0, 1], 1),
            ("endless name", long + [UInt8](repeating: 1, count: 600), 1),
            ("reserved label", long + [0x40, 0, 0, 1, 0, 1], 1),
            ("two questions", [0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1], 1),
            ("answers in it", [0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 1], 1),
            ("an update", [0, 0, 0x28, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1], 4),
            ("very long", Messages.question("a") + [UInt8](repeating: 0, count: 5000), 1),
        ] as [(String, [UInt8], UInt8?)])
    func malformed(what: String, bytes: [UInt8], code: UInt8?) {
        switch DNSQuery.parse(bytes) {
        case .query(let query): Issue.record("\(what): \(query)")
        case .silence: #expect(code == nil)
        case .refusal(let header):
            #expect(header.count == 12 && header.count <= bytes.count, "never larger than what was asked")
            #expect(header[3] == code)
            #expect(header[2] & 0x80 != 0, "a reply to a reply would make two servers talk forever")
        }
    }

    @Test("no bytes trap, and no reply to them is larger than they are or than an answer needs")
    func noise() {
        var random = SystemRandomNumberGenerator()
        for round in 0..<20000 {
            var bytes = round % 2 == 0 ? Messages.question("backend.default.malla", payload: 4096) : []
            if bytes.isEmpty {
                bytes = (0..<Int.random(in: 0...80, using: &random)).map { _ in
                    UInt8.random(in: 0...255, using: &random)
                }
            }
            for _ in 0..<3 where !bytes.isEmpty {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            if round % 5 == 0 { bytes = Array(bytes.prefix(Int.random(in: 0...bytes.count, using: &random))) }
            if case .query(let query) = DNSQuery.parse(bytes) {
                let reply = DNSReply.addresses([.loopback4, .loopback6], for: query)
                #expect(reply.count <= bytes.count + 16 + 28 + 11)
            }
        }
    }

    @Test(
        "A and AAAA by family; other types and families without a record: the name exists, no answer",
        arguments: [
            (1, [Address.loopback4, .loopback6], 1, 16), (28, [.loopback4, .loopback6], 1, 28),
            (28, [.loopback4], 0, 0), (16, [.loopback4], 0, 0), (255, [.loopback4, .loopback6], 2, 44), (1, [], 0, 0),
        ] as [(UInt16, [Address], Int, Int)])
    func answers(type: UInt16, addresses: [Address], count: Int, bytes: Int) throws {
        let question = Messages.question("backend", type: type)
        let query = try #require(parse(question))
        let reply = try read(DNSReply.addresses(addresses, for: query), question)
        #expect(reply.id == 0x1234 && reply.code == 0 && reply.answers == count && reply.rest.count == bytes)
    }

    @Test("the answer's bytes")
    func bytes() throws {
        let question = Messages.question("x")
        let query = try #require(parse(question))
        let reply = DNSReply.addresses([Address(ipv4: 0xf0f0_0001)], for: query)
        #expect(
            reply == [0x12, 0x34, 0x85, 0x80, 0, 1, 0, 1, 0, 0, 0, 0, 1, UInt8(ascii: "x"), 0, 0, 1, 0, 1]
                + [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4, 240, 240, 0, 1])
    }
}

@Suite("Names of the mesh")
struct MeshNamesTests {
    private let names = MeshNames([
        Snapshot.Service(number: 1, name: ObjectName("backend"), addresses: [.loopback4], ports: []),
        Snapshot.Service(number: 2, name: ObjectName("db", namespace: "prod"), addresses: [.loopback6], ports: []),
    ])

    @Test(
        "each spelling of a service",
        arguments: [
            ("backend", MeshNames.Finding.service([.loopback4])), ("backend.default", .service([.loopback4])),
            ("backend.default.malla", .service([.loopback4])),
            ("backend.default.svc.cluster.local", .service([.loopback4])), ("db.prod", .service([.loopback6])),
            ("db.prod.malla", .service([.loopback6])), ("db", .foreign), ("db.default.malla", .nothing),
            ("malla", .nothing), ("x.malla", .nothing), ("a.b.c.malla", .nothing), ("backend.example.com", .foreign),
            ("backend.default.svc.cluster.example", .foreign), ("", .foreign), (".", .foreign), ("..malla", .nothing),
            ("back\\46end.default", .foreign),
        ])
    func find(name: String, finding: MeshNames.Finding) {
        #expect(names.find(name) == finding)
    }
}
