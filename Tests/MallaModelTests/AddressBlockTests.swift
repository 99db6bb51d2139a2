// SPDX-License-Identifier: Apache-2.0
import MallaModel
import Testing

@Suite("Blocks of addresses")
struct AddressBlockTests {
    @Test(
        "as they are written, and in their canonical form",
        arguments: [
            ("10.1.2.3/8", "10.0.0.0/8"), ("10.1.2.3", "10.1.2.3/32"), ("0.0.0.0/0", "0.0.0.0/0"),
            ("fd00:1::7/32", "fd00:1::/32"), ("::/0", "::/0"), ("::1", "::1/128"),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ])
    func spelling(text: String, canonical: String) throws {
        let block = try #require(AddressBlock(text))
        #expect("\(block)" == canonical)
        #expect(AddressBlock(canonical) == block)
    }

    @Test(
        "what is none",
        arguments: [
            "", "/", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/08", "10.0.0.0/-1", "::/129", "10.0.0/8", "a/8", "::/1/2",
        ])
    func none(text: String) { #expect(AddressBlock(text) == nil) }

    @Test("the families do not contain each other")
    func families() throws {
        let (all4, all6) = (try #require(AddressBlock("0.0.0.0/0")), try #require(AddressBlock("::/0")))
        let (one4, one6) = (Address(ipv4: 0x0a00_0001), Address.loopback6)
        #expect(all4.contains(one4) && !all4.contains(one6) && all6.contains(one6) && !all6.contains(one4))
        let half = try #require(AddressBlock("10.0.0.0/9"))
        #expect(half.contains(Address(ipv4: 0x0a7f_ffff)) && !half.contains(Address(ipv4: 0x0a80_0000)))
    }
}
