// SPDX-License-Identifier: Apache-2.0
import BPFObjects
import BPFTestObjects
import Testing

@Suite("Embedded BPF objects")
struct ObjectCodeTests {
    @Test("every embedded object is a little-endian ELF file for the BPF machine")
    func machine() throws {
        let objects = ObjectCode.all + ObjectCode.testObjects
        #expect(!objects.isEmpty)
        for object in objects {
            let bytes = object.bytes
            try #require(bytes.count > 64, "\(object.name)")
            #expect(Array(bytes[0..<6]) == [0x7f, 0x45, 0x4c, 0x46, 2, 1], "\(object.name)")
            // e_machine, EM_BPF
            #expect(Array(bytes[18..<20]) == [247, 0], "\(object.name)")
        }
    }

    @Test("the programs of bpf/tests are in no product")
    func testsStayOut() {
        #expect(ObjectCode.testObjects.contains { $0.name == "kit" })
        #expect(!ObjectCode.all.contains { $0.name.hasPrefix("tests") || $0.name == "kit" })
    }
}
