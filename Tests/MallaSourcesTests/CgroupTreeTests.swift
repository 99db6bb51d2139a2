// SPDX-License-Identifier: Apache-2.0
import Foundation
import MallaModel
import Testing

@testable import MallaSources

/// Real cgroups, in a subtree of the test's own.
@Suite("Cgroups")
struct CgroupTreeTests {
    private static let table = Array(
        """
        25 31 0:23 / /sys rw,nosuid - sysfs sysfs rw
        32 25 0:27 / /sys/fs/cgroup ro - tmpfs tmpfs ro
        33 32 0:28 / /sys/fs/cgroup/a\\040b rw shared:1 - cgroup2 cgroup2 rw

        """.utf8)

    @Test("the mount is read from the table, with its escapes; optional fields may be absent")
    func mount() throws {
        let tree = try CgroupTree(root: nil, mountTable: Self.table)
        #expect(tree.mount == "/sys/fs/cgroup/a b")
        #expect(tree.root == "/sys/fs/cgroup/a b/malla")
        #expect(tree.workload(ObjectName("web")) == "/sys/fs/cgroup/a b/malla/workloads/web.default")
        #expect(throws: SourceError.self) { try CgroupTree(root: nil, mountTable: Array("1 2 3 - tmpfs x".utf8)) }
    }

    @Test(
        "the root cgroup and whatever is outside of the mount are refused",
        arguments: ["/sys/fs/cgroup/a b", "/sys/fs/cgroup/a b/", "/tmp", "/sys/fs/cgroup/a b/../x", "x", ""])
    func root(path: String) {
        #expect(throws: SourceError.self) { try CgroupTree(root: path, mountTable: Self.table) }
    }

    @Test("a workload is found by its cgroup; its first and its last process are noticed")
    func placement() async throws {
        let real = try CgroupTree(root: nil)
        let tree = try CgroupTree(root: "\(real.mount)/malla-sources-\(UInt32.random(in: 0...0xffff))")
        defer {
            for path in ["\(tree.root)/workloads/web.default", "\(tree.root)/workloads", tree.proxy, tree.root] {
                try? CgroupTree.removeCgroup(path)
            }
        }
        try tree.make()
        let workload = Workload(name: ObjectName("web"), match: .run)
        #expect(tree.placement(of: workload) == nil)
        let path = tree.workload(workload.name)
        try CgroupTree.makeCgroup(path)
        let empty = try #require(tree.placement(of: workload))
        #expect(!empty.populated && empty.cgroupPath == path && empty.cgroup > 0)
        let same = Workload(
            name: ObjectName("same"), match: .cgroup(String(path.dropFirst(tree.mount.count))))
        #expect(tree.placement(of: same) == empty)

        #expect(!CgroupTree.hasLived(path))
        let watch = try PathWatch()
        defer { watch.stop() }
        watch.watch(tree.watched(for: workload))
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = ["-c", "echo $$ > '\(path)/cgroup.procs' && exec sleep 60"]
        try process.run()
        #expect(await next(watch.changes))
        #expect(await eventually { tree.placement(of: workload)?.populated == true })
        #expect(try !CgroupTree.removeIfEmpty(path) && CgroupTree.isPopulated(path) == true, "somebody lives there")
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
        #expect(await next(watch.changes))
        #expect(await eventually { tree.placement(of: workload)?.populated == false })
        #expect(CgroupTree.hasLived(path))
        try CgroupTree.makeCgroup("\(path)/made/by/it")
        #expect(try CgroupTree.removeIfEmpty(path))
        #expect(tree.placement(of: workload) == nil)
        #expect(CgroupTree.isPopulated(path) == nil)
        #expect(try CgroupTree.removeIfEmpty(path), "it is gone already")
    }

    @Test("a systemd unit is found in nested slices; names that are paths are not followed")
    func units() throws {
        let real = try CgroupTree(root: nil)
        let slice = "\(real.mount)/mallatest\(UInt32.random(in: 0...0xffff)).slice"
        let inner = "\(slice)/inner.slice"
        defer { for path in ["\(inner)/x.service", inner, slice] { try? CgroupTree.removeCgroup(path) } }
        try CgroupTree.makeCgroup("\(inner)/x.service")
        func found(_ unit: String) -> String? {
            real.placement(of: Workload(name: ObjectName("u"), match: .systemdUnit(unit)))?.cgroupPath
        }
        #expect(found("x.service") == "\(inner)/x.service")
        for unit in ["", ".", "..", "inner.slice/x.service", "no-such.service"] { #expect(found(unit) == nil) }
    }

    @Test("the node's addresses are listed without loopback")
    func addresses() throws {
        let addresses = try LocalAddresses.current()
        #expect(addresses.allSatisfy { !$0.isLoopback })
    }
}

/// Whether a condition comes true within ten seconds.
private func eventually(_ condition: () -> Bool) async -> Bool {
    for _ in 0..<200 {
        if condition() { return true }
        try? await Task.sleep(for: .milliseconds(50))
    }
    return false
}
