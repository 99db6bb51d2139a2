// SPDX-License-Identifier: Apache-2.0
import Foundation
import MallaAPI

/// One node of a mesh on this machine: a network namespace, a cgroup, a pin directory, a daemon — the real ones —
/// all named after the lab and gone when it ends.
final class Lab {
    let name: String
    let directory: URL
    let cgroup: String
    let pins: String
    let config: URL
    private(set) var daemon: Child?
    private var children: [Child] = []

    /// Makes the namespace and the directories. The daemon is started by ``start()``.
    ///
    /// - Parameter config: the directory of resources, where nodes share one.
    init(_ label: String, resources: String, config shared: URL? = nil) throws {
        guard geteuid() == 0 else { throw LabError("node tests need root: run them with sudo") }
        name = "malla-\(label)-\(UInt32.random(in: 0x1000...0xffff))"
        directory = URL(fileURLWithPath: "/tmp/\(name)")
        cgroup = try Lab.cgroupMount() + "/\(name)"
        pins = "/sys/fs/bpf/\(name)"
        config = shared ?? directory.appendingPathComponent("config")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        try FileManager.default.createDirectory(at: config, withIntermediateDirectories: true)
        try must(["ip", "netns", "add", name])
        for command in [
            ["link", "set", "lo", "up"], ["addr", "add", "10.99.0.1/32", "dev", "lo"],
            ["addr", "add", "fd99::1/128", "dev", "lo"],
        ] {
            try must(["ip", "-n", name] + command)
        }
        try write(resources)
    }

    var state: String { directory.appendingPathComponent("state").path }
    var admin: String { directory.appendingPathComponent("admin.sock").path }
    static let metrics = "127.0.0.1:15020"

    /// The build's products, beside the test's own executable.
    static func product(_ name: String) throws -> String {
        let directory =
            try ProcessInfo.processInfo.environment["MALLA_BIN"]
            ?? URL(fileURLWithPath: try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
            .deletingLastPathComponent().path
        let path = "\(directory)/\(name)"
        guard FileManager.default.isExecutableFile(atPath: path) else {
            throw LabError("\(path) is missing: build first, or set MALLA_BIN to the directory with the programs")
        }
        return path
    }

    static func cgroupMount() throws -> String {
        for line in try String(contentsOfFile: "/proc/self/mounts", encoding: .utf8).split(separator: "\n") {
            let fields = line.split(separator: " ")
            if fields.count > 2, fields[2] == "cgroup2" { return String(fields[1]) }
        }
        throw LabError("cgroup v2 is not mounted")
    }

    /// `command`, inside the node's network namespace.
    func inside(_ command: [String]) -> [String] { ["nsenter", "--net=/run/netns/\(name)"] + command }

    /// Writes the one resource file.
    func write(_ resources: String, file: String = "mesh.yaml") throws {
        try resources.write(to: config.appendingPathComponent(file), atomically: true, encoding: .utf8)
    }

    /// Starts the daemon and waits until it is ready.
    func start(extra: [String] = []) throws {
        daemon = try Child(
            inside(
                [
                    try Lab.product("mallad"), "--config", config.path, "--state", state, "--node", name, "--address",
                    "10.99.0.1", "--cgroup", cgroup, "--pins", pins, "--admin", admin, "--metrics", Lab.metrics,
                    "--proxy", try Lab.product("malla-proxy"),
                ] + extra))
        do {
            try eventually("mallad is ready", seconds: 30) {
                guard daemon?.isRunning == true else { throw LabError("mallad ended") }
                return try status()?.ready == true
            }
        } catch {
            throw LabError("\(error); mallad said: \(daemon?.errors ?? "") \(daemon?.text ?? "")")
        }
    }

    /// Ends the daemon by `signal` and waits for its end.
    func end(_ signal: Int32) {
        daemon?.signal(signal)
        _ = daemon?.wait(seconds: 15)
        daemon = nil
    }

    /// The command line, against this node.
    func malla(_ arguments: [String], seconds: Double = 30) throws -> Output {
        try run(
            inside([try Lab.product("malla")] + arguments),
            environment: ["MALLA_ADMIN": admin, "MALLA_PINS": pins, "NO_COLOR": "1"],
            seconds: seconds)
    }

    func view<Value: Decodable>(_ type: Value.Type, _ arguments: [String]) throws -> Value {
        try malla(arguments + ["-o", "json"]).document(type)
    }

    func status() throws -> StatusView? {
        let output = try malla(["status", "-o", "json"])
        return output.status == 0 ? try output.document(StatusView.self) : nil
    }

    /// A virtual address of a service: the first of the family.
    func address(of service: String, ipv6: Bool) throws -> String {
        let services = try view([ServiceView].self, ["services"])
        guard let found = services.first(where: { $0.name == service }),
            let address = found.addresses.first(where: { $0.contains(":") == ipv6 })
        else { throw LabError("service \(service) has no such address among \(services)") }
        return address
    }

    /// The command line that runs `command` as a workload.
    func asWorkload(_ workload: String, account: String, labels: [String: String], ports: [String], _ command: [String])
        throws -> [String]
    {
        inside(
            [
                try Lab.product("malla"), "--admin", admin, "run", "--name", workload, "--service-account", account,
                "--address", "127.0.0.1", "--address", "::1",
            ] + labels.flatMap { ["--label", "\($0.key)=\($0.value)"] } + ports.flatMap { ["--port", $0] } + ["--"]
                + command)
    }

    /// Starts a server as a workload, and waits until it listens.
    @discardableResult
    func serve(_ workload: String, account: String, app: String, port: UInt16, at host: String = "::") throws -> Child {
        let child = try Child(
            asWorkload(
                workload, account: account, labels: ["app": app], ports: ["main=\(port)"],
                [try Lab.product("lab-peer"), "serve", host, "\(port)", workload]))
        children.append(child)
        try child.expect("listening")
        return child
    }

    /// Starts any command of the lab's peer as a workload; the caller waits for its end.
    func client(_ workload: String, account: String, _ arguments: [String]) throws -> Child {
        let child = try Child(
            asWorkload(
                workload, account: account, labels: ["app": workload], ports: [],
                [try Lab.product("lab-peer")] + arguments))
        children.append(child)
        return child
    }

    /// Lines of `/metrics` by series (name and labels).
    func metrics() throws -> [String: Double] {
        let text = try must(inside(["curl", "-sS", "--max-time", "10", "http://\(Lab.metrics)/metrics"]))
        var values: [String: Double] = [:]
        for line in text.split(separator: "\n") where !line.hasPrefix("#") {
            guard let space = line.lastIndex(of: " ") else { continue }
            values[String(line[..<space])] = Double(line[line.index(after: space)...])
        }
        return values
    }

    /// The sum over the series of `metric` whose labels have all of `labels`.
    func sum(_ metric: String, _ labels: [String: String]) throws -> Double {
        try metrics().filter { series, _ in
            (series == metric || series.hasPrefix("\(metric){"))
                && labels.allSatisfy { series.contains("\($0.key)=\"\($0.value)\"") }
        }.values.reduce(0, +)
    }

    /// What the daemon has logged about a name, and whom it saw refused.
    func said(of name: String) -> String {
        (daemon?.errors ?? "").split(separator: "\n").filter { $0.contains(name) || $0.contains("refused") }
            .joined(separator: "\n")
    }

    /// Ends everything that this lab started and made.
    func tearDown() {
        for child in children { child.signal(SIGKILL) }
        for child in children { _ = child.wait(seconds: 5) }
        end(SIGTERM)
        _ = try? run([
            (try? Lab.product("malla")) ?? "malla", "--admin", admin, "cleanup", "--force", "--pins", pins, "--cgroup",
            cgroup, "--state", state,
        ])
        for directory in cgroupTree().reversed() {
            let members = (try? String(contentsOfFile: directory + "/cgroup.procs", encoding: .utf8)) ?? ""
            for pid in members.split(separator: "\n").compactMap({ Int32($0) }) { kill(pid, SIGKILL) }
            for _ in 0..<100 where rmdir(directory) != 0 && errno == EBUSY { usleep(10_000) }
        }
        _ = try? run(["rm", "-rf", pins])
        _ = try? run(["ip", "netns", "del", name])
        try? FileManager.default.removeItem(at: directory)
    }

    /// The mesh's cgroups on this node, parents first.
    func cgroupTree() -> [String] {
        guard FileManager.default.fileExists(atPath: cgroup) else { return [] }
        let below = FileManager.default.enumerator(atPath: cgroup)?.compactMap { $0 as? String } ?? []
        return [cgroup]
            + below.map { "\(cgroup)/\($0)" }.filter {
                var isDirectory: ObjCBool = false
                return FileManager.default.fileExists(atPath: $0, isDirectory: &isDirectory) && isDirectory.boolValue
            }.sorted { $0.count < $1.count }
    }
}

/// Runs `body` with a node that is up, and ends the node whatever happens.
func withLab(_ label: String, resources: String, _ body: (Lab) throws -> Void) throws {
    let lab = try Lab(label, resources: resources)
    defer { lab.tearDown() }
    try lab.start()
    do {
        try body(lab)
    } catch {
        throw LabError("\(error)\n--- mallad: \(lab.daemon?.errors.suffix(4000) ?? "")")
    }
}
