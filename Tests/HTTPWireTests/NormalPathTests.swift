// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import HTTPWire

/// The quick look at paths, against the way byte by byte.
@Suite struct NormalPathTests {
    @Test func quickLook() {
        // Whatever means something in a path, and a letter: all paths of up to five of them.
        let alphabet = Array("/.a%2;\\?".utf8)
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 128, alignment: 8)
        defer { memory.deallocate() }
        var count = 0
        for length in 0...5 {
            var places = [Int](repeating: 0, count: length)
            paths: while true {
                let path = [0x2f] + places.map { alphabet[$0] }
                let quick = written(path, memory) { NormalPath.write($0, of: $1, into: &$2) }
                let slow = written(path, memory) { NormalPath.resolve($0, of: $1, into: &$2) }
                if quick != slow { Issue.record("\(String(decoding: path, as: UTF8.self)): \(quick), not \(slow)") }
                if let doubt = doubt(path, slow) { Issue.record("\(String(decoding: path, as: UTF8.self)): \(doubt)") }
                count += 1
                for index in places.indices {
                    places[index] += 1
                    if places[index] < alphabet.count { continue paths }
                    places[index] = 0
                }
                break
            }
        }
        #expect(count == 37_449)
    }

    @Test func fullOutput() {
        let path = Array("/abcdef".utf8)
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 6, alignment: 8)
        defer { memory.deallocate() }
        var out = ByteWriter(memory)
        let reason = NormalPath.write(ByteRange(0, path.count), of: path.span, into: &out)
        let isFull = out.overflowed
        #expect(reason == nil)
        #expect(isFull)
    }

    /// What the reader's look at a path says wrongly, wherever the path lies among its words.
    private func doubt(_ path: [UInt8], _ slow: Written) -> String? {
        let isPath = Target.isPath(path.span, ByteRange(0, path.count))
        for before in 8..<16 {
            let bytes = [UInt8](repeating: 0x70, count: before) + path
            var isNormal = true
            let isSeen = Target.isPath(bytes.span, ByteRange(before, bytes.count), isNormal: &isNormal)
            if isSeen != isPath { return "a path: \(isSeen)" }
            if isNormal, slow != Written(reason: nil, bytes: path) { return "seen as normal" }
        }
        return nil
    }

    private struct Written: Equatable {
        var reason: WireReason?
        var bytes: [UInt8]
    }

    private func written(
        _ path: [UInt8], _ memory: UnsafeMutableRawBufferPointer,
        _ write: (ByteRange, Span<UInt8>, inout ByteWriter) -> WireReason?
    ) -> Written {
        var out = ByteWriter(memory)
        let reason = write(ByteRange(0, path.count), path.span, &out)
        return Written(reason: reason, bytes: Array(memory[0..<out.count]))
    }
}
