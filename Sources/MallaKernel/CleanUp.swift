// SPDX-License-Identifier: Apache-2.0
import BPFKit

extension KernelNode {
    /// Removes everything that is pinned: links first, so that traffic is free at once, then programs and maps.
    ///
    /// Works for pins of any ABI, and for what a crash left half-made.
    ///
    /// - Parameter pins: the folder that the daemon was given. The folder itself goes too.
    /// - Returns: what was removed, one line each: `link 5311/malla_connect4`. Empty when there was nothing.
    /// - Throws: ``KernelError`` with the code `inUse` while a daemon runs.
    public static func cleanUp(pins root: String) throws -> [String] {
        guard Folder.isFolder(root) else { return [] }
        guard try BPFFileSystem.contains(root) else {
            throw KernelError(.system, "\(root) is not on a BPF file system, so nothing in it is removed")
        }
        let folder = PinFolder(root: root)
        let lock = try PinLock(folder)
        var removed: [String] = []
        for abi in try folder.abis() {
            try remove(PinFolder(root: root, version: abi), &removed)
        }
        try Folder.removeFolder(root)
        withExtendedLifetime(lock) {}
        return removed
    }

    /// Removes what one ABI has pinned.
    static func remove(_ pins: PinFolder, _ removed: inout [String]) throws {
        try removeLinks(pins.links, "link ", &removed)
        let packets = removed.count
        try removeLinks(pins.interfaces, "link interface ", &removed)
        if removed.count > packets { try PacketRoute.remove() }
        if Folder.isFolder(pins.namespaces) { try removeLinks(pins.namespaces, "link namespace ", &removed) }
        for (folder, noun) in [(pins.programs, "program"), (pins.maps, "map")] {
            for name in try Folder.names(folder) {
                try Folder.removeFile("\(folder)/\(name)")
                removed.append("\(noun) \(name)")
            }
            try Folder.removeFolder(folder)
        }
        try Folder.removeFolder(pins.folder)
    }

    /// Removes a folder of folders of links.
    private static func removeLinks(_ folder: String, _ title: String, _ removed: inout [String]) throws {
        for place in try Folder.names(folder) {
            for name in try Folder.names("\(folder)/\(place)") {
                let path = "\(folder)/\(place)/\(name)"
                if try BPFLink.isPinned(at: path) {
                    try BPFLink(pinned: path).detachIfAttached()
                    try Folder.removeFile(path)
                } else {
                    let index = name == InterfaceHold.loopback ? InterfaceHold.loopbackIndex : UInt32(place) ?? 0
                    try InterfaceHold(name, index, at: path).detach()
                }
                removed.append("\(title)\(place)/\(name)")
            }
            try Folder.removeFolder("\(folder)/\(place)")
        }
        try Folder.removeFolder(folder)
    }
}
