// SPDX-License-Identifier: Apache-2.0
import MallaIdentity
import MallaIssuance
import MallaModel
import MallaResources
import MallaSources
import MallaTelemetry

/// Certificates of the workloads that run on this node.
extension Node {
    /// The identities of the workloads that are on this node.
    static func identities(_ mesh: Mesh, _ placements: [ObjectName: Placement]) -> Set<Identity> {
        Set(
            placements.keys.compactMap { name in
                mesh.workloads[name].map {
                    Identity(
                        trustDomain: mesh.config.trustDomain, namespace: name.namespace,
                        serviceAccount: $0.serviceAccount)
                }
            })
    }

    /// Who a process is by its cgroup, a path below the cgroup file system: the nearest workload's, as for the kernel.
    func identity(in cgroup: String) -> Identity? {
        let path = settings.tree.mount + cgroup
        let homes = placements.filter { $0.value.cgroup != 0 && (path + "/").hasPrefix($0.value.cgroupPath + "/") }
        guard let home = homes.max(by: { $0.value.cgroupPath.utf8.count < $1.value.cgroupPath.utf8.count }),
            let workload = mesh.workloads[home.key]
        else { return nil }
        return Identity(
            trustDomain: mesh.config.trustDomain, namespace: workload.name.namespace,
            serviceAccount: workload.serviceAccount)
    }

    /// The mesh's; empty as long as no resources are in force.
    var trustDomain: String { loaded == nil ? "" : mesh.config.trustDomain }

    /// Whether the resources say that a workload of an identity runs on a node: by name, not by not being elsewhere.
    func runs(_ identity: Identity, on name: String) -> Bool {
        guard identity.trustDomain == mesh.config.trustDomain, let loaded else { return false }
        return loaded.mesh.workloads.values.contains {
            $0.node == name && $0.name.namespace == identity.namespace && $0.serviceAccount == identity.serviceAccount
        }
    }

    func identitySamples() async -> [Sample] {
        guard let issuance else { return [] }
        let now = WallClock.seconds()
        let entries = await issuance.credentials.entries
        let counts = await issuance.credentials.counts
        var samples = CredentialSchedule.State.allCases.map { state in
            Sample(.certificates, [state.rawValue], UInt64(clamping: entries.count { $0.state == state }))
        }
        samples += entries.compactMap { one in
            one.entry.credential.map {
                Sample(.certificateSecondsLeft, [one.identity.spiffeID], .real(Double($0.notAfter) - now))
            }
        }
        samples += await issuance.credentials.roots.all.map {
            Sample(.rootSecondsLeft, [$0.fingerprint], .real(Double($0.notAfter) - now))
        }
        return samples + [
            Sample(.certificateRequests, ["issued"], counts.issued),
            Sample(.certificateRequests, ["failed"], counts.failed),
        ]
    }
}
