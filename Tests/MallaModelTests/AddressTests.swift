// SPDX-License-Identifier: Apache-2.0
import MallaModel
import Testing

@Suite("Addresses")
struct AddressTests {
    @Test(
        "text is read and written canonically",
        arguments: [
            ("0.0.0.0", "0.0.0.0"), ("127.0.0.1", "127.0.0.1"), ("255.255.255.255", "255.255.255.255"),
            ("::", "::"), ("::1", "::1"), ("1::", "1::"), ("::ffff:127.0.0.1", "127.0.0.1"),
            ("::FFFF:7f00:1", "127.0.0.1"), ("0:0:0:0:0:ffff:1.2.3.4", "1.2.3.4"),
            ("2001:DB8:0:0:8:800:200C:417A", "2001:db8::8:800:200c:417a"), ("2001:db8::1:0:0:1", "2001:db8::1:0:0:1"),
            ("1:0:0:2:0:0:0:3", "1:0:0:2::3"), ("1:0:2:3:4:5:6:7", "1:0:2:3:4:5:6:7"), ("::2:0:0:0:0:3", "0:0:2::3"),
            ("fd6d:616c:6c61:0:0:0:0:1", "fd6d:616c:6c61::1"), ("64:ff9b::1.2.3.4", "64:ff9b::102:304"),
            ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"), ("::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"),
        ])
    func canonical(text: String, expected: String) throws {
        let address = try #require(Address(text))
        #expect(address.description == expected)
        #expect(Address(expected) == address)
        #expect(Address(address.abi) == address)
        #expect(address.bytes.count == 16)
    }

    @Test(
        "what is no address",
        arguments: [
            "", " ", "1", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "1.2.3.4 ", "1..2.3", "+1.2.3.4", "0x1.2.3.4",
            ":", ":::", "1:", ":1", "1::2::3", "12345::", "g::", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9",
            "1:2:3:4:5:6:7:8::", "::1%eth0", "[::1]", "1.2.3.4::", "::1.2.3", "1:2:3:4:5:6:7:1.2.3.4", "::+1", "１::",
        ])
    func refused(text: String) {
        #expect(Address(text) == nil)
    }

    @Test("10000 random addresses survive their text")
    func roundTrip() {
        var state: UInt64 = 1
        func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            // Zero groups are what the text form is about, so make many.
            return (0..<4).reduce(state) { state >> UInt64(59 - $1) & 1 == 0 ? $0 & ~(0xffff << UInt64($1 * 16)) : $0 }
        }
        for _ in 0..<10_000 {
            let address = Address(high: next(), low: next())
            #expect(Address(address.description) == address)
        }
    }

    @Test("what an address is")
    func kinds() {
        #expect(Address("127.255.0.1")?.isLoopback == true)
        #expect(Address("::ffff:127.0.0.1")?.isLoopback == true)
        #expect(Address("128.0.0.1")?.isLoopback == false)
        #expect(Address("::1")?.isLoopback == true)
        #expect(Address("0.0.0.0")?.isUnspecified == true)
        #expect(Address("::")?.isUnspecified == true)
        #expect(Address("::")?.isIPv4 == false)
        #expect(Address("1.2.3.4")?.ipv4Bits == 0x0102_0304)
    }

    @Test("socket addresses", arguments: ["1.2.3.4:80", "[::1]:80", "0.0.0.0:0", "[2001:db8::1]:65535"])
    func socketAddress(text: String) {
        #expect(SocketAddress(text)?.description == text)
    }

    @Test(
        "what is no socket address",
        arguments: ["", ":80", "1.2.3.4", "1.2.3.4:", "1.2.3.4:65536", "::1:80", "[::1]", "[1.2.3.4]:80", "1.2.3.4:+1"])
    func refusedSocketAddress(text: String) {
        #expect(SocketAddress(text) == nil)
    }
}
