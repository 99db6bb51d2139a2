// SPDX-License-Identifier: Apache-2.0

import TLSWire

/// A client and a server that speak to each other without sockets, and what somebody between them does to their bytes.
final class MemoryPair {
    private(set) var client: TLSStream?
    private(set) var server: TLSStream?
    private(set) var clientReason: TLSReason?
    private(set) var serverReason: TLSReason?
    /// Who the server saw.
    private(set) var clientName: SPIFFEName?

    typealias Meddling = (_ isFromClient: Bool, _ flight: Int, _ bytes: [UInt8]) -> [UInt8]

    /// Goes through the handshake, as far as it goes.
    init(
        client clientSettings: TLSSettings, server serverSettings: TLSSettings, now: Int64 = Speaker.now,
        _ meddle: Meddling = { _, _, bytes in bytes }
    ) throws {
        var clientSide: Side? = try Side(clientSettings, Speaker.now)
        var serverSide: Side? = try Side(serverSettings, now)
        var flights = (0, 0)
        while true {
            let before = (clientSide?.sent ?? 0, serverSide?.sent ?? 0)
            if let bytes = try clientSide?.advance(&client, &clientReason) {
                serverSide?.input += meddle(true, flights.0, bytes)
                flights.0 += 1
            }
            if let bytes = try serverSide?.advance(&server, &serverReason) {
                clientSide?.input += meddle(false, flights.1, bytes)
                flights.1 += 1
            }
            clientName = serverSide?.name ?? clientName
            if client != nil || clientReason != nil { clientSide?.isOver = true }
            if server != nil || serverReason != nil { serverSide?.isOver = true }
            if before == (clientSide?.sent ?? 0, serverSide?.sent ?? 0) { break }
        }
        clientSide = nil
        serverSide = nil
    }

    deinit {
        client?.free()
        server?.free()
    }

    private final class Side {
        private var handshake: TLSHandshake?
        var input: [UInt8] = []
        var isOver = false
        private(set) var sent = 0
        private(set) var name: SPIFFEName?
        private var hasBegun = false
        private let isClient: Bool

        init(_ settings: TLSSettings, _ now: Int64) throws {
            handshake = try TLSHandshake(settings, now: now)
            isClient = settings.role == .client
        }

        /// What it says next; `nil`: nothing.
        func advance(_ stream: inout TLSStream?, _ reason: inout TLSReason?) throws -> [UInt8]? {
            guard !isOver, !input.isEmpty || isClient && !hasBegun else { return nil }
            hasBegun = true
            guard var handshake = handshake.take() else { return nil }
            var output = [UInt8](repeating: 0, count: TLSHandshake.room)
            let step = input.withUnsafeBytes { input in
                output.withUnsafeMutableBytes { handshake.step(input, into: $0) }
            }
            input.removeFirst(step.consumed)
            switch step.outcome {
            case .done: (stream, name) = try handshake.finish()
            case .failed(let why): reason = why
            case .wantsInput, .wantsRoom: self.handshake = consume handshake
            }
            sent += step.produced
            return step.produced > 0 ? Array(output[..<step.produced]) : nil
        }
    }
}

extension TLSStream {
    /// Records of some content.
    func sealed(_ bytes: [UInt8]) -> [UInt8] {
        var output = [UInt8](repeating: 0, count: Self.sealedSize(bytes.count))
        let count = bytes.withUnsafeBytes { input in output.withUnsafeMutableBytes { seal(input, into: $0) } }
        return Array(output[..<(count ?? 0)])
    }

    /// The content of some records.
    func opened(_ bytes: [UInt8], room: Int = 65536 + slack) -> (state: State, content: [UInt8], consumed: Int) {
        var output = [UInt8](repeating: 0, count: room)
        let opened = bytes.withUnsafeBytes { input in output.withUnsafeMutableBytes { open(input, into: $0) } }
        return (opened.state, Array(output[..<opened.produced]), opened.consumed)
    }

    /// Its word that nothing more comes.
    func ended() -> [UInt8] {
        var output = [UInt8](repeating: 0, count: Self.lastWordsRoom)
        let count = output.withUnsafeMutableBytes { end(into: $0) }
        return Array(output[..<count])
    }
}
