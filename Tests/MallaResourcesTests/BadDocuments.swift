// SPDX-License-Identifier: Apache-2.0

extension BadDocument {
    /// Wrong before it is clear what they are.
    static let documents: [BadDocument] = [
        .init("¦- a\n- b", "", "expected a mapping, found a list"),
        .init("¦just words", "", "expected a mapping, found the text \"just words\""),
        .init("¦kind: Service", "apiVersion", "missing"),
        .init("¦apiVersion: v1\nmetadata: {name: a}\nspec: {}", "kind", "missing"),
        .init("apiVersion: v1\nkind: ¦Servcie", "kind", "\"Servcie\" is no known kind", hint: "Did you mean Service?"),
        .init("apiVersion: v1\nkind: ¦Pond", "kind", "no known kind", hint: "Known are AuthorizationPolicy"),
        .init("apiVersion: gateway.networking.k8s.io/v1\nkind: ¦TLSRoute", "kind", "not read by this version"),
        .init("apiVersion: v1\nkind: ¦List\nitems: []", "kind", "a List is not read", hint: "---"),
        .init("apiVersion: v1\nkind: ¦7", "kind", "expected text, found the number 7"),
        .init(
            "apiVersion: ¦apps/v1\nkind: Service\nmetadata: {name: a}", "apiVersion", "Service has the apiVersion v1",
            hint: "apiVersion: v1"),
        .init("apiVersion: ¦malla.dev/v2\nkind: Workload", "apiVersion", "malla.dev/v1, not \"malla.dev/v2\""),
        .init("apiVersion: ¦1\nkind: Service", "apiVersion", "expected text, found the number 1", hint: "quotes"),
        .init("¦apiVersion: v1\nkind: Service\nspec: {}", "metadata", "missing"),
        .init("apiVersion: v1\nkind: Service\nmetadata: ¦a", "metadata", "expected a mapping"),
        .init("apiVersion: v1\nkind: Service\nmetadata: ¦{}", "metadata.name", "missing"),
        .init("apiVersion: v1\nkind: Service\nmetadata: {name: ¦Backend}", "metadata.name", "\"Backend\" is no name"),
        .init(
            "apiVersion: v1\nkind: Service\nmetadata: {name: ¦\(String(repeating: "a", count: 64))}", "metadata.name",
            "64 bytes long"),
        .init("apiVersion: v1\nkind: Service\nmetadata: {name: ¦404}", "metadata.name", "found the number 404"),
        .init(
            "apiVersion: v1\nkind: Service\nmetadata: {name: ¦yes}", "metadata.name", "some readers take for true",
            hint: "quotes"),
        .init(
            "apiVersion: malla.dev/v1\nkind: MeshConfig\nmetadata: {name: a, ¦nmaespace: b}\nspec: {}",
            "metadata.nmaespace", "unknown field", hint: "Did you mean namespace?"),
        .init(
            "apiVersion: malla.dev/v1\nkind: MeshConfig\nmetadata: {name: a, namespace: ¦a.b}\nspec: {}",
            "metadata.namespace", "no name"),
        .init(
            "apiVersion: malla.dev/v1\nkind: MeshConfig\nmetadata: {name: a, labels: {¦-x: y}}\nspec: {}",
            "metadata.labels.-x", "no key of a label"),
        .init(
            "apiVersion: malla.dev/v1\nkind: MeshConfig\nmetadata: {name: a, labels: {x: ¦a b}}\nspec: {}",
            "metadata.labels.x", "no value of a label"),
        .init(
            "apiVersion: malla.dev/v1\nkind: MeshConfig\nmetadata:\n  name: a\n  labels:\n    on: ¦1.5\nspec: {}",
            "metadata.labels.on", "the number 1.5"),
        .init(
            "apiVersion: malla.dev/v1\nkind: MeshConfig\nmetadata: {name: a}\n¦specs: {}\nspec: {}", "specs",
            "unknown field", hint: "Did you mean spec?"),
        .init("¦apiVersion: malla.dev/v1\nkind: MeshConfig\nmetadata: {name: a}", "spec", "missing", hint: "spec: {}"),
        .init(
            "apiVersion: malla.dev/v1\nkind: MeshConfig\nmetadata: {name: a}\nspec:¦", "spec", "the field is empty",
            hint: "leave it out"),
        .init(
            "apiVersion: malla.dev/v1\nkind: MeshConfig\nmetadata:\n  name: a\n  ¦name: b\nspec: {}", "name",
            "given twice in one mapping, first at line 4, column 3"),
        .init("{\"kind\": \"a\",\n ¦\"kind\": \"b\"}", "kind", "given twice"),
        .init("apiVersion: v1\nkind: Service\n¦\tmetadata: {name: a}", "", "not YAML", hint: "not with tabs"),
        .init("apiVersion: v1\nkind: Service\nmetadata: {name: a¦", "", "not YAML"),
        .init("apiVersion: v1\n  kind¦: Service", "", "not YAML: mapping values are not allowed"),
        .init("a: ¦*b", "", "not YAML: found undefined alias"),
        .init("a: b¦\u{7}", "", "U+7 may not stand here"),
        .init(
            "apiVersion: malla.dev/v1\nkind: MeshConfig\nmetadata: {name: a}\nspec:\n  ¦<<: {trustDomain: a}",
            "spec.<<",
            "merge keys are not read"),
        .init(
            "apiVersion: malla.dev/v1\nkind: MeshConfig\nmetadata: {name: a}\nspec: {? ¦[a] : b}", "spec",
            "name must be text"),
        .init(
            "apiVersion: malla.dev/v1\nkind: MeshConfig\nmetadata: {name: ¦!secret a}\nspec: {}", "metadata.name",
            "expected text, found the tag !secret"),
    ]

    static let services: [BadDocument] = [
        .service("¦ports: [{port: 80}]", "spec.selector", "missing", hint: "Name the labels"),
        .service("selector: ¦{}\n  ports: [{port: 80}]", "spec.selector", "selector is empty"),
        .service(
            "selector: ¦app\n  ports: [{port: 80}]", "spec.selector", "expected a mapping, found the text \"app\""),
        .service("selector: {app: ¦[a]}\n  ports: [{port: 80}]", "spec.selector.app", "expected text, found a list"),
        .service("selector: {app: ¦true}\n  ports: [{port: 80}]", "spec.selector.app", "found true", hint: "quotes"),
        .service("¦selector: {app: a}", "spec.ports", "missing"),
        .service("selector: {app: a}\n  ports: ¦[]", "spec.ports", "the list is empty"),
        .service("selector: {app: a}\n  ports: ¦80", "spec.ports", "expected a list, found the number 80"),
        .service("selector: {app: a}\n  ports: [¦80]", "spec.ports[0]", "expected a mapping"),
        .port("¦{}", "spec.ports[0].port", "missing"),
        .port("port: ¦0", "spec.ports[0].port", "0 is not from 1 to 65535"),
        .port("port: ¦65536", "spec.ports[0].port", "not from 1 to 65535"),
        .port("port: ¦-1", "spec.ports[0].port", "not from 1 to 65535"),
        .port("port: ¦99999999999999999999", "spec.ports[0].port", "not from 1 to 65535"),
        .port("port: ¦\"80\"", "spec.ports[0].port", "found the text \"80\""),
        .port("port: ¦0x50", "spec.ports[0].port", "another base"),
        .port("port: ¦080", "spec.ports[0].port", "octal"),
        .port("port: ¦80.5", "spec.ports[0].port", "found the number 80.5"),
        .port("port: ¦.nan", "spec.ports[0].port", "found .nan"),
        .port("port: ¦.inf", "spec.ports[0].port", "found .inf"),
        .port("{port: 80, targetPort: ¦\"8080\"}", "spec.ports[0].targetPort", "in quotes", hint: "Remove the quotes"),
        .port("{port: 80, targetPort: ¦Web_Port}", "spec.ports[0].targetPort", "no name of a port"),
        .port(
            "{port: 80, targetPort: ¦a-very-long-port-name}", "spec.ports[0].targetPort", "no name", hint: "at most 15"),
        .port("{port: 80, protocol: ¦SCTP}", "spec.ports[0].protocol", "not one of TCP or UDP"),
        .port("{port: 80, protocol: ¦tcp}", "spec.ports[0].protocol", "not one of TCP", hint: "Did you mean TCP?"),
        .port("{port: 80, ¦nodePort: 30080}", "spec.ports[0].nodePort", "does not open ports on the node"),
        .port(
            "{port: 80, ¦targetport: 1}", "spec.ports[0].targetport", "unknown field", hint: "Did you mean targetPort?"),
        .port("{port: 80, appProtocol: ¦\"\"}", "spec.ports[0].appProtocol", "no protocol's name"),
        .port("{name: a, port: 80}\n  - ¦{port: 81}", "spec.ports[1].name", "missing", hint: "With several ports"),
        .port(
            "{name: a, port: 80}\n  - {name: ¦a, port: 81}", "spec.ports[1].name", "spec.ports[0] has the name \"a\""),
        .port("{name: a, port: 80}\n  - {name: b, port: ¦80}", "spec.ports[1].port", "spec.ports[0] is port 80 too"),
        .port("port: 80\n  type: ¦NodePort", "spec.type", "NodePort is not supported"),
        .port("port: 80\n  type: ¦ExternalName", "spec.type", "ExternalName is not supported"),
        .port("port: 80\n  sessionAffinity: ¦Cookie", "spec.sessionAffinity", "not one of None or ClientIP"),
        .port(
            "port: 80\n  sessionAffinityConfig: ¦{clientIP: {timeoutSeconds: 5}}", "spec.sessionAffinityConfig",
            "is for sessionAffinity: ClientIP"),
        .port(
            "port: 80\n  sessionAffinity: ClientIP\n  sessionAffinityConfig: {clientIP: {timeoutSeconds: ¦0}}",
            "spec.sessionAffinityConfig.clientIP.timeoutSeconds", "0 is not from 1 to 86400"),
        .port(
            "port: 80\n  trafficDistribution: ¦PreferNear", "spec.trafficDistribution", "not one of PreferSameZone"),
        .port("port: 80\n  internalTrafficPolicy: ¦local", "spec.internalTrafficPolicy", "not one of Cluster or Local"),
        .port("port: 80\n  publishNotReadyAddresses: ¦true", "spec.publishNotReadyAddresses", "true is not supported"),
        .port("port: 80\n  ¦externalIPs: [1.2.3.4]", "spec.externalIPs", "does not do what it asks for"),
        .port("port: 80\n  clusterIP: ¦None", "spec.clusterIP", "without a virtual address are not supported"),
        .port("port: 80\n  clusterIP: ¦10.0.0", "spec.clusterIP", "\"10.0.0\" is no IP address"),
        .port("port: 80\n  clusterIP: ¦10.0.0.256", "spec.clusterIP", "no IP address"),
        .port("port: 80\n  clusterIP: ¦127.0.0.1", "spec.clusterIP", "cannot be a service's virtual address"),
        .port("port: 80\n  clusterIP: ¦240.240.0.9", "spec.clusterIP", "range from which services"),
        .port("port: 80\n  clusterIPs: [10.0.0.1, ¦10.0.0.2]", "spec.clusterIPs[1]", "another IPv4 address"),
        .init(
            """
            apiVersion: v1
            kind: Service
            metadata: {name: a}
            spec: {selector: {b: c}, ports: [{port: 1}], clusterIP: 10.0.0.1}
            ---
            apiVersion: v1
            kind: Service
            metadata: {name: b}
            spec: {selector: {b: c}, ports: [{port: 1}], clusterIP: ¦10.0.0.1}
            """, "spec.clusterIP", "Service a.default at a.yaml:1:1 has the address 10.0.0.1 too"),
    ]

    static let workloads: [BadDocument] = [
        .workload("¦weight: 1", "spec.match", "missing", hint: "systemdUnit"),
        .workload("match: ¦{}", "spec.match", "says nothing"),
        .workload(
            "match: ¦{networkNamespace: a}", "spec.match", "cannot be reached by loopback", hint: "spec.addresses"),
        .workload("match: {networkNamespace: ¦a/b}", "spec.match.networkNamespace", "names no network namespace"),
        .workload("match: {networkNamespace: ¦/a/../b}", "spec.match.networkNamespace", "names no network namespace"),
        .workload("match: {container: ¦a}", "spec.match.container", "is no container id", hint: "podman ps"),
        .workload(
            "match: {networkNamespace: a, container: ¦0123456789ab}", "spec.match.container", "exclude each other"),
        .workload("match: {cgroup: /a, systemdUnit: ¦a.service}", "spec.match.systemdUnit", "exclude each other"),
        .workload("match: {cgroup: ¦/}", "spec.match.cgroup", "the root cgroup is no workload"),
        .workload("match: {cgroup: ¦/a/../b}", "spec.match.cgroup", "no path of a cgroup"),
        .workload("match: {cgroup: ¦/sys/fs/cgroup/a}", "spec.match.cgroup", "goes through the mount"),
        .workload("match: {systemdUnit: ¦backend}", "spec.match.systemdUnit", "no unit", hint: "backend.service"),
        .found("serviceAccount: ¦Web", "spec.serviceAccount", "no name of a service account"),
        .found("ports: [{port: 1}, {port: ¦1}]", "spec.ports[1].port", "spec.ports[0] is port 1 too"),
        .found("ports: [{name: a, port: 1}, {name: ¦a, port: 2}]", "spec.ports[1].name", "has the name \"a\" too"),
        .found("ports: [{name: ¦80, port: 80}]", "spec.ports[0].name", "found the number 80"),
        .found("addresses: ¦[]", "spec.addresses", "the list is empty"),
        .found("addresses: [¦localhost]", "spec.addresses[0]", "\"localhost\" is no IP address"),
        .found("addresses: [¦\"127.0.0.1:80\"]", "spec.addresses[0]", "no IP address", hint: "without a port"),
        .found("addresses: [¦224.0.0.1]", "spec.addresses[0]", "multicast"),
        .found("addresses: [127.0.0.1, ¦\"::ffff:127.0.0.1\"]", "spec.addresses[1]", "in the list twice"),
        .found("weight: ¦-1", "spec.weight", "not from 0 to 1000000"),
        .found("weight: ¦1.5", "spec.weight", "expected a whole number"),
        .found("¦checks: []", "spec.checks", "does nothing with it"),
        .found("¦wieght: 1", "spec.wieght", "unknown field", hint: "Did you mean weight?"),
        .init(
            """
            apiVersion: malla.dev/v1
            kind: Workload
            metadata: {name: a}
            spec: {match: {cgroup: /a}, ports: [{port: 80}]}
            ---
            apiVersion: malla.dev/v1
            kind: Workload
            metadata: {name: b}
            spec: {match: {cgroup: /b}, ports: [{port: 79}, {port: ¦80}]}
            """, "spec.ports[1].port", "it has 127.0.0.1:80, as has Workload a.default at a.yaml:1:1"),
        .init(
            """
            apiVersion: malla.dev/v1
            kind: Workload
            metadata: {name: a}
            spec: {match: {cgroup: /a}}
            ---
            apiVersion: malla.dev/v1
            kind: Workload
            metadata: {name: b}
            spec: {match: ¦{cgroup: a/}}
            """, "spec.match", "cgroup /a, as has Workload a.default"),
        .init(
            """
            apiVersion: malla.dev/v1
            kind: Workload
            metadata: {name: a}
            spec: {match: {cgroup: /a}}
            ---
            ¦apiVersion: malla.dev/v1
            kind: Workload
            metadata: {name: a, namespace: default}
            spec: {match: {cgroup: /b}}
            """, "metadata.name", "Workload a.default is written at a.yaml:1:1 too"),
    ]

    static let policies: [BadDocument] = [
        .policy("action: ¦AUDIT", "spec.action", "AUDIT is known, but this version cannot enforce it"),
        .policy("action: ¦CUSTOM", "spec.action", "cannot enforce it"),
        .policy("action: ¦Allow", "spec.action", "not one of ALLOW or DENY", hint: "Did you mean ALLOW?"),
        .policy("¦targetRefs: []", "spec.targetRefs", "cannot enforce it", hint: "Use a selector"),
        .policy("selector: ¦{}", "spec.selector.matchLabels", "missing"),
        .policy("selector:¦", "spec.selector", "the field is empty"),
        .policy("selector: {¦app: a, matchLabels: {}}", "spec.selector.app", "unknown field"),
        .policy("rules: ¦{}", "spec.rules", "expected a list, found a mapping"),
        .policy("rules:¦", "spec.rules", "the field is empty"),
        .policy("rules:\n  - from: ¦[]", "spec.rules[0].from", "the list is empty"),
        .policy("rules:\n  - from: [¦{}]", "spec.rules[0].from[0].source", "missing"),
        .policy("rules:\n  - from: [{source: ¦{}}]", "spec.rules[0].from[0].source", "the source says nothing"),
        .policy("rules:\n  - from: [{source: {principals: ¦[]}}]", "spec.rules[0].from[0].source.principals", "empty"),
        .policy(
            "rules:\n  - from: [{source: {principals: [¦\"\"]}}]", "spec.rules[0].from[0].source.principals[0]", "empty"
        ),
        .policy(
            "rules:\n  - from: [{source: {principals: [¦a*b]}}]", "spec.rules[0].from[0].source.principals[0]",
            "has a * where"),
        .policy(
            "rules:\n  - from: [{source: {principals: [¦frontend]}}]", "spec.rules[0].from[0].source.principals[0]",
            "would never match"),
        .policy(
            "rules:\n  - from: [{source: {principals: [¦\"spiffe://a/ns/b/sa/c\"]}}]",
            "spec.rules[0].from[0].source.principals[0]", "without spiffe://"),
        .policy(
            "rules:\n  - from: [{source: {serviceAccounts: [¦a/b/c]}}]",
            "spec.rules[0].from[0].source.serviceAccounts[0]", "would never match"),
        .policy(
            "rules:\n  - from: [{source: {notPrincipals: [¦a]}}]", "spec.rules[0].from[0].source.notPrincipals[0]",
            "would never match"),
        .policy(
            "rules:\n  - from: [{source: {requestPrincipals: ¦[]}}]", "spec.rules[0].from[0].source.requestPrincipals",
            "the list is empty"),
        .policy(
            "rules:\n  - from: [{source: {¦trustDomains: [a]}}]", "spec.rules[0].from[0].source.trustDomains",
            "this version cannot enforce it"),
        .policy(
            "rules:\n  - from: [{source: {ipBlocks: [¦10.0.0.0/33]}}]", "spec.rules[0].from[0].source.ipBlocks[0]",
            "no block of addresses"),
        .policy(
            "rules:\n  - from: [{source: {notIpBlocks: [\"::1\", ¦10.0.0]}}]",
            "spec.rules[0].from[0].source.notIpBlocks[1]", "no block of addresses"),
        .policy("rules:\n  - to: [{operation: ¦{}}]", "spec.rules[0].to[0].operation", "the operation says nothing"),
        .policy(
            "rules:\n  - to: [{¦operations: {}, operation: {ports: [1]}}]", "spec.rules[0].to[0].operations", "unknown"),
        .policy(
            "rules:\n  - to: [{operation: {methods: [¦7]}}]", "spec.rules[0].to[0].operation.methods[0]",
            "expected text"),
        .policy(
            "rules:\n  - to: [{operation: {notPorts: [¦\"x\"]}}]", "spec.rules[0].to[0].operation.notPorts[0]",
            "no port"),
        .policy("rules:\n  - to: [{operation: {ports: [¦http]}}]", "spec.rules[0].to[0].operation.ports[0]", "no port"),
        .policy(
            "rules:\n  - to: [{operation: {ports: [¦\"0\"]}}]", "spec.rules[0].to[0].operation.ports[0]", "no port"),
        .policy(
            "rules:\n  - to: [{operation: {ports: [1, ¦65536]}}]", "spec.rules[0].to[0].operation.ports[1]",
            "not from 1"),
        .policy(
            "rules:\n  - {}\n  - when: [{key: ¦source.ips, values: [b]}]", "spec.rules[1].when[0].key",
            "no known condition",
            hint: "Did you mean source.ip?"),
        .policy("rules:\n  - when: [¦{key: source.ip}]", "spec.rules[0].when[0]", "the condition says nothing"),
        .policy(
            "rules:\n  - when: [{key: destination.port, values: [¦0]}]", "spec.rules[0].when[0].values[0]", "not from 1"
        ),
    ]

    static let traffic: [BadDocument] = [
        .traffic("¦path: Proxy", "spec.targetRef", "missing"),
        .traffic(
            "targetRef: {kind: ¦Servce, name: web}", "spec.targetRef.kind", "not one of Service", hint: "Did you mean"),
        .traffic(
            "targetRef: {kind: Service, name: ¦wbe}", "spec.targetRef.name", "no Service wbe.default", hint: "mean web?"
        ),
        .traffic(
            "targetRef: {kind: Service, name: ¦zebra}", "spec.targetRef.name", "no Service", hint: "Write the Service"),
        .traffic("targetRef: {group: ¦apps, kind: Service, name: web}", "spec.targetRef.group", "no kind"),
        .traffic(
            "targetRef: {kind: Service, name: web}\n  path: ¦proxy", "spec.path", "not one of",
            hint: "Did you mean Proxy?"),
        .traffic(
            "targetRef: {kind: Service, name: web}\n  failMode: ¦[]", "spec.failMode", "expected text, found a list"),
        .traffic(
            "targetRef: {kind: Service, name: web}\n  connectTimeout: ¦5", "spec.connectTimeout",
            "length of time, found"),
        .traffic(
            "targetRef: {kind: Service, name: web}\n  connectTimeout: ¦0s", "spec.connectTimeout", "not from 1ms to 10m"
        ),
        .traffic("targetRef: {kind: Service, name: web}\n  idleTimeout: ¦-5s", "spec.idleTimeout", "no length of time"),
        .traffic(
            "targetRef: {kind: Service, name: web}\n  idleTimeout: ¦1.5h", "spec.idleTimeout", "no length of time"),
        .traffic(
            "targetRef: {kind: Service, name: web}\n  idleTimeout: ¦1d", "spec.idleTimeout", "no length", hint: "1m30s"),
        .traffic("targetRef: {kind: Service, name: web}\n  ¦timeout: 1s", "spec.timeout", "unknown field"),
        .traffic(
            "targetRef: {kind: Service, name: web}\n  loadBalancing: ¦{}", "spec.loadBalancing.algorithm", "missing"),
        .traffic(
            "targetRef: {kind: Service, name: web}\n  loadBalancing: {algorithm: PeakEWMA, hashHeader: ¦x-user}",
            "spec.loadBalancing.hashHeader", "PeakEWMA hashes nothing", hint: "Maglev"),
        .traffic(
            "targetRef: {kind: Service, name: web}\n  loadBalancing: {algorithm: Maglev, hashHeader: ¦\"x user\"}",
            "spec.loadBalancing.hashHeader", "x user"),
        .traffic(
            "targetRef: {kind: Service, name: web}\n  loadBalancing: {algorithm: RoundRobin, slowStart: ¦2h}",
            "spec.loadBalancing.slowStart", "from 0s to 1h"),
        .traffic(
            "targetRef: {kind: Service, name: web}\n  loadBalancing: {algorithm: ¦maglev}",
            "spec.loadBalancing.algorithm", "not one of WeightedRandom", hint: "Did you mean Maglev?"),
        .traffic(
            "targetRef: {kind: Service, name: web}\n  loadBalancing: {algorithm: WeightedRandom, hashKey: ¦Socket}",
            "spec.loadBalancing.hashKey", "WeightedRandom hashes nothing"),
        .traffic(
            "targetRef: {kind: Service, name: web}\n  loadBalancing: {algorithm: Maglev, hashKey: ¦Header}",
            "spec.loadBalancing.hashKey", "not one of Workload or Socket"),
        .traffic(
            "targetRef: {kind: Service, name: web}\n  path: Proxy\n  fastPath: ¦true", "spec.fastPath",
            "straight to an endpoint"),
        .traffic("targetRef: {kind: Service, name: web}\n  drain: ¦{}", "spec.drain.gracePeriod", "missing"),
        .traffic(
            "targetRef: {kind: Service, name: web}\n  drain: {gracePeriod: ¦25h}", "spec.drain.gracePeriod",
            "not from 0s to 24h"),
        .traffic(
            """
            targetRef: {kind: Service, name: web}
            ---
            apiVersion: malla.dev/v1
            kind: TrafficPolicy
            metadata: {name: b}
            spec:
              targetRef:
                kind: Service
                name: ¦web
            """, "spec.targetRef.name", "the TrafficPolicy at a.yaml:6:1 is for Service web.default too"),
        .config("trustDomain: ¦Birds", "spec.trustDomain", "no trust domain"),
        .config("trustDomain: ¦spiffe://birds", "spec.trustDomain", "no trust domain", hint: "without spiffe://"),
        .config("defaultPolicy: ¦Maybe", "spec.defaultPolicy", "not one of Allow or Deny"),
        .config("probes: [¦{networkNamespace: a}]", "spec.probes[0]", "the node's own network namespace"),
        .config("probes: [{cgroup: /a}, ¦{cgroup: /a}]", "spec.probes[1]", "in the list twice"),
        .config("sourceAddress: ¦Proxy", "spec.sourceAddress", "not one of Client or Node"),
        .config("¦defaultPolcy: Deny", "spec.defaultPolcy", "unknown field", hint: "Did you mean defaultPolicy?"),
        .init(
            """
            apiVersion: malla.dev/v1
            kind: MeshConfig
            metadata: {name: a}
            spec: {}
            ---
            ¦apiVersion: malla.dev/v1
            kind: MeshConfig
            metadata: {name: b}
            spec: {}
            """, "metadata.name", "another MeshConfig is at a.yaml:1:1"),
    ]
}
