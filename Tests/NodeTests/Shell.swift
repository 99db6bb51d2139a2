// SPDX-License-Identifier: Apache-2.0
import Foundation
import Synchronization

/// What a command printed and how it ended.
struct Output: Sendable {
    var status: Int32
    var text: String
    var errors: String

    /// The last line of the output, as JSON.
    func json<Value: Decodable>(_ type: Value.Type) throws -> Value {
        let last = text.split(separator: "\n").last.map(String.init) ?? ""
        do {
            return try JSONDecoder().decode(type, from: Data(last.utf8))
        } catch {
            throw LabError("not the JSON that was expected: \(text) \(errors): \(error)")
        }
    }

    /// The whole output, as one JSON value.
    func document<Value: Decodable>(_ type: Value.Type) throws -> Value {
        do {
            return try JSONDecoder().decode(type, from: Data(text.utf8))
        } catch {
            throw LabError("not the JSON that was expected (status \(status)): \(text) \(errors): \(error)")
        }
    }
}

/// Something that the lab could not do; a test that meets one fails.
struct LabError: Error, CustomStringConvertible {
    var description: String
    init(_ description: String) { self.description = description }
}

/// What a process printed, filled by a thread of its own.
private final class Collected: Sendable {
    private let bytes = Mutex<[UInt8]>([])
    func append(_ part: ArraySlice<UInt8>) { bytes.withLock { $0.append(contentsOf: part) } }
    var text: String { bytes.withLock { String(decoding: $0, as: UTF8.self) } }
}

/// A process that the lab started. Ended by its own number only.
final class Child: @unchecked Sendable {
    private let process = Process()
    private let output = Pipe()
    private let collected = Collected()
    private let drained = DispatchSemaphore(value: 0)
    private let errorFile: URL

    var pid: Int32 { process.processIdentifier }
    var isRunning: Bool { process.isRunning }

    init(_ command: [String], environment: [String: String] = [:]) throws {
        errorFile = URL(fileURLWithPath: "/tmp/malla-lab-\(UUID().uuidString).err")
        _ = FileManager.default.createFile(atPath: errorFile.path, contents: nil)
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = command
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = output
        process.standardError = try FileHandle(forWritingTo: errorFile)
        try process.run()
        let descriptor = output.fileHandleForReading.fileDescriptor
        Thread { [collected, drained] in
            var block = [UInt8](repeating: 0, count: 65_536)
            while true {
                let count = read(descriptor, &block, block.count)
                guard count > 0 else { break }
                collected.append(block[..<count])
            }
            drained.signal()
        }.start()
    }

    deinit {
        if process.isRunning { kill(process.processIdentifier, SIGKILL) }
        try? FileManager.default.removeItem(at: errorFile)
    }

    /// What it printed so far.
    var text: String { collected.text }
    /// What it said on standard error so far.
    var errors: String { (try? String(contentsOf: errorFile, encoding: .utf8)) ?? "" }

    func signal(_ number: Int32) { if process.isRunning { kill(process.processIdentifier, number) } }

    /// Waits for its end; after `seconds` it is killed and the output says so.
    func wait(seconds: Double = 60) -> Output {
        let deadline = Date().addingTimeInterval(seconds)
        while process.isRunning, Date() < deadline { usleep(5_000) }
        var late = ""
        if process.isRunning {
            kill(process.processIdentifier, SIGKILL)
            late = "killed: did not end within \(seconds) s"
        }
        process.waitUntilExit()
        // The pipe may hold bytes that the reader has not seen yet; a grandchild may hold it open for ever.
        if drained.wait(timeout: .now() + 10) == .success { drained.signal() }
        return Output(status: process.terminationStatus, text: text, errors: errors + late)
    }

    /// Waits until it printed a line that contains `part`.
    func expect(_ part: String, seconds: Double = 15) throws {
        let deadline = Date().addingTimeInterval(seconds)
        while Date() < deadline {
            if text.contains(part) { return }
            if !process.isRunning { break }
            usleep(5_000)
        }
        throw LabError("no «\(part)» within \(seconds) s; it printed: \(text) \(errors)")
    }
}

/// Runs a command to its end.
@discardableResult
func run(_ command: [String], environment: [String: String] = [:], seconds: Double = 60) throws -> Output {
    try Child(command, environment: environment).wait(seconds: seconds)
}

/// Runs a command that must succeed.
@discardableResult
func must(_ command: [String], seconds: Double = 60) throws -> String {
    let output = try run(command, seconds: seconds)
    guard output.status == 0 else {
        throw LabError("\(command.joined(separator: " ")) failed (\(output.status)): \(output.text)\(output.errors)")
    }
    return output.text
}

/// Waits until `condition` holds, looking every 20 ms.
func eventually(
    _ what: String, seconds: Double = 15, _ condition: () throws -> Bool
) throws {
    let deadline = Date().addingTimeInterval(seconds)
    while Date() < deadline {
        if try condition() { return }
        usleep(20_000)
    }
    throw LabError("not within \(seconds) s: \(what)")
}
