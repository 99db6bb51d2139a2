// SPDX-License-Identifier: Apache-2.0
import Foundation
import PackagePlugin

/// Compiles the BPF programs of a target and embeds them in it as one generated Swift file.
///
/// The programs are every `*.bpf.c` below the target's folder `Programs`, which is a committed symbolic link into
/// `bpf/`: SwiftPM notices new files only inside the target, so a plain path outside of it would miss them. A folder
/// `tests` below it is left out; the target for tests links to that folder itself.
@main
struct CompileBPF: BuildToolPlugin {
    func createBuildCommands(context: PluginContext, target: any Target) throws -> [Command] {
        let root = context.package.directoryURL.appending(path: "bpf").resolvingSymlinksInPath()
        let programs = target.directoryURL.appending(path: "Programs").resolvingSymlinksInPath()
        let skipped = programs.appending(path: "tests").path + "/"
        let sources = try files(below: programs, suffix: ".bpf.c").filter { !$0.path.hasPrefix(skipped) }
        // Every header is an input of every program: an edit that went unnoticed would cost more than the rebuild.
        let headers = try files(below: root, suffix: ".h")
        let output = context.pluginWorkDirectoryURL.appending(path: "\(target.name).generated.swift")
        let compiler = try context.tool(named: "clang").url
        return [
            .buildCommand(
                displayName: "Compiling \(sources.count) BPF programs for \(target.name)",
                executable: try context.tool(named: "embed").url,
                arguments: [target.name, compiler.path, root.path, programs.path, output.path] + sources.map(\.path),
                inputFiles: sources + headers,
                outputFiles: [output])
        ]
    }

    /// All files below `folder` whose name ends in `suffix`, sorted, so that the output is the same on every machine.
    private func files(below folder: URL, suffix: String) throws -> [URL] {
        try FileManager.default.subpathsOfDirectory(atPath: folder.path)
            .filter { $0.hasSuffix(suffix) }
            .sorted()
            .map { folder.appending(path: $0) }
    }
}
