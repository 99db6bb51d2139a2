// SPDX-License-Identifier: Apache-2.0

import CMallaABI
import TLSWire
import Testing

@Suite("Names of identities and of reasons")
struct NameTests {
    @Test("each reason is in the list that kernel, proxy and people share")
    func reasons() {
        for reason in TLSReason.allCases {
            #expect(malla_reason_name(UInt32(reason.rawValue)).map { String(cString: $0).hasPrefix("tls_") } == true)
        }
        let named = (0..<UInt32(MALLA_REASON_END)).compactMap { malla_reason_name($0).map { String(cString: $0) } }
        #expect(named.filter { $0.hasPrefix("tls_") }.count == TLSReason.allCases.count)
    }

    @Test("a name has one form, and is read from it")
    func names() throws {
        let text = "spiffe://malla.local/ns/default/sa/back-end.v2"
        let name = try #require(SPIFFEName(text))
        #expect(name.trustDomain == "malla.local" && name.namespace == "default" && name.account == "back-end.v2")
        #expect(name.description == text)
        for bad in ["", "spiffe://", "spiffe://a/ns/b/sa/-c", "spiffe://a/ns/b/sa/c-", "spiffe://a/ns/b.c/sa/d"] {
            #expect(SPIFFEName(bad) == nil, "\(bad)")
        }
        // Every byte in every place: taken only where reading and writing it agree.
        for at in text.utf8.indices {
            for byte in UInt8.min...UInt8.max {
                var bytes = Array(text.utf8)
                bytes[text.utf8.distance(from: text.startIndex, to: at)] = byte
                let read = bytes.withUnsafeBufferPointer { SPIFFEName($0) }
                #expect(read.map { Array($0.description.utf8) == bytes } ?? true)
            }
        }
    }
}
