// SPDX-License-Identifier: Apache-2.0

import HTTPWire
import Reactor

// How content and the ends of messages are written, whichever side and version.

extension Worker {
    /// Portions from this size on are sent from where they were read, when nothing waits before them.
    private static var straightFrom: Int { 8 << 10 }

    /// Writes content to an HTTP/1 peer. The caller has made sure of room.
    mutating func writePlain(
        _ bytes: UnsafeRawBufferPointer, _ coding: ContentCoding, _ wire: UnsafeMutablePointer<Wire>,
        mayGoStraight: Bool
    ) {
        guard let start = bytes.baseAddress, bytes.count > 0, coding != .none else { return }
        guard coding == .plain else {
            _ = write(wire) { out in
                H1HeadWriter.beginChunk(bytes.count, into: &out)
                out.append(Self.typed(bytes).span)
                H1HeadWriter.endChunk(into: &out)
            }
            return
        }
        var taken = 0
        if mayGoStraight, bytes.count >= Self.straightFrom, flush(wire) == .all {
            // A peer that is gone is noticed when the rest is flushed.
            taken = max(0, sendStraight(wire, start, count: bytes.count))
        }
        guard taken < bytes.count else { return }
        let rest = UnsafeRawBufferPointer(rebasing: bytes[taken...])
        _ = write(wire) { out in out.append(Self.typed(rest).span) }
    }

    /// Writes content to a stream. The caller has made sure of window and room.
    mutating func writeStream(
        _ bytes: UnsafeRawBufferPointer, _ wire: UnsafeMutablePointer<Wire>,
        _ h2: UnsafeMutablePointer<H2Connection>, _ stream: H2StreamHandle
    ) {
        guard bytes.count > 0 else { return }
        _ = write(wire) { out in h2.pointee.write(Self.typed(bytes).span, endStream: false, on: stream, into: &out) }
    }

    /// Ends a chunked message, with the desk's trailers if these are its.
    mutating func endChunks(_ bytes: Span<UInt8>, hasTrailers: Bool, _ wire: UnsafeMutablePointer<Wire>) {
        let desk = desk
        _ = write(wire) { out in
            if hasTrailers {
                H1HeadWriter.endChunks(trailers: desk.pointee.fields, of: bytes, into: &out)
            } else {
                out.append("0\r\n\r\n")
            }
        }
    }

    /// Ends a stream's message, with the desk's trailers if these are its.
    mutating func endStream(
        _ bytes: Span<UInt8>, hasTrailers: Bool, _ wire: UnsafeMutablePointer<Wire>,
        _ h2: UnsafeMutablePointer<H2Connection>, _ stream: H2StreamHandle
    ) {
        let desk = desk
        _ = write(wire) { out in
            var isThere = false
            if hasTrailers {
                for index in 0..<desk.pointee.fields.count where !desk.pointee.fields[index].isDropped {
                    isThere = true
                }
            }
            if isThere {
                let start = h2.pointee.beginTrailers(into: &out)
                h2.pointee.fields(desk.pointee.fields, of: bytes, into: &out)
                _ = h2.pointee.endHead(start, on: stream, endStream: true, into: &out)
            } else {
                _ = h2.pointee.write(bytes.extracting(0..<0), endStream: true, on: stream, into: &out)
            }
        }
    }

    /// A buffer's bytes, valid as long as the buffer's memory.
    @inline(__always)
    static func typed(_ bytes: UnsafeRawBufferPointer) -> UnsafeBufferPointer<UInt8> {
        bytes.assumingMemoryBound(to: UInt8.self)
    }
}
