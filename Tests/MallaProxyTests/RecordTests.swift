// SPDX-License-Identifier: Apache-2.0

import BPFKit
import BPFObjects
import BPFTestObjects
import Glibc
import MallaLink
import Reactor
import Testing

@testable import MallaProxy

/// What the proxy takes for the kernel's records of connections.
@Suite("Connection records")
struct RecordTests {
    private func map(_ name: String, of object: String) throws -> Reactor.Descriptor {
        let code = try #require(ObjectCode.testObjects.first { $0.name == object })
        let loaded = try OpenObject(name: object, code: code.bytes).load()
        let descriptor = try loaded.descriptor(ofMap: name)
        return withExtendedLifetime(descriptor) { Reactor.Descriptor(owning: dup($0.raw)) }
    }

    @Test("a map whose records have this program's size is taken")
    func fits() throws {
        _ = try ConnectionRecords(map: map("captured", of: "captured"))
    }

    @Test("records of another size, another kind of map, and what is no map are refused before anything is read")
    func refused() throws {
        let error = #expect(throws: LinkError.self) {
            _ = try ConnectionRecords(map: map("kit_storage", of: "kit"))
        }
        #expect(error?.description.contains("have 8 bytes") == true, "\(String(describing: error))")
        #expect(throws: LinkError.self) { _ = try ConnectionRecords(map: map("kit_hash", of: "kit")) }
        #expect(throws: LinkError.self) {
            _ = try ConnectionRecords(map: Reactor.Descriptor(owning: dup(STDERR_FILENO)))
        }
    }
}
