// SPDX-License-Identifier: Apache-2.0
import MallaModel

extension MeshConfig {
    /// Reads `spec` of a `malla.dev/v1/MeshConfig`; `nil` after problems.
    init?(_ spec: Fields) {
        let unset = MeshConfig()
        var trustDomain: String? = unset.trustDomain
        if let value = spec.optional("trustDomain") { trustDomain = value.text(Syntax.trustDomain) }
        var defaultPolicy: DefaultPolicy? = unset.defaultPolicy
        if let value = spec.optional("defaultPolicy") {
            defaultPolicy = value.choice([("Allow", .allow), ("Deny", .deny)])
        }
        var probes: [Workload.Match]? = []
        if let value = spec.optional("probes") { probes = Workload.probes(value) }
        var namespaces: [String: DefaultPolicy]? = [:]
        if let value = spec.optional("namespaces") { namespaces = Self.namespaces(value) }
        var sourceAddress: SourceAddress? = unset.sourceAddress
        if let value = spec.optional("sourceAddress") {
            sourceAddress = value.choice([("Client", .client), ("Node", .node)])
        }
        var mtls: PeerAuthentication.Mode??
        if let value = spec.optional("mtls") { mtls = Self.mtls(value) } else { mtls = .some(nil) }
        guard let trustDomain, let defaultPolicy, let probes, let namespaces, let sourceAddress, let mtls else {
            return nil
        }
        self.init(
            trustDomain: trustDomain, defaultPolicy: defaultPolicy, probes: probes, namespaceDefaults: namespaces,
            sourceAddress: sourceAddress, mtls: mtls)
    }

    /// What peers have to prove where no PeerAuthentication says it.
    private static func mtls(_ value: Value) -> PeerAuthentication.Mode? {
        guard let fields = value.fields() else { return nil }
        let mode = fields.required("mode")?.choice([
            ("STRICT", PeerAuthentication.Mode.strict), ("PERMISSIVE", .permissive),
        ])
        fields.finish()
        return mode
    }

    /// What is different in single namespaces, by their names.
    private static func namespaces(_ value: Value) -> [String: DefaultPolicy]? {
        guard let entries = value.fields() else { return nil }
        var result: [String: DefaultPolicy] = [:]
        for (name, position, value) in entries.all() {
            if let flaw = Syntax.name(name) { value.report.add(flaw, field: value.field, at: position) }
            guard let fields = value.fields() else { continue }
            result[name] = fields.required("defaultPolicy")?.choice([("Allow", .allow), ("Deny", .deny)])
            fields.finish()
        }
        return result.count == entries.all().count ? result : nil
    }
}
