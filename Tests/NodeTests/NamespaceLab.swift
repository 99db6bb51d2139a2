// SPDX-License-Identifier: Apache-2.0
import Foundation

/// How a network namespace is connected to its node.
enum Wiring: String, CaseIterable {
    /// By a port of the node's bridge.
    case bridged
    /// By a pair of interfaces of its own, over which the node routes.
    case routed
}

/// A network namespace with one interface, as a container runtime would make it.
struct Pod {
    let name: String
    let account: String
    let app: String
    let wiring: Wiring
    /// Differs from pod to pod of the same wiring.
    let number: Int

    var address4: String { wiring == .bridged ? "10.77.0.\(number)" : "10.78.0.\(number)" }
    var address6: String { wiring == .bridged ? "fd77::\(number)" : "fd78::\(number)" }
    func address(_ family: Family) -> String { family == .ipv6 ? address6 : address4 }
    /// The name of the node's end.
    var interface: String { "v-\(wiring)-\(number)" }
    static let port = 7000
}

/// A node with pods behind it.
final class NamespaceLab {
    let lab: Lab
    let pods: [Pod]
    private let strangers: [Pod]
    private var children: [Child] = []

    /// Makes the node, its bridge and the pods. The daemon is started by ``Lab/start(extra:)``.
    ///
    /// - Parameters:
    ///   - pods: each with a Workload by the name of its namespace.
    ///   - strangers: without.
    init(_ label: String, _ pods: [Pod], besides strangers: [Pod] = [], resources: String) throws {
        self.pods = pods
        self.strangers = strangers
        lab = try Lab(label, resources: resources)
        do {
            try lab.write(pods.map(resource).joined(separator: "---\n"), file: "pods.yaml")
            try must(lab.inside(["sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"]))
            try node(["link", "add", "br0", "type", "bridge"])
            try node(["addr", "add", "10.77.0.1/24", "dev", "br0"])
            try node(["addr", "add", "fd77::1/64", "dev", "br0", "nodad"])
            try node(["link", "set", "br0", "up"])
            for pod in pods + strangers {
                try must(["ip", "netns", "add", namespace(pod)])
                try inside(pod, ["link", "set", "lo", "up"])
                try connect(pod)
            }
        } catch {
            tearDown()
            throw error
        }
    }

    func namespace(_ pod: Pod) -> String { "\(lab.name)-\(pod.name)" }

    func pod(_ name: String) throws -> Pod {
        guard let pod = pods.first(where: { $0.name == name }) else { throw LabError("there is no pod \(name)") }
        return pod
    }

    /// Makes the pod's pair of interfaces.
    func connect(_ pod: Pod) throws {
        let name = pod.interface
        try node(["link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", namespace(pod)])
        try inside(pod, ["link", "set", "eth0", "up"])
        switch pod.wiring {
        case .bridged:
            try node(["link", "set", name, "master", "br0"])
            try node(["link", "set", name, "up"])
            try inside(pod, ["addr", "add", "\(pod.address4)/24", "dev", "eth0"])
            try inside(pod, ["addr", "add", "\(pod.address6)/64", "dev", "eth0", "nodad"])
            try inside(pod, ["route", "add", "default", "via", "10.77.0.1"])
            try inside(pod, ["-6", "route", "add", "default", "via", "fd77::1"])
        case .routed:
            try node(["link", "set", name, "up"])
            try node(["addr", "add", "169.254.7.1/32", "dev", name])
            try node(["addr", "add", "fe80::7/64", "dev", name, "nodad"])
            try node(["route", "add", "\(pod.address4)/32", "dev", name])
            try node(["-6", "route", "add", "\(pod.address6)/128", "dev", name])
            try inside(pod, ["addr", "add", "\(pod.address4)/32", "dev", "eth0"])
            try inside(pod, ["addr", "add", "\(pod.address6)/128", "dev", "eth0", "nodad"])
            try inside(pod, ["route", "add", "169.254.7.1/32", "dev", "eth0"])
            try inside(pod, ["route", "add", "default", "via", "169.254.7.1"])
            try inside(pod, ["-6", "route", "add", "default", "via", "fe80::7", "dev", "eth0"])
        }
    }

    /// The number of the pod's namespace.
    func inode(_ pod: Pod) throws -> String {
        try must(["stat", "-L", "-c", "%i", "/run/netns/\(namespace(pod))"]).trimmingCharacters(
            in: .whitespacesAndNewlines)
    }

    /// Makes a namespace of the pod's name anew, with the former one's number if the kernel gives that out again: others
    /// that it gives out are held meanwhile. Somebody else on the machine may get it first.
    ///
    /// - Returns: whether it has the number.
    func makeAnew(_ pod: Pod, as number: String) throws -> Bool {
        var held: [Child] = []
        defer { for child in held { child.signal(SIGKILL) } }
        for attempt in 0... {
            try must(["ip", "netns", "add", namespace(pod)])
            let isSame = try inode(pod) == number
            if isSame || attempt == 20 { return isSame }
            let holder = try Child([
                "nsenter", "--net=/run/netns/\(namespace(pod))", "sh", "-c", "echo held; exec sleep 300",
            ])
            try holder.expect("held")
            held.append(holder)
            try must(["ip", "netns", "del", namespace(pod)])
        }
        return false
    }

    /// `ip` in the node's namespace.
    func node(_ arguments: [String]) throws { try must(["ip", "-n", lab.name] + arguments) }

    /// `ip` in the pod's namespace.
    func inside(_ pod: Pod, _ arguments: [String]) throws { try must(["ip", "-n", namespace(pod)] + arguments) }

    /// The lab's peer in the pod's namespace.
    func peer(_ pod: Pod, _ arguments: [String]) throws -> Child {
        let child = try Child(
            ["nsenter", "--net=/run/netns/\(namespace(pod))", try Lab.product("lab-peer")] + arguments)
        children.append(child)
        return child
    }

    /// Starts the server of a pod.
    func serve(_ pod: Pod) throws {
        try peer(pod, ["serve", "::", "\(Pod.port)", pod.name]).expect("listening")
    }

    /// One exchange of so many bytes in each direction.
    func call(_ pod: Pod, _ family: Family, _ address: String, _ port: Int, size: UInt64) throws -> CallResult {
        try peer(pod, ["call", family.rawValue, address, "\(port)", "\(size)", "\(size)"]).wait()
            .json(CallResult.self)
    }

    /// Waits until all pods' interfaces are captured.
    func awaitCapture() throws {
        try eventually("all interfaces are captured") {
            let text = try lab.malla(["programs", "list"]).text
            return pods.allSatisfy { text.contains("interface \($0.interface)") }
        }
    }

    func tearDown() {
        for child in children { child.signal(SIGKILL) }
        for child in children { _ = child.wait(seconds: 5) }
        lab.tearDown()
        for pod in pods + strangers { _ = try? run(["ip", "netns", "del", namespace(pod)]) }
    }

    /// The Workload of a pod.
    func resource(_ pod: Pod) -> String {
        """
        apiVersion: malla.dev/v1
        kind: Workload
        metadata: {name: \(pod.name), labels: {app: \(pod.app)}}
        spec:
          serviceAccount: \(pod.account)
          match: {networkNamespace: \(namespace(pod))}
          addresses: ["\(pod.address4)", "\(pod.address6)"]
          ports: [{name: main, port: \(Pod.port)}]

        """
    }
}

/// Runs `body` with a node whose pods are captured, and ends all of it whatever happens.
func withPods(
    _ label: String, _ pods: [Pod], besides strangers: [Pod] = [], resources: String,
    _ body: (NamespaceLab) throws -> Void
) throws {
    let lab = try NamespaceLab(label, pods, besides: strangers, resources: resources)
    defer { lab.tearDown() }
    try lab.lab.start()
    do {
        try lab.awaitCapture()
        try body(lab)
    } catch {
        throw LabError("\(error)\n--- mallad: \(lab.lab.daemon?.errors.suffix(4000) ?? "")")
    }
}
