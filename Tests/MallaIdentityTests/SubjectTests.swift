// SPDX-License-Identifier: Apache-2.0

import MallaIdentity
import MallaModel
import TLSWire
import Testing

@Suite("Names in certificates")
struct SubjectTests {
    static let good = [
        "spiffe://malla.local/ns/default/sa/backend", "spiffe://td/ns/a/sa/b", "spiffe://a_b.c-d/ns/0/sa/x.y-z",
        "spiffe://malla.local/ns/" + String(repeating: "n", count: 63) + "/sa/" + String(repeating: "s", count: 253),
    ]
    static let bad = [
        "", "spiffe://", "spiffe:///ns/a/sa/b", "spiffe://td", "spiffe://td/", "spiffe://td/ns/a/sa/",
        "Spiffe://td/ns/a/sa/b",
        "spiffe://TD/ns/a/sa/b", "spiffe://td/ns/A/sa/b", "spiffe://td/ns/a/sa/B", "spiffe://td:80/ns/a/sa/b",
        "spiffe://me@td/ns/a/sa/b", "spiffe://td/ns/a/sa/b/", "spiffe://td/ns/a/sa/b/c", "spiffe://td//ns/a/sa/b",
        "spiffe://td/ns/a/sa/b?x", "spiffe://td/ns/a/sa/b#x", "spiffe://td/ns/%61/sa/b", "spiffe://td/sa/a/ns/b",
        "spiffe://td/ns/../sa/b", "spiffe://td/ns/./sa/b", "spiffe://td/ns/a/sa/b\0", "spiffe://td/ns/a/sa/b ",
        "spiffe://td/ns/a/sa/b\n", " spiffe://td/ns/a/sa/b", "spiffe://td/ns/-a/sa/b", "spiffe://td/ns/a/sa/b.",
        "spiffe://td./ns/a/sa/b", "spiffe://td/ns/a.b/sa/c", "https://td/ns/a/sa/b", "spiffe://tD/ns/a/sa/b",
        "spiffe://td/ns/ä/sa/b", "spiffe://td/ns/a/sa/*", "spiffe://[::1]/ns/a/sa/b",
        "spiffe://td/ns/" + String(repeating: "n", count: 64) + "/sa/b",
        "spiffe://" + String(repeating: "t", count: 256) + "/ns/a/sa/b",
    ]

    @Test("The one form is read, and written the same", arguments: good)
    func reads(text: String) throws {
        let subject = try #require(Subject(text))
        #expect(subject.description == text)
        #expect(SPIFFEName(text)?.description == text, "the data path reads the same names")
    }

    @Test("Nothing else is a name", arguments: bad)
    func refuses(text: String) {
        #expect(Subject(text) == nil)
        #expect(SPIFFEName(text) == nil, "the data path reads the same names")
    }

    @Test("A node's name is none that the data path takes")
    func nodes() throws {
        let text = "spiffe://malla.local/malla/node/Edge-1.example_x"
        #expect(Subject(text) == .node(trustDomain: "malla.local", name: "Edge-1.example_x"))
        #expect(Subject(text)?.description == text)
        #expect(SPIFFEName(text) == nil)
        for bad in ["", "a/b", "..", "-a", "a b", "a%20", String(repeating: "n", count: 254)] {
            #expect(Subject("spiffe://td/malla/node/\(bad)") == nil)
            #expect(!Subject.canBeNode(bad))
        }
    }
}
