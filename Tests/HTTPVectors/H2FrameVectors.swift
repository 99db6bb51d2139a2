// SPDX-License-Identifier: Apache-2.0

/// Frames of a client that break a rule, and what a server makes of them.
enum H2FrameVector {
    /// Each breaks one rule of RFC 9113; the connection or the stream ends for that reason.
    static let violations: [(name: String, bytes: [UInt8], log: [String])] = [
        ("DATA on stream 0", H2Bytes.data(0, []), ["failed h2_protocol"]),
        ("HEADERS on stream 0", H2Bytes.headers(0, H2Bytes.get), ["failed h2_protocol"]),
        ("PRIORITY on stream 0", H2Bytes.frame(2, 0, 0, [0, 0, 0, 0, 0]), ["failed h2_protocol"]),
        ("RST_STREAM on stream 0", H2Bytes.reset(0), ["failed h2_protocol"]),
        ("SETTINGS on stream 1", H2Bytes.frame(4, 0, 1, []), ["failed h2_protocol"]),
        ("PING on stream 1", H2Bytes.frame(6, 0, 1, [0, 0, 0, 0, 0, 0, 0, 0]), ["failed h2_protocol"]),
        ("GOAWAY on stream 1", H2Bytes.frame(7, 0, 1, [0, 0, 0, 0, 0, 0, 0, 0]), ["failed h2_protocol"]),
        ("CONTINUATION alone", H2Bytes.frame(9, 4, 1, []), ["failed h2_protocol"]),
        ("PUSH_PROMISE", H2Bytes.frame(5, 4, 1, [0, 0, 0, 2]), ["failed h2_protocol"]),
        ("DATA on idle stream", H2Bytes.data(1, [1]), ["failed h2_protocol"]),
        ("RST_STREAM on idle stream", H2Bytes.reset(1), ["failed h2_protocol"]),
        ("WINDOW_UPDATE on idle stream", H2Bytes.window(1, 1), ["failed h2_protocol"]),
        ("even stream", H2Bytes.headers(2, H2Bytes.get), ["failed h2_protocol"]),
        (
            "smaller stream", H2Bytes.headers(5, H2Bytes.get) + H2Bytes.headers(3, H2Bytes.get),
            ["request 5 / end", "failed h2_protocol"]
        ),
        ("PING of 7 bytes", H2Bytes.frame(6, 0, 0, [0, 0, 0, 0, 0, 0, 0]), ["failed h2_frame_size"]),
        (
            "RST_STREAM of 3 bytes", H2Bytes.headers(1, H2Bytes.get) + H2Bytes.frame(3, 0, 1, [0, 0, 0]),
            ["request 1 / end", "failed h2_frame_size"]
        ),
        ("SETTINGS of 5 bytes", H2Bytes.frame(4, 0, 0, [0, 0, 0, 0, 0]), ["failed h2_frame_size"]),
        ("SETTINGS ACK with content", H2Bytes.frame(4, 1, 0, [0, 0, 0, 0, 0, 0]), ["failed h2_frame_size"]),
        ("GOAWAY of 7 bytes", H2Bytes.frame(7, 0, 0, [0, 0, 0, 0, 0, 0, 0]), ["failed h2_frame_size"]),
        ("WINDOW_UPDATE of 3 bytes", H2Bytes.frame(8, 0, 0, [0, 0, 1]), ["failed h2_frame_size"]),
        ("too long frame", H2Bytes.frame(0, 0, 1, [UInt8](repeating: 0, count: 16_385)), ["failed h2_frame_size"]),
        ("ENABLE_PUSH 2", H2Bytes.settings([(2, 2)]), ["failed h2_bad_setting"]),
        ("window 2^31", H2Bytes.settings([(4, 1 << 31)]), ["failed h2_flow_control"]),
        ("frame size 16383", H2Bytes.settings([(5, 16_383)]), ["failed h2_bad_setting"]),
        ("frame size 2^24", H2Bytes.settings([(5, 1 << 24)]), ["failed h2_bad_setting"]),
        ("WINDOW_UPDATE 0", H2Bytes.window(0, 0), ["failed h2_protocol"]),
        ("WINDOW_UPDATE overflow", H2Bytes.window(0, 0x7fff_ffff), ["failed h2_flow_control"]),
        (
            "stream WINDOW_UPDATE 0", H2Bytes.headers(1, H2Bytes.get) + H2Bytes.window(1, 0),
            ["request 1 / end", "reset 1 h2_protocol 1"]
        ),
        (
            "stream WINDOW_UPDATE overflow", H2Bytes.headers(1, H2Bytes.get) + H2Bytes.window(1, 0x7fff_ffff),
            ["request 1 / end", "reset 1 h2_flow_control 3"]
        ),
        (
            "PRIORITY of 4 bytes", H2Bytes.headers(1, H2Bytes.get) + H2Bytes.frame(2, 0, 1, [0, 0, 0, 0]),
            ["request 1 / end", "reset 1 h2_frame_size 6"]
        ),
        (
            "PRIORITY on itself", H2Bytes.headers(1, H2Bytes.get) + H2Bytes.frame(2, 0, 1, [0, 0, 0, 1, 0]),
            ["request 1 / end", "reset 1 h2_protocol 1"]
        ),
        (
            "HEADERS on itself", H2Bytes.frame(1, 0x25, 1, [0, 0, 0, 1, 0] + H2Bytes.block(H2Bytes.get)),
            ["failed h2_protocol"]
        ),
        (
            "DATA padding", H2Bytes.headers(1, H2Bytes.post, end: false) + H2Bytes.frame(0, 8, 1, [3, 1, 0]),
            ["request 1 /", "failed h2_protocol"]
        ),
        (
            "DATA padded and empty", H2Bytes.headers(1, H2Bytes.post, end: false) + H2Bytes.frame(0, 8, 1, []),
            ["request 1 /", "failed h2_frame_size"]
        ),
        ("HEADERS padding", H2Bytes.frame(1, 0x0d, 1, [200] + H2Bytes.block(H2Bytes.get)), ["failed h2_compression"]),
        ("HEADERS all padding", H2Bytes.frame(1, 0x0d, 1, [200]), ["failed h2_protocol"]),
        ("HEADERS cut priority", H2Bytes.frame(1, 0x25, 1, [0, 0]), ["failed h2_frame_size"]),
        (
            "DATA after END_STREAM", H2Bytes.headers(1, H2Bytes.get) + H2Bytes.data(1, [1]),
            ["request 1 / end", "reset 1 h2_stream_closed 5"]
        ),
        (
            "HEADERS after END_STREAM", H2Bytes.headers(1, H2Bytes.get) + H2Bytes.headers(1, H2Bytes.get),
            ["request 1 / end", "reset 1 h2_stream_closed 5"]
        ),
        (
            "HEADERS after RST_STREAM",
            H2Bytes.headers(1, H2Bytes.get) + H2Bytes.reset(1) + H2Bytes.headers(1, H2Bytes.get),
            ["request 1 / end", "reset 1 h2_peer_reset 8", "failed h2_stream_closed"]
        ),
        (
            "another frame inside a block", H2Bytes.frame(1, 1, 1, H2Bytes.block(H2Bytes.get)) + H2Bytes.ping,
            ["failed h2_protocol"]
        ),
        (
            "block goes on elsewhere", H2Bytes.frame(1, 1, 1, H2Bytes.block(H2Bytes.get)) + H2Bytes.frame(9, 4, 3, []),
            ["failed h2_protocol"]
        ),
        ("undecodable block", H2Bytes.frame(1, 5, 1, [0xff]), ["failed h2_compression"]),
        (
            "trailers without END_STREAM",
            H2Bytes.headers(1, H2Bytes.post, end: false) + H2Bytes.headers(1, [("x", "y")], end: false),
            ["request 1 /", "reset 1 h2_bad_trailers 1"]
        ),
        (
            "more than the connection's window",
            H2Bytes.headers(1, H2Bytes.post, end: false)
                + Array((0..<5).map { _ in H2Bytes.data(1, [UInt8](repeating: 0, count: 16_384)) }.joined()),
            ["request 1 /", "reset 1 h2_flow_control 3"]
        ),
    ]
}

extension H2FrameVector {
    /// Those whose end depends on how fast others read, or on where a block of padding happens to fail.
    static let unjudged = ["HEADERS padding", "more than the connection's window"]
}
