// SPDX-License-Identifier: Apache-2.0

/// The settings of a server that many workloads share, by the name that a peer asks for (SNI).
///
/// Immutable; replaced whole.
public final class TLSDirectory: Sendable {
    private let settings: [String: TLSSettings]
    /// With what a handshake begins, before the peer has said whom it wants.
    let first: TLSSettings?

    /// Settings of the server's role by server name, in small letters.
    public init(_ settings: [String: TLSSettings]) {
        self.settings = settings
        first = settings.values.first
    }

    /// Whether nobody can be served.
    public var isEmpty: Bool { settings.isEmpty }

    /// Who serves a name. A peer that names nobody means the only one that there is.
    func settings(for name: String?) -> TLSSettings? {
        guard let name else { return settings.count == 1 ? first : nil }
        return settings[name.lowercased()]
    }
}
