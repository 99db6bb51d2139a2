// SPDX-License-Identifier: Apache-2.0
import MallaModel

/// Which of a service's ready endpoints get its connections: the nearest, as far as the service asks for that. Decided
/// here, so that neither kernel nor proxy has anything to do with places.
struct NearestEndpoints {
    private let here: Locality
    private let distribution: TrafficDistribution?
    private let isLocalOnly: Bool
    private let nodes: OtherNodes

    /// For a service, seen from this node.
    init(_ service: Service, here: Locality, nodes: OtherNodes) {
        self.nodes = nodes
        self.here = here
        distribution = service.distribution
        isLocalOnly = service.isLocalOnly
    }

    /// Splits `candidates` into those that get connections and those that wait until no nearer one is ready.
    func split<Candidate>(
        _ candidates: [Candidate], workload: (Candidate) -> Workload
    ) -> (near: [Candidate], far: [Candidate]) {
        guard distribution != nil || isLocalOnly else { return (candidates, []) }
        let tiers = candidates.map { tier(of: workload($0)) }
        let nearest = isLocalOnly ? Locality.Distance.node : tiers.min() ?? .any
        var split: (near: [Candidate], far: [Candidate]) = ([], [])
        for (candidate, tier) in zip(candidates, tiers) {
            if tier <= nearest { split.near.append(candidate) } else { split.far.append(candidate) }
        }
        return split
    }

    private func tier(of workload: Workload) -> Locality.Distance {
        // What the workload does not say of its place is as the node's: it was found here.
        var distance = Locality.Distance.node
        if let elsewhere = nodes.locality(of: workload) {
            distance = here.distance(to: workload.locality.completed(by: elsewhere))
        } else if workload.locality != Locality() {
            distance = here.distance(to: workload.locality.completed(by: here))
        }
        if isLocalOnly { return distance }
        return distribution?.tier(of: distance) ?? .any
    }
}
