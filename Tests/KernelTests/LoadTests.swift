// SPDX-License-Identifier: Apache-2.0
import BPFKit
import BPFObjects
import Testing

@Suite("The verifier accepts every program", .serialized)
struct LoadTests {
    /// What the verifier looked at when the program was recorded here, and a tenth more. Above it: find out why, then
    /// raise it knowingly. The kernel's own limit is a million.
    static let ceilings: [String: UInt32] = [
        "malla_bypasses": 72000, "malla_arrival": 120000, "malla_bind4": 1900, "malla_bind6": 1900,
        "malla_bridge": 1600,
        "malla_connect4": 88000,
        "malla_connect6": 120000, "malla_explain": 40000, "malla_inbound": 24000, "malla_getpeer4": 110,
        "malla_getpeer6": 120, "malla_live": 1000,
        "malla_live_flows": 1000,
        "malla_recvmsg4": 60, "malla_recvmsg6": 70, "malla_revoke_tcp": 19000, "malla_revoke_udp": 9000,
        "malla_sendmsg4": 120000, "malla_sendmsg6": 80000, "malla_socket": 2200, "malla_sockops": 17500,
        "malla_redirect": 280, "malla_settle": 100, "malla_sweep": 40,
        "malla_sent": 600, "malla_received": 600,
        "malla_veth": 250000,
    ]

    @Test("each object loads, over the others' maps, within its recorded size")
    func load() throws {
        let node = try KernelNode(objects: ObjectCode.all.map(\.name))
        #expect(Set(node.programs.keys) == Set(Self.ceilings.keys), "programs and ceilings name the same")
        for (name, program) in node.programs.sorted(by: { $0.key < $1.key }) {
            let verified = try program.program.describe().verifiedInstructions
            #expect(verified <= Self.ceilings[name] ?? 0, "\(name): the verifier looked at \(verified) instructions")
            #expect(verified > 0, "\(name): the kernel says how many instructions it verified")
        }
    }

    @Test("each object loads by itself, and then makes all the maps", arguments: ObjectCode.all.map(\.name))
    func alone(name: String) throws {
        #expect(try !KernelNode(objects: [name]).programs.isEmpty)
    }
}
