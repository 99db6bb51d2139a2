// SPDX-License-Identifier: Apache-2.0
import BPFKit
import Glibc
import MallaKernel
import MallaModel
import Synchronization
import Testing

/// The cgroup and the pin folder of one test. In a suite with the trait ``MeshRemoval`` both are removed when the test
/// has ended, whatever became of the node.
final class TestMesh: Sendable {
    let settings: KernelSettings
    /// The cgroup above the mesh's, when the test has one of its own there.
    let above: String?

    /// - Parameter nested: whether the mesh's cgroup lies in another one of the test's own.
    init(_ name: String, nested: Bool = false) throws {
        let mount = try #require(Self.cgroupMount(), "no cgroup2 file system is mounted")
        above = nested ? "\(mount)/mallakernel-\(name)-above-\(getpid())" : nil
        if let above { try #require(mkdir(above, 0o755) == 0) }
        settings = KernelSettings(
            cgroup: "\(above ?? mount)/mallakernel-\(name)-\(getpid())",
            pins: "/sys/fs/bpf/mallakernel-\(name)-\(getpid())",
            proxyPort: 0, dnsPort: 0)
        try #require(MeshRemoval.meshes, "the suite lacks the trait .removesMeshes").list.withLock { $0.append(self) }
    }

    fileprivate func remove() throws {
        _ = try KernelNode.cleanUp(pins: settings.pins)
        for path in ["/w1", "/w2", "/server", "/proxy", ""] {
            // A process that has just been waited for may take a moment to leave its cgroup.
            for _ in 0..<100 where rmdir(settings.cgroup + path) != 0 && errno == EBUSY { usleep(10_000) }
        }
        if let above { rmdir(above) }
    }

    /// The folder of the only ABI that is pinned, or of the newest one.
    func pinned(newest: Bool = false) throws -> String {
        let folder = try #require(opendir(settings.pins), "\(settings.pins)")
        defer { closedir(folder) }
        var found: [UInt32] = []
        while let entry = readdir(folder) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if let abi = UInt32(name) { found.append(abi) }
        }
        guard let abi = found.max(), newest || found.count == 1 else {
            throw POSIXFailure("\(settings.pins) holds the ABIs \(found)")
        }
        return "\(settings.pins)/\(abi)"
    }

    /// Makes a cgroup in the mesh's and answers its id.
    func makeCgroup(_ name: String) throws -> UInt64 {
        let path = "\(settings.cgroup)/\(name)"
        try #require(mkdir(path, 0o755) == 0 || errno == EEXIST, "\(path): \(String(cString: strerror(errno)))")
        return try Cgroup(path: path).id
    }

    /// Runs a python program in a cgroup of the mesh; its exit code.
    func python(in cgroup: String, _ program: String) throws -> Int32 {
        let child = try startPython(in: cgroup, program)
        return Self.wait(child)
    }

    /// Starts a python program in a cgroup of the mesh; it is ended after five minutes, or as said. The caller waits for it.
    /// The limit is for what hangs, not for what is slow: where many tests run at once, one that waits for its turn may
    /// have its program wait for half a minute.
    func startPython(in cgroup: String, _ program: String, seconds: Int = 300) throws -> pid_t {
        let command =
            "echo $$ > \(settings.cgroup)/\(cgroup)/cgroup.procs && exec timeout \(seconds) python3 -c \"$0\""
        let words = ["/bin/bash", "-c", command, program]
        var pointers = words.map { strdup($0) }
        pointers.append(nil)
        defer { for pointer in pointers { free(pointer) } }
        // The thread of a test may block signals, and what it starts would inherit that: no time-out, and no end.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        var child: pid_t = 0
        try #require(posix_spawn(&child, words[0], nil, &attributes, pointers, environ) == 0)
        return child
    }

    /// Removes a folder with all that is in it; the exit code of `rm`.
    func remove(folder: String) throws -> Int32 {
        let words = ["/bin/rm", "-r", folder]
        var pointers = words.map { strdup($0) }
        pointers.append(nil)
        defer { for pointer in pointers { free(pointer) } }
        var child: pid_t = 0
        try #require(posix_spawn(&child, words[0], nil, nil, pointers, environ) == 0)
        return Self.wait(child)
    }

    /// The exit code of a child.
    static func wait(_ child: pid_t) -> Int32 {
        var status: Int32 = 0
        while waitpid(child, &status, 0) < 0, errno == EINTR {}
        return (status >> 8) & 0xff
    }

    private static func cgroupMount() -> String? {
        guard let file = fopen("/proc/self/mounts", "re") else { return nil }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 4096)
        while fgets(&line, Int32(line.count), file) != nil {
            let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            let fields = text.split(separator: " ")
            if fields.count > 2, fields[2] == "cgroup2" { return String(fields[1]) }
        }
        return nil
    }
}

/// Something that a test's surroundings could not do.
struct POSIXFailure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

/// Removes what the meshes of a test have made, when all of the test's values are gone.
struct MeshRemoval: SuiteTrait, TestTrait, TestScoping {
    fileprivate final class Meshes: Sendable {
        let list = Mutex<[TestMesh]>([])
    }

    @TaskLocal fileprivate static var meshes: Meshes?

    var isRecursive: Bool { true }

    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        let meshes = Meshes()
        var failure: (any Error)?
        do {
            try await Self.$meshes.withValue(meshes, operation: function)
        } catch {
            failure = error
        }
        for mesh in meshes.list.withLock({ $0 }) { try mesh.remove() }
        if let failure { throw failure }
    }
}

extension Trait where Self == MeshRemoval {
    /// Removes what the suite's meshes have made.
    static var removesMeshes: Self { MeshRemoval() }
}

/// The ids of all maps, programs and links of the machine.
struct KernelInventory: Equatable {
    var maps: Set<UInt32>
    var programs: Set<UInt32>
    var links: Set<UInt32>

    static func now() throws -> KernelInventory {
        KernelInventory(
            maps: Set(try KernelObjects.maps()), programs: Set(try KernelObjects.programs()),
            links: Set(try KernelObjects.links()))
    }

    func contains(_ other: KernelInventory) -> Bool {
        maps.isSuperset(of: other.maps) && programs.isSuperset(of: other.programs) && links.isSuperset(of: other.links)
    }

    func isDisjoint(with other: KernelInventory) -> Bool {
        maps.isDisjoint(with: other.maps) && programs.isDisjoint(with: other.programs)
            && links.isDisjoint(with: other.links)
    }
}
