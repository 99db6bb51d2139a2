// SPDX-License-Identifier: Apache-2.0

/// Whole heads from either version to either version, without additions.
///
/// A head that was read is strict already, whatever version it came in, and is written from what was understood rather
/// than from its bytes; so what leaves parses in one way only. Bodies need no translation beyond the
/// ``ContentCoding`` that is returned.
public enum Translation {
    /// Writes a request's head to an HTTP/1.1 upstream.
    @discardableResult
    public static func toH1(
        _ head: RequestHead, _ fields: borrowing FieldTable, of bytes: Span<UInt8>, into out: inout ByteWriter
    ) -> ContentCoding {
        H1HeadWriter.beginRequest(head, of: bytes, into: &out)
        H1HeadWriter.fields(fields, of: bytes, into: &out)
        return H1HeadWriter.endRequest(head, of: bytes, into: &out)
    }

    /// Writes a response's head to an HTTP/1 client.
    ///
    /// - Parameters:
    ///   - peer: the version of the client's request.
    ///   - keepAlive: whether this side wants the connection to stay open; it does not where the framing forbids.
    ///   - upgrade: the protocol that the client asked for, if it asked for one.
    ///   - adding: writes fields beside those that came.
    /// - Returns: how content is written, and whether the connection stays open.
    @discardableResult
    public static func toH1(
        _ head: ResponseHead, _ fields: borrowing FieldTable, of bytes: Span<UInt8>, for peer: HTTPVersion,
        keepAlive: Bool, upgrade: Span<UInt8>, into out: inout ByteWriter,
        adding: (inout ByteWriter) -> Void = { _ in }
    ) -> (coding: ContentCoding, keepAlive: Bool) {
        var head = head
        // Over HTTP/2, an extended CONNECT is granted by 2xx; over HTTP/1.1 by 101.
        if head.version == .http2, head.flags.contains(.upgrade), upgrade.count > 0 { head.status = 101 }
        H1HeadWriter.beginResponse(head.status, into: &out)
        H1HeadWriter.fields(fields, of: bytes, into: &out)
        adding(&out)
        let staysOpen = keepAlive && H1HeadWriter.staysOpen(head.framing, for: peer)
        let coding = H1HeadWriter.endResponse(
            head, for: peer, keepAlive: staysOpen, upgrade: upgrade, into: &out)
        return (coding, staysOpen)
    }

    /// Writes a request's head to an HTTP/2 upstream. False when there is no room or the stream is gone.
    public static func toH2(
        _ head: RequestHead, _ fields: borrowing FieldTable, of bytes: Span<UInt8>, endStream: Bool,
        on handle: H2StreamHandle, of connection: inout H2Connection, into out: inout ByteWriter
    ) -> Bool {
        let none = bytes.extracting(0..<0)
        let start = connection.beginRequest(
            head, of: bytes, path: none, authority: none, isSecure: false, into: &out)
        connection.fields(fields, of: bytes, into: &out)
        connection.framing(head.framing, head.flags, into: &out)
        return connection.endHead(start, on: handle, endStream: endStream, into: &out)
    }

    /// Writes a response's head to an HTTP/2 client. False when there is no room or the stream is gone.
    ///
    /// - Parameter adding: writes fields beside those that came.
    public static func toH2(
        _ head: ResponseHead, _ fields: borrowing FieldTable, of bytes: Span<UInt8>, endStream: Bool,
        on handle: H2StreamHandle, of connection: inout H2Connection, into out: inout ByteWriter,
        adding: (inout H2Connection, inout ByteWriter) -> Void = { _, _ in }
    ) -> Bool {
        let status = head.status == 101 ? 200 : head.status
        let start = connection.beginResponse(status, into: &out)
        connection.fields(fields, of: bytes, into: &out)
        adding(&connection, &out)
        connection.framing(head.framing, [], into: &out)
        return connection.endHead(start, on: handle, endStream: endStream && !head.isInterim, into: &out)
    }
}
