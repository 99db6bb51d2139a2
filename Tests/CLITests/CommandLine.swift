// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// What a command printed and how it ended.
struct Output: Sendable {
    var status: Int32
    var text: String
    var errors: String
}

/// The program that was built beside these tests.
func product(_ name: String) throws -> String {
    let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    let path = URL(fileURLWithPath: own).deletingLastPathComponent().appendingPathComponent(name).path
    guard FileManager.default.isExecutableFile(atPath: path) else { throw CLIError("\(path) is not built") }
    return path
}

/// Runs `malla` to its end, in an environment that holds nothing but what is given.
func malla(_ arguments: [String], environment: [String: String] = [:], seconds: Double = 20) throws -> Output {
    try execute(product("malla"), arguments, environment: environment, seconds: seconds)
}

/// Runs a program to its end; it is killed after `seconds`.
func execute(
    _ program: String, _ arguments: [String], environment: [String: String] = [:], input: String? = nil,
    seconds: Double = 20
) throws -> Output {
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent("malla-cli-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: directory) }
    func file(_ name: String, _ content: String = "") throws -> URL {
        let url = directory.appendingPathComponent(name)
        try content.write(to: url, atomically: true, encoding: .utf8)
        return url
    }
    let out = try file("out"), errors = try file("errors")
    let process = Process()
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = arguments
    // Help is wrapped to the terminal's width; there is none here.
    process.environment = ["PATH": "/usr/bin:/bin", "COLUMNS": "80"].merging(environment) { $1 }
    process.standardInput =
        try input.map { try FileHandle(forReadingFrom: file("input", $0)) } ?? FileHandle.nullDevice
    process.standardOutput = try FileHandle(forWritingTo: out)
    process.standardError = try FileHandle(forWritingTo: errors)
    try process.run()
    let deadline = Date().addingTimeInterval(seconds)
    while process.isRunning, Date() < deadline { usleep(2_000) }
    let isLate = process.isRunning
    if isLate { kill(process.processIdentifier, SIGKILL) }
    process.waitUntilExit()
    guard !isLate else { throw CLIError("\(program) \(arguments) did not end within \(seconds) s") }
    return Output(
        status: process.terminationStatus, text: try String(contentsOf: out, encoding: .utf8),
        errors: try String(contentsOf: errors, encoding: .utf8))
}

/// Compares with the recorded text in `Golden`; with `UPDATE_GOLDEN=1` in the environment, records it.
func expectGolden(_ text: String, _ name: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
    try expectRecorded(
        text,
        at: URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Golden/\(name).txt"),
        sourceLocation: sourceLocation)
}

/// Compares with a file of the repository; with `UPDATE_GOLDEN=1` in the environment, writes it.
func expectRecorded(_ text: String, at file: URL, sourceLocation: SourceLocation = #_sourceLocation) throws {
    if ProcessInfo.processInfo.environment["UPDATE_GOLDEN"] == "1" {
        try text.write(to: file, atomically: true, encoding: .utf8)
        return
    }
    let recorded = (try? String(contentsOf: file, encoding: .utf8)) ?? ""
    #expect(
        text == recorded,
        "\(file.lastPathComponent) differs; if it should: UPDATE_GOLDEN=1 swift test --filter CLITests",
        sourceLocation: sourceLocation)
}

/// The repository's root.
let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()
