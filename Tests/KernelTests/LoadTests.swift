// SPDX-License-Identifier: Apache-2.0
import BPFKit
import BPFObjects
import Testing

@Suite("The verifier accepts every program", .serialized)
struct LoadTests {
    /// What the verifier looked at when the program was recorded here, and a twentieth more. Above it: find out why, then
    /// raise it knowingly. The kernel's own limit is a million.
    static let ceilings: [String: UInt32] = [
        "malla_arrival": 46000, "malla_bind4": 2180, "malla_bind6": 2210, "malla_bridge": 1530, "malla_bypasses": 42000,
        "malla_connect4": 49300, "malla_connect6": 45800, "malla_explain": 14400, "malla_getpeer4": 180,
        "malla_getpeer6": 200, "malla_inbound": 12800, "malla_live": 2300, "malla_live_flows": 520,
        "malla_loopback": 11800, "malla_received": 140, "malla_recvmsg4": 40, "malla_recvmsg6": 50,
        "malla_revoke_tcp": 51500, "malla_revoke_udp": 10300, "malla_sendmsg4": 38000, "malla_sendmsg6": 37000,
        "malla_sent": 130, "malla_socket": 2080, "malla_sockops": 46300, "malla_veth": 61500,
        "malla_redirect": 260, "malla_settle": 930, "malla_sweep": 40,
        "malla_vacate": 50,
    ]

    @Test("each object loads, over the others' maps, within its recorded size")
    func load() throws {
        let node = try KernelNode(objects: ObjectCode.all.map(\.name))
        #expect(Set(node.programs.keys) == Set(Self.ceilings.keys), "programs and ceilings name the same")
        for (name, program) in node.programs.sorted(by: { $0.key < $1.key }) {
            let verified = try program.program.describe().verifiedInstructions
            print("\(name): \(verified) of \(Self.ceilings[name] ?? 0)")
            #expect(verified <= Self.ceilings[name] ?? 0, "\(name): the verifier looked at \(verified) instructions")
            #expect(verified > 0, "\(name): the kernel says how many instructions it verified")
        }
    }

    @Test("each object loads by itself, and then makes all the maps", arguments: ObjectCode.all.map(\.name))
    func alone(name: String) throws {
        #expect(try !KernelNode(objects: [name]).programs.isEmpty)
    }
}
