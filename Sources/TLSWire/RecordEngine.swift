// SPDX-License-Identifier: Apache-2.0

import COpenSSL

/// TLS 1.3 after the handshake, with nothing but two keys: which records may come, and what they mean.
///
/// The arithmetic is OpenSSL's (`openssl_protection_*`); here stand sequence, types and post-handshake messages
/// (RFC 8446 §4.6, §5, §6). See docs/design/0012-tls-records.md for what was looked at.
struct RecordEngine {
    private let opening: OpaquePointer
    private let sealing: OpaquePointer
    private let isClient: Bool
    /// The peer has asked for new keys: told before the next record.
    private var owesKeyUpdate = false
    /// Records and messages without content since the last content.
    private var barren = 0
    /// The head of a handshake message of which a part has come, and how many bytes of it.
    private var head: UInt32 = 0
    private var headCount = 0
    /// Bytes of a message that are yet to come and of no use.
    private var skipped = 0

    static let closeNotify: UInt8 = 0
    private static let userCanceled: UInt8 = 90
    private static let ticket: UInt32 = 4
    private static let keyUpdate: UInt32 = 24
    /// A ticket has two lengths of 16 bits and little more.
    private static let largestMessage = 132 << 10
    /// As OpenSSL: more key updates, tickets or empty records in a row are a flood.
    private static let barrenLimit = 32
    /// Records under one key, well below the limit of AES-GCM (RFC 8446 §5.5: 2^24.5).
    static let rekeyAfter: UInt64 = 1 << 23

    /// What one record meant.
    enum Meaning {
        /// Content, or nothing that the reader has to know of.
        case content
        /// The peer's end.
        case end
        case failed(TLSReason)
    }

    /// Takes the secrets of a session whose handshake is done.
    init?(_ session: OpaquePointer, _ role: TLSSettings.Role) {
        var secrets = openssl_secrets()
        defer { openssl_wipe(&secrets, MemoryLayout<openssl_secrets>.size) }
        guard openssl_session_secrets(session, &secrets) == 0 else { return nil }
        self.init(secrets, role)
    }

    init?(_ secrets: openssl_secrets, _ role: TLSSettings.Role) {
        isClient = role == .client
        let isServer = role == .server
        let client = withUnsafeBytes(of: secrets.client) { bytes in
            openssl_protection_new(
                bytes.assumingMemoryBound(to: UInt8.self).baseAddress, secrets.length, isServer ? 0 : 1)
        }
        let server = withUnsafeBytes(of: secrets.server) { bytes in
            openssl_protection_new(
                bytes.assumingMemoryBound(to: UInt8.self).baseAddress, secrets.length, isServer ? 1 : 0)
        }
        guard let client, let server else {
            openssl_protection_free(client)
            openssl_protection_free(server)
            return nil
        }
        opening = isServer ? client : server
        sealing = isServer ? server : client
    }

    func free() {
        openssl_protection_free(opening)
        openssl_protection_free(sealing)
    }

    // MARK: Opening

    /// Opens one whole record. `count` becomes the length of its content, when it is for the reader.
    mutating func open(
        _ record: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer, _ count: inout Int
    ) -> Meaning {
        guard record[0] == RecordFrame.applicationBytes else { return .failed(.unexpectedMessage) }
        var type: UInt8 = 0
        let length = openssl_protection_open(
            opening, output.assumingMemoryBound(to: UInt8.self).baseAddress,
            record.assumingMemoryBound(to: UInt8.self).baseAddress, UInt32(record.count), &type)
        guard length >= 0 else { return .failed(length == -2 ? .unexpectedMessage : .badRecord) }
        guard length <= RecordFrame.largestContent else { return .failed(.recordSize) }
        let content = UnsafeRawBufferPointer(rebasing: output[..<Int(length)])
        if type == RecordFrame.applicationBytes {
            // Messages may not be interrupted (RFC 8446 §5.1).
            guard headCount == 0, skipped == 0 else { return .failed(.unexpectedMessage) }
            guard length == 0 else {
                count = Int(length)
                barren = 0
                return .content
            }
            return bear()
        }
        switch type {
        case RecordFrame.alert: return read(alert: content)
        case RecordFrame.handshake: return read(messages: content)
        default: return .failed(.unexpectedMessage)
        }
    }

    private mutating func bear() -> Meaning {
        barren += 1
        return barren > Self.barrenLimit ? .failed(.tooManyMessages) : .content
    }

    private func read(alert: UnsafeRawBufferPointer) -> Meaning {
        guard alert.count == 2 else { return .failed(.malformed) }
        switch alert[1] {
        case Self.closeNotify: return .end
        case Self.userCanceled: return .content
        case 42, 43, 44, 45, 46, 48, 49, 116: return .failed(.peerRefused)
        default: return .failed(.peerAlert)
        }
    }

    /// Tickets are passed over, keys go on; everything else has no place after a handshake.
    private mutating func read(messages bytes: UnsafeRawBufferPointer) -> Meaning {
        guard bytes.count > 0 else { return .failed(.unexpectedMessage) }
        var at = 0
        while at < bytes.count {
            if skipped > 0 {
                let portion = min(skipped, bytes.count - at)
                skipped -= portion
                at += portion
                continue
            }
            head = head << 8 | UInt32(bytes[at])
            headCount += 1
            at += 1
            guard headCount == 4 else { continue }
            headCount = 0
            let length = Int(head & 0xff_ffff)
            switch head >> 24 {
            case Self.ticket where isClient && length <= Self.largestMessage:
                skipped = length
                if case .failed(let reason) = bear() { return .failed(reason) }
            case Self.keyUpdate where length == 1:
                // Alone at the end of its record: what follows is under other keys.
                guard at == bytes.count - 1 else { return .failed(.unexpectedMessage) }
                return update(bytes[at])
            default:
                return .failed(.unexpectedMessage)
            }
        }
        return .content
    }

    private mutating func update(_ request: UInt8) -> Meaning {
        guard request <= 1 else { return .failed(.malformed) }
        if request == 1 { owesKeyUpdate = true }
        guard openssl_protection_update(opening) == 0 else { return .failed(.failed) }
        return bear()
    }

    // MARK: Sealing

    /// Seals bytes as records of full size and a last one; a change of keys before them where one is due.
    mutating func seal(_ bytes: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer) -> Int? {
        guard let to = output.assumingMemoryBound(to: UInt8.self).baseAddress else { return nil }
        var written = 0
        if owesKeyUpdate || openssl_protection_records(sealing) >= Self.rekeyAfter {
            guard let count = changeKeys(to) else { return nil }
            written = count
        }
        var at = 0
        while at < bytes.count {
            let portion = min(RecordFrame.largestContent, bytes.count - at)
            let from = bytes.assumingMemoryBound(to: UInt8.self).baseAddress.map { $0 + at }
            let size = openssl_protection_seal(
                sealing, to + written, from, UInt32(portion), RecordFrame.applicationBytes)
            guard size > 0 else { return nil }
            written += Int(size)
            at += portion
        }
        return written
    }

    private mutating func changeKeys(_ to: UnsafeMutablePointer<UInt8>) -> Int? {
        let message: InlineArray<5, UInt8> = [UInt8(Self.keyUpdate), 0, 0, 1, 0]
        let size = withUnsafeBytes(of: message) {
            openssl_protection_seal(
                sealing, to, $0.assumingMemoryBound(to: UInt8.self).baseAddress, 5, RecordFrame.handshake)
        }
        guard size > 0, openssl_protection_update(sealing) == 0 else { return nil }
        owesKeyUpdate = false
        return Int(size)
    }

    /// An alert as one record.
    mutating func alert(_ number: UInt8, isFatal: Bool, into output: UnsafeMutableRawBufferPointer) -> Int {
        let message: InlineArray<2, UInt8> = [isFatal ? 2 : 1, number]
        guard output.count >= 2 + RecordFrame.overhead,
            let to = output.assumingMemoryBound(to: UInt8.self).baseAddress
        else { return 0 }
        let size = withUnsafeBytes(of: message) {
            openssl_protection_seal(
                sealing, to, $0.assumingMemoryBound(to: UInt8.self).baseAddress, 2, RecordFrame.alert)
        }
        return max(0, Int(size))
    }

    /// The number that tells the peer of a failure (RFC 8446 §6.2).
    static func alert(for reason: TLSReason) -> UInt8 {
        switch reason {
        case .badRecord: 20
        case .recordSize: 22
        case .malformed: 50
        case .unexpectedMessage, .tooManyMessages: 10
        default: 80
        }
    }
}
