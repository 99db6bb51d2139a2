// SPDX-License-Identifier: Apache-2.0
import MallaIdentity
import MallaIssuance
import MallaModel
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
