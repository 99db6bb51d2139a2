// SPDX-License-Identifier: Apache-2.0

import COpenSSL

/// What stands behind a stream: the library's session, or keys and what is known of the records.
struct StreamParts {
    private var library: OpaquePointer?
    private var records: RecordEngine?
    // The library's callbacks point into the settings: they live as long as the session.
    private let settings: Unmanaged<TLSSettings>?
    /// The peer has said its end.
    private(set) var hasEnded = false
    private var hasSaidEnd = false
    private var hasFailed = false
    /// Bytes for the peer that came up while opening.
    var reply = 0
    private var words: InlineArray<64, UInt8> = InlineArray(repeating: 0)

    init(library session: OpaquePointer, settings: Unmanaged<TLSSettings>) {
        library = session
        self.settings = settings
    }

    init(records: RecordEngine) {
        self.records = records
        settings = nil
    }

    func free() {
        openssl_session_free(library)
        records?.free()
        settings?.release()
    }

    func rest() { if let library { openssl_session_rest(library) } }

    mutating func fail(_ reason: TLSReason) -> TLSStream.State {
        guard !hasFailed else { return .failed(reason) }
        hasFailed = true
        if records != nil {
            words.withBytes { reply = records?.alert(RecordEngine.alert(for: reason), isFatal: true, into: $0) ?? 0 }
        }
        return .failed(reason)
    }

    /// Opens one whole record.
    mutating func open(
        _ record: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
    ) -> (TLSStream.State, Int) {
        guard !hasFailed else { return (.failed(.failed), 0) }
        if let library { return openByLibrary(library, record, output) }
        var count = 0
        switch records?.open(record, into: output, &count) {
        case .content: return (.open, count)
        case .end:
            hasEnded = true
            return (.ended, 0)
        case .failed(let reason): return (fail(reason), 0)
        case nil: return (fail(.failed), 0)
        }
    }

    private mutating func openByLibrary(
        _ session: OpaquePointer, _ record: UnsafeRawBufferPointer, _ output: UnsafeMutableRawBufferPointer
    ) -> (TLSStream.State, Int) {
        var count = 0
        var written = 0
        let step = words.withBytes { words in
            var memory = openssl_memory(
                input: record.assumingMemoryBound(to: UInt8.self).baseAddress, input_count: record.count,
                output: words.assumingMemoryBound(to: UInt8.self).baseAddress, output_capacity: words.count,
                output_count: 0)
            let step = openssl_session_read(session, &memory, output.baseAddress, output.count, &count)
            written = memory.output_count
            return step
        }
        reply = written
        switch step {
        case OPENSSL_STEP_DONE, OPENSSL_STEP_WANTS_INPUT: return (.open, count)
        case OPENSSL_STEP_ENDED:
            hasEnded = true
            return (.ended, 0)
        default:
            hasFailed = true
            var alert: Int32 = -1
            return (.failed(TLSReason(openssl_take_failure(&alert))), 0)
        }
    }

    mutating func seal(_ bytes: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer) -> Int? {
        guard !hasFailed, !hasSaidEnd else { return nil }
        guard let library else { return records?.seal(bytes, into: output) }
        var memory = openssl_memory(
            input: nil, input_count: 0, output: output.assumingMemoryBound(to: UInt8.self).baseAddress,
            output_capacity: output.count, output_count: 0)
        guard openssl_session_write(library, &memory, bytes.baseAddress, bytes.count) == OPENSSL_STEP_DONE else {
            hasFailed = true
            var alert: Int32 = -1
            _ = openssl_take_failure(&alert)
            return nil
        }
        return memory.output_count
    }

    mutating func end(into output: UnsafeMutableRawBufferPointer) -> Int {
        guard !hasFailed, !hasSaidEnd else { return 0 }
        hasSaidEnd = true
        guard let library else {
            return records?.alert(RecordEngine.closeNotify, isFatal: false, into: output) ?? 0
        }
        var memory = openssl_memory(
            input: nil, input_count: 0, output: output.assumingMemoryBound(to: UInt8.self).baseAddress,
            output_capacity: output.count, output_count: 0)
        if openssl_session_end(library, &memory) == OPENSSL_STEP_FAILED {
            var alert: Int32 = -1
            _ = openssl_take_failure(&alert)
        }
        return memory.output_count
    }

    mutating func takeReply(into output: UnsafeMutableRawBufferPointer) -> Int {
        let count = min(reply, output.count)
        reply = 0
        words.withBytes { output.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[..<count])) }
        return count
    }
}

extension InlineArray where Element == UInt8 {
    /// Its bytes, during the call.
    fileprivate mutating func withBytes<Result>(_ body: (UnsafeMutableRawBufferPointer) -> Result) -> Result {
        withUnsafeMutableBytes(of: &self, body)
    }
}
