// SPDX-License-Identifier: Apache-2.0
import BPFKit
import CMallaABI
import Glibc
import Testing

/// A TCP packet of 26 bytes in an Ethernet frame.
private struct Frame: BitwiseCopyable {
    static let payload: UInt32 = 26
    var words: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0
    )

    init(
        from: UInt8, _ source: UInt16, to: UInt8, _ destination: UInt16, _ flags: UInt8, _ sequence: UInt32,
        _ answer: UInt32
    ) {
        withUnsafeMutableBytes(of: &words) { bytes in
            bytes[12] = 0x08  // IPv4
            bytes[14] = 0x45
            bytes.storeBytes(of: UInt16(66).bigEndian, toByteOffset: 16, as: UInt16.self)
            bytes[22] = 64
            bytes[23] = UInt8(IPPROTO_TCP)
            for (at, host) in [(26, from), (30, to)] {
                (bytes[at], bytes[at + 1], bytes[at + 3]) = (10, 9, host)
            }
            bytes.storeBytes(of: source.bigEndian, toByteOffset: 34, as: UInt16.self)
            bytes.storeBytes(of: destination.bigEndian, toByteOffset: 36, as: UInt16.self)
            bytes.storeBytes(of: sequence.bigEndian, toByteOffset: 38, as: UInt32.self)
            bytes.storeBytes(of: answer.bigEndian, toByteOffset: 42, as: UInt32.self)
            bytes[46] = 5 << 4
            bytes[47] = flags
        }
    }
}

/// A workload at 10.9.0.1 behind the interface that test runs come by, and its connections to 10.9.0.2.
private final class FrontLab {
    static let interface: UInt32 = 1
    static let fin: UInt8 = 1, syn: UInt8 = 2, rst: UInt8 = 4, ack: UInt8 = 16
    static let goesOn = UInt32.max  // TC_ACT_UNSPEC
    let node: KernelNode
    private let began: UInt32 = 0xffff_ff00, answered: UInt32 = 0x7fff_fff0
    private var port: UInt16 = 0
    private var sequence: UInt32 = 0
    /// Of the application's bytes.
    private(set) var sent: UInt64 = 0

    init() throws {
        node = try KernelNode(objects: ["veth", "arrival", "flows"])
        try World(node: node).settings()
        var interface = malla_interface()
        interface.workload = 10
        interface.identity = 100
        interface.addresses = 1
        interface.namespace = -1
        interface.address.0 = try World.addr("10.9.0.1")
        try node.interfaces.update(Self.interface, interface)
    }

    /// Begins another connection, from this port.
    func open(from port: UInt16, at first: UInt32? = nil) throws {
        (self.port, sequence, sent) = (port, first ?? began, 0)
        #expect(try leave(Self.syn) == Self.goesOn)
        #expect(try arrive(Self.syn | Self.ack, at: answered &- 1 &- Frame.payload) == Self.goesOn)
        #expect(try leave(Self.ack) == Self.goesOn)
    }

    /// A packet of the workload's, with its next bytes.
    func leave(_ flags: UInt8) throws -> UInt32 {
        var frame = Frame(from: 1, port, to: 2, 80, flags, sequence, flags & Self.ack != 0 ? answered : 0)
        sequence &+= Frame.payload &+ (flags & (Self.syn | Self.fin) != 0 ? 1 : 0)
        sent += UInt64(Frame.payload)
        return try #require(node.programs["malla_veth"]).program.run(onPacket: &frame)
    }

    /// A packet to it.
    @discardableResult
    func arrive(_ flags: UInt8, at number: UInt32? = nil) throws -> UInt32 {
        var frame = Frame(from: 2, 80, to: 1, port, flags, number ?? answered, sequence)
        return try #require(node.programs["malla_arrival"]).program.run(onPacket: &frame)
    }

    func flow() throws -> malla_flow? {
        try node.flows.entries().first { $0.key.local_port == port }?.value
    }

    /// Takes the connection's flow away, as the kernel does when another one needs its place.
    func evict() throws {
        let key = try #require(node.flows.entries().first { $0.key.local_port == port }?.key)
        try node.flows.delete(key)
    }

    /// What stands in front of the connection.
    func front() throws -> malla_front? {
        try node.fronts.entries().first { $0.value.key.local_port == port && $0.value.interface != 0 }?.value
    }

    /// Sends until a packet went by the front: a decision holds for 20 ms, which this process may be away for.
    func sendByFront() throws {
        for _ in 0..<5000 {
            #expect(try leave(Self.ack) == Self.goesOn)
            if let flow = try flow(), try front()?.sent_next == sequence, flow.sent < sent { return }
        }
        Issue.record("no packet went by the front")
    }

    /// The bytes that a reader of the connections is told.
    func told() throws -> UInt64? {
        let bytes = try #require(node.programs["malla_live_flows"]).program.iterate(map: node.flows.descriptor)
        let lives = bytes.withUnsafeBytes { bytes in
            stride(from: 0, to: bytes.count, by: MemoryLayout<malla_live>.stride).map {
                bytes.loadUnaligned(fromByteOffset: $0, as: malla_live.self)
            }
        }
        return lives.first { $0.local_port == port }?.sent
    }
}

@Suite("What stands in front of the flows says what they would", .serialized)
struct FrontTests {
    @Test("bytes that went by it are told meanwhile, and are the flow's when the peer ends, and after that")
    func bytes() throws {
        let lab = try FrontLab()
        try lab.open(from: 5000)
        try lab.sendByFront()
        #expect(try lab.told() == lab.sent)
        try lab.arrive(FrontLab.fin | FrontLab.ack)
        #expect(try lab.front() == nil, "a connection of which one end is over is not ordinary")
        #expect(try lab.flow()?.sent == lab.sent)
        for _ in 0..<100 {
            #expect(try lab.leave(FrontLab.ack) == FrontLab.goesOn)
            #expect(try lab.front() == nil)
        }
        #expect(try lab.flow()?.sent == lab.sent && lab.told() == lab.sent)
    }

    @Test(
        "its own end, by FIN or RST, has all bytes",
        arguments: [FrontLab.fin | FrontLab.ack, FrontLab.rst | FrontLab.ack])
    func end(flags: UInt8) throws {
        let lab = try FrontLab()
        try lab.open(from: 5001)
        try lab.sendByFront()
        #expect(try lab.leave(flags) == FrontLab.goesOn)
        #expect(try lab.front() == nil)
        #expect(try lab.flow()?.sent == lab.sent)
    }

    @Test("the same addresses and ports again, with other numbers: the next connection has its own bytes")
    func again() throws {
        let lab = try FrontLab()
        for first: UInt32 in [0xffff_ff00, 0x4000_0000, 0x8000_0000, 5] {
            try lab.open(from: 5002, at: first)
            try lab.sendByFront()
            #expect(try lab.told() == lab.sent)
            if first == 0x4000_0000 { try lab.evict() }
        }
        #expect(try lab.leave(FrontLab.fin | FrontLab.ack) == FrontLab.goesOn)
        #expect(try lab.flow()?.sent == lab.sent)
    }

    @Test("a workload that is gone: its packets are cut when the decision is over, and none goes by after that")
    func cut() throws {
        let lab = try FrontLab()
        try lab.open(from: 5003)
        try lab.sendByFront()
        try lab.node.interfaces.delete(FrontLab.interface)
        var passed = 0
        while try lab.leave(FrontLab.ack) == FrontLab.goesOn {
            passed += 1
            try #require(passed < 10_000_000, "it is never cut")
        }
        #expect(try lab.front() == nil && lab.flow() == nil)
        for _ in 0..<1000 { #expect(try lab.leave(FrontLab.ack) != FrontLab.goesOn) }
    }
}
