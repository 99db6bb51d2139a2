// SPDX-License-Identifier: Apache-2.0

import MallaModel
import Testing

@testable import MallaProxy

/// What a CONNECT is written with and read by, without strings: the same as with them.
@Suite("Fields of a CONNECT")
struct FieldTextTests {
    private static func text(_ fill: (inout FieldText) -> Void) -> String {
        var text = FieldText()
        fill(&text)
        return String(decoding: (0..<text.count).map { text.bytes[$0] }, as: UTF8.self)
    }

    @Test(
        "addresses and ports are written as they always are",
        arguments: [
            "10.0.0.7:80", "0.0.0.0:0", "255.255.255.255:65535", "1.20.100.9:10000", "[::1]:80", "[2001:db8::10]:15008",
        ])
    func written(_ form: String) throws {
        let address = try #require(SocketAddress(form))
        #expect(Self.text { $0.append(address) } == form)
        #expect(Self.text { $0.append(address.address) } == "\(address.address)")
    }

    @Test("what does not fit is left out, and nothing behind it is hurt")
    func full() {
        let long = String(repeating: "x", count: FieldText.capacity - 3)
        let text = Self.text {
            $0.append(long)
            $0.literal("four")
            $0.literal("end")
        }
        #expect(text == long + "end")
    }

    @Test("authorities are read as by their strings, or left to these")
    func authorities() {
        let forms = [
            "10.0.0.7:80", "255.255.255.255:65535", "0.0.0.0:0", "256.0.0.1:80", "10.0.0.7", "10.0.0.7:", "10.0.0:80",
            "10.0.0.7:65536", "10.0.0.7:080", "010.0.0.7:80", "10.0.0.7:80 ", " 10.0.0.7:80", "10.0.0.7.1:80",
            "+1.0.0.7:80",
            "10.0.0.7:-1", "10..0.7:80", "", ":", "10.0.0.7:80:80", "[::1]:80", "4294967297.0.0.1:80", "1.2.3.99999:1",
        ]
        for form in forms {
            let bytes = Array(form.utf8)
            let plain = SocketAddress(plain: bytes.span)
            if let plain { #expect(plain == SocketAddress(form), "\(form)") }
        }
        #expect(SocketAddress(plain: Array("10.0.0.7:80".utf8).span) == SocketAddress("10.0.0.7:80"))
        #expect(SocketAddress(plain: Array("10.0.0.7:080".utf8).span) == nil)
    }

    @Test(
        "the client of `forwarded`",
        arguments: [
            ("for=\"10.0.0.7\"", "10.0.0.7"), ("for=\"10.0.0.7\";host=backend.default", "10.0.0.7"),
            ("for=\"10.0.0.7:40112\"", "10.0.0.7"), ("for=10.0.0.7", "10.0.0.7"), ("For = \"10.0.0.7\"", "10.0.0.7"),
            ("host=a;for=\"10.0.0.7\"", "10.0.0.7"), ("for=\"[2001:db8::1]\"", "2001:db8::1"),
            ("for=\"[2001:db8::1]:80\"", "2001:db8::1"), ("for=\"10.0.0.7\"x", nil), ("for=\"10.0.0\"", nil), ("", nil),
            ("for=\"", nil), ("for=\"unknown\"", nil), ("by=\"10.0.0.7\"", nil),
        ] as [(String, String?)])
    func forwarded(_ value: String, _ client: String?) {
        #expect(ForwardedField.client(of: Array(value.utf8).span) == client.flatMap { Address($0) })
    }
}
