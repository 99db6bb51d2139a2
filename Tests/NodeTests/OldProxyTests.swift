// SPDX-License-Identifier: Apache-2.0
import Foundation
import MallaAPI
import Testing

/// A daemon with a proxy of an older version, which knows no tunnels: what it was told of another node, it would connect to
/// in clear.
@Suite("A proxy of an older version", .serialized, .timeLimit(.minutes(10)))
struct OldProxyTests {
    /// Speaks version 2 of the link, puts every snapshot into force, and shows all that it is told.
    private static let program = """
        #!/usr/bin/python3
        import os, socket, struct, sys
        listener = socket.socket(fileno=int(sys.argv[sys.argv.index("--link-fd") + 1]))
        listener.setblocking(True)
        def field(tag, value):
            return struct.pack("<HI", tag, len(value)) + value
        def frame(kind, fields):
            return struct.pack("<IHH", len(fields) + 4, kind, 0) + fields
        while True:
            link = listener.accept()[0]
            link.sendall(frame(1, field(1, struct.pack("<H", 1)) + field(2, struct.pack("<H", 2)) + field(3, b"old-proxy")
                               + field(4, b"") + field(5, struct.pack("<I", os.getpid())) + field(6, bytes(4))))
            data = b""
            while got := link.recv(65536):
                data += got
                while len(data) >= 8:
                    length, kind, _ = struct.unpack("<IHH", data[:8])
                    if len(data) < 4 + length:
                        break
                    body, data = data[8:4 + length], data[4 + length:]
                    print(f"told {kind} {body.hex()}.", file=sys.stderr, flush=True)
                    if kind == 9:
                        link.sendall(frame(10, body))

        """

    private static let elsewhere = """
        ---
        apiVersion: malla.dev/v1
        kind: Node
        metadata: {name: far}
        spec: {addresses: [10.80.0.9]}
        ---
        apiVersion: malla.dev/v1
        kind: Workload
        metadata: {name: far-1, labels: {app: open}}
        spec: {node: far, match: {cgroup: /far}, ports: [{name: main, port: 7005}], serviceAccount: far}

        """

    @Test("is told of what is on this node, and of nothing that is elsewhere")
    func version2() throws {
        let lab = try Lab("old", resources: standardResources + Self.elsewhere)
        defer { lab.tearDown() }
        let program = lab.directory.appendingPathComponent("old-proxy").path
        try Self.program.write(toFile: program, atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: program)
        try lab.start(extra: ["--proxy", program])
        try lab.serve("open-1", account: "server", app: "open", port: 7000)
        func told(_ kind: Int) -> [Substring] {
            let all = (lab.daemon?.errors ?? "") + (lab.daemon?.text ?? "")
            return all.split(separator: "\n").filter { $0.contains("told \(kind) ") && $0.hasSuffix(".") }
        }
        // The lower halves of addresses, v4-mapped, the lowest byte first.
        let here = "0100007fffff0000"
        let far = "0900500affff0000"
        try eventually("it is told of the endpoint here") { told(6).contains { $0.contains(here) } }
        try eventually("all of it is in force") { !told(9).isEmpty }
        // Endpoints, services, and changes of them: nowhere the other node's address, nor its name.
        for kind in 1...40 { #expect(!told(kind).contains { $0.contains(far) }, "\(kind)") }
        // Patches, nodes, credentials, bundles.
        for kind in 25...29 { #expect(told(kind).isEmpty, "\(kind)") }
        #expect(try lab.view([WorkloadView].self, ["workloads"]).first { $0.name == "far-1" }?.node == "far")
    }
}
