// SPDX-License-Identifier: Apache-2.0

import MallaLink
import MallaModel
import Testing

@Suite("What a proxy is told that knows no tunnels")
struct OneNodeTests {
    @Test("endpoints of other nodes are left out, wherever a service names them")
    func withoutOthers() throws {
        var snapshot = MessageTests.snapshot
        snapshot.services[0].ports[0].endpoints4.append(.init(endpoint: 3, weight: 9))
        snapshot.services[0].ports[0].endpoints6 = [.init(endpoint: 3, weight: 1)]
        snapshot.services[0].ports[0].standby = [2, 3]
        let bare = snapshot.ofThisNode
        #expect(bare.nodes.isEmpty)
        #expect(bare.endpoints.map(\.number) == [1, 2])
        #expect(bare.services[0].ports[0].endpoints4.map(\.endpoint) == [1, 2])
        #expect(bare.services[0].ports[0].endpoints6.isEmpty)
        #expect(bare.services[0].ports[0].standby == [2])
        var assembler = SnapshotAssembler()
        var whole: Snapshot?
        for message in try SnapshotMessages(bare).messages { whole = try assembler.take(message) ?? whole }
        #expect(whole?.endpoints == bare.endpoints, "references are whole")
        #expect(bare.ofThisNode == bare)
    }
}
