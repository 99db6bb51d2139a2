// SPDX-License-Identifier: Apache-2.0
import Foundation
import MallaAPI

/// Several nodes on one switch, each a network namespace with a daemon of its own; they share nothing but the link
/// and the directory of resources. On each of them two workloads: one in a cgroup, one in a network namespace.
final class NodesLab {
    /// A workload, and how to run something as it.
    struct Member {
        let name: String
        /// Its node's place.
        let node: Int
        let isPod: Bool
        /// By which others know it.
        let address: String
        /// What its server says of itself, in every answer.
        var tag: String { "tell-tale-\(name)" }
    }

    let name: String
    private(set) var labs: [Lab] = []
    private(set) var members: [Member] = []
    private let shared: URL
    private var children: [Child] = []
    private var switchSpace: String { "\(name)-switch" }

    static let port = 7000
    static let tunnelPort = 15008

    /// Makes the switch, the nodes and their workloads' places. Daemons are started by ``start(extra:)``.
    init(_ label: String, nodes count: Int, resources: String = "") throws {
        name = "malla-\(label)-\(UInt32.random(in: 0x1000...0xffff))"
        shared = URL(fileURLWithPath: "/tmp/\(name)-mesh.d")
        do {
            try must(["ip", "netns", "add", switchSpace])
            try must(["ip", "-n", switchSpace, "link", "add", "br0", "type", "bridge"])
            try must(["ip", "-n", switchSpace, "link", "set", "br0", "up"])
            for index in 0..<count {
                labs.append(try Lab("\(label)\(index + 1)", resources: "", config: shared))
                try plug(index)
                members.append(
                    Member(name: "host-\(index + 1)", node: index, isPod: false, address: Self.address(index)))
                members.append(
                    Member(name: "pod-\(index + 1)", node: index, isPod: true, address: "10.81.\(index + 1).2"))
                try makePlaces(index)
            }
            try write(resources)
        } catch {
            tearDown()
            throw error
        }
    }

    /// The node's address on the link.
    static func address(_ index: Int) -> String { "10.80.0.\(index + 1)" }

    private func plug(_ index: Int) throws {
        let node = labs[index].name
        try must([
            "ip", "-n", switchSpace, "link", "add", "p\(index)", "type", "veth", "peer", "name", "eth0", "netns", node,
        ])
        try must(["ip", "-n", switchSpace, "link", "set", "p\(index)", "master", "br0", "up"])
        try must(["ip", "-n", node, "addr", "add", "\(Self.address(index))/24", "dev", "eth0"])
        try must(["ip", "-n", node, "link", "set", "eth0", "up"])
    }

    private func makePlaces(_ index: Int) throws {
        let node = labs[index].name
        try FileManager.default.createDirectory(atPath: cgroup(index), withIntermediateDirectories: true)
        try must(["ip", "netns", "add", podSpace(index)])
        try must(labs[index].inside(["sysctl", "-qw", "net.ipv4.ip_forward=1"]))
        let pod = "10.81.\(index + 1).2"
        try must([
            "ip", "-n", node, "link", "add", "v-pod", "type", "veth", "peer", "name", "eth0", "netns", podSpace(index),
        ])
        for command in [
            ["link", "set", "v-pod", "up"], ["addr", "add", "169.254.7.1/32", "dev", "v-pod"],
            ["route", "add", "\(pod)/32", "dev", "v-pod"],
        ] {
            try must(["ip", "-n", node] + command)
        }
        for command in [
            ["link", "set", "lo", "up"], ["link", "set", "eth0", "up"], ["addr", "add", "\(pod)/32", "dev", "eth0"],
            ["route", "add", "169.254.7.1/32", "dev", "eth0"], ["route", "add", "default", "via", "169.254.7.1"],
        ] {
            try must(["ip", "-n", podSpace(index)] + command)
        }
    }

    private func cgroup(_ index: Int) -> String { labs[index].cgroup + "-app" }
    private func podSpace(_ index: Int) -> String { "\(labs[index].name)-pod" }

    // MARK: Resources

    /// Writes the nodes, their workloads, a service for each of them, and whatever else there is to say.
    func write(_ more: String) throws {
        var documents = labs.indices.map { index in
            """
            apiVersion: malla.dev/v1
            kind: Node
            metadata: {name: \(labs[index].name)}
            spec: {addresses: [\(Self.address(index))], zone: zone-\(index + 1)}
            """
        }
        for member in members {
            let node = labs[member.node].name
            let match =
                member.isPod
                ? "networkNamespace: \(podSpace(member.node))"
                : "cgroup: /\(cgroup(member.node).split(separator: "/").last ?? "")"
            documents.append(
                """
                apiVersion: malla.dev/v1
                kind: Workload
                metadata: {name: \(member.name), labels: {app: \(member.name), kind: \(member.isPod ? "pod" : "host")}}
                spec:
                  node: \(node)
                  serviceAccount: \(member.name)
                  match: {\(match)}
                  ports: [{name: main, port: \(Self.port)}]
                  \(member.isPod ? "addresses: [\(member.address)]" : "weight: 1")
                """)
            documents.append(
                """
                apiVersion: v1
                kind: Service
                metadata: {name: \(member.name)}
                spec:
                  selector: {app: \(member.name)}
                  ports: [{name: main, port: 80, targetPort: main}]
                """)
        }
        if !more.isEmpty { documents.append(more) }
        try documents.joined(separator: "\n---\n")
            .write(to: shared.appendingPathComponent("mesh.yaml"), atomically: true, encoding: .utf8)
    }

    /// Takes a workload out of the resources, while its processes run on.
    func forget(_ member: Member) throws {
        members.removeAll { $0.name == member.name }
        try write("")
    }

    // MARK: Running

    /// Starts the daemons and waits until each has captured its workloads.
    func start(extra: (Int) throws -> [String] = { _ in [] }) throws {
        for (index, lab) in labs.enumerated() { try lab.start(extra: extra(index)) }
        for lab in labs {
            try eventually("the pod's interface is captured") {
                try lab.malla(["programs", "list"]).text.contains("interface v-pod")
            }
        }
    }

    /// The command line that runs `command` as a workload.
    func command(as member: Member, _ command: [String]) -> [String] {
        if member.isPod { return ["nsenter", "--net=/run/netns/\(podSpace(member.node))"] + command }
        return ["sh", "-c", "echo $$ >\(cgroup(member.node))/cgroup.procs && exec \"$@\"", "sh"]
            + labs[member.node].inside(command)
    }

    /// Starts the server of every workload.
    func serve() throws {
        for member in members {
            let server = try Child(
                command(as: member, [try Lab.product("lab-peer"), "serve", "0.0.0.0", "\(Self.port)", member.tag]))
            children.append(server)
            try server.expect("listening")
        }
        // A cgroup that is empty is not ready.
        for lab in labs {
            try eventually("the servers are known") {
                try lab.view([WorkloadView].self, ["workloads"]).filter { $0.node == nil }.allSatisfy(\.populated)
            }
        }
    }

    /// Starts any command of the lab's peer as a workload.
    func peer(_ member: Member, _ arguments: [String]) throws -> Child {
        let child = try Child(command(as: member, [try Lab.product("lab-peer")] + arguments))
        children.append(child)
        return child
    }

    /// One exchange of so many bytes in each direction.
    func call(_ member: Member, _ address: String, _ port: Int, size: UInt64 = 3000) throws -> CallResult {
        try peer(member, ["call", "4", address, "\(port)", "\(size)", "\(size)"]).wait().json(CallResult.self)
    }

    /// The virtual address of a workload's service, on a node.
    func address(of member: Member, on node: Int) throws -> String {
        try labs[node].address(of: member.name, ipv6: false)
    }

    /// Begins to read everything that crosses the link.
    func sniff() throws -> Child {
        let child = try Child([
            "nsenter", "--net=/run/netns/\(switchSpace)", try Lab.product("lab-peer"), "sniff", "tell-tale-",
            "\(Self.tunnelPort)",
        ])
        children.append(child)
        try child.expect("listening")
        return child
    }

    /// A command on the link that is no node: somebody else's machine.
    func stranger(_ arguments: [String]) throws -> Child {
        if try run(["ip", "-n", switchSpace, "addr", "show", "br0"]).text.contains("10.80.0.99") == false {
            try must(["ip", "-n", switchSpace, "addr", "add", "10.80.0.99/24", "dev", "br0"])
        }
        let child = try Child(
            ["nsenter", "--net=/run/netns/\(switchSpace)", try Lab.product("lab-peer")] + arguments)
        children.append(child)
        return child
    }

    func tearDown() {
        for child in children { child.signal(SIGKILL) }
        for child in children { _ = child.wait(seconds: 5) }
        for (index, lab) in labs.enumerated() {
            let place = cgroup(index)
            lab.tearDown()
            for _ in 0..<100 where rmdir(place) != 0 && errno == EBUSY { usleep(10_000) }
            _ = try? run(["ip", "netns", "del", podSpace(index)])
        }
        _ = try? run(["ip", "netns", "del", switchSpace])
        try? FileManager.default.removeItem(at: shared)
    }
}

/// What was seen on the link.
struct Sniffed: Decodable {
    var frames: UInt64
    var bytes: UInt64
    /// Frames with the name that a server says of itself.
    var markers: UInt64
    /// Frames with what a client sends.
    var patterns: UInt64
    /// Frames of tunnels.
    var tunnelled: UInt64
}

/// Runs `body` with nodes that are up, and ends all of them whatever happens.
func withNodes(
    _ label: String, nodes count: Int, resources: String = "", extra: (Int) -> [String] = { _ in [] },
    _ body: (NodesLab) throws -> Void
) throws {
    let lab = try NodesLab(label, nodes: count, resources: resources)
    defer { lab.tearDown() }
    do {
        try lab.start(extra: extra)
        try lab.serve()
        try body(lab)
    } catch {
        let logs = lab.labs.map { "--- \($0.name): \($0.daemon?.errors.suffix(3000) ?? "")" }
        throw LabError("\(error)\n\(logs.joined(separator: "\n"))")
    }
}
