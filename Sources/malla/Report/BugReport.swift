// SPDX-License-Identifier: Apache-2.0
import Glibc
import MallaAPI

/// What goes into a bug report: each part a file, and each part that cannot be had a line that says why.
struct BugReport {
    /// Which daemon is asked.
    var admin: AdminOptions
    /// Where is looked without it.
    var pins: PinOptions
    /// The resource directory.
    var config: String
    /// How many lines of the daemon's log are taken.
    var logLines: Int

    /// What was gathered.
    private(set) var archive: TarArchive
    private var redaction = Redaction()
    /// What is in it, for the reader: name and meaning.
    private(set) var contents: [(name: String, about: String)] = []
    /// What could not be had.
    private(set) var missing: [String] = []

    /// A report without parts.
    init(admin: AdminOptions, pins: PinOptions, config: String, logLines: Int, folder: String, time: Int) {
        self.admin = admin
        self.pins = pins
        self.config = config
        self.logLines = logLines
        archive = TarArchive(folder: folder, time: time)
    }

    /// Gathers everything. A part that fails is left out and told; nothing that fails ends the report.
    mutating func gather() {
        var report: CheckReport?
        var unreachable: Failure?
        do {
            (report, unreachable) = try Examination(admin: admin, pins: pins, pre: false).report()
        } catch {
            missing.append("doctor: \(Failure(describing: error).message)")
        }
        if let report {
            add("doctor.txt", "what `malla doctor` says", report.text(.plain))
            document("doctor.json", "the same for programs", report)
        }
        add("versions.txt", "of command, kernel and libbpf", Versions.text)
        if let unreachable { missing.append("daemon: \(unreachable.message)") } else { daemon() }
        kernel()
        resources()
        log()
        machine()
        add("README.txt", "this list", readme)
    }

    // MARK: Parts

    private mutating func daemon() {
        let client = admin.client
        view("status", "the node at a glance") { try client.get(AdminPath.status, as: StatusView.self) }
        view("workloads", "workloads of this node") { try client.get(AdminPath.workloads, as: [WorkloadView].self) }
        view("services", "services of the mesh") { try client.get(AdminPath.services, as: [ServiceView].self) }
        view("endpoints", "their endpoints") { try client.get(AdminPath.endpoints, as: [EndpointView].self) }
        view("policies", "policies in force") { try client.get(AdminPath.policies, as: [PolicyView].self) }
        view("tunnels", "tunnels to and from other nodes") {
            try client.get(AdminPath.tunnels, as: [TunnelView].self)
        }
        view("connections", "live connections") { try client.get(AdminPath.connections, as: [ConnectionView].self) }
        view("bypasses", "sockets that go past the hooks") {
            try client.get(AdminPath.bypasses, as: [BypassView].self)
        }
        var lines: [EventView] = []
        do {
            try client.lines(AdminPath.events, query: [], follow: false) {
                lines.append(try client.decode($0, of: AdminPath.events))
            }
            document("events.json", "the last events that the daemon kept", lines)
        } catch {
            missing.append("events: \(Failure(describing: error).message)")
        }
    }

    private mutating func kernel() {
        do {
            let node = try PinnedNode(pins)
            document("maps.json", "maps, how full they are", try node.maps())
            document("programs.json", "programs and where they are attached", try node.programs())
            // Who connects to whom is in the counters; addresses and ports of clients are in no listed map.
            for map in try node.maps() where map.entries != nil && map.type.contains("hash") || map.type == "array" {
                do {
                    document("maps/\(map.name).json", "its entries", try node.entries(of: map.name))
                } catch {
                    missing.append("entries of \(map.name): \(Failure(describing: error).message)")
                }
            }
        } catch {
            missing.append("pins: \(Failure(describing: error).message)")
        }
    }

    private mutating func resources() {
        guard let names = TextFile.names(in: config) else {
            missing.append("resources: \(config) cannot be read; name it with --config")
            return
        }
        for name in names where [".yaml", ".yml", ".json"].contains(where: name.hasSuffix) {
            guard let text = TextFile.read("\(config)/\(name)") else { continue }
            addCleaned("resources/\(name)", "a resource file, without secrets", text)
        }
    }

    private mutating func log() {
        let output = ShellOutput.of(["journalctl", "--unit", "mallad", "--lines", "\(logLines)", "--no-pager"])
        guard let output, !output.isEmpty else {
            missing.append("log: journalctl has none of the unit mallad; add the daemon's standard error")
            return
        }
        addCleaned("log.txt", "the last \(logLines) lines of the daemon's log", output)
    }

    private mutating func machine() {
        let files = [
            ("mounts", "/proc/self/mounts"), ("limits", "/proc/self/limits"), ("meminfo", "/proc/meminfo"),
            ("cpuinfo-online", "/sys/devices/system/cpu/online"), ("cmdline", "/proc/cmdline"),
            ("lockdown", "/sys/kernel/security/lockdown"), ("lsm", "/sys/kernel/security/lsm"),
            ("bpf-unprivileged", "/proc/sys/kernel/unprivileged_bpf_disabled"),
            ("bpf-jit", "/proc/sys/net/core/bpf_jit_enable"),
        ]
        for (name, path) in files {
            guard let text = TextFile.read(path) else { continue }
            add("machine/\(name).txt", path, text)
        }
        for (name, command) in [
            ("cgroup-programs", ["bpftool", "cgroup", "tree"]), ("links", ["ip", "-details", "link"]),
            ("rules", ["ip", "rule"]), ("sockets", ["ss", "-ltnu"]),
        ] {
            guard let text = ShellOutput.of(command) else { continue }
            add("machine/\(name).txt", command.joined(separator: " "), text)
        }
    }

    private var readme: String {
        let width = contents.reduce(0) { max($0, $1.name.count) }
        let lines = contents.map {
            "  \($0.name)\(String(repeating: " ", count: width - $0.name.count))  \($0.about)\n"
        }
        return "A report of `malla bugreport`. It holds:\n\n" + lines.joined()
            + "\nNo key, token, password, payload or environment is in it; \(redaction.count) values were removed from "
            + "resources and log.\nNames of services, workloads and commands, and addresses of this node are: read it "
            + "before you give it to others.\n"
            + (missing.isEmpty ? "" : "\nCould not be had:\n\n" + missing.map { "  \($0)\n" }.joined())
    }

    // MARK: Adding

    private mutating func view<View: Encodable>(_ name: String, _ about: String, _ get: () throws -> View) {
        do {
            document("\(name).json", about, try get())
        } catch {
            missing.append("\(name): \(Failure(describing: error).message)")
        }
    }

    private mutating func document(_ name: String, _ about: String, _ item: some Encodable) {
        do {
            add(name, about, try Document.json(item))
        } catch {
            missing.append("\(name): \(error)")
        }
    }

    private mutating func add(_ name: String, _ about: String, _ text: String) {
        contents.append((name, about))
        archive.add(name, Array(text.utf8))
    }

    /// What others wrote may hold what is nobody's business.
    private mutating func addCleaned(_ name: String, _ about: String, _ text: String) {
        add(name, about, redaction.cleaned(text))
    }
}
