// SPDX-License-Identifier: Apache-2.0

import BPFKit
import BPFObjects
import BPFTestObjects
import CMallaABI
import Glibc
import MallaModel
import Testing

/// A real socket storage map that stands for `malla_connections`: sockets accepted from a marked listener inherit
/// its record, as captured connections get theirs from the kernel's programs.
final class CapturedMap {
    private let map: SocketStorage<malla_connection>

    init() throws {
        let code = try #require(ObjectCode.testObjects.first { $0.name == "captured" })
        map = try SocketStorage(
            OpenObject(name: "captured", code: code.bytes).load().descriptor(ofMap: "captured"), name: "captured")
    }

    /// A descriptor of its own for a proxy.
    func duplicate() -> Int32 { dup(map.descriptor.raw) }

    /// Marks the listeners on a port of this process, so that what they accept is a connection of `source` to this
    /// address and service.
    func mark(
        port: UInt16, source: UInt32, original: SocketAddress, service: UInt32, path: malla_path = MALLA_PATH_PROXY,
        generation: UInt32 = 0, endpoint: UInt32 = 0
    ) throws {
        var record = malla_connection()
        record.original = original.address.abi
        record.original_port = original.port
        record.path = UInt8(path.rawValue)
        record.source = source
        record.service = service
        record.generation = generation
        record.endpoint = endpoint
        var marked = 0
        for socket in Self.listeners(port: port) {
            try map.update(socket: socket, record)
            marked += 1
        }
        try #require(marked > 0, "no listener on port \(port)")
    }

    /// Takes the mark off.
    func unmark(port: UInt16) throws {
        for socket in Self.listeners(port: port) { try map.delete(socket: socket) }
    }

    /// The descriptors of this process that listen on a port.
    static func listeners(port: UInt16) -> [Int32] {
        guard let folder = opendir("/proc/self/fd") else { return [] }
        defer { closedir(folder) }
        var found: [Int32] = []
        while let entry = readdir(folder) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            guard let number = Int32(name) else { continue }
            var listening: Int32 = 0
            var size = socklen_t(4)
            getsockopt(number, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size)
            if listening == 1, TCP.port(of: number) == port { found.append(number) }
        }
        return found
    }
}
