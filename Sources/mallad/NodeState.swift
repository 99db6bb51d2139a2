// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import Glibc
import MallaKernel
import MallaModel
import MallaResources
import MallaSources

/// What the daemon keeps on the disk besides run workloads: the numbers that it gave out, and the resources that were
/// last in force. One daemon at a time: a lock on the directory says so.
struct NodeState: Sendable {
    private let directory: String

    /// The state in this directory, which is made if it is not there, and locked for the life of the process. Throws
    /// when another daemon holds it.
    init(directory: String) throws {
        self.directory = directory
        try StateFile.makeDirectory(directory)
        let path = "\(directory)/lock"
        let lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard lock >= 0 else { throw SourceError("open \(path)", code: errno) }
        guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
            let holder = LockHolder(of: lock)
            throw SettingError(
                "another mallad\(holder?.description ?? "") uses \(directory); "
                    + (holder?.remedy ?? "stop it, or choose another directory with --state"))
        }
        // Kept open: the kernel lets go of the lock when the process ends, however it ends.
    }

    // MARK: Numbers

    private struct Pages: Decodable {
        var identities: [String: UInt32]
        var workloads: [String: UInt32]
        var services: [String: UInt32]
        var rules: [String: UInt32]
        var scopes: [String: UInt32]
        /// Missing in what a version wrote that knew one node only.
        var nodes: [String: UInt32]?
    }

    private var numbersPath: String { "\(directory)/numbers.json" }

    /// The numbers of earlier runs; an empty book when there was none. A file that cannot be read throws: new numbers
    /// would give old counters and virtual addresses to others.
    func numbers() throws -> NumberBook {
        guard let bytes = try StateFile.read(numbersPath) else { return NumberBook() }
        let pages: Pages
        do {
            pages = try JSONDecoder().decode(Pages.self, from: Data(bytes))
        } catch {
            throw SettingError(
                "\(numbersPath) cannot be understood (\(error)); restore it, or remove it together with the pins: malla cleanup"
            )
        }
        var book = NumberBook()
        book.identities = NumberBook.Page(numbers: pages.identities, first: 16)
        book.workloads = NumberBook.Page(numbers: pages.workloads, first: 1)
        book.services = NumberBook.Page(numbers: pages.services, first: 1)
        book.rules = NumberBook.Page(numbers: pages.rules, first: 1)
        book.scopes = NumberBook.Page(numbers: pages.scopes, first: 1)
        book.nodes = NumberBook.Page(numbers: pages.nodes ?? [:], first: 1)
        return book
    }

    /// Saves the numbers, so that they can be used.
    func save(_ book: NumberBook) throws {
        let text = NumbersText([
            ("identities", book.identities), ("nodes", book.nodes), ("rules", book.rules), ("scopes", book.scopes),
            ("services", book.services), ("workloads", book.workloads),
        ])
        try StateFile.write(text.bytes, to: numbersPath)
    }

    // MARK: Resources

    private struct Kept: Codable {
        var name: String
        var bytes: Data
    }

    private var resourcesPath: String { "\(directory)/resources.json" }

    /// The files that were last in force; `nil` when none were.
    func resources() throws -> [ResourceFile]? {
        guard let bytes = try StateFile.read(resourcesPath, limit: 256 << 20) else { return nil }
        return try JSONDecoder().decode([Kept].self, from: Data(bytes)).map {
            ResourceFile(name: $0.name, bytes: Array($0.bytes))
        }
    }

    /// Keeps these files for a start at which the directory's are not valid.
    func save(_ files: [ResourceFile]) throws {
        let kept = files.map { Kept(name: $0.name, bytes: Data($0.bytes)) }
        try StateFile.write(try JSONEncoder().encode(kept), to: resourcesPath)
    }
}
