// SPDX-License-Identifier: Apache-2.0

import HTTPWire

#if canImport(HTTPVectors)
    @testable import HTTPVectors
#endif

/// One side of an HTTP/2 connection with its buffers, as a driver has them; `say` is what its peer sends.
struct H2End: ~Copyable {
    var connection: H2Connection
    var arena: HeadArena
    var fields = FieldTable()
    var input: [UInt8] = []
    /// What was written and not taken yet.
    var output: [UInt8] = []
    var room = 1 << 20
    /// What happened, in words.
    var log: [String] = []
    var handles: [UInt32: H2StreamHandle] = [:]
    var content: [UInt32: [UInt8]] = [:]
    var failure: WireReason?
    /// Whether content counts as passed on at once.
    var passesOn = true
    /// What an HTTP/1.1 upstream would be sent for the heads that came.
    var translated: [[UInt8]] = []
    /// The same with content, by stream, once the request is complete.
    var forwarded: [UInt32: [UInt8]] = [:]
    private var codings: [UInt32: (ContentCoding, [UInt8])] = [:]

    init(_ role: H2Connection.Role, limits: WireLimits = WireLimits(), h2: H2Limits = H2Limits()) {
        connection = H2Connection(role: role, limits: limits, h2: h2)
        arena = HeadArena(limits: limits, h2: h2)
        write { connection, out in connection.start(into: &out) }
    }

    /// Lets the connection write behind what is waiting already.
    @discardableResult
    mutating func write<Result>(_ body: (inout H2Connection, inout ByteWriter) -> Result) -> Result {
        let before = output.count
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: max(0, room - before), alignment: 1)
        defer { memory.deallocate() }
        var out = ByteWriter(memory)
        let result = body(&connection, &out)
        precondition(!out.overflowed)
        output += memory[..<out.count]
        return result
    }

    mutating func takeOutput() -> [UInt8] {
        defer { output = [] }
        return output
    }

    mutating func hear(_ bytes: some Sequence<UInt8>) {
        input += bytes
        var offset = 0
        while true {
            let (event, consumed) = step(offset)
            offset += consumed
            if case .incomplete = event, consumed == 0 { break }
            if case .outputFull = event {
                log.append("full")
                break
            }
            if failure != nil { break }
        }
        input.removeFirst(offset)
    }

    private mutating func step(_ offset: Int) -> (H2Event, Int) {
        let memory = UnsafeMutableRawBufferPointer.allocate(
            byteCount: min(max(0, room - output.count), 4_096), alignment: 1)
        defer { memory.deallocate() }
        let bytes = input
        let piece = bytes.span.extracting(offset..<bytes.count)
        var out = ByteWriter(memory)
        let (event, consumed) = connection.next(piece, arena: &arena, fields: &fields, into: &out)
        note(event, piece)
        if passesOn, case .data(let handle, let range, _) = event {
            let isTold = connection.passedOn(handle, range.count, into: &out)
            precondition(isTold)
        }
        precondition(!out.overflowed)
        output += memory[..<out.count]
        return (event, consumed)
    }

    private mutating func note(_ event: H2Event, _ piece: Span<UInt8>) {
        switch event {
        case .incomplete, .outputFull: break
        case .request(let handle, let ends):
            let head = arena.request
            handles[handle.id] = handle
            log.append("request \(handle.id) \(text(head.path))\(ends ? " end" : "")")
            let coding = translate { Translation.toH1(head, $0, of: $1, into: &$2) }
            codings[handle.id] = (coding, translated.last ?? [])
            if ends { finish(handle.id) }
        case .interim(let handle): log.append("interim \(handle.id) \(arena.response.status)")
        case .response(let handle, let ends):
            let head = arena.response
            handles[handle.id] = handle
            _ = translate {
                let none = $1.extracting(0..<0)
                return Translation.toH1(
                    head, $0, of: $1, for: .http11, keepAlive: true, upgrade: none, into: &$2
                ).coding
            }
            log.append("response \(handle.id) \(head.status)\(ends ? " end" : "")")
        case .data(let handle, let range, let ends):
            handles[handle.id] = handle
            for index in range { content[handle.id, default: []].append(piece[index]) }
            if ends { finish(handle.id) }
            if ends { log.append("data \(handle.id) end") }
        case .trailers(let handle):
            log.append("trailers \(handle.id)")
            finish(handle.id, trailers: true)
        case .reset(let handle, let reason, let code): log.append("reset \(handle.id) \(reason.name) \(code.rawValue)")
        case .refused(let id, let reason): log.append("refused \(id) \(reason.name)")
        case .goAway(let last, let code): log.append("goaway \(last) \(code.rawValue)")
        case .settings: log.append("settings")
        case .pong(let payload): log.append("pong \(payload)")
        case .failed(let reason):
            failure = reason
            log.append("failed \(reason.name)")
        }
    }

    private func text(_ range: ByteRange) -> String { String(decoding: arena.bytes[range.range], as: UTF8.self) }

    private mutating func translate(
        _ body: (borrowing FieldTable, Span<UInt8>, inout ByteWriter) -> ContentCoding
    ) -> ContentCoding {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 200_000, alignment: 1)
        defer { memory.deallocate() }
        var out = ByteWriter(memory)
        let coding = body(fields, arena.bytes.span, &out)
        precondition(!out.overflowed)
        translated.append(Array(memory[..<out.count]))
        return coding
    }

    /// Completes what an upstream is sent for a request.
    private mutating func finish(_ id: UInt32, trailers: Bool = false) {
        guard let (coding, head) = codings[id] else { return }
        let body = content[id] ?? []
        var bytes = head
        if coding == .chunked {
            if !body.isEmpty { bytes += Array(String(body.count, radix: 16).utf8) + [13, 10] + body + [13, 10] }
            let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 200_000, alignment: 1)
            defer { memory.deallocate() }
            var out = ByteWriter(memory)
            if trailers {
                H1HeadWriter.endChunks(trailers: fields, of: arena.bytes.span, into: &out)
            } else {
                H1HeadWriter.endChunks(trailers: FieldTable(), of: arena.bytes.span, into: &out)
            }
            bytes += memory[..<out.count]
        } else {
            bytes += body
        }
        forwarded[id] = bytes
    }
}

/// The name that the tests of this module know the hand-written frames by.
typealias RawH2 = H2Bytes
