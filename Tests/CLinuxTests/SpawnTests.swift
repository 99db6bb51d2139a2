// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc
import Testing

/// Needs root and cgroup v2: a process must be able to begin its life in a cgroup that the test makes.
@Suite("Processes born in a cgroup", .timeLimit(.minutes(15)))
struct SpawnTests {
    @Test("is in its cgroup, without privileges, with the descriptors it was given and no others")
    func spawnUnprivileged() throws {
        let cgroup = try ScratchCgroup(name: "malla-test-spawn-\(getpid())")
        defer { cgroup.remove() }
        var ends: [Int32] = [0, 0]
        try #require(pipe(&ends) == 0)
        let script = """
            grep -E '^(Uid|Gid|Groups|CapPrm|CapEff|NoNewPrivs|SigBlk|SigIgn):' /proc/self/status
            cat /proc/self/cgroup; ls /proc/self/fd | tr '\\n' ' '; pwd
            """
        let started = start(
            "/bin/sh", ["sh", "-c", script], descriptors: [-1, ends[1], -1, ends[0]], cgroup: cgroup.descriptor,
            flags: LINUX_SPAWN_UNPRIVILEGED.rawValue | LINUX_SPAWN_SESSION.rawValue, directory: "/")
        close(ends[1])
        #expect(started.result == 0)
        let output = readAll(ends[0])
        close(ends[0])
        #expect(reap(started.spawned.process) == 0)
        close(started.spawned.process)

        #expect(output.contains("Uid:\t65534\t65534\t65534\t65534"))
        #expect(output.contains("Gid:\t65534\t65534\t65534\t65534"))
        #expect(output.contains("CapPrm:\t0000000000000000"))
        #expect(output.contains("CapEff:\t0000000000000000"))
        #expect(output.contains("NoNewPrivs:\t1"))
        #expect(output.contains("SigBlk:\t0000000000000000"))
        #expect(output.contains(cgroup.name), "\(output)")
        // 0 to 3 are given; 4 is the directory that `ls` itself reads.
        #expect(output.contains("0 1 2 3 4 /"), "\(output)")
    }

    @Test("a program that does not exist is an error of the exec step, and leaves no child")
    func spawnMissing() {
        let started = start("/nonexistent/malla", ["malla"], descriptors: [-1, -1, -1])
        #expect(started.result == -ENOENT)
        #expect(started.spawned.step == Int32(LINUX_SPAWN_STEP_EXEC.rawValue))
        #expect(started.spawned.process == -1)
    }

    @Test("a pidfd signals and reaps exactly its process")
    func signalAndReap() {
        let started = start("/bin/sleep", ["sleep", "60"], descriptors: [-1, -1, -1])
        #expect(started.result == 0)
        var status: Int32 = -1
        #expect(linux_pidfd_reap(started.spawned.process, &status) == 0)
        #expect(linux_pidfd_signal(started.spawned.process, SIGKILL) == 0)
        #expect(reap(started.spawned.process) == 256 + SIGKILL)
        close(started.spawned.process)
    }

    private func start(
        _ path: String, _ arguments: [String], descriptors: [Int32], cgroup: Int32 = -1, flags: UInt32 = 0,
        directory: String = "/"
    ) -> (result: Int32, spawned: linux_spawned) {
        var spawned = linux_spawned()
        var argv: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
        defer { argv.forEach { free($0) } }
        var environment: [UnsafeMutablePointer<CChar>?] = [strdup("PATH=/usr/bin:/bin"), nil]
        defer { environment.forEach { free($0) } }
        let result = path.withCString { path in
            directory.withCString { directory in
                descriptors.withUnsafeBufferPointer { list in
                    argv.withUnsafeMutableBufferPointer { argv in
                        environment.withUnsafeMutableBufferPointer { environment in
                            var what = linux_spawn()
                            what.path = path
                            what.arguments = UnsafePointer(argv.baseAddress)
                            what.environment = UnsafePointer(environment.baseAddress)
                            what.directory = directory
                            what.descriptors = list.baseAddress
                            what.descriptor_count = Int32(list.count)
                            what.cgroup = cgroup
                            what.flags = flags
                            what.uid = 65534
                            what.gid = 65534
                            return linux_spawn(&what, &spawned)
                        }
                    }
                }
            }
        }
        return (result, spawned)
    }

    private func reap(_ process: Int32) -> Int32 {
        var watched = pollfd(fd: process, events: Int16(POLLIN), revents: 0)
        poll(&watched, 1, 20_000)
        var status: Int32 = -1
        return linux_pidfd_reap(process, &status) == 1 ? status : -1
    }

    private func readAll(_ descriptor: Int32) -> String {
        var bytes: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = read(descriptor, &part, part.count)
            if count <= 0 { break }
            bytes += part[..<count]
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// A cgroup of the test's own, under the root that the mount table names.
private struct ScratchCgroup {
    let name: String
    let path: String
    let descriptor: Int32

    init(name: String) throws {
        let mounts = try #require(fopen("/proc/self/mounts", "r"))
        defer { fclose(mounts) }
        var line = [CChar](repeating: 0, count: 4096)
        var root: String?
        while fgets(&line, Int32(line.count), mounts) != nil {
            let end = line.firstIndex(of: 0) ?? line.endIndex
            let fields = String(decoding: line[..<end].map { UInt8(bitPattern: $0) }, as: UTF8.self).split(
                separator: " ")
            if fields.count > 2, fields[2] == "cgroup2" { root = String(fields[1]) }
        }
        self.name = name
        path = try #require(root) + "/" + name
        try #require(mkdir(path, 0o755) == 0, "cannot make \(path): errno \(errno); run as root")
        descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        try #require(descriptor >= 0)
    }

    func remove() {
        close(descriptor)
        rmdir(path)
    }
}
