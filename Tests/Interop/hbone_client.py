# SPDX-License-Identifier: Apache-2.0
"""Asks a node's tunnel for connections (HBONE), as a peer that knows nothing of Malla: Python's TLS and the h2 library.

usage: hbone_client.py PORT CERTIFICATE KEY ROOTS SERVER_NAME REQUEST...

REQUEST is an authority to CONNECT to, with AUTHORITY@ADDRESS on behalf of a client at that address, or METHOD:PATH for
something else. Each goes by a stream of one connection, all at
once. What is granted is sent a line, which has to come back, and then an end, which has to come back, too. Prints a line
for each request: its status, and what came of it.
"""

import socket
import ssl
import sys

import h2.config
import h2.connection
import h2.events

port, certificate, key, roots, name, *requests = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname = False
context.minimum_version = ssl.TLSVersion.TLSv1_3
context.load_cert_chain(certificate, key)
context.load_verify_locations(roots)
context.set_alpn_protocols(["h2"])
try:
    wire = context.wrap_socket(
        socket.create_connection(("127.0.0.1", int(port)), timeout=20), server_hostname=name or None)
except (OSError, ssl.SSLError) as error:
    print("handshake failed:", getattr(error, "reason", None) or error)
    sys.exit(0)
alternatives = [value for kind, value in wire.getpeercert().get("subjectAltName", ()) if kind == "URI"]
print("peer", *alternatives, wire.version(), wire.selected_alpn_protocol())
connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
connection.initiate_connection()
streams = {}
for request in requests:
    stream = connection.get_next_available_stream_id()
    method, _, path = request.partition(":")
    if method.isupper():
        fields = [(":method", method), (":scheme", "https"), (":authority", "a"), (":path", path)]
    else:
        authority, _, client = request.partition("@")
        forwarded = f'for="{client or "10.9.8.7:1234"}"'
        fields = [(":method", "CONNECT"), (":authority", authority), ("forwarded", forwarded)]
    connection.send_headers(stream, fields, end_stream=method.isupper())
    streams[stream] = {"request": request, "status": "none", "reason": "", "echo": b"", "over": False}
settings = {}
try:
    while not all(stream["over"] for stream in streams.values()):
        wire.sendall(connection.data_to_send())
        received = wire.recv(65536)
        if not received:
            break
        for event in connection.receive_data(received):
            if isinstance(event, h2.events.RemoteSettingsChanged):
                settings.update({int(code): change.new_value for code, change in event.changed_settings.items()})
            stream = streams.get(getattr(event, "stream_id", None))
            if stream is None:
                continue
            number = event.stream_id
            if isinstance(event, h2.events.ResponseReceived):
                fields = {bytes(k): bytes(v) for k, v in event.headers}
                stream["status"] = fields[b":status"].decode()
                stream["reason"] = fields.get(b"x-malla-reason", b"").decode()
                if stream["status"] == "200":
                    connection.send_data(number, b"line " + stream["request"].encode() + b"\n")
                    connection.end_stream(number)
            elif isinstance(event, h2.events.DataReceived):
                stream["echo"] += event.data
                connection.acknowledge_received_data(event.flow_controlled_length, number)
            elif isinstance(event, h2.events.StreamEnded):
                stream["over"] = True
            elif isinstance(event, h2.events.StreamReset):
                stream["over"] = True
except (OSError, ssl.SSLError) as error:
    print("connection failed:", getattr(error, "reason", None) or error)
print("settings", " ".join(f"{code}={value}" for code, value in sorted(settings.items())))
for stream in streams.values():
    echo = stream["echo"].decode().strip()
    print(stream["request"], stream["status"], stream["reason"], echo)
