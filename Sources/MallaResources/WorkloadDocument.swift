// SPDX-License-Identifier: Apache-2.0
import MallaModel

extension Workload {
    /// The highest weight.
    static let maximumWeight = 1_000_000
    /// The most ports and the most addresses that one workload may have.
    static let maximumPlaces = 64

    /// Reads `spec` of a `malla.dev/v1/Workload`; `nil` after problems.
    init?(_ spec: Fields, _ metadata: Metadata) {
        spec.refuse(
            ["checks"], "the field is known, but this version does nothing with it",
            hint: "Remove it")
        var account: String? = "default"
        if let value = spec.optional("serviceAccount") { account = value.text(Syntax.serviceAccount) }
        let match = spec.required("match", hint: "Say how its processes are found: `match: {systemdUnit: …}`")
            .flatMap(Self.match)
        var ports: [Port]? = []
        if let value = spec.optional("ports") { ports = Self.ports(value) }
        var node: String?? = .some(nil)
        if let value = spec.optional("node") {
            node = value.text(Syntax.nodeName)
            value.report.remember("node", at: value.position)
        }
        // With a node they are its own, which are known when all documents are.
        var addresses: [Address]? = spec.has("node") ? [] : [.loopback4]
        if let value = spec.optional("addresses") { addresses = Self.addresses(value, isOnNode: spec.has("node")) }
        var weight: Int? = 1
        if let value = spec.optional("weight") { weight = value.integer(0...Self.maximumWeight) }
        var locality: Locality? = Locality()
        if let value = spec.optional("locality") { locality = Locality(value) }
        guard let account, let match, let ports, let addresses, let weight, let locality, let node else { return nil }
        if match.isNamespace, let flaw = Syntax.namespaceAddresses(addresses.isEmpty ? [.loopback4] : addresses) {
            spec.optional("match")?.fail(flaw.message, hint: flaw.hint)
            return nil
        }
        self.init(
            name: metadata.name, labels: metadata.labels, serviceAccount: account, match: match, ports: ports,
            addresses: addresses, weight: UInt32(truncatingIfNeeded: weight), locality: locality, node: node)
    }

    static func match(_ value: Value) -> Match? {
        guard let fields = value.fields() else { return nil }
        value.report.remember("match", at: value.position)
        let given = ["cgroup", "systemdUnit", "networkNamespace", "container"].compactMap { name in
            fields.optional(name).map { (name: name, value: $0) }
        }
        fields.finish()
        guard let form = given.first else {
            // Another form was given and has been reported.
            if !value.report.failed {
                value.fail("says nothing", hint: "Write cgroup, systemdUnit, networkNamespace or container")
            }
            return nil
        }
        if given.count > 1 {
            given[1].value.fail("\(form.name) and \(given[1].name) exclude each other", hint: "Keep one of them")
            return nil
        }
        switch form.name {
        case "cgroup":
            guard let text = form.value.text() else { return nil }
            let (path, flaw) = Syntax.cgroup(text)
            if let flaw { form.value.fail(flaw.message, hint: flaw.hint) }
            return path.map(Match.cgroup)
        case "systemdUnit": return form.value.text(Syntax.systemdUnit).map(Match.systemdUnit)
        case "networkNamespace": return form.value.text(Syntax.networkNamespace).map(Match.networkNamespace)
        default: return form.value.text(Syntax.container).map(Match.container)
        }
    }

    private static func ports(_ value: Value) -> [Port]? {
        guard let entries = value.list(), isShort(entries, value) else { return nil }
        var ports: [Port] = []
        for entry in entries {
            guard let fields = entry.fields() else { continue }
            let port = fields.required("port")
            let number = port?.port()
            var name: String? = ""
            if let value = fields.optional("name") { name = value.text(Syntax.portName) }
            fields.finish()
            guard let number, let name, let port else { continue }
            if let first = ports.firstIndex(where: { $0.port == number }) {
                port.fail("\(value.field)[\(first)] is port \(number) too", hint: "Write each port once")
            } else if !name.isEmpty, let first = ports.firstIndex(where: { $0.name == name }) {
                fields.optional("name")?.fail(
                    "\(value.field)[\(first)] has the name \"\(name)\" too", hint: "Name each port once")
            } else {
                value.report.remember("port \(number)", at: port.position)
                ports.append(Port(name: name, port: number))
            }
        }
        return ports.count == entries.count ? ports : nil
    }

    private static func addresses(_ value: Value, isOnNode: Bool) -> [Address]? {
        guard let entries = value.list(atLeast: 1), isShort(entries, value) else { return nil }
        var addresses: [Address] = []
        for entry in entries {
            guard let text = entry.text() else { continue }
            guard let address = Address(text) else {
                entry.fail(
                    "\"\(text.excerpt)\" is no IP address", hint: "Write for example 127.0.0.1 or ::1, without a port")
                continue
            }
            if let flaw = Syntax.workloadAddress(address) {
                entry.fail(flaw.message, hint: flaw.hint)
            } else if isOnNode, let flaw = Syntax.addressOnNode(address) {
                entry.fail(flaw.message, hint: flaw.hint)
            } else if addresses.contains(address) {
                entry.fail("\(address) is in the list twice", hint: "Remove one")
            } else {
                addresses.append(address)
            }
        }
        return addresses.count == entries.count ? addresses : nil
    }

    static func isShort(_ entries: [Value], _ value: Value) -> Bool {
        if entries.count > maximumPlaces {
            value.fail("the list has \(entries.count) entries", hint: "At most \(maximumPlaces) are allowed")
            return false
        }
        return true
    }
}
