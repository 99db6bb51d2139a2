# SPDX-License-Identifier: Apache-2.0
"""A peer that has a connection granted by a node's tunnel (HBONE), and then reads nothing any more.

usage: hbone_deaf.py PORT CERTIFICATE KEY ROOTS SERVER_NAME AUTHORITY [lie]

It has opened its windows wide, waits until what comes fills every socket and buffer on the way, and asks for what is refused
and for signs of life, so that answers take the little room that is left. With "lie" it answers PINGs that nobody has sent, all the time. Prints "ended" once the node
has ended the tunnel.
"""

import select
import socket
import ssl
import sys
import time

import h2.config
import h2.connection
import h2.events
from hyperframe.frame import PingFrame

port, certificate, key, roots, name, authority, *mode = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname = False
context.minimum_version = ssl.TLSVersion.TLSv1_3
context.load_cert_chain(certificate, key)
context.load_verify_locations(roots)
context.set_alpn_protocols(["h2"])
plain = socket.socket()
plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
plain.settimeout(20)
plain.connect(("127.0.0.1", int(port)))
wire = context.wrap_socket(plain, server_hostname=name)
connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
connection.initiate_connection()
connection.increment_flow_control_window(2**30)
stream = connection.get_next_available_stream_id()
connection.send_headers(stream, [(":method", "CONNECT"), (":authority", authority)])
connection.increment_flow_control_window(2**30, stream)
granted = False
while not granted:
    wire.sendall(connection.data_to_send())
    for event in connection.receive_data(wire.recv(65536)):
        granted = granted or isinstance(event, h2.events.ResponseReceived)
wire.sendall(connection.data_to_send())
time.sleep(1)
for _ in range(150):
    connection.send_headers(connection.get_next_available_stream_id(), [(":method", "CONNECT"), (":authority", "10.1.1.1:1")])
wire.sendall(connection.data_to_send())
for number in range(100):
    wire.sendall(PingFrame(0, number.to_bytes(8, "big")).serialize())
ended = select.poll()
ended.register(wire.fileno(), select.POLLHUP | select.POLLERR)
deadline = time.monotonic() + 50
while time.monotonic() < deadline:
    if ended.poll(100):
        print("ended")
        break
    if mode:
        try:
            wire.sendall(PingFrame(0, bytes(8), flags=["ACK"]).serialize())
        except OSError:
            print("ended")
            break
