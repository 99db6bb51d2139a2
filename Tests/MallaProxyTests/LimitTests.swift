// SPDX-License-Identifier: Apache-2.0

import Glibc
import MallaLink
import MallaModel
import MallaProxy
import Testing

@Suite("Limits: what a source, an endpoint and memory allow", .timeLimit(.minutes(15)))
struct LimitTests {
    static let greedy = ProxyLab.client
    static let other: UInt32 = 18

    private func lab(_ origins: [UInt16], _ lab: ProxyLab, idle: Nanoseconds = 0, _ application: String = "http") throws
    {
        try lab.apply(origins, idle: idle) { $0.services[0].ports[0].appProtocol = application }
    }

    @Test("D11: a source that takes all the connections it can get leaves some to others")
    func fairness() throws {
        let lab = try ProxyLab(connections: 90)
        let listener = try TCP.listen(backlog: 200)
        try lab.apply([listener.port])
        let greedy = try (0..<100).map { _ in try TCP.connect(port: lab.proxy.port) }
        try lab.eventually("all were taken or refused") {
            try lab.counted(.passed).opened + lab.counted(.sourceLimit).refused == 100
        }
        #expect(try lab.counted(.sourceLimit).refused == 20)
        let taken = try (0..<80).map { _ in try listener.accept() }
        try lab.capture(source: Self.other)
        for _ in 0..<5 {
            let client = try TCP.connect(port: lab.proxy.port)
            try client.send("hello")
            #expect(try listener.accept().receiveText(5) == "hello")
        }
        withExtendedLifetime((greedy, taken)) {}
    }

    @Test("places that were given back are for everybody")
    func givenBack() throws {
        let lab = try ProxyLab(connections: 18)
        let listener = try TCP.listen(backlog: 200)
        try lab.apply([listener.port])
        for round in UInt64(1)...3 {
            let clients = try (0..<20).map { _ in try TCP.connect(port: lab.proxy.port) }
            try lab.eventually("refused") { try lab.counted(.sourceLimit).refused == 4 * round }
            clients.forEach { $0.disconnect() }
            try lab.eventually("ended") { try lab.counted(.passed).active == 0 }
        }
    }

    @Test("requests beyond a source's limit are answered at once, and its connection goes on")
    func requests() throws {
        let origin = try Origin { head, _ in
            if head.contains("/slow") { usleep(1_500_000) }
            return Origin.ok("hello")
        }
        let lab = try ProxyLab(limits: Proxy.Limits(source: 2))
        try self.lab([origin.port], lab)
        let client = try RawH2(port: lab.proxy.port)
        for stream in [1, 3, 5] as [UInt32] { try client.get("/slow", stream: stream) }
        // The third one is refused before the others are answered; and the next one is served.
        #expect(try client.next { $0.type == RawH2.headers }.stream == 5)
        #expect(try client.next { $0.type == RawH2.headers }.stream < 5)
        #expect(try client.next { $0.type == RawH2.headers }.stream < 5)
        try client.get("/", stream: 7)
        #expect(try client.next { $0.type == RawH2.headers && $0.stream == 7 }.payload.first == 0x88)
        #expect(origin.requests == 3)
        #expect(try lab.counted(.sourceLimit).refused == 1)
        origin.stop()
    }

    @Test("an endpoint gets no more than its limit; another one takes the rest")
    func endpoint() throws {
        let lab = try ProxyLab(limits: Proxy.Limits(endpoint: 3))
        let listeners = try (0..<2).map { _ in try TCP.listen(backlog: 200) }
        try lab.apply(listeners.map(\.port))
        let clients = try (0..<8).map { _ in try TCP.connect(port: lab.proxy.port) }
        try lab.eventually("six taken, two refused") {
            try lab.counted(.passed).opened == 6 && lab.counted(.endpointLimit).refused == 2
        }
        withExtendedLifetime(clients) {}
    }

    @Test("D1: heads that dribble in are answered 408 in time, and a bystander is served meanwhile")
    func slowHeads() throws {
        let origin = try Origin()
        let lab = try ProxyLab()
        try self.lab([origin.port], lab)
        let dribblers = try (0..<50).map { _ in try TCP.connect(port: lab.proxy.port) }
        let head = Array("GET / HTTP/1.1\r\nHost: b\r\nX-A: 0123456789\r\n".utf8)
        let bystander = try TCP.connect(port: lab.proxy.port)
        for second in 0..<5 {
            for client in dribblers { try client.send([head[second]]) }
            try bystander.send("GET / HTTP/1.1\r\nHost: b\r\n\r\n")
            #expect(try HTTPTests.response(bystander).hasPrefix("HTTP/1.1 200"))
            usleep(1_000_000)
        }
        for client in dribblers { #expect(try HTTPTests.response(client).hasPrefix("HTTP/1.1 408")) }
        #expect(try lab.counted(.headTimeout).refused == 50)
        origin.stop()
    }

    @Test("D5: slow readers fill the memory: new requests get 503, what was begun is completed, then all is as before")
    func memory() throws {
        let content = String(repeating: "a", count: 8 << 20)
        let origin = try Origin { head, _ in Origin.ok(head.contains("/large") ? content : "small") }
        let lab = try ProxyLab(buffers: 1 << 20)
        try self.lab([origin.port], lab)
        var readers: [TCP] = []
        var shed = 0
        for _ in 0..<60 where shed < 5 {
            let client = try TCP.connect(port: lab.proxy.port)
            try client.send("GET /large HTTP/1.1\r\nHost: b\r\n\r\n")
            let head = try client.receiveText(12)
            if head == "HTTP/1.1 503" { shed += 1 } else { readers.append(client) }
            usleep(20_000)
        }
        #expect(shed == 5)
        #expect(readers.count >= 8, "\(readers.count) slow readers were taken")
        #expect(try lab.counted(.overloaded).refused == 5)
        for client in readers {
            var count = 12
            while count < content.utf8.count + 12 {
                let more = try client.receive(1 << 20)
                if more.isEmpty { break }
                count += more.count
            }
            #expect(count > content.utf8.count)
        }
        let client = try TCP.connect(port: lab.proxy.port)
        try client.send("GET / HTTP/1.1\r\nHost: b\r\n\r\n")
        #expect(try HTTPTests.response(client).hasPrefix("HTTP/1.1 200"))
        origin.stop()
    }

    @Test("D5: streams that are not read are given up at the ceiling; then all is as before")
    func ceiling() throws {
        let folder = try Tool.Folder()
        try folder.write("large", [UInt8](repeating: 0x61, count: 1 << 20))
        try folder.write("small", [0x61])
        let origin = try Tool.Server.http2(folder)
        let lab = try ProxyLab(buffers: 1 << 20)
        try self.lab([origin.port], lab, "h2c")
        // Windows of nothing: all that comes has to be held.
        var client: RawH2? = try RawH2(port: lab.proxy.port, window: 0)
        for stream in 0..<60 { try client?.get("/large", stream: UInt32(stream * 2 + 1)) }
        var ended: Set<UInt32> = []
        while ended.count < 20, let frame = try client?.next() {
            if frame.type == RawH2.reset || frame.type == RawH2.headers && frame.payload.first != 0x88 {
                ended.insert(frame.stream)
            }
        }
        #expect(ended.count == 20)
        client = nil
        try lab.eventually("a new request is served") {
            let report = try Tool.run("curl -s --http2-prior-knowledge http://127.0.0.1:\(lab.proxy.port)/small")
            return report == "a"
        }
    }
}
