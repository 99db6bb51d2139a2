// SPDX-License-Identifier: Apache-2.0
public import MallaModel

extension Mesh {
    /// What keeps `workload`, which comes from no file, from joining the mesh: everything that its document would be
    /// refused for. Empty: it may join.
    ///
    /// Problems have the same fields and words as those of a document, and no position.
    ///
    /// - Parameter node: where it runs.
    public func problems(admitting workload: Workload, on node: String? = nil) -> [ResourceProblem] {
        var problems: [ResourceProblem] = []
        func add(_ flaw: DocumentReport.Flaw?, _ field: String) {
            guard let flaw else { return }
            problems.append(
                ResourceProblem(
                    kind: ResourceKind.workload.rawValue, name: workload.name.description, field: field,
                    message: flaw.message, hint: flaw.hint))
        }
        add(Syntax.name(workload.name.name), "metadata.name")
        add(Syntax.name(workload.name.namespace), "metadata.namespace")
        for (key, value) in workload.labels.sorted(by: { $0.key < $1.key }) {
            add(Syntax.labelKey(key), "metadata.labels.\(key.excerpt)")
            add(Syntax.labelValue(value), "metadata.labels.\(key.excerpt)")
        }
        add(Syntax.serviceAccount(workload.serviceAccount), "spec.serviceAccount")
        add(Self.flaw(of: workload.match), "spec.match")
        add(Self.flaw(ofCount: workload.ports.count), "spec.ports")
        for (index, port) in workload.ports.prefix(Workload.maximumPlaces).enumerated() {
            add(Self.flaw(of: port, after: workload.ports[..<index]), "spec.ports[\(index)]")
        }
        add(Self.flaw(ofCount: workload.addresses.count), "spec.addresses")
        if workload.match.isNamespace { add(Syntax.namespaceAddresses(workload.addresses), "spec.addresses") }
        if workload.addresses.isEmpty { add(.init(message: "there is no address"), "spec.addresses") }
        for (index, address) in workload.addresses.prefix(Workload.maximumPlaces).enumerated() {
            add(Syntax.workloadAddress(address), "spec.addresses[\(index)]")
            if workload.addresses[..<index].contains(address) {
                add(.init(message: "\(address) is in the list twice"), "spec.addresses[\(index)]")
            }
        }
        if workload.weight > Workload.maximumWeight {
            add(.init(message: "\(workload.weight) is not from 0 to \(Workload.maximumWeight)"), "spec.weight")
        }
        guard problems.isEmpty else { return problems }

        if workloads[workload.name] != nil {
            let hint = "Choose another name, or stop that one"
            add(.init(message: "there is a Workload \(workload.name) already", hint: hint), "metadata.name")
            return problems
        }
        var claims = WorkloadClaims(here: node)
        for other in workloads.values.sorted(by: { $0.name < $1.name }) { _ = claims.add(other) }
        for clash in claims.add(workload) {
            add(.init(message: "\(clash.what), as has Workload \(clash.other)", hint: clash.hint), clash.field)
        }
        return problems
    }

    private static func flaw(of match: Workload.Match) -> DocumentReport.Flaw? {
        switch match {
        case .run: nil
        case .cgroup(let path): Syntax.cgroup(path).flaw
        case .systemdUnit(let unit): Syntax.systemdUnit(unit)
        case .networkNamespace(let name): Syntax.networkNamespace(name)
        case .container(let id): Syntax.container(id)
        }
    }

    private static func flaw(ofCount count: Int) -> DocumentReport.Flaw? {
        guard count > Workload.maximumPlaces else { return nil }
        return .init(message: "the list has \(count) entries", hint: "At most \(Workload.maximumPlaces) are allowed")
    }

    private static func flaw(
        of port: Workload.Port, after others: ArraySlice<Workload.Port>
    ) -> DocumentReport.Flaw? {
        if port.port == 0 { return .init(message: "0 is not from 1 to 65535") }
        if others.contains(where: { $0.port == port.port }) {
            return .init(message: "port \(port.port) is in the list twice", hint: "Write each port once")
        }
        guard !port.name.isEmpty else { return nil }
        if others.contains(where: { $0.name == port.name }) {
            return .init(message: "two ports have the name \"\(port.name.excerpt)\"", hint: "Name each port once")
        }
        return Syntax.portName(port.name)
    }
}
