// SPDX-License-Identifier: Apache-2.0
import BPFKit
import Glibc

/// The kernel's numbers of everything that is pinned below a directory: what must be gone afterwards.
struct PinnedObjects {
    /// Maps by number.
    private(set) var maps: [UInt32: String] = [:]
    /// Programs by number.
    private(set) var programs: [UInt32: String] = [:]
    /// Links by number.
    private(set) var links: [UInt32: String] = [:]

    /// Reads `<pins>/<ABI>/{maps,programs,links/<cgroup>,interfaces/<index>,namespaces/<inode>}`, of any ABI. What
    /// cannot be opened is left out: nothing can be told about it, and its removal will say why.
    init(pins: String) {
        for abi in TextFile.names(in: pins) ?? [] {
            for name in TextFile.names(in: "\(pins)/\(abi)/maps") ?? [] {
                if let map = try? RawMap(pinned: "\(pins)/\(abi)/maps/\(name)") { maps[map.description.id] = name }
            }
            for name in TextFile.names(in: "\(pins)/\(abi)/programs") ?? [] {
                if let program = try? BPFProgram(pinned: "\(pins)/\(abi)/programs/\(name)").describe() {
                    programs[program.id] = name
                }
            }
            addLinks(below: "\(pins)/\(abi)/links", on: "cgroup")
            addLinks(below: "\(pins)/\(abi)/interfaces", on: "interface")
            addLinks(below: "\(pins)/\(abi)/namespaces", on: "network namespace")
        }
    }

    private mutating func addLinks(below folder: String, on kind: String) {
        for place in TextFile.names(in: folder) ?? [] {
            for name in TextFile.names(in: "\(folder)/\(place)") ?? [] {
                guard let link = try? BPFLink(pinned: "\(folder)/\(place)/\(name)").describe() else { continue }
                links[link.id] = "\(name) on \(kind) \(place)"
            }
        }
    }

    /// Those that the kernel still has. It frees them a moment after their last holder let go: up to three seconds are
    /// waited for.
    func survivors() throws -> [String] {
        var left: [String] = []
        for _ in 0..<60 {
            left = []
            for id in try KernelObjects.links() { if let name = links[id] { left.append("link \(id), \(name)") } }
            for id in try KernelObjects.programs() {
                if let name = programs[id] { left.append("program \(id), \(name)") }
            }
            for id in try KernelObjects.maps() { if let name = maps[id] { left.append("map \(id), \(name)") } }
            guard !left.isEmpty else { break }
            usleep(50_000)
        }
        return left
    }
}
