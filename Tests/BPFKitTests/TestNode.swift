// SPDX-License-Identifier: Apache-2.0
import BPFKit
import BPFObjects
import BPFTestObjects
import Glibc
import Testing

/// A cgroup and a pin folder of one test, removed with it.
final class TestNode {
    let cgroup: String
    let pins: String

    init(_ name: String) throws {
        let mount = try #require(Self.cgroupMount(), "no cgroup2 file system is mounted")
        cgroup = "\(mount)/bpfkit-\(name)-\(getpid())"
        pins = "/sys/fs/bpf/bpfkit-\(name)-\(getpid())"
        try #require(mkdir(cgroup, 0o755) == 0, "\(cgroup): \(String(cString: strerror(errno)))")
        try #require(mkdir(pins, 0o700) == 0, "\(pins): \(String(cString: strerror(errno)))")
    }

    deinit {
        if let folder = opendir(pins) {
            while let entry = readdir(folder) {
                let name = withUnsafeBytes(of: entry.pointee.d_name) {
                    String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
                }
                unlink("\(pins)/\(name)")
            }
            closedir(folder)
        }
        rmdir(pins)
        rmdir(cgroup)
    }

    /// Runs a shell command in the cgroup; its exit code.
    func shell(_ command: String) throws -> Int32 {
        let words = ["/bin/bash", "-c", "echo $$ > \(cgroup)/cgroup.procs && \(command)"]
        var pointers = words.map { strdup($0) }
        pointers.append(nil)
        defer { for pointer in pointers { free(pointer) } }
        var child: pid_t = 0
        try #require(posix_spawn(&child, words[0], nil, nil, pointers, environ) == 0)
        var status: Int32 = 0
        while waitpid(child, &status, 0) < 0, errno == EINTR {}
        return (status >> 8) & 0xff
    }

    /// Whether a connect to a closed port of loopback is refused by the program, not by the missing listener.
    func isForbidden(port: Int) throws -> Bool {
        try shell("(exec 3<>/dev/tcp/127.0.0.1/\(port)) 2>&1 | grep -q 'Operation not permitted'") == 0
    }

    private static func cgroupMount() -> String? {
        guard let file = fopen("/proc/self/mounts", "re") else { return nil }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 4096)
        while fgets(&line, Int32(line.count), file) != nil {
            let fields = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self).split(
                separator: " ")
            if fields.count > 2, fields[2] == "cgroup2" { return String(fields[1]) }
        }
        return nil
    }
}

/// The object of bpf/tests/kit.bpf.c, parsed.
func openKit() throws -> OpenObject {
    let code = try #require(ObjectCode.testObjects.first { $0.name == "kit" })
    return try OpenObject(name: "kit", code: code.bytes)
}
