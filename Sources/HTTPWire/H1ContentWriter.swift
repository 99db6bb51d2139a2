// SPDX-License-Identifier: Apache-2.0

extension H1HeadWriter {
    /// Bytes that stand around a chunk's content at most.
    public static var chunkOverhead: Int { 20 }

    /// The size line before `count` bytes of content. Nothing for none: an empty chunk would end the message.
    public static func beginChunk(_ count: Int, into out: inout ByteWriter) {
        guard count > 0 else { return }
        out.append(hexadecimal: UInt64(count))
        out.append("\r\n")
    }

    /// The line end behind a chunk's content.
    public static func endChunk(into out: inout ByteWriter) { out.append("\r\n") }

    /// The last chunk, the trailers that may go on, and the end of the message.
    public static func endChunks(
        trailers: borrowing FieldTable, of bytes: Span<UInt8>, into out: inout ByteWriter
    ) {
        out.append("0\r\n")
        for index in 0..<trailers.count where !trailers[index].isDropped {
            out.append(trailers[index].name, of: bytes)
            out.append(": ")
            out.append(trailers[index].value, of: bytes)
            out.append("\r\n")
        }
        out.append("\r\n")
    }

    /// The usual phrase for a status; a neutral one for a status that has none here.
    static func reasonPhrase(_ status: UInt16) -> StaticString {
        switch status {
        case 100: "Continue"
        case 101: "Switching Protocols"
        case 103: "Early Hints"
        case 200: "OK"
        case 201: "Created"
        case 202: "Accepted"
        case 204: "No Content"
        case 206: "Partial Content"
        case 301: "Moved Permanently"
        case 302: "Found"
        case 303: "See Other"
        case 304: "Not Modified"
        case 307: "Temporary Redirect"
        case 308: "Permanent Redirect"
        case 400: "Bad Request"
        case 401: "Unauthorized"
        case 403: "Forbidden"
        case 404: "Not Found"
        case 405: "Method Not Allowed"
        case 408: "Request Timeout"
        case 409: "Conflict"
        case 411: "Length Required"
        case 412: "Precondition Failed"
        case 413: "Content Too Large"
        case 414: "URI Too Long"
        case 417: "Expectation Failed"
        case 421: "Misdirected Request"
        case 422: "Unprocessable Content"
        case 429: "Too Many Requests"
        case 431: "Request Header Fields Too Large"
        case 500: "Internal Server Error"
        case 501: "Not Implemented"
        case 502: "Bad Gateway"
        case 503: "Service Unavailable"
        case 504: "Gateway Timeout"
        case 505: "HTTP Version Not Supported"
        default: "Status"
        }
    }
}
