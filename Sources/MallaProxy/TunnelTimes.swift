// SPDX-License-Identifier: Apache-2.0

public import MallaModel

extension Proxy {
    /// How long tunnels are waited for, and kept. All in nanoseconds.
    public struct TunnelTimes: Sendable, BitwiseCopyable {
        /// Between PINGs.
        public var pause: Nanoseconds = 10_000_000_000
        /// Until the answer to a PING must have come; beyond it the tunnel is lost, `tunnel_silent`.
        public var patience: Nanoseconds = 20_000_000_000
        /// How long a tunnel that carries nothing is kept. Looked at with each PING.
        public var idle: Nanoseconds = 300_000_000_000

        /// What HBONE peers agree upon.
        public init() {}
    }
}
