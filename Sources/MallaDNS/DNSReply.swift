// SPDX-License-Identifier: Apache-2.0
public import MallaModel

/// Replies that are made here, and small changes to those that came from elsewhere.
public enum DNSReply {
    /// Seconds for which an answer about a service may be kept: a service that goes away is soon not found any more.
    public static let timeToLive: UInt32 = 5

    /// Record types that are answered.
    enum RecordType {
        static let ipv4: UInt16 = 1
        static let ipv6: UInt16 = 28
        static let any: UInt16 = 255
    }

    /// The addresses that the question asks for: those of its family. None of that family, or another type: the name
    /// exists and has no such record.
    public static func addresses(_ addresses: [Address], for query: DNSQuery) -> [UInt8] {
        let type = query.question.type
        let wanted = addresses.filter {
            type == RecordType.any || type == ($0.isIPv4 ? RecordType.ipv4 : RecordType.ipv6)
        }
        var bytes = head(query, .noError, answers: UInt16(clamping: wanted.count))
        for address in wanted {
            // 0xc00c: the name of the question.
            let data = address.isIPv4 ? Array(address.bytes.suffix(4)) : address.bytes
            bytes += [
                0xc0, UInt8(DNSQuery.headerSize), 0, UInt8(address.isIPv4 ? RecordType.ipv4 : RecordType.ipv6), 0, 1,
            ]
            bytes += (0..<4).reversed().map { UInt8(truncatingIfNeeded: timeToLive >> ($0 * 8)) }
            bytes += [0, UInt8(data.count)] + data
        }
        return bytes + option(query)
    }

    /// A reply without records.
    public static func empty(_ query: DNSQuery, _ code: DNSCode) -> [UInt8] {
        head(query, code, answers: 0) + option(query)
    }

    /// Whether the reply says that it was cut short.
    static func isTruncated(_ bytes: [UInt8]) -> Bool {
        bytes.count >= DNSQuery.headerSize && bytes[2] & 0x02 != 0
    }

    /// The reply with another number.
    static func numbered(_ bytes: [UInt8], _ id: UInt16) -> [UInt8] {
        guard bytes.count >= 2 else { return bytes }
        var bytes = bytes
        bytes[0] = UInt8(id >> 8)
        bytes[1] = UInt8(truncatingIfNeeded: id)
        return bytes
    }

    /// What goes out by UDP: the reply itself, or, when the asker could not take it, only its head with the mark that
    /// it was cut short, upon which the asker comes again by TCP.
    static func fitted(_ bytes: [UInt8], to query: DNSQuery) -> [UInt8] {
        guard bytes.count > Int(query.payloadSize ?? 512), bytes.count >= DNSQuery.headerSize else { return bytes }
        return [bytes[0], bytes[1], bytes[2] | 0x02, bytes[3], 0, 1, 0, 0, 0, 0, 0, 0] + query.questionBytes
    }

    /// The header and the question. AA: the mesh is the authority for its names; RA: others are forwarded.
    private static func head(_ query: DNSQuery, _ code: DNSCode, answers: UInt16) -> [UInt8] {
        let authority: UInt8 = code == .serverFailure ? 0 : 0x04
        return [
            UInt8(query.id >> 8), UInt8(truncatingIfNeeded: query.id),
            0x80 | authority | (query.recursionDesired ? 1 : 0), 0x80 | code.rawValue, 0, 1,
            UInt8(answers >> 8), UInt8(truncatingIfNeeded: answers), 0, 0, 0, query.payloadSize == nil ? 0 : 1,
        ] + query.questionBytes
    }

    /// EDNS is answered by EDNS (RFC 6891 §6.1.1): 1232 bytes are taken here, too.
    private static func option(_ query: DNSQuery) -> [UInt8] {
        query.payloadSize == nil ? [] : [0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 0]
    }
}
