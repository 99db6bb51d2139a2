// SPDX-License-Identifier: Apache-2.0

import Glibc
import TLSWire

/// Measures TLSWire alone, between memory and memory, on one thread: processor time, or work for a profiler to count.
///
/// usage: bench-tls FOLDER pairs library|records COUNT SIZE      records of SIZE bytes, sealed and opened
///        bench-tls FOLDER handshakes COUNT                      mutual handshakes, both sides
///        bench-tls FOLDER idle library|records COUNT            memory of connections that have nothing to do
///
/// FOLDER is what Tests/Interop/certificates.py makes.
@main
struct TLSBench {
    let settings: (client: TLSSettings, server: TLSSettings)

    static func main() throws {
        let words = CommandLine.arguments
        guard words.count >= 4 else { throw Mistake(description: "usage: bench-tls FOLDER pairs|handshakes …") }
        if words[2] == "pairs", words.count == 6, let count = Int(words[4]), let size = Int(words[5]) {
            let engine: TLSSettings.Engine = words[3] == "library" ? .library : .records
            try TLSBench(words[1], engine).pairs(count, size, name: words[3])
        } else if words[2] == "idle", words.count == 5, let count = Int(words[4]) {
            try TLSBench(words[1], words[3] == "library" ? .library : .records).idle(count, name: words[3])
        } else if let count = Int(words[3]) {
            try TLSBench(words[1], .records).handshakes(count)
        }
    }

    init(_ folder: String, _ engine: TLSSettings.Engine) throws {
        func read(_ name: String) throws -> [UInt8] {
            guard let file = fopen("\(folder)/\(name)", "r") else { throw Mistake(description: "\(folder)/\(name)") }
            defer { fclose(file) }
            var bytes = [UInt8](repeating: 0, count: 1 << 16)
            return Array(bytes[..<fread(&bytes, 1, bytes.count, file)])
        }
        let trust = try Trust(["malla.test": read("root.pem")])
        let credentials = try TLSSettings.Credentials(chain: read("good.pem"), key: read("good.key"))
        settings = (
            try TLSSettings(.client, credentials, trust: trust, protocols: ["h2"], engine: engine),
            try TLSSettings(.server, credentials, trust: trust, protocols: ["h2"], engine: engine)
        )
    }

    /// Both sides of a handshake; the time that each took, in nanoseconds.
    private func shake() throws -> (client: TLSStream, server: TLSStream, times: (client: UInt64, server: UInt64)) {
        let now = Int64(time(nil))
        let room = UnsafeMutableRawBufferPointer.allocate(byteCount: TLSHandshake.room, alignment: 16)
        defer { room.deallocate() }
        var times: (client: UInt64, server: UInt64) = (0, 0)
        var begun = Self.processorTime()
        var client = try TLSHandshake(settings.client, now: now)
        var toServer = Array(room[..<client.step(UnsafeRawBufferPointer(start: nil, count: 0), into: room).produced])
        times.client += Self.processorTime() - begun
        begun = Self.processorTime()
        var server = try TLSHandshake(settings.server, now: now)
        let toClient = Array(room[..<toServer.withUnsafeBytes { server.step($0, into: room) }.produced])
        times.server += Self.processorTime() - begun
        begun = Self.processorTime()
        let last = toClient.withUnsafeBytes { client.step($0, into: room) }
        toServer = Array(room[..<last.produced])
        let near = try client.finish().stream
        times.client += Self.processorTime() - begun
        begun = Self.processorTime()
        let end = toServer.withUnsafeBytes { server.step($0, into: room) }
        guard end.outcome == .done else { throw Mistake(description: "handshake: \(end.outcome)") }
        let far = try server.finish().stream
        times.server += Self.processorTime() - begun
        return (near, far, times)
    }

    private func handshakes(_ count: Int) throws {
        var sum: (client: UInt64, server: UInt64) = (0, 0)
        for _ in 0..<count {
            let (near, far, times) = try shake()
            near.free()
            far.free()
            sum.client += times.client
            sum.server += times.server
        }
        let each = { (time: UInt64) in Double(time) / Double(max(1, count)) / 1000 }
        print("handshake: client \(each(sum.client)) µs, server \(each(sum.server)) µs of processor time")
    }

    private func pairs(_ count: Int, _ size: Int, name: String) throws {
        let (near, far, _) = try shake()
        defer {
            near.free()
            far.free()
        }
        let content = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, size), alignment: 64)
        let sealed = UnsafeMutableRawBufferPointer.allocate(byteCount: TLSStream.sealedSize(size), alignment: 64)
        let opened = UnsafeMutableRawBufferPointer.allocate(byteCount: size + (64 << 10), alignment: 64)
        defer {
            content.deallocate()
            sealed.deallocate()
            opened.deallocate()
        }
        content.initializeMemory(as: UInt8.self, repeating: 7)
        let begun = Self.processorTime()
        for _ in 0..<count {
            guard let length = near.seal(UnsafeRawBufferPointer(rebasing: content[..<size]), into: sealed),
                far.open(UnsafeRawBufferPointer(rebasing: sealed[..<length]), into: opened).produced == size
            else { throw Mistake(description: "a record was lost") }
        }
        let took = Double(Self.processorTime() - begun)
        let rate = Double(count * size) / took
        print("\(name), \(size) bytes: \(took / Double(max(1, count))) ns for sealing and opening, \(rate) GB/s")
    }

    /// Streams after a record each way, with buffers given back. What the first ones bring along for all is not counted.
    private func idle(_ count: Int, name: String) throws {
        var streams: [TLSStream] = []
        streams.reserveCapacity(200 + count * 2)
        defer { streams.forEach { $0.free() } }
        for _ in 0..<100 { streams += try used() }
        let before = try Self.resident()
        for _ in 0..<count { streams += try used() }
        let each = Double(try Self.resident() - before) / Double(max(1, count * 2))
        print("\(name): \(Int(each)) bytes of memory for an idle connection")
    }

    /// Both ends of a connection that has carried a record each way.
    private func used() throws -> [TLSStream] {
        let (near, far, _) = try shake()
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 16)
        defer { memory.deallocate() }
        let sealed = UnsafeMutableRawBufferPointer(rebasing: memory[..<1024])
        let opened = UnsafeMutableRawBufferPointer(rebasing: memory[1024...])
        for (from, to) in [(near, far), (far, near)] {
            guard let length = from.seal(UnsafeRawBufferPointer(rebasing: memory[4000...]), into: sealed),
                to.open(UnsafeRawBufferPointer(rebasing: sealed[..<length]), into: opened).produced == 96
            else { throw Mistake(description: "a record was lost") }
        }
        near.rest()
        far.rest()
        return [near, far]
    }

    /// Bytes of the process in memory.
    private static func resident() throws -> Int {
        guard let file = fopen("/proc/self/statm", "r") else { throw Mistake(description: "/proc/self/statm") }
        defer { fclose(file) }
        var text = [UInt8](repeating: 0, count: 256)
        let words = String(decoding: text[..<fread(&text, 1, text.count, file)], as: UTF8.self).split(separator: " ")
        guard words.count > 1, let pages = Int(words[1]) else { throw Mistake(description: "/proc/self/statm") }
        return pages * Int(sysconf(Int32(_SC_PAGESIZE)))
    }

    private static func processorTime() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}

/// What was wrong with a call, or with a result.
struct Mistake: Error, CustomStringConvertible {
    let description: String
}
