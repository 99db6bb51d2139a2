// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Glibc
import MallaModel
import MallaResources
import MallaSources

/// `malla validate`
struct Validate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check resources as the daemon would, without a daemon.",
        discussion: """
            Reads the .yaml, .yml and .json files of a directory, or one file, and prints every problem with file, \
            line and column. Exit status: 0 the daemon would take them, with warnings or without, 1 it would not.

            EXAMPLES:
              malla validate /etc/malla/mesh.d
              malla validate birds.yaml
              malla validate mesh.d -o json | jq -r '.problems[].file'
            """)

    /// What `-o json` prints.
    struct View: Encodable {
        /// A problem and its place.
        struct Problem: Encodable {
            /// As given on the command line, and the file's name.
            var file: String
            /// From 1; 0: the whole file.
            var line: Int
            /// From 1; 0: the whole line.
            var column: Int
            /// The resource's kind; empty: unknown.
            var kind: String
            /// `name.namespace`; empty: unknown.
            var name: String
            /// The field's path; empty: the document.
            var field: String
            /// What is wrong.
            var message: String
            /// What to do; empty: the message says it.
            var hint: String
        }

        /// Whether the daemon would take the resources.
        var valid: Bool
        /// How many resources there are of each kind.
        var resources: [String: Int]
        /// The first ones, by file and place.
        var problems: [Problem]
        /// How many more there are.
        var omitted: Int
        /// What the daemon would take and what does less than its writer may think.
        var warnings: [Problem] = []
    }

    @OptionGroup var output: OutputOptions

    @Argument(help: "The directory with resources, or one file.", completion: .directory)
    var path = "/etc/malla/mesh.d"

    func run() throws {
        let reader = ResourceReader()
        let files = try files(limit: reader.limits.fileBytes)
        let view: View
        switch reader.read(files) {
        case .success(let loaded):
            view = View(
                valid: true, resources: Self.counts(loaded.mesh), problems: [], omitted: 0,
                warnings: loaded.warnings.map(View.Problem.init))
            if output.output == .table || output.output == .wide, !loaded.warnings.isEmpty {
                try Console.write(Table.lines(loaded.warnings.map(\.description).joined(separator: "\n")))
            }
        case .failure(let found):
            view = View(
                valid: false, resources: [:], problems: found.problems.map(View.Problem.init), omitted: found.omitted)
            if output.output == .table || output.output == .wide {
                try Console.write(Table.lines(found.description))
                throw ExitStatus.failed
            }
        }
        try output.print(view) { Self.text(view, files: files.count, path: path, $0) }
        if !view.valid { throw ExitStatus.failed }
    }

    private func files(limit: Int) throws -> [ResourceFile] {
        var status = stat()
        guard stat(path, &status) == 0 else { throw Failure.system("cannot read \(path)", errno) }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            let bytes = try StateFile.read(path, limit: limit) ?? []
            return [ResourceFile(name: path, bytes: bytes)]
        }
        var directory = path
        while directory.count > 1, directory.hasSuffix("/") { directory.removeLast() }
        let files = try DirectorySource(path: directory, limit: limit).read() ?? []
        return files.map { ResourceFile(name: $0.name, bytes: $0.bytes) }
    }

    private static func counts(_ mesh: Mesh) -> [String: Int] {
        [
            "services": mesh.services.count, "workloads": mesh.workloads.count,
            "authorizationPolicies": mesh.authorizationPolicies.count, "trafficPolicies": mesh.trafficPolicies.count,
            "nodes": mesh.nodes.count, "peerAuthentications": mesh.peerAuthentications.count,
        ]
    }

    private static func text(_ view: View, files: Int, path: String, _ style: Style) -> String {
        guard files > 0 else { return "\(Table.printable(path)) has no .yaml, .yml or .json file: an empty mesh\n" }
        func count(_ key: String, _ one: String, _ many: String) -> String {
            let count = view.resources[key] ?? 0
            return "\(count) \(count == 1 ? one : many)"
        }
        var parts = [
            count("services", "service", "services"), count("workloads", "workload", "workloads"),
            count("authorizationPolicies", "authorization policy", "authorization policies"),
            count("trafficPolicies", "traffic policy", "traffic policies"),
        ]
        if view.resources["nodes"] ?? 0 > 0 { parts.append(count("nodes", "node", "nodes")) }
        if view.resources["peerAuthentications"] ?? 0 > 0 {
            parts.append(count("peerAuthentications", "peer authentication", "peer authentications"))
        }
        let read = files == 1 ? "1 file" : "\(files) files"
        return "\(style.paint("valid", .green)): \(parts.joined(separator: ", ")) in \(read)\n"
    }
}

extension Validate.View.Problem {
    /// A problem that the reader found.
    init(_ problem: ResourceProblem) {
        self.init(
            file: problem.file, line: problem.line, column: problem.column, kind: problem.kind, name: problem.name,
            field: problem.field, message: problem.message, hint: problem.hint)
    }
}
