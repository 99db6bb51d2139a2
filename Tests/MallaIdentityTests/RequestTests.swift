// SPDX-License-Identifier: Apache-2.0

import Foundation
import MallaIdentity
import MallaModel
import Testing

@Suite("Requests for certificates")
struct RequestTests {
    @Test("What Python and openssl ask for is read, and held to one form")
    func foreign() throws {
        let tool = try Tool()
        defer { tool.remove() }
        let (status, text) = try tool.python("identity.py", ["requests", tool.directory.path])
        try #require(status == 0, "\(text)")
        var counts = (good: 0, bad: 0)
        for name in try FileManager.default.contentsOfDirectory(atPath: tool.directory.path).sorted() {
            let bytes = try tool.read(name)
            if name.hasPrefix("good") {
                #expect(try SigningRequest(bytes).subject == .workload(Mesh.backend), "\(name)")
                counts.good += 1
            } else {
                let refused = problem { _ = try SigningRequest(bytes) }
                #expect(refused?.kind == .invalid, "\(name)")
                counts.bad += 1
            }
        }
        #expect(counts.good == 4 && counts.bad == 15)
    }

    @Test("Garbage is refused in words", arguments: ["", "-----BEGIN CERTIFICATE REQUEST-----", "hello", "0", "\u{0}"])
    func garbage(text: String) {
        #expect(problem { _ = try SigningRequest(Array(text.utf8)) }?.kind == .invalid)
    }

    @Test("A huge request is not read")
    func huge() {
        let bytes = [UInt8](repeating: 0x30, count: SigningRequest.largest + 1)
        #expect(problem { _ = try SigningRequest(bytes) }?.description.contains("at most 16384") == true)
    }

    @Test("No change of a byte makes another name of a request, nor ends the process")
    func mutations() throws {
        let good = try #require(Self.der(try IdentityKey().request(for: .workload(Mesh.backend))))
        var survivors = 0
        for index in good.indices {
            for bit in [UInt8(0x01), 0x80] {
                var bytes = good
                bytes[index] ^= bit
                // Not all of it is signed: a few bytes may be others without a change of what is asked for.
                if let subject = try? SigningRequest(bytes).subject {
                    #expect(subject == .workload(Mesh.backend), "byte \(index)")
                    survivors += 1
                }
            }
        }
        #expect(survivors < 4)
        for count in 0..<good.count { #expect((try? SigningRequest(Array(good[..<count]))) == nil) }
    }

    private static func der(_ pem: [UInt8]) -> [UInt8]? {
        let lines = String(decoding: pem, as: UTF8.self).split(separator: "\n").filter { !$0.hasPrefix("-") }
        return Data(base64Encoded: lines.joined()).map(Array.init)
    }
}
