// SPDX-License-Identifier: Apache-2.0
import MallaModel

/// A file of resources: its name, which problems repeat, and its bytes.
public struct ResourceFile: Sendable, Hashable {
    /// How problems and origins name it.
    public var name: String
    /// YAML or JSON, any number of documents.
    public var bytes: [UInt8]

    /// A file.
    public init(name: String, bytes: [UInt8]) {
        self.name = name
        self.bytes = bytes
    }
}

/// Reads files of resources into a mesh, all or nothing.
///
/// Every file is read to its end (or to the first place that is no YAML), every document is checked whole, and what
/// several documents say together is checked last, so that one run tells all that is wrong. The result depends on the
/// files alone, not on their order. No I/O; safe to call from any thread, and on 8 MiB of stack, whatever the input.
public struct ResourceReader: Sendable {
    /// What is taken at most.
    public var limits: ResourceLimits

    /// A reader with these limits.
    public init(limits: ResourceLimits = ResourceLimits()) {
        self.limits = limits
    }

    /// The mesh that `files` describe, or everything that is wrong with them.
    public func read(_ files: [ResourceFile]) -> Result<LoadedMesh, ResourceProblems> {
        let collector = ProblemCollector(limit: limits.problems)
        var documents: [ResourceDocument] = []
        if isWithinLimits(files, collector) {
            for file in files.sorted(by: { $0.name < $1.name }) {
                documents += self.documents(of: file, collector)
            }
        }
        let assembly = MeshAssembly(documents)
        assembly.check()
        guard collector.isEmpty else {
            return .failure(ResourceProblems(problems: collector.problems.sorted(), omitted: collector.omitted))
        }
        var loaded = assembly.loadedMesh()
        loaded.warnings = collector.warnings.sorted()
        return .success(loaded)
    }

    private func isWithinLimits(_ files: [ResourceFile], _ collector: ProblemCollector) -> Bool {
        var total = 0
        for file in files { total += file.bytes.count }
        if files.count > limits.files {
            collector.add(
                ResourceProblem(
                    message: "there are \(files.count) files", hint: "At most \(limits.files) are read; join some"))
        }
        if total > limits.totalBytes {
            collector.add(
                ResourceProblem(
                    message: "the files have \(total) bytes together",
                    hint: "At most \(limits.totalBytes) are read; keep other files elsewhere"))
        }
        return collector.isEmpty
    }

    private func documents(of file: ResourceFile, _ collector: ProblemCollector) -> [ResourceDocument] {
        func add(_ fault: SourceText.Fault) {
            collector.add(
                ResourceProblem(
                    file: file.name, line: fault.position.line, column: fault.position.column, field: fault.field,
                    message: fault.flaw.message, hint: fault.flaw.hint))
        }
        guard file.bytes.count <= limits.fileBytes else {
            let hint = "At most \(limits.fileBytes) are read; split it"
            add(
                .init(
                    position: Position(line: 0, column: 0),
                    flaw: .init(message: "the file has \(file.bytes.count) bytes", hint: hint)))
            return []
        }
        do {
            let stream = DocumentStream(try SourceText(file.bytes))
            let budget = EntryBudget(limit: limits.entries)
            let documents = stream.documents.map {
                ResourceDocument($0, report: DocumentReport(file: file.name, collector: collector, budget: budget))
            }
            if let fault = stream.fault { add(fault) }
            return documents
        } catch {
            add(error)
            return []
        }
    }
}
