// SPDX-License-Identifier: Apache-2.0
import NIOCore

extension NIOAsyncChannel where Inbound: Sendable, Outbound: Sendable {
    /// Wraps a channel that is about to be bound or connected, on its event loop.
    ///
    /// Whatever wraps a channel has to outlive it: its writer ends the process when it goes before its channel has
    /// ended. Where a bind or a connect fails nobody holds it, as it was made before; so the channel's own end does.
    static func kept(by channel: any Channel) throws -> Self {
        let wrapped = try Self(wrappingChannelSynchronously: channel)
        channel.closeFuture.whenComplete { _ in withExtendedLifetime(wrapped) {} }
        return wrapped
    }
}
