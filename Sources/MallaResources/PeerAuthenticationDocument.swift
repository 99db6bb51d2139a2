// SPDX-License-Identifier: Apache-2.0
import MallaModel

extension PeerAuthentication {
    /// Reads `spec` of a `security.istio.io/v1/PeerAuthentication`; `nil` after problems.
    init?(_ spec: Fields, _ metadata: Metadata) {
        var selector: [String: String]? = [:]
        if let value = spec.optional("selector") { selector = AuthorizationPolicy.selector(value) }
        var mode: Mode? = .unset
        if let value = spec.optional("mtls") { mode = Self.mode(value) }
        var ports: [UInt16: Mode]? = [:]
        if let value = spec.optional("portLevelMtls") {
            ports = Self.ports(value)
            if selector?.isEmpty == true {
                value.fail(
                    "ports are those of workloads, and there is no selector",
                    hint: "Add selector.matchLabels, or write mtls for all ports")
                return nil
            }
        }
        guard let selector, let mode, let ports else { return nil }
        self.init(name: metadata.name, selector: selector, mode: mode, ports: ports, created: metadata.created)
    }

    private static func mode(_ value: Value) -> Mode? {
        guard let fields = value.fields() else { return nil }
        var mode: Mode? = .unset
        if let value = fields.optional("mode") {
            mode = value.choice(
                [Mode.unset, .disable, .permissive, .strict].map { ($0.rawValue, $0) })
            if mode == .disable {
                value.report.warn(
                    .init(
                        message: "DISABLE is taken as PERMISSIVE: other nodes are reached by tunnels only",
                        hint: "Write PERMISSIVE"), field: value.field, at: value.position)
            }
        }
        fields.finish()
        return mode
    }

    private static func ports(_ value: Value) -> [UInt16: Mode]? {
        guard let fields = value.fields() else { return nil }
        var ports: [UInt16: Mode] = [:]
        var isWhole = true
        for (name, position, value) in fields.all() {
            guard let port = UInt16(name), port > 0, "\(port)" == name else {
                value.report.add(
                    .init(message: "\"\(name.excerpt)\" is no port", hint: "Write the workload's port, 1 to 65535"),
                    field: value.field, at: position)
                isWhole = false
                continue
            }
            guard let mode = mode(value) else {
                isWhole = false
                continue
            }
            ports[port] = mode
        }
        return isWhole ? ports : nil
    }
}
