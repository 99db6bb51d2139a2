// SPDX-License-Identifier: Apache-2.0

import CMallaABI

// Reasons of connections between nodes.

extension Reason {
    /// The identity has no certificate on this node, and nothing of it goes in clear. See `malla
    /// certificates`.
    public static let noCredential = Reason(MALLA_REASON_NO_CREDENTIAL)
    /// The identity's certificate on this node has expired. Can its issuer be reached?
    public static let credentialExpired = Reason(MALLA_REASON_CREDENTIAL_EXPIRED)
    /// The identity's certificate was withdrawn, or its trust domain is trusted no longer; cut.
    public static let credentialWithdrawn = Reason(MALLA_REASON_CREDENTIAL_WITHDRAWN)
    /// The endpoint is on a node that accepts no tunnels. Does its `Node` say where it does?
    public static let nodeUnknown = Reason(MALLA_REASON_NODE_UNKNOWN)
    /// Nobody accepts tunnels at the address of the endpoint's node. Does malla-proxy run there?
    public static let tunnelRefused = Reason(MALLA_REASON_TUNNEL_REFUSED)
    /// The endpoint's node did not answer. Does something between the nodes block port 15008?
    public static let tunnelTimeout = Reason(MALLA_REASON_TUNNEL_TIMEOUT)
    /// The connection between the nodes ended under the tunnelled one.
    public static let tunnelLost = Reason(MALLA_REASON_TUNNEL_LOST)
    /// The other node has not answered a PING in time; all that the tunnel carried is cut.
    public static let tunnelSilent = Reason(MALLA_REASON_TUNNEL_SILENT)
    /// A peer asked a tunnel for something else than a connection; answered 400.
    public static let tunnelRequest = Reason(MALLA_REASON_TUNNEL_REQUEST)
    /// A peer asked for a connection to what is no address and port; answered 400.
    public static let tunnelAuthority = Reason(MALLA_REASON_TUNNEL_AUTHORITY)
    /// A peer asked for a connection to loopback or to a port of the proxy; answered 403.
    public static let tunnelForbidden = Reason(MALLA_REASON_TUNNEL_FORBIDDEN)
    /// A peer asked for a connection to what is no endpoint of this node; answered 400.
    public static let tunnelNotHere = Reason(MALLA_REASON_TUNNEL_NOT_HERE)
    /// A peer asked for an endpoint of another identity than the tunnel was made to; answered 400.
    public static let tunnelMismatch = Reason(MALLA_REASON_TUNNEL_MISMATCH)
    /// The peer has proved an identity that no workload of the mesh has; answered 401.
    public static let peerUnknown = Reason(MALLA_REASON_PEER_UNKNOWN)
    /// The endpoint's node did not understand, or does not have the endpoint (400).
    public static let remoteRejected = Reason(MALLA_REASON_REMOTE_REJECTED)
    /// The endpoint's node denies the connection (401, 403); its log names the rule.
    public static let remoteDenied = Reason(MALLA_REASON_REMOTE_DENIED)
    /// The endpoint's node could not connect to the endpoint (503).
    public static let remoteUnavailable = Reason(MALLA_REASON_REMOTE_UNAVAILABLE)
    /// No place for another tunnel, or for what it carries.
    public static let tunnelLimit = Reason(MALLA_REASON_TUNNEL_LIMIT)
    /// No port of this node's address is left to connect to the endpoint from.
    public static let noSourcePort = Reason(MALLA_REASON_NO_SOURCE_PORT)
}
