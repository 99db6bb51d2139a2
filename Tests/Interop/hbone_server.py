# SPDX-License-Identifier: Apache-2.0
"""Another node's end of tunnels (HBONE), as a peer that knows nothing of Malla: Python's TLS and the h2 library.

usage: hbone_server.py PORT CERTIFICATE KEY ROOTS

Grants every CONNECT, says "tunnel N" on its stream, N counting the connections from 1, and sends back what comes, and the
end. Two lines make it leave a tunnel, whose streams it goes on to serve: "leave" at once (GOAWAY that names all streams), and
"refuse" with the next CONNECT, which it does not look at (GOAWAY that names those before it).
"""

import socket
import ssl
import sys
import threading

import h2.config
import h2.connection
import h2.events
from hyperframe.frame import GoAwayFrame

port, certificate, key, roots = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.minimum_version = ssl.TLSVersion.TLSv1_3
context.verify_mode = ssl.CERT_REQUIRED
context.load_cert_chain(certificate, key)
context.load_verify_locations(roots)
context.set_alpn_protocols(["h2"])


class Tunnel:
    """One connection of another node's."""

    def __init__(self, number, wire):
        self.number, self.wire = number, wire
        self.connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        self.last, self.refuses, self.goodbye = 0, False, b""

    def serve(self):
        """Until the peer ends it."""
        self.connection.initiate_connection()
        while True:
            # The library would take its own GOAWAY for the end of everything.
            self.wire.sendall(self.connection.data_to_send() + self.goodbye)
            self.goodbye = b""
            received = self.wire.recv(65536)
            if not received:
                return
            for event in self.connection.receive_data(received):
                self.take(event)

    def take(self, event):
        """One event of the library's."""
        if isinstance(event, h2.events.RequestReceived):
            if self.refuses:
                self.leave()
                return
            self.last = event.stream_id
            self.connection.send_headers(event.stream_id, [(":status", "200")])
            self.connection.send_data(event.stream_id, f"tunnel {self.number}\n".encode())
        elif isinstance(event, h2.events.DataReceived):
            self.connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            if event.data == b"leave\n":
                self.leave()
            elif event.data == b"refuse\n":
                self.refuses = True
            for start in range(0, len(event.data), 16384):
                self.connection.send_data(event.stream_id, event.data[start:start + 16384])
        elif isinstance(event, h2.events.StreamEnded):
            self.connection.end_stream(event.stream_id)

    def leave(self):
        """Takes nothing more behind the last stream that was looked at."""
        self.goodbye += GoAwayFrame(0, last_stream_id=self.last, error_code=0).serialize()


def serve(number, accepted):
    """A connection, from the handshake on."""
    try:
        Tunnel(number, context.wrap_socket(accepted, server_side=True)).serve()
    except (OSError, ssl.SSLError):
        pass  # Whoever only looks whether somebody listens goes without a word.


listener = socket.create_server(("127.0.0.1", int(port)))
count = 0
while True:
    peer, _ = listener.accept()
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if peer.recv(1, socket.MSG_PEEK):
        count += 1
        threading.Thread(target=serve, args=(count, peer), daemon=True).start()
