// SPDX-License-Identifier: Apache-2.0
import BPFObjects
import BPFTestObjects
import MallaKernel
import Testing

@Suite("The fast path's trial", .serialized, .removesMeshes, .timeLimit(.minutes(15)))
struct FastPathTests {
    private func redirect() throws -> ObjectCode { try #require(ObjectCode.named("redirect")) }
    private func naive() throws -> ObjectCode {
        try #require(ObjectCode.testObjects.first { $0.name == "naive" })
    }

    @Test("the node's own program passes; what programs must not rely on is told")
    func passes() throws {
        let limits = try FastPathTrial.run(redirect())
        #expect(!limits.isEmpty)
        print(limits)
    }

    @Test("a way without back-pressure does not")
    func fails() throws {
        let error = #expect(throws: (any Error).self) { _ = try FastPathTrial.run(naive()) }
        #expect("\(error.map { "\($0)" } ?? "")".contains("hold its writer back"), "\(String(describing: error))")
    }

    @Test("asked for and passed: on; no longer asked for: off; what fails its trial stays off, and says why")
    func states() throws {
        let mesh = try TestMesh("fast")
        do {
            let node = try KernelNode(mesh.settings)
            #expect(node.fastPath.state == .off)
            try node.fastPath.use(true)
            guard case .on = node.fastPath.state else {
                Issue.record("\(node.fastPath.state)")
                return
            }
            #expect(try flags(node).contains("fast"))
            try node.fastPath.use(false)
            #expect(node.fastPath.state == .off)
            #expect(try !flags(node).contains("fast"))
        }
        let node = try KernelNode(mesh.settings, trying: naive())
        try node.fastPath.use(true)
        guard case .refused(let flaw) = node.fastPath.state else {
            Issue.record("\(node.fastPath.state)")
            return
        }
        #expect(flaw.contains("hold its writer back"))
        #expect(try !flags(node).contains("fast"))
    }

    private func flags(_ node: KernelNode) throws -> String {
        try #require(node.reader.entries(of: "malla_config").first?.value["flags"])
    }
}
