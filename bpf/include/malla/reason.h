/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The one list of reasons: why a connection was refused, cut, or let through by exception.
 * The same names stand in the kernel's events, the proxy's records, the logs, the metrics'
 * `reason` label, the command line and docs/reference/reasons.md (generated from here).
 *
 * Numbers are never reused. A retired reason stays as a comment. 0 means that nothing was wrong.
 * X(number, SYMBOL, "name", errno that the application gets or 0, "what happened; what to do")
 */
#pragma once

#define MALLA_REASONS(X)                                                                           \
	X(0, PASSED, "passed", 0, "Nothing was wrong.")                                            \
	X(1, POLICY_DENIED, "policy_denied", 1,                                                    \
	  "A DENY rule matched. `malla explain` names the rule.")                                  \
	X(2, POLICY_NOT_ALLOWED, "policy_not_allowed", 1,                                          \
	  "ALLOW policies select the destination and none of their rules matched. Add a rule.")    \
	X(3, MESH_DEFAULT_DENIED, "mesh_default_denied", 1,                                        \
	  "No ALLOW policy selects the destination; its namespace's or the mesh's default is deny.")             \
	X(4, POLICY_MISSING, "policy_missing", 1,                                                  \
	  "The kernel has no policy entry for the destination, so it is denied. See `malla doctor`.") \
	X(5, NO_ENDPOINT, "no_endpoint", 111,                                                      \
	  "The service has no ready endpoint. Start a workload that its selector matches.")        \
	X(6, NO_SUCH_PORT, "no_such_port", 111,                                                    \
	  "The service's virtual address has no such port. See `malla services`.")                 \
	X(7, NO_ENDPOINT_FAMILY, "no_endpoint_family", 101,                                        \
	  "The picked endpoint has no address that this socket's family can reach.")               \
	X(8, PROXY_DOWN, "proxy_down", 111,                                                        \
	  "The service needs the node proxy, it is not listening, and the fail mode is closed.")   \
	X(9, PROXY_DOWN_OPEN, "proxy_down_open", 0,                                                \
	  "The node proxy is not listening; let through directly because the fail mode is open.")  \
	X(10, UNKNOWN_WORKLOAD, "unknown_workload", 1,                                             \
	  "The process is inside the mesh's cgroup but is no enrolled workload. Use `malla run`.") \
	X(11, AMBIGUOUS_ENDPOINT, "ambiguous_endpoint", 1,                                         \
	  "Several workloads claim this port and the address does not tell which one is meant.")   \
	X(12, KERNEL_STATE, "kernel_state", 12,                                                    \
	  "The kernel could not keep the connection's record (memory or a full map); refused.")    \
	X(13, NOT_READY, "not_ready", 1,                                                           \
	  "The programs are attached and no snapshot has been applied yet; refused until then.")   \
	X(14, RESERVED_PORT, "reserved_port", 1,                                                   \
	  "A workload tried to reach or take a port of the node's own: the proxy's, the resolver's, the metrics'.") \
	X(15, SPOOFED_SOURCE, "spoofed_source", 0,                                                 \
	  "A packet of a network namespace had a source address that is not its workload's; dropped.") \
	X(16, UNREADABLE_PACKET, "unreadable_packet", 0,                                           \
	  "A fragmented TCP packet, or one with headers that cannot be followed; dropped.")        \
	X(17, REVOKED, "revoked", 0,                                                               \
	  "The policy in force no longer allows the open connection; cut. `malla explain` names the rule.") \
	X(18, IDENTITY_CHANGED, "identity_changed", 0,                                             \
	  "The open connection's source is no longer the workload that made it; cut.")             \
	X(19, ENDPOINT_CHANGED, "endpoint_changed", 0,                                             \
	  "The address that the open connection goes to now belongs to another workload; cut.")    \
	X(20, SOCKET_KIND, "socket_kind", 1,                                                       \
	  "A workload may open TCP, UDP and ping sockets; raw ones and other protocols go past policy.") \
	X(21, INBOUND_REFUSED, "inbound_refused", 111,                                             \
	  "What no hook had decided came to a workload's port, and policy lets no unknown source in; reset.") \
	X(24, POLICY_OVERFLOW, "policy_overflow", 1,                                               \
	  "The destination's policies are too large, so it is denied to all. See `malla status`.") \
	X(26, DRAINED_BACKEND, "drained_backend", 0,                                               \
	  "The endpoint left the service, and the open connection did not end within the grace time; cut.") \
	X(28, CONNECT_ABANDONED, "connect_abandoned", 0,                                           \
	  "The application closed the socket, or gave up, before the connection was established.")  \
	X(29, REMOTE_DATAGRAM, "remote_datagram", 101,                                             \
	  "The endpoint is on another node, and tunnels carry TCP only.")                          \
	X(30, IDENTITY_REQUIRED, "identity_required", 1,                                           \
	  "Plaintext from somebody without an identity came to a workload that is STRICT. Enrol the caller, or see PeerAuthentication.") \
	X(32, CONNECT_REFUSED, "connect_refused", 111, "The endpoint refused the connection.")     \
	X(33, CONNECT_TIMEOUT, "connect_timeout", 110,                                             \
	  "No endpoint answered within the connect timeout.")                                      \
	X(34, CONNECT_UNREACHABLE, "connect_unreachable", 113, "The endpoint cannot be reached.")  \
	X(35, IDLE_TIMEOUT, "idle_timeout", 0, "No byte in either direction for the idle timeout.") \
	X(36, NOT_CAPTURED, "not_captured", 0,                                                     \
	  "A connection to the proxy's port that the kernel did not capture; reset.")              \
	X(37, DRAINED, "drained", 0, "The proxy was draining and its grace time ended.")           \
	X(38, CLIENT_RESET, "client_reset", 0, "The client reset the connection.")                 \
	X(39, UPSTREAM_RESET, "upstream_reset", 0, "The endpoint reset the connection.")           \
	X(40, CONNECTION_LIMIT, "connection_limit", 0, "A connection limit was reached.")          \
	X(41, NO_SNAPSHOT, "no_snapshot", 0, "The proxy has no snapshot yet; refused until then.") \
	X(42, OUT_OF_DESCRIPTORS, "out_of_descriptors", 0,                                         \
	  "The proxy has no file descriptor left. Raise LimitNOFILE.")                             \
	X(43, UNKNOWN_SERVICE, "unknown_service", 0,                                               \
	  "The captured connection names a service that the proxy's snapshot does not have.")      \
	X(48, NO_ROUTE, "no_route", 0,                                                             \
	  "No route of the service matches the request; answered 404.")                            \
	X(49, REQUEST_TIMEOUT, "request_timeout", 0,                                               \
	  "The route's time for the request was over; answered 504.")                              \
	X(50, HEAD_TIMEOUT, "head_timeout", 0,                                                     \
	  "A request head did not arrive whole in time; answered 408.")                            \
	X(51, CONNECT_METHOD, "connect_method", 0,                                                 \
	  "CONNECT is not served on captured connections; answered 405.")                          \
	X(52, OVERLOADED, "overloaded", 0,                                                         \
	  "The proxy has no memory left for another request; answered 503.")                       \
	X(53, NO_RESPONSE, "no_response", 0,                                                       \
	  "The endpoint closed the connection before it answered; answered 502.")                  \
	X(54, RESPONSE_CUT, "response_cut", 0,                                                     \
	  "The endpoint broke off in the middle of a response; the client is told by a cut.")      \
	X(55, NO_BACKEND, "no_backend", 0,                                                         \
	  "The backend that the rule of a route chose does not exist, or it has none; answered 500.") \
	X(56, REDIRECTED, "redirected", 0,                                                         \
	  "A rule of a route told the client to ask elsewhere.")                                   \
	X(57, SOURCE_LIMIT, "source_limit", 0,                                                     \
	  "The source has as many connections or requests as it may have beside others; answered 503.") \
	X(58, ENDPOINT_LIMIT, "endpoint_limit", 0,                                                 \
	  "Every endpoint that may be used has as many connections or requests as it may; answered 503.") \
	X(64, HTTP_BAD_REQUEST_LINE, "http_bad_request_line", 0,                                   \
	  "The request line is not `method SP target SP version CRLF`.")                           \
	X(65, HTTP_BAD_METHOD, "http_bad_method", 0,                                               \
	  "The method is not a token, or is longer than allowed.")                                 \
	X(66, HTTP_BAD_TARGET, "http_bad_target", 0,                                               \
	  "The request target has no form that the method allows, or bytes that a URI cannot have.") \
	X(67, HTTP_BAD_VERSION, "http_bad_version", 0,                                             \
	  "The version is not written as `HTTP/1.1` or `HTTP/1.0`.")                               \
	X(68, HTTP_UNSUPPORTED_VERSION, "http_unsupported_version", 0,                             \
	  "A version that is written rightly, and is not 1.0 or 1.1.")                             \
	X(69, HTTP_BAD_STATUS_LINE, "http_bad_status_line", 0,                                     \
	  "The status line is not `version SP 3DIGIT SP reason CRLF`, or the status is outside of 100 to 599.") \
	X(70, HTTP_BAD_FIELD_NAME, "http_bad_field_name", 0,                                       \
	  "A field name is empty or not a token, or space stands before the colon.")               \
	X(71, HTTP_BAD_FIELD_VALUE, "http_bad_field_value", 0,                                     \
	  "A field value has a control byte.")                                                     \
	X(72, HTTP_FOLDED_FIELD, "http_folded_field", 0,                                           \
	  "A field line begins with space: folding is obsolete.")                                  \
	X(73, HTTP_BAD_LINE_END, "http_bad_line_end", 0,                                           \
	  "A line ends with LF alone, or a CR stands alone.")                                      \
	X(74, HTTP_TARGET_TOO_LONG, "http_target_too_long", 0,                                     \
	  "The request line is longer than allowed.")                                              \
	X(75, HTTP_HEAD_TOO_LARGE, "http_head_too_large", 0, "The head is longer than allowed.")   \
	X(76, HTTP_TOO_MANY_FIELDS, "http_too_many_fields", 0,                                     \
	  "The head has more fields than allowed.")                                                \
	X(77, HTTP_MISSING_HOST, "http_missing_host", 0, "An HTTP/1.1 request without Host.")      \
	X(78, HTTP_REPEATED_HOST, "http_repeated_host", 0, "More than one Host.")                  \
	X(79, HTTP_BAD_HOST, "http_bad_host", 0, "Host or authority is not `host[:port]`.")        \
	X(80, HTTP_BAD_CONTENT_LENGTH, "http_bad_content_length", 0,                               \
	  "Content-Length is not a decimal number that can be held.")                              \
	X(81, HTTP_REPEATED_CONTENT_LENGTH, "http_repeated_content_length", 0,                     \
	  "More than one Content-Length.")                                                         \
	X(82, HTTP_BAD_TRANSFER_ENCODING, "http_bad_transfer_encoding", 0,                         \
	  "Transfer-Encoding is not exactly `chunked`, is repeated, or comes from an HTTP/1.0 peer.") \
	X(83, HTTP_CONFLICTING_FRAMING, "http_conflicting_framing", 0,                             \
	  "Content-Length and Transfer-Encoding together.")                                        \
	X(84, HTTP_UNEXPECTED_CONTENT, "http_unexpected_content", 0,                               \
	  "Content where none may be: CONNECT, upgrades, 1xx, 204.")                               \
	X(85, HTTP_BAD_CONNECTION_OPTION, "http_bad_connection_option", 0,                         \
	  "Connection is not a list of tokens, is too long, or names a field that is meant for the final recipient.") \
	X(86, HTTP_BAD_EXPECTATION, "http_bad_expectation", 0,                                     \
	  "An expectation other than `100-continue`.")                                             \
	X(87, HTTP_BAD_UPGRADE, "http_bad_upgrade", 0, "Upgrade is not one protocol name.")        \
	X(88, HTTP_UNDERSCORE_NAME, "http_underscore_name", 0,                                     \
	  "A field name with an underscore, which some recipients read as a dash.")                \
	X(89, HTTP_BAD_CHUNK, "http_bad_chunk", 0,                                                 \
	  "A chunk's size line or the end of its data is malformed.")                              \
	X(90, HTTP_CHUNK_EXTENSION_TOO_LONG, "http_chunk_extension_too_long", 0,                   \
	  "A chunk extension, or all of a body's extensions, are longer than allowed.")            \
	X(91, HTTP_BAD_TRAILER, "http_bad_trailer", 0, "A trailer field is malformed.")            \
	X(92, HTTP_TRAILERS_TOO_LARGE, "http_trailers_too_large", 0,                               \
	  "The trailer section is longer than allowed or has too many fields.")                    \
	X(93, HTTP_TRUNCATED, "http_truncated", 0, "The peer closed in the middle of a message.")  \
	X(94, HTTP_UNSOLICITED_BYTES, "http_unsolicited_bytes", 0,                                 \
	  "The server sent bytes that belong to no response.")                                     \
	X(95, HTTP_UNEXPECTED_SWITCH, "http_unexpected_switch", 0,                                 \
	  "The server switched protocols without having been asked.")                              \
	X(96, HTTP_TOO_MANY_INTERIM, "http_too_many_interim", 0,                                   \
	  "More interim (1xx) responses than allowed.")                                            \
	X(97, HTTP_AMBIGUOUS_PATH, "http_ambiguous_path", 0,                                       \
	  "The path can be read in two ways: `%2f`, `%00`, a backslash, overlong UTF-8, or it leaves the root.") \
	X(98, H2_BAD_PSEUDO_FIELD, "h2_bad_pseudo_field", 0,                                       \
	  "A pseudo-header field is unknown, repeated, missing, malformed or after a regular field.") \
	X(99, H2_CONNECTION_FIELD, "h2_connection_field", 0,                                       \
	  "A field that belongs to HTTP/1.1 connections: Connection, Transfer-Encoding, TE other than `trailers`.") \
	X(100, H2_LENGTH_MISMATCH, "h2_length_mismatch", 0,                                        \
	  "The DATA frames do not add up to Content-Length.")                                      \
	X(101, H2_BAD_TRAILERS, "h2_bad_trailers", 0,                                              \
	  "Trailers without END_STREAM, or a second final head.")                                  \
	X(102, H2_BAD_PREFACE, "h2_bad_preface", 0,                                                \
	  "The connection preface or the first SETTINGS frame is missing.")                        \
	X(103, H2_FRAME_SIZE, "h2_frame_size", 0, "A frame's length is not what its type allows.") \
	X(104, H2_PROTOCOL, "h2_protocol", 0, "A frame on a stream where it may not be.")          \
	X(105, H2_STREAM_CLOSED, "h2_stream_closed", 0, "A frame on a stream that has ended.")     \
	X(106, H2_FLOW_CONTROL, "h2_flow_control", 0,                                              \
	  "More bytes than the window allows, or a window that overflows.")                        \
	X(107, H2_COMPRESSION, "h2_compression", 0, "The header block cannot be decoded.")         \
	X(108, H2_BAD_SETTING, "h2_bad_setting", 0, "A setting has a value that it cannot have.")  \
	X(109, H2_TOO_MANY_STREAMS, "h2_too_many_streams", 0,                                      \
	  "More streams at once than announced.")                                                  \
	X(110, H2_HEAD_TOO_LARGE, "h2_head_too_large", 0,                                          \
	  "A header block that is too long, before or after decoding.")                            \
	X(111, H2_CONTINUATION_FLOOD, "h2_continuation_flood", 0, "Too many CONTINUATION frames.") \
	X(112, H2_RESET_FLOOD, "h2_reset_flood", 0,                                                \
	  "Streams are reset, or made to be reset, faster than requests complete.")                \
	X(113, H2_CONTROL_FLOOD, "h2_control_flood", 0,                                            \
	  "More PING or SETTINGS frames than the traffic explains.")                               \
	X(114, H2_EMPTY_FRAME_FLOOD, "h2_empty_frame_flood", 0,                                    \
	  "More frames without any content than the traffic explains.")                            \
	X(115, H2_WINDOW_FLOOD, "h2_window_flood", 0,                                              \
	  "More WINDOW_UPDATE frames than the data sent explains.")                                \
	X(116, H2_PEER_RESET, "h2_peer_reset", 0, "The stream was reset by the peer.")             \
	X(117, H2_PEER_REFUSED, "h2_peer_refused", 0,                                              \
	  "The peer refused the stream before doing anything with it: it may be tried again.")     \
	X(160, TLS_VERSION, "tls_version", 0,                                                      \
	  "The peer does not speak TLS 1.3.")                                                      \
	X(161, TLS_CIPHER, "tls_cipher", 0,                                                        \
	  "No cipher suite in common: AES-GCM of TLS 1.3 is spoken.")                              \
	X(162, TLS_GROUP, "tls_group", 0,                                                          \
	  "No key exchange in common, or a bad share of it.")                                      \
	X(163, TLS_SIGNATURE_KIND, "tls_signature_kind", 0,                                        \
	  "No signature algorithm in common.")                                                     \
	X(164, TLS_PROTOCOL_NAME, "tls_protocol_name", 0,                                          \
	  "No ALPN name in common.")                                                               \
	X(165, TLS_NOT_TLS, "tls_not_tls", 0,                                                      \
	  "The bytes are no TLS, plaintext HTTP for example.")                                     \
	X(166, TLS_MALFORMED, "tls_malformed", 0,                                                  \
	  "A handshake message that does not parse.")                                              \
	X(167, TLS_UNEXPECTED_MESSAGE, "tls_unexpected_message", 0,                                \
	  "A message that has no place where it came: renegotiation, early data, a second handshake.") \
	X(168, TLS_BAD_RECORD, "tls_bad_record", 0,                                                \
	  "A record that does not open with the keys of the connection.")                          \
	X(169, TLS_RECORD_SIZE, "tls_record_size", 0,                                              \
	  "A record is longer than TLS allows.")                                                   \
	X(170, TLS_PROOF, "tls_proof", 0,                                                          \
	  "The peer does not have the private key of its certificate.")                            \
	X(171, TLS_FINISHED, "tls_finished", 0,                                                    \
	  "Both sides saw different handshakes.")                                                  \
	X(172, TLS_HANDSHAKE_SIZE, "tls_handshake_size", 0,                                        \
	  "The handshake is longer than allowed.")                                                 \
	X(173, TLS_HANDSHAKE_TIMEOUT, "tls_handshake_timeout", 0,                                  \
	  "The handshake was not done in time.")                                                   \
	X(174, TLS_HANDSHAKE_ENDED, "tls_handshake_ended", 0,                                      \
	  "The peer closed the connection during the handshake.")                                  \
	X(175, TLS_PEER_REFUSED, "tls_peer_refused", 0,                                            \
	  "The peer refused the own certificate; its log says why.")                               \
	X(176, TLS_PEER_ALERT, "tls_peer_alert", 0,                                                \
	  "The peer ended the connection with an alert.")                                          \
	X(177, TLS_TRUNCATED, "tls_truncated", 0,                                                  \
	  "The connection ended without the peer's word that nothing more comes.")                 \
	X(178, TLS_TOO_MANY_MESSAGES, "tls_too_many_messages", 0,                                  \
	  "More key updates, tickets or empty records than a peer needs.")                         \
	X(179, TLS_EXHAUSTED, "tls_exhausted", 0,                                                  \
	  "No memory, or no place, for another handshake.")                                        \
	X(180, TLS_FAILED, "tls_failed", 0,                                                        \
	  "A failure inside the TLS library that has no name here.")                               \
	X(181, TLS_NO_CERTIFICATE, "tls_no_certificate", 0,                                        \
	  "The peer showed no certificate.")                                                       \
	X(182, TLS_CERTIFICATE_FORM, "tls_certificate_form", 0,                                    \
	  "A certificate of the peer does not parse.")                                             \
	X(183, TLS_CHAIN_TOO_LONG, "tls_chain_too_long", 0,                                        \
	  "More certificates than allowed, or more than an authority in the chain allows.")        \
	X(184, TLS_CHAIN_SIZE, "tls_chain_size", 0,                                                \
	  "The certificates are larger than allowed.")                                             \
	X(185, TLS_EXPIRED, "tls_expired", 0,                                                      \
	  "A certificate of the peer has expired. Was it renewed, and is the clock right?")        \
	X(186, TLS_NOT_YET_VALID, "tls_not_yet_valid", 0,                                          \
	  "A certificate of the peer is not valid yet. Is the clock right?")                       \
	X(187, TLS_UNKNOWN_ISSUER, "tls_unknown_issuer", 0,                                        \
	  "No root of the trust domain stands behind the certificate, or a link of the chain is missing.") \
	X(188, TLS_SELF_SIGNED, "tls_self_signed", 0,                                              \
	  "The peer signed its certificate itself.")                                               \
	X(189, TLS_CHAIN_SIGNATURE, "tls_chain_signature", 0,                                      \
	  "A signature in the chain is wrong.")                                                    \
	X(190, TLS_NOT_AN_AUTHORITY, "tls_not_an_authority", 0,                                    \
	  "A certificate in the chain was signed by one that may not sign.")                       \
	X(191, TLS_WEAK_KEY, "tls_weak_key", 0,                                                    \
	  "A key in the chain is too short: at least RSA 2048 or P-256.")                          \
	X(192, TLS_WEAK_DIGEST, "tls_weak_digest", 0,                                              \
	  "A signature in the chain uses a digest that can be forged.")                            \
	X(193, TLS_WRONG_USAGE, "tls_wrong_usage", 0,                                              \
	  "The certificate's usages do not allow this side of TLS.")                               \
	X(194, TLS_UNKNOWN_CRITICAL, "tls_unknown_critical", 0,                                    \
	  "A certificate has a critical extension that nobody here knows.")                        \
	X(195, TLS_NAME_CONSTRAINT, "tls_name_constraint", 0,                                      \
	  "An authority in the chain may not sign this name.")                                     \
	X(196, TLS_LEAF_IS_AUTHORITY, "tls_leaf_is_authority", 0,                                  \
	  "The peer's own certificate may sign others: not one of a workload.")                    \
	X(197, TLS_NO_IDENTITY, "tls_no_identity", 0,                                              \
	  "The certificate has no URI name.")                                                      \
	X(198, TLS_SEVERAL_IDENTITIES, "tls_several_identities", 0,                                \
	  "The certificate has more than one URI name.")                                           \
	X(199, TLS_BAD_IDENTITY, "tls_bad_identity", 0,                                            \
	  "The URI name is not `spiffe://<trust-domain>/ns/<namespace>/sa/<service-account>`, written in its one form.") \
	X(200, TLS_WRONG_TRUST_DOMAIN, "tls_wrong_trust_domain", 0,                                \
	  "The peer belongs to a trust domain that this mesh does not trust.")                     \
	X(201, TLS_WRONG_IDENTITY, "tls_wrong_identity", 0,                                        \
	  "The peer proved to be another workload than the one that was asked for.")               \
	X(202, TLS_CHAIN_OTHER, "tls_chain_other", 0,                                              \
	  "The chain is not in order in a way that has no name here.") \
	X(203, TLS_SERVER_NAME, "tls_server_name", 0,	\
	  "The peer asked for a workload that has no certificate here, or for none where there are several.") \
	X(204, NO_CREDENTIAL, "no_credential", 0,	\
	  "The identity has no certificate on this node, and nothing of it goes in clear. See `malla certificates`.") \
	X(205, CREDENTIAL_EXPIRED, "credential_expired", 0,	\
	  "The identity's certificate on this node has expired. Can its issuer be reached?") \
	X(206, CREDENTIAL_WITHDRAWN, "credential_withdrawn", 0,	\
	  "The identity's certificate was withdrawn, or its trust domain is trusted no longer; cut.") \
	X(207, NODE_UNKNOWN, "node_unknown", 0,	\
	  "The endpoint is on a node that accepts no tunnels. Does its `Node` say where it does?") \
	X(208, TUNNEL_REFUSED, "tunnel_refused", 0,	\
	  "Nobody accepts tunnels at the address of the endpoint's node. Does malla-proxy run there?") \
	X(209, TUNNEL_TIMEOUT, "tunnel_timeout", 0,	\
	  "The endpoint's node did not answer. Does something between the nodes block port 15008?") \
	X(210, TUNNEL_LOST, "tunnel_lost", 0,	\
	  "The connection between the nodes ended under the tunnelled one.") \
	X(211, TUNNEL_SILENT, "tunnel_silent", 0,	\
	  "The other node has not answered a PING in time; all that the tunnel carried is cut.") \
	X(212, TUNNEL_REQUEST, "tunnel_request", 0,	\
	  "A peer asked a tunnel for something else than a connection; answered 400.") \
	X(213, TUNNEL_AUTHORITY, "tunnel_authority", 0,	\
	  "A peer asked for a connection to what is no address and port; answered 400.") \
	X(214, TUNNEL_FORBIDDEN, "tunnel_forbidden", 0,	\
	  "A peer asked for a connection to loopback or to a port of the proxy; answered 403.") \
	X(215, TUNNEL_NOT_HERE, "tunnel_not_here", 0,	\
	  "A peer asked for a connection to what is no endpoint of this node; answered 400.") \
	X(216, TUNNEL_MISMATCH, "tunnel_mismatch", 0,	\
	  "A peer asked for an endpoint of another identity than the tunnel was made to; answered 400.") \
	X(217, PEER_UNKNOWN, "peer_unknown", 0,	\
	  "The peer has proved an identity that no workload of the mesh has; answered 401.") \
	X(218, REMOTE_REJECTED, "remote_rejected", 0,	\
	  "The endpoint's node did not understand, or does not have the endpoint (400).") \
	X(219, REMOTE_DENIED, "remote_denied", 0,	\
	  "The endpoint's node denies the connection (401, 403); its log names the rule.") \
	X(220, REMOTE_UNAVAILABLE, "remote_unavailable", 0,	\
	  "The endpoint's node could not connect to the endpoint (503).") \
	X(221, TUNNEL_LIMIT, "tunnel_limit", 0,	\
	  "No place for another tunnel, or for what it carries.") \
	X(222, NO_SOURCE_PORT, "no_source_port", 0,	\
	  "No port of this node's address is left to connect to the endpoint from; answered 503. See `net.ipv4.tcp_tw_reuse`.")

enum malla_reason {
#define MALLA_REASON_CASE(number, symbol, name, error, help) MALLA_REASON_##symbol = number,
	MALLA_REASONS(MALLA_REASON_CASE)
#undef MALLA_REASON_CASE
};

/* One past the highest number in use: the bound for tables and range checks. */
#define MALLA_REASON_END 223

/* The errno (positive) that an application gets for a refusal at connect; 0: none is given. */
static inline int malla_reason_errno(__u32 reason)
{
	switch (reason) {
#define MALLA_REASON_CASE(number, symbol, name, error, help)                                       \
	case number:                                                                               \
		return error;
		MALLA_REASONS(MALLA_REASON_CASE)
#undef MALLA_REASON_CASE
	default:
		return 1;
	}
}

#ifndef __bpf__
/* The stable name; NULL for a number that is not in use. */
static inline const char *malla_reason_name(__u32 reason)
{
	switch (reason) {
#define MALLA_REASON_CASE(number, symbol, name, error, help)                                       \
	case number:                                                                               \
		return name;
		MALLA_REASONS(MALLA_REASON_CASE)
#undef MALLA_REASON_CASE
	default:
		return 0;
	}
}

/* What happened and what to do about it; NULL for a number that is not in use. */
static inline const char *malla_reason_help(__u32 reason)
{
	switch (reason) {
#define MALLA_REASON_CASE(number, symbol, name, error, help)                                       \
	case number:                                                                               \
		return help;
		MALLA_REASONS(MALLA_REASON_CASE)
#undef MALLA_REASON_CASE
	default:
		return 0;
	}
}
#endif
