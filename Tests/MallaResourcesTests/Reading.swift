// SPDX-License-Identifier: Apache-2.0
import MallaModel
import MallaResources
import Testing

/// What the reader makes of one file.
func read(_ text: String, name: String = "a.yaml") -> Result<LoadedMesh, ResourceProblems> {
    ResourceReader().read([ResourceFile(name: name, bytes: Array(text.utf8))])
}

/// The problems of one file; none when it is valid.
func problems(_ text: String) -> [ResourceProblem] {
    switch read(text) {
    case .success: []
    case .failure(let problems): problems.problems
    }
}

/// Random numbers that are the same in every run.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
        return z ^ z >> 31
    }
}

/// A valid file with every kind and every field.
let completeFile = """
    apiVersion: v1
    kind: Service
    metadata:
      name: backend
      namespace: shop
      annotations: {owner: birds}
    spec:
      type: ClusterIP
      selector: {app: backend}
      clusterIP: 10.96.0.10
      clusterIPs: [10.96.0.10, "fd00::10"]
      sessionAffinity: ClientIP
      sessionAffinityConfig: {clientIP: {timeoutSeconds: 60}}
      trafficDistribution: PreferClose
      internalTrafficPolicy: Local
      ipFamilies: [IPv4, IPv6]
      ports:
      - {name: http, port: 80, targetPort: http, protocol: TCP, appProtocol: http}
      - name: dns
        port: 53
        targetPort: 5353
        protocol: UDP
    ---
    apiVersion: malla.dev/v1
    kind: Workload
    metadata: {name: backend-v1, namespace: shop, labels: {app: backend, example.com/version: "1"}}
    spec:
      serviceAccount: backend
      match: {systemdUnit: backend-v1.service}
      ports: [{name: http, port: 7000}, {port: 5353}]
      addresses: [127.0.0.1, "::1"]
      weight: 10
      locality: {node: n1, zone: z1, region: r1}
    ---
    apiVersion: malla.dev/v1
    kind: TrafficPolicy
    metadata: {name: backend, namespace: shop}
    spec:
      targetRef: {group: "", kind: Service, name: backend}
      path: Proxy
      failMode: Open
      connectTimeout: 1m30s
      idleTimeout: 0s
      loadBalancing: {algorithm: Maglev, hashKey: Socket, hashHeader: X-User, slowStart: 30s}
      drain: {gracePeriod: 2m}
    ---
    # Nothing here.
    ---
    apiVersion: malla.dev/v1
    kind: MeshConfig
    metadata: {name: mesh}
    spec: {trustDomain: birds.example, defaultPolicy: Deny, probes: [{systemdUnit: kubelet.service}, {cgroup: /checks}]}
    ---
    apiVersion: security.istio.io/v1beta1
    kind: AuthorizationPolicy
    metadata: {name: backend, namespace: shop}
    spec:
      selector: {matchLabels: {app: backend}}
      action: DENY
      rules:
      - from:
        - source: {principals: ["*/sa/frontend"], namespaces: [shop, "test*"]}
        - source: {serviceAccounts: [frontend, web/frontend]}
        to: [{operation: {ports: ["7000", 5353]}}]
      - {}

    """
