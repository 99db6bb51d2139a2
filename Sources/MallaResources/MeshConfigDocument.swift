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
        guard let trustDomain, let defaultPolicy, let probes else { return nil }
        self.init(trustDomain: trustDomain, defaultPolicy: defaultPolicy, probes: probes)
    }
}
