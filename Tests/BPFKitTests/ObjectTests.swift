// SPDX-License-Identifier: Apache-2.0
import BPFKit
import BPFObjects
import BPFTestObjects
import Testing

/// The C struct `kit_args`.
struct KitArgs: BitwiseCopyable {
    var a: UInt32
    var b: UInt32
    var sum: UInt64 = 0
}

@Suite("Objects: open, configure, load, run")
struct ObjectTests {
    @Test("a program runs on demand and sees the constant that was set before it was loaded")
    func run() throws {
        let object = try openKit()
        #expect(object.programs.contains("kit_add"))
        #expect(object.maps.contains("kit_hash"))
        try object.setConstant("kit_factor", to: UInt32(3))
        let loaded = try object.load()
        var arguments = KitArgs(a: 4, b: 5)
        #expect(try loaded.program("kit_add").run(&arguments) == 7)
        #expect(arguments.sum == 27)
        let map: BPFMap<UInt32, UInt64> = try loaded.map("kit_hash")
        #expect(try map.lookup(4) == 27)
    }

    @Test("wrong names and sizes are errors that name them")
    func wrongConfiguration() throws {
        let object = try openKit()
        #expect { try object.setConstant("nothing", to: UInt32(0)) } throws: { ($0 as? BPFError)?.code == .notFound }
        #expect { try object.setConstant("kit_factor", to: UInt64(0)) } throws: { ($0 as? BPFError)?.code == .layout }
        #expect { try object.setMaxEntries(of: "nothing", to: 1) } throws: { "\($0)".contains("nothing") }
        #expect { try object.setAutoload(of: "nothing", false) } throws: { "\($0)".contains("nothing") }
    }

    @Test("what is no object is refused with libbpf's words and nothing on stderr")
    func garbage() {
        #expect {
            _ = try OpenObject(name: "garbage", code: Array("no ELF file at all".utf8)).programs
        } throws: {
            guard let error = $0 as? BPFError else { return false }
            return error.code == .object && error.message.contains("libbpf")
        }
    }

    @Test("a program that is not loaded is not there")
    func autoload() throws {
        let object = try openKit()
        try object.setAutoload(of: "kit_connect4", false)
        let loaded = try object.load()
        #expect(!loaded.programs.contains("kit_connect4"))
        #expect { _ = try loaded.program("kit_connect4").describe() } throws: { ($0 as? BPFError)?.code == .notFound }
    }

    @Test("the verifier's reason is in the error, its whole log on request")
    func refused() throws {
        let code = try #require(ObjectCode.testObjects.first { $0.name == "refused" })
        #expect {
            _ = try OpenObject(name: "refused", code: code.bytes).load().programs
        } throws: {
            guard let error = $0 as? BPFError, let log = error.verifierLog else { return false }
            return error.code == .refused && error.object.contains("kit_refused")
                && error.message.contains("invalid mem access") && log.count >= error.message.count / 2
                && error.message.split(separator: "\n").count <= 10
        }
    }

    @Test("a program describes itself")
    func describe() throws {
        let program = try openKit().load().program("kit_add")
        let description = try program.describe()
        #expect(description.name == "kit_add")
        #expect(description.id > 0)
        #expect(description.tag.count == 16)
        #expect(description.verifiedInstructions > 0)
        #expect(description.memory > 0)
        #expect(try KernelObjects.programs().contains(description.id))
        #expect(try KernelObjects.program(description.id)?.tag == description.tag)
        withExtendedLifetime(program) {}
    }

    @Test("an existing map is reused, one of another size is not")
    func reuse() throws {
        let first = try openKit().load()
        let map: BPFMap<UInt32, UInt64> = try first.map("kit_hash")
        try map.update(1, 100)

        let second = try openKit()
        try second.reuse("kit_hash", map.descriptor)
        let reused: BPFMap<UInt32, UInt64> = try second.load().map("kit_hash")
        #expect(reused.description.id == map.description.id)
        #expect(try reused.lookup(1) == 100)

        let third = try openKit()
        try third.setMaxEntries(of: "kit_hash", to: 7)
        #expect { try third.reuse("kit_hash", map.descriptor) } throws: { "\($0)".contains("capacity is 1024") }
    }

    @Test("the features that this project needs are found by trying them")
    func features() {
        for feature: KernelFeature in [
            .connectHook, .peerNameHook, .chosenErrno, .sockOps, .syscallPrograms, .ringBuffer, .perCPUHash,
        ] {
            #expect(feature.probe() == .available, "\(feature.name)")
        }
    }
}
