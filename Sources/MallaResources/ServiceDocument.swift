// SPDX-License-Identifier: Apache-2.0
import MallaModel

extension Service {
    /// Fields of Kubernetes that change nothing here: both address families are served.
    private static let harmless = ["ipFamilies", "ipFamilyPolicy"]
    /// Fields that ask for something that would not happen.
    private static let unsupported = [
        "allocateLoadBalancerNodePorts", "externalIPs", "externalName", "externalTrafficPolicy", "healthCheckNodePort",
        "loadBalancerClass", "loadBalancerIP", "loadBalancerSourceRanges",
    ]

    /// Reads `spec` of a `v1/Service`; `nil` after problems.
    init?(_ spec: Fields, _ metadata: Metadata) {
        spec.ignore(Self.harmless)
        spec.refuse(
            Self.unsupported, "the field is known, but this version does not do what it asks for",
            hint: "Remove it: services are reached by their virtual addresses only")
        Self.refuseOtherTypes(spec)
        let selector = spec.required(
            "selector", hint: "Name the labels of the workloads; endpoints given by hand are not read by this version")?
            .texts(keys: Syntax.labelKey, values: Syntax.labelValue)
        if let selector, selector.isEmpty {
            spec.optional("selector")?.fail(
                "the selector is empty, so that the service would have no endpoints",
                hint: "Name at least one label of the workloads")
        }
        let addresses = Self.addresses(spec)
        let ports = Self.ports(spec)
        let affinity = Self.affinity(spec)
        let distribution = Self.distribution(spec)
        var isLocalOnly: Bool? = false
        if let value = spec.optional("internalTrafficPolicy") {
            isLocalOnly = value.choice([("Cluster", false), ("Local", true)])
        }
        guard let selector, let ports, let addresses, let affinity, let distribution, let isLocalOnly else {
            return nil
        }
        self.init(
            name: metadata.name, selector: selector, ports: ports, clusterIPs: addresses, affinity: affinity,
            distribution: distribution, isLocalOnly: isLocalOnly)
    }

    private static func refuseOtherTypes(_ spec: Fields) {
        let accepted: [(field: String, value: String, hint: String)] = [
            ("type", "ClusterIP", "Only services with virtual addresses are served")
        ]
        for (field, value, hint) in accepted {
            guard let found = spec.optional(field), let text = found.text(), text != value else { continue }
            let message = "\(text.excerpt) is not supported by this version, only \(value)"
            found.fail(message, hint: hint)
        }
        if let found = spec.optional("publishNotReadyAddresses"), found.boolean() == true {
            found.fail(
                "true is not supported by this version", hint: "Only workloads with running processes get connections")
        }
    }

    private static func addresses(_ spec: Fields) -> [Address]? {
        let single = spec.optional("clusterIP")
        let entries = spec.optional("clusterIPs")?.list()
        var whole = true
        var result: [Address] = []
        for value in (single.map { [$0] } ?? []) + (entries ?? []) {
            guard let text = value.text() else {
                whole = false
                continue
            }
            if text == "None" {
                value.fail(
                    "services without a virtual address are not supported by this version", hint: "Remove the field")
                whole = false
                continue
            }
            guard let address = Address(text) else {
                value.fail("\"\(text.excerpt)\" is no IP address", hint: "Write for example 10.96.0.10 or fd00::10")
                whole = false
                continue
            }
            if let flaw = Syntax.clusterIP(address) {
                value.fail(flaw.message, hint: flaw.hint)
                whole = false
                continue
            }
            // `clusterIP` repeats the first of `clusterIPs`.
            if result.contains(address), result.count == 1, value.field.hasSuffix("[0]") { continue }
            if result.contains(where: { $0.isIPv4 == address.isIPv4 }) {
                let family = address.isIPv4 ? "IPv4" : "IPv6"
                value.fail("the service has another \(family) address", hint: "Give at most one of each family")
                whole = false
                continue
            }
            value.report.remember("address \(address)", at: value.position)
            result.append(address)
        }
        return whole ? result : nil
    }

    private static func ports(_ spec: Fields) -> [Port]? {
        guard let entries = spec.required("ports")?.list(atLeast: 1) else { return nil }
        var ports: [Port] = []
        var names: [String: String] = [:]
        var numbers: [String: String] = [:]
        for value in entries {
            guard let fields = value.fields() else { continue }
            let port = Port(fields, isOnly: entries.count == 1)
            fields.finish()
            guard let port else { continue }
            if !port.name.isEmpty, let first = names.updateValue(value.field, forKey: port.name) {
                fields.optional("name")?.fail("\(first) has the name \"\(port.name)\" too", hint: "Name each port once")
            }
            let number = "\(port.port)/\(port.transport)"
            if let first = numbers.updateValue(value.field, forKey: number) {
                fields.optional("port")?.fail("\(first) is port \(port.port) too", hint: "Write each port once")
            }
            ports.append(port)
        }
        return ports.count == entries.count ? ports : nil
    }
}

extension Service.Port {
    /// Reads one entry of `spec.ports`; `nil` after problems.
    fileprivate init?(_ fields: Fields, isOnly: Bool) {
        fields.refuse(
            ["nodePort"], "the field is known, but this version does not open ports on the node", hint: "Remove it")
        var name: String? = ""
        if isOnly, !fields.has("name") {
            fields.ignore(["name"])
        } else {
            let hint = "With several ports each has a name"
            name = fields.required("name", hint: hint)?.text(Syntax.name)
        }
        let port = fields.required("port")?.port()
        var transport: TransportProtocol? = .tcp
        if let value = fields.optional("protocol") { transport = value.choice([("TCP", .tcp), ("UDP", .udp)]) }
        var target = port.map(Service.PortReference.number)
        if let value = fields.optional("targetPort") { target = Self.target(value) }
        var appProtocol: String??
        if let value = fields.optional("appProtocol") { appProtocol = .some(value.text(Syntax.appProtocol)) }
        guard let name, let port, let transport, let target, appProtocol != .some(nil) else { return nil }
        self.init(name: name, port: port, transport: transport, targetPort: target, appProtocol: appProtocol ?? nil)
    }

    private static func target(_ value: Value) -> Service.PortReference? {
        switch value.content {
        case .integer: value.port().map(Service.PortReference.number)
        case .text(let text) where !text.isEmpty && text.utf8.allSatisfy { (0x30...0x39).contains($0) }:
            Self.refuseQuoted(value, text)
        default: value.text(Syntax.portName).map(Service.PortReference.name)
        }
    }

    private static func refuseQuoted(_ value: Value, _ text: String) -> Service.PortReference? {
        value.fail(
            "\"\(text.excerpt)\" in quotes is the name of a port, and names have a letter", hint: "Remove the quotes")
        return nil
    }
}
