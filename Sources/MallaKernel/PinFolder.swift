// SPDX-License-Identifier: Apache-2.0
import BPFKit
import CMallaABI
import Glibc

/// Where the kernel objects of one node are pinned: `<root>/<ABI>/{maps,links,interfaces,namespaces,programs}` on a BPF file system.
///
/// What is pinned outlives the daemon: a workload that was denied stays denied, a captured one stays captured.
struct PinFolder: Sendable {
    /// The folder that the user named.
    let root: String
    /// The ABI that this value is about: the name of the folder below the root.
    var version = Self.abi

    /// The ABI of this build: the name of the folder below the root.
    static let abi = String(MALLA_ABI)
    /// The default root.
    static let defaultRoot = "/sys/fs/bpf/malla"

    /// The folder of this ABI.
    var folder: String { "\(root)/\(version)" }
    /// One pin per map, by the map's name.
    var maps: String { "\(folder)/maps" }
    /// One folder per cgroup, named by its id, with one pin per hook.
    var links: String { "\(folder)/links" }
    /// One folder per interface, named by its index, with one pin per program.
    var interfaces: String { "\(folder)/interfaces" }
    /// One folder per network namespace, named by its inode number, with one pin per program.
    var namespaces: String { "\(folder)/namespaces" }
    /// One pin per program, by its name.
    var programs: String { "\(folder)/programs" }

    func map(_ name: String) -> String { "\(maps)/\(name)" }
    func program(_ name: String) -> String { "\(programs)/\(name)" }
    func links(of cgroup: UInt64) -> String { "\(links)/\(cgroup)" }
    func link(_ program: String, of cgroup: UInt64) -> String { "\(links(of: cgroup))/\(program)" }
    func links(ofInterface index: UInt32) -> String { "\(interfaces)/\(index)" }
    func link(_ program: String, ofInterface index: UInt32) -> String { "\(links(ofInterface: index))/\(program)" }

    func links(ofNamespace inode: UInt32) -> String { "\(namespaces)/\(inode)" }
    func link(_ program: String, ofNamespace inode: UInt32) -> String { "\(links(ofNamespace: inode))/\(program)" }

    /// Makes the root, after mounting the BPF file system where it belongs if nobody has.
    func makeRoot() throws {
        let home = "/sys/fs/bpf"
        if root.hasPrefix(home + "/"), Folder.isFolder(home) { try BPFFileSystem.mount(at: home) }
        try Folder.make(root, mode: 0o700)
        guard try BPFFileSystem.contains(root) else {
            throw KernelError(
                .system, "\(root) is not on a BPF file system",
                hint: "use a folder below \(home), or mount one: mount -t bpf bpf FOLDER")
        }
    }

    /// Makes the folders of this ABI, unless the root has those of a newer one: that version's programs decide by maps
    /// that this one cannot read. What an older one has left is taken over, see ``FormerABI``.
    func makeFolders() throws {
        let newer = try abis().filter { UInt32($0) ?? 0 > UInt32(Self.abi) ?? 0 }
        guard newer.isEmpty else {
            throw KernelError(
                .otherABI,
                "\(root) holds what a newer version with ABI \(newer.joined(separator: ", ")) has pinned; "
                    + "this one has ABI \(Self.abi) and cannot read it",
                hint: "start the newer version; or, to go back, which leaves workloads without the mesh until this one "
                    + "is ready, stop its daemon and run: malla cleanup --pins \(root)")
        }
        for path in [maps, links, interfaces, namespaces, programs] { try Folder.make(path, mode: 0o700) }
    }

    /// The ABIs that the root has folders of.
    ///
    /// - Throws: ``KernelError`` when it holds anything else: then it is somebody else's folder.
    func abis() throws -> [String] {
        let names = try Folder.names(root)
        if let stranger = names.first(where: { UInt32($0) == nil }) {
            throw KernelError(
                .system, "\(root) is no folder of Malla's: it holds \(stranger)",
                hint: "name a folder that is new or empty: --pins \(root)/malla")
        }
        return names
    }

    /// The cgroups that links are pinned for.
    func linkedCgroups() throws -> [UInt64] {
        try Folder.names(links).compactMap { UInt64($0) }
    }

    /// The network namespaces that links are pinned for.
    func linkedNamespaces() throws -> [UInt32] {
        try Folder.names(namespaces).compactMap { UInt32($0) }
    }

    /// The interfaces that links are pinned for.
    func linkedInterfaces() throws -> [UInt32] {
        try Folder.names(interfaces).compactMap { UInt32($0) }
    }
}
