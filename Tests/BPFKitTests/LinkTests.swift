// SPDX-License-Identifier: Apache-2.0
import BPFKit
import Testing

@Suite("Links", .serialized)
struct LinkTests {
    @Test("an attached program decides until its link is gone")
    func attach() throws {
        let node = try TestNode("attach")
        let program = try openKit().load().program("kit_connect4")
        #expect(try !node.isForbidden(port: 1))
        do {
            let cgroup = try Cgroup(path: node.cgroup)
            let link = try BPFLink(attaching: program, to: cgroup)
            #expect(try node.isForbidden(port: 1))
            #expect(try !node.isForbidden(port: 2))
            let description = try link.describe()
            #expect(description.cgroup == cgroup.id)
            #expect(description.attachType == .connect4)
            #expect(try description.program == program.describe().id)
            #expect(try KernelObjects.links().contains(description.id))
        }
        #expect(try !node.isForbidden(port: 1))
    }

    @Test("a pinned link stays, is adopted, and gets another program without changing its id")
    func pinAndAdopt() throws {
        let node = try TestNode("adopt")
        let path = node.pins + "/connect4"
        var id: UInt32 = 0
        do {
            let link = try BPFLink(attaching: openKit().load().program("kit_connect4"), to: Cgroup(path: node.cgroup))
            try link.pin(at: path)
            id = try link.describe().id
        }
        #expect(try node.isForbidden(port: 1))

        let adopted = try BPFLink(pinned: path)
        #expect(try adopted.describe().id == id)
        let open = try openKit().load().program("kit_connect4_open")
        try adopted.replaceProgram(by: open)
        let description = try adopted.describe()
        #expect(description.id == id)
        #expect(try description.program == open.describe().id)
        #expect(try !node.isForbidden(port: 1))
        try adopted.detach()
    }

    @Test("what is not there, or is something else, is an error that names the path")
    func wrongPins() throws {
        let node = try TestNode("wrong")
        #expect { try BPFLink(pinned: node.pins + "/none").detach() } throws: {
            ($0 as? BPFError)?.code == .notFound && "\($0)".contains("/none")
        }
        let map: BPFMap<UInt32, UInt64> = try openKit().load().map("kit_hash")
        try map.pin(at: node.pins + "/map")
        #expect { try BPFLink(pinned: node.pins + "/map").detach() } throws: { ($0 as? BPFError)?.code == .layout }
        #expect { _ = try Cgroup(path: "/tmp").id } throws: { "\($0)".contains("cgroup2") }
    }
}
