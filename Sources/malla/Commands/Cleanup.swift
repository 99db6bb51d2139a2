// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Glibc
import MallaKernel
import MallaSources

/// `malla cleanup`
struct Cleanup: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Take everything of a node out of the kernel, and prove that nothing is left.",
        discussion: """
            Removes links, programs, maps and their pins, stops the node proxy, removes the mesh's cgroups and \
            sockets, and lists what it removed. Refuses while a daemon or a workload runs; with --force it stops the \
            daemon and moves the workloads' processes out of the mesh, where they go on without it. Resources and \
            the numbers of services, on which their virtual addresses rest, stay.

            EXAMPLES:
              sudo systemctl stop mallad && sudo malla cleanup
              sudo malla cleanup --force
              sudo malla cleanup --pins /sys/fs/bpf/a --state /var/lib/a \\
                --cgroup /sys/fs/cgroup/a --admin /run/a.sock
            """)

    @OptionGroup var admin: AdminOptions

    @Option(
        help: ArgumentHelp(
            "What mallad was given as --pins. (default: \(PinOptions.standard))", valueName: "directory"),
        completion: .directory)
    var pins = PinOptions.standard

    @Option(
        help: ArgumentHelp(
            "What mallad was given as --cgroup. (default: malla below the cgroup v2 mount)", valueName: "directory"),
        completion: .directory)
    var cgroup: String?

    @Option(help: ArgumentHelp("What mallad was given as --state.", valueName: "directory"), completion: .directory)
    var state = "/var/lib/malla"

    @Flag(help: "Stop a daemon that runs, and let go of workloads that run.")
    var force = false

    /// Sockets, and what a daemon leaves in its state directory that means nothing without the kernel's side. Only what
    /// is certain to be ours: a wrong --state or --admin must not cost anybody a file.
    private var leftovers: [String] {
        let sockets = [admin.socket, "\(state)/proxy.sock"].filter { Self.kind(of: $0) == S_IFSOCK }
        guard Self.kind(of: "\(state)/numbers.json") == S_IFREG else { return sockets }
        let runs = (TextFile.names(in: "\(state)/workloads") ?? []).filter { $0.hasSuffix(".json") }
        let files = ["\(state)/proxy.counters"] + runs.map { "\(state)/workloads/\($0)" }
        return sockets + files.filter { Self.kind(of: $0) == S_IFREG }
    }

    private static func kind(of path: String) -> mode_t? {
        var status = stat()
        return lstat(path, &status) == 0 ? status.st_mode & S_IFMT : nil
    }

    /// How many things were removed.
    private var reported = 0

    mutating func run() throws {
        guard geteuid() == 0 else {
            throw Failure("removing kernel objects needs root", hint: "run the same command with sudo")
        }
        let cgroups = try MeshCgroups(root: cgroup)
        try stopDaemon()
        let workloads = force ? [] : cgroups.populatedWorkloads(patience: 40)
        guard workloads.isEmpty else {
            throw Failure(
                "workloads still run in \(workloads.joined(separator: ", "))",
                hint: "stop them first; or use --force, which lets them go on without the mesh")
        }

        let objects = PinnedObjects(pins: pins)
        // Links first: from here on nobody's traffic depends on what follows.
        for object in try KernelNode.cleanUp(pins: pins) { try report(object) }
        for pid in cgroups.proxies {
            try ProcessEnd.end(pid, patience: 5)
            try report("proxy, process \(pid)")
        }
        if force {
            for pid in try cgroups.release() { try report("process \(pid) from the mesh; it goes on without it") }
        }
        for directory in try cgroups.remove() { try report("cgroup \(directory)") }
        for path in leftovers {
            if unlink(path) == 0 { try report("file \(path)") }
        }
        try prove(objects, cgroups)
    }

    private mutating func stopDaemon() throws {
        guard let pid = ProcessEnd.listener(on: admin.socket) else { return }
        guard force else {
            throw Failure(
                "a daemon runs, process \(pid), on \(admin.socket)",
                hint: "stop it first, with `systemctl stop mallad` or `kill \(pid)`; or use --force")
        }
        try ProcessEnd.end(pid, patience: 15)
        try report("daemon, process \(pid)")
    }

    private mutating func report(_ what: String) throws {
        reported += 1
        try Console.write("removed \(Table.printable(what))\n")
    }

    private func prove(_ objects: PinnedObjects, _ cgroups: MeshCgroups) throws {
        var left = try objects.survivors()
        if access(pins, F_OK) == 0 { left.append("pins in \(pins)") }
        left += cgroups.directories.map { "cgroup \($0)" }
        left += leftovers.map { "file \($0)" }
        guard left.isEmpty else {
            throw Failure(
                "this is left: \(left.joined(separator: "; "))",
                hint: "somebody holds it; find out who: bpftool prog; bpftool map; fuser -v \(pins)")
        }
        guard reported > 0 else { return try Console.write("there is nothing to remove\n") }
        let numbers = "\(objects.links.count) links, \(objects.programs.count) programs, \(objects.maps.count) maps"
        let style = Style.standardOutput
        try Console.write(
            "\(style.paint("nothing is left", .green)): \(numbers) gone from the kernel, no pin in \(pins), "
                + "no cgroup \(cgroups.root)\n")
    }
}
