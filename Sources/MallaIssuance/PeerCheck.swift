// SPDX-License-Identifier: Apache-2.0

import MallaIdentity
import NIOCore
import NIOSSL
import NIOTLS
import Synchronization

/// Who a TLS peer of issuance is, by its certificates: judged here, not by the TLS library, which knows no SPIFFE ids.
final class PeerCheck: Sendable {
    /// What the certificates are held to.
    typealias Judge = @Sendable (CertificateChain) async throws -> Void

    private let chain = Mutex<CertificateChain?>(nil)
    private let judge: Judge
    private let failure = Mutex<(any Error)?>(nil)

    init(_ judge: @escaping Judge) { self.judge = judge }

    /// The chain that was found good; `nil`: the peer has shown none.
    var verified: CertificateChain? { chain.withLock { $0 } }

    /// Why the peer's was not.
    var problem: (any Error)? { failure.withLock { $0 } }

    /// For the TLS library.
    var callback: NIOSSLCustomVerificationCallback {
        { certificates, promise in
            promise.completeWithTask {
                do {
                    let chain = try CertificateChain(der: try certificates.map { try $0.toDERBytes() })
                    try await self.judge(chain)
                    self.chain.withLock { $0 = chain }
                    return .certificateVerified
                } catch {
                    self.failure.withLock { $0 = error }
                    return .failed
                }
            }
        }
    }
}

/// Ends connections that take too long for their handshake, or live too long.
final class ConnectionLimits: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = NIOAny

    static let handshake = TimeAmount.seconds(10)
    static let life = TimeAmount.seconds(60)

    private var deadline: Scheduled<Void>?

    func handlerAdded(context: ChannelHandlerContext) { schedule(Self.handshake, context) }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case TLSUserEvent.handshakeCompleted? = event as? TLSUserEvent { schedule(Self.life, context) }
        context.fireUserInboundEventTriggered(event)
    }

    func channelInactive(context: ChannelHandlerContext) {
        deadline?.cancel()
        context.fireChannelInactive()
    }

    private func schedule(_ time: TimeAmount, _ context: ChannelHandlerContext) {
        deadline?.cancel()
        let channel = context.channel
        deadline = context.eventLoop.scheduleTask(in: time) { channel.close(promise: nil) }
    }
}
