// SPDX-License-Identifier: Apache-2.0
import Glibc
import MallaAPI
import MallaAdmin
import MallaKernel
import MallaModel
import MallaPolicy
import MallaSources

/// `malla explain`: the question put to the kernel's own decision code, the answer in names.
extension Node {
    func explain(from: String, to: String) async throws -> ExplainView {
        let (workload, placement) = try source(from)
        let (destination, asked) = try destination(to)
        var question = Question(cgroup: placement.cgroup, destination: destination)
        question.isNamespace = !placement.interfaces.isEmpty
        if placement.cgroup == 0 { question.interface = placement.interfaces.first?.index ?? 0 }
        question.isProxyAlive = await proxy?.isUp ?? false
        let answer = try kernel.reader.explain(question)
        let names = Names(numbers)
        let path = answer.path ?? .deny
        let address = workload.address(likeThatOf: destination.address)
        var steps = [
            "source: workload \(workload.name), \(identity(of: workload).spiffeID), by its \(placement.kind) \(placement.place)",
            "destination: \(asked)", "source address: \(address), where rules ask for it",
        ]
        let service = names.service(answer.service)
        if answer.service != 0 { steps.append("service: \(service) by its virtual address \(destination)") }
        if let endpoint = answer.endpoint {
            steps.append(
                "endpoint: \(endpoint.address) of workload \(names.workload(endpoint.workload)), "
                    + names.identity(endpoint.identity))
        }
        if let rule = names.rule(answer.rule) {
            steps.append("policy: \(path == .deny ? "denied" : "allowed") by rule \(rule)")
        } else if answer.endpoint != nil {
            steps.append("policy: no rule matched; the default says \(answer.reason.name)")
        }
        if let dryRun = answer.dryRun {
            let rule = names.rule(dryRun.rule).map { " by rule \($0)" } ?? " by the default"
            let verdict = dryRun.reason == .passed ? "allowed" : "denied, \(dryRun.reason.name),"
            steps.append(
                dryRun.differs ? "dry run: it would be \(verdict)\(rule)" : "dry run: would change nothing")
        }
        var elsewhere: RemoteDecision?
        if path == .proxy {
            let snapshot = snapshot()
            elsewhere = snapshot.flatMap { snapshot in
                remoteDecision(
                    endpoint: answer.picked, in: snapshot, source: answer.source, port: destination.port, from: address)
            }
            steps +=
                elsewhere?.steps
                ?? proxySteps(answer.service, port: destination.port, source: answer.source, from: address)
        }
        steps.append("decision: \(path.name), \(answer.reason.name)")
        if let elsewhere {
            return ExplainView(
                from: workload.name.description, fromIdentity: identity(of: workload).spiffeID, to: to,
                address: destination.description, path: elsewhere.decision.isAllowed ? path.name : Path.deny.name,
                reason: elsewhere.decision.reason.name, help: elsewhere.decision.reason.help, service: service,
                endpoint: elsewhere.endpoint.address.description, target: names.workload(elsewhere.endpoint.workload),
                targetIdentity: names.identity(elsewhere.endpoint.identity), rule: elsewhere.rule,
                generation: answer.generation, steps: steps)
        }
        return ExplainView(
            from: workload.name.description, fromIdentity: identity(of: workload).spiffeID, to: to,
            address: destination.description, path: path.name, reason: answer.reason.name, help: answer.reason.help,
            errno: Self.name(ofErrno: answer.errno), service: service,
            endpoint: answer.endpoint?.address.description,
            target: names.workload(answer.endpoint?.workload ?? 0),
            targetIdentity: names.identity(answer.endpoint?.identity ?? 0), rule: names.rule(answer.rule),
            generation: answer.generation, steps: steps)
    }

    private func source(_ text: String) throws -> (Workload, Placement) {
        guard let name = ObjectName(text: text), let workload = mesh.workloads[name] else {
            throw AdminRefusal(.notFound, "there is no workload \(text)", hint: "malla workloads lists them")
        }
        if let node = workload.node, workload.isRemote(from: settings.node) {
            throw AdminRefusal(
                .conflict, "the workload \(name) runs on node \(node), and its connections begin there",
                hint: "ask there: malla explain on \(node)")
        }
        guard let placement = placements[name] else {
            throw AdminRefusal(
                .conflict, "the workload \(name) does not run on this node, so nothing of its can connect",
                hint: uncaptured[name] ?? "start it")
        }
        return (workload, placement)
    }

    /// `IP:PORT`, or the name of a service, or that of a workload, with a port.
    private func destination(_ text: String) throws -> (SocketAddress, String) {
        if let address = SocketAddress(text: text) { return (address, "\(address)") }
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]), port > 0 else {
            throw AdminRefusal(.invalid, "\(text) is no destination", hint: "write SERVICE:PORT or IP:PORT")
        }
        var host = String(text[..<colon])
        for suffix in [".svc.cluster.local", ".malla"] where host.hasSuffix(suffix) { host.removeLast(suffix.count) }
        if let name = ObjectName(text: host) {
            if let address = index?.services.first(where: { $0.name == name })?.addresses.first {
                return (SocketAddress(address, port), "service \(name), port \(port)")
            }
            if let address = mesh.workloads[name]?.addresses.first {
                return (SocketAddress(address, port), "workload \(name) by its address, port \(port)")
            }
        }
        throw AdminRefusal(.notFound, "there is no service or workload \(host)", hint: "malla services lists services")
    }

    /// What the proxy will decide for each endpoint that it may pick.
    private func proxySteps(_ service: UInt32, port: UInt16, source: UInt32, from: Address) -> [String] {
        guard let snapshot = snapshot(),
            let found = snapshot.services.first(where: { $0.number == service })?.ports.first(where: { $0.port == port }
            ),
            found.scope == 0
        else { return [] }
        let names = Names(numbers)
        let numbers = Set((found.endpoints4 + found.endpoints6).map(\.endpoint))
        return snapshot.endpoints.filter { numbers.contains($0.number) }.flatMap { endpoint -> [String] in
            if let elsewhere = remoteDecision(
                endpoint: endpoint.number, in: snapshot, source: source, port: port, from: from)
            {
                return elsewhere.steps
            }
            let decision = snapshot.policies.decide(
                PolicyQuestion(
                    scope: endpoint.scope, source: source, port: endpoint.address.port, from: from,
                    to: endpoint.address.address))
            let rule = names.rule(decision.rule).map { " by rule \($0)" } ?? ""
            return [
                "proxy: for endpoint \(endpoint.address) of \(names.workload(endpoint.workload)): "
                    + decision.reason.name + rule
            ]
        }
    }

    private static func name(ofErrno number: Int32) -> String? {
        switch number {
        case 0: nil
        case EPERM: "EPERM"
        case ENOMEM: "ENOMEM"
        case ENETUNREACH: "ENETUNREACH"
        case ETIMEDOUT: "ETIMEDOUT"
        case ECONNREFUSED: "ECONNREFUSED"
        case EHOSTUNREACH: "EHOSTUNREACH"
        default: String(cString: strerror(number))
        }
    }
}
