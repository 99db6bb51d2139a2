// SPDX-License-Identifier: Apache-2.0

import COpenSSL

/// A handshake on its way: bytes of the peer in, bytes for the peer out. No I/O, no clock.
///
/// Used by one thread at a time. A step costs up to two milliseconds of arithmetic: not for a thread that serves others.
public struct TLSHandshake: ~Copyable, @unchecked Sendable {
    // The session and the judgement belong to this value alone; sending it sends them.
    private let session: OpaquePointer
    private let judgement: Unmanaged<Judgement>
    private var received = 0

    /// What a step came to.
    public enum Outcome: Sendable, Equatable {
        /// More bytes of the peer are needed.
        case wantsInput
        /// The output is full: send it, and come again.
        case wantsRoom
        /// Both sides are agreed. What of the input was not used is records.
        case done
        /// It is over. The output has an alert for the peer.
        case failed(TLSReason)
    }

    /// What a step did.
    public struct Step: Sendable {
        /// How it went on.
        public var outcome: Outcome
        /// Bytes of the input that were used; the rest has to come again, with more behind it.
        public var consumed: Int
        /// Bytes that were written for the peer.
        public var produced: Int
    }

    /// Bytes of a peer that a handshake takes: all that OpenSSL's limits on messages add up to, and a little more.
    public static let largest = 96 << 10
    /// Room that a step's output needs at most: the own certificates and what goes with them.
    public static let room = 64 << 10

    /// A handshake that has not begun.
    ///
    /// - Parameters:
    ///   - expected: names of which the peer must have one; empty: whoever is of a trusted domain.
    ///   - serverName: whom a client says that it wants (SNI).
    ///   - now: seconds since 1970, for judging certificates.
    public init(
        _ settings: TLSSettings, expected: [SPIFFEName] = [], serverName: String? = nil, now: Int64
    ) throws(TLSReason) {
        (session, judgement) = try Self.begin(
            settings, Judgement(settings, expected: expected, now: now), serverName: serverName)
    }

    /// A server's handshake with a peer that says whom it wants; whoever is of a trusted domain may.
    public init(_ directory: TLSDirectory, now: Int64) throws(TLSReason) {
        guard let settings = directory.first else { throw .serverName }
        (session, judgement) = try Self.begin(
            settings, Judgement(settings, directory: directory, expected: [], now: now), serverName: nil)
    }

    private static func begin(
        _ settings: TLSSettings, _ made: Judgement, serverName: String?
    ) throws(TLSReason) -> (OpaquePointer, Unmanaged<Judgement>) {
        let judgement = Unmanaged.passRetained(made)
        guard let session = openssl_session_new(settings.shared.pointer, judgement.toOpaque()) else {
            judgement.release()
            throw .exhausted
        }
        guard let serverName, openssl_session_ask(session, serverName) != 0 else { return (session, judgement) }
        openssl_session_free(session)
        judgement.release()
        throw .serverName
    }

    deinit {
        openssl_session_free(session)
        judgement.release()
    }

    /// Whose certificate this side shows, where that is known: a server's once the peer has said whom it wants.
    public var owner: SPIFFEName? { judgement.takeUnretainedValue().settings.owner }

    /// Goes on with what the peer has sent. A client's first step is without input.
    public mutating func step(
        _ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
    ) -> Step {
        var step = Step(outcome: .wantsInput, consumed: 0, produced: 0)
        // The library may have something to say before it hears anything; and after it had no room to.
        if received == 0 || input.isEmpty { advance(UnsafeRawBufferPointer(start: nil, count: 0), output, &step) }
        while step.outcome == .wantsInput {
            let portion: Int
            switch RecordFrame.next(input, at: step.consumed) {
            case .whole(let count): portion = count
            case .partial: return step
            // What is no record is the library's to name.
            case .foreign, .tooLong: portion = input.count - step.consumed
            }
            received += portion
            guard received <= Self.largest else {
                step.outcome = .failed(.handshakeSize)
                return step
            }
            advance(UnsafeRawBufferPointer(rebasing: input[step.consumed..<step.consumed + portion]), output, &step)
            step.consumed += portion
        }
        if step.outcome == .done { step.outcome = conclude() }
        return step
    }

    private func advance(
        _ input: UnsafeRawBufferPointer, _ output: UnsafeMutableRawBufferPointer, _ step: inout Step
    ) {
        var memory = openssl_memory(
            input: input.assumingMemoryBound(to: UInt8.self).baseAddress, input_count: input.count,
            output: output.assumingMemoryBound(to: UInt8.self).baseAddress, output_capacity: output.count,
            output_count: step.produced)
        let result = openssl_session_handshake(session, &memory)
        step.produced = memory.output_count
        switch result {
        case OPENSSL_STEP_DONE: step.outcome = .done
        case OPENSSL_STEP_WANTS_INPUT: step.outcome = .wantsInput
        case OPENSSL_STEP_WANTS_ROOM: step.outcome = .wantsRoom
        default: step.outcome = .failed(failure())
        }
    }

    /// What the library cannot know: that a protocol had to be agreed upon.
    private func conclude() -> Outcome {
        let judgement = judgement.takeUnretainedValue()
        guard judgement.name != nil else { return .failed(judgement.reason ?? .noCertificate) }
        var name: UnsafePointer<UInt8>?
        if judgement.settings.hasProtocols, openssl_session_protocol(session, &name) == 0 {
            return .failed(.protocolName)
        }
        return .done
    }

    private func failure() -> TLSReason {
        var alert: Int32 = -1
        let failure = openssl_take_failure(&alert)
        let judgement = judgement.takeUnretainedValue()
        if judgement.reason == .serverName { return .serverName }
        if failure == OPENSSL_FAILURE_CERTIFICATE, let reason = judgement.reason { return reason }
        return TLSReason(failure)
    }

    /// The connection that the handshake, which must be done, has made; and who the peer is.
    public consuming func finish() throws(TLSReason) -> (stream: TLSStream, peer: SPIFFEName) {
        let judgement = self.judgement.takeRetainedValue()
        let session = self.session
        discard self
        guard let peer = judgement.name else {
            openssl_session_free(session)
            throw judgement.reason ?? .noCertificate
        }
        return (try TLSStream(session, judgement), peer)
    }
}

extension TLSReason {
    /// What the library's failure is called.
    init(_ failure: openssl_failure) {
        switch failure {
        case OPENSSL_FAILURE_MEMORY: self = .exhausted
        case OPENSSL_FAILURE_VERSION: self = .version
        case OPENSSL_FAILURE_CIPHER: self = .cipher
        case OPENSSL_FAILURE_GROUP: self = .group
        case OPENSSL_FAILURE_SIGNATURE_KIND: self = .signatureKind
        case OPENSSL_FAILURE_PROTOCOL_NAME: self = .protocolName
        case OPENSSL_FAILURE_NOT_TLS: self = .notTLS
        case OPENSSL_FAILURE_MALFORMED: self = .malformed
        case OPENSSL_FAILURE_UNEXPECTED: self = .unexpectedMessage
        case OPENSSL_FAILURE_RECORD: self = .badRecord
        case OPENSSL_FAILURE_RECORD_SIZE: self = .recordSize
        case OPENSSL_FAILURE_PROOF: self = .proof
        case OPENSSL_FAILURE_FINISHED: self = .finished
        case OPENSSL_FAILURE_NO_CERTIFICATE: self = .noCertificate
        case OPENSSL_FAILURE_CERTIFICATE: self = .chainOther
        case OPENSSL_FAILURE_CERTIFICATE_SIZE: self = .chainSize
        case OPENSSL_FAILURE_CERTIFICATE_FORM: self = .certificateForm
        case OPENSSL_FAILURE_PEER_REFUSED: self = .peerRefused
        case OPENSSL_FAILURE_PEER_ALERT: self = .peerAlert
        default: self = .failed
        }
    }
}
