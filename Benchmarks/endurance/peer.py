#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Clients and a server whose slowness is what matters, so that they need not be quick.

  sink ADDRESS PORT                        server: reads a head (seconds to wait, bytes to come), waits, reads, tells their SHA-256
  push ADDRESS PORT COUNT BYTES SECONDS    clients that send to it without a pause
  stall ADDRESS PORT COUNT BYTES SECONDS   clients that ask for a body and wait before they read it
  hold ADDRESS PORT COUNT REQUESTS         connections that are opened, used so often, and watched: when did the last end?
  secure ADDRESS PORT COUNT KEYS PROTOCOL  the same over mutual TLS, at rest; h2 speaks HTTP/2's part of it
  fresh ADDRESS PORT PER_SECOND            a connection and a request each time, until standard input ends
"""
import errno
import hashlib
import json
import select
import socket
import ssl
import struct
import sys
import threading
import time

PATTERN_PERIOD = 251  # as in programs/answer.h
PATTERN = bytes(range(PATTERN_PERIOD)) * 4096
REQUEST = b"GET / HTTP/1.1\r\nHost: bench\r\n\r\n"
BODY_LENGTH = 100
CHUNK = 256 * 1024


def say(word: str) -> None:
    """A word to whoever started this."""
    print(word, flush=True)


def receive(connection: socket.socket, length: int) -> bytes:
    """So many bytes."""
    taken = b""
    while len(taken) < length:
        more = connection.recv(length - len(taken))
        if not more:
            raise OSError(errno.ECONNRESET, "end of stream")
        taken += more
    return taken


def sink(address: str, port: int) -> None:
    """Serves for ever."""
    def serve(connection: socket.socket) -> None:
        with connection:
            seconds, left = struct.unpack("!dQ", receive(connection, 16))
            time.sleep(seconds)
            digest = hashlib.sha256()
            while left > 0:
                more = connection.recv(min(CHUNK, left))
                if not more:
                    return
                digest.update(more)
                left -= len(more)
            connection.sendall(digest.hexdigest().encode())
    with socket.create_server((address, port), backlog=128) as listener:
        while True:
            threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()


def pattern(position: int, length: int) -> bytes:
    """Bytes of the pattern."""
    start = position % PATTERN_PERIOD
    return PATTERN[start:start + length]


def push_one(address: tuple[str, int], length: int, seconds: float) -> int:
    """Sends all of it. Returns the bytes that arrived as they were; raises otherwise."""
    with socket.create_connection(address) as connection:
        connection.sendall(struct.pack("!dQ", seconds, length))
        digest, sent = hashlib.sha256(), 0
        while sent < length:
            part = pattern(sent, min(CHUNK, length - sent))
            connection.sendall(part)
            digest.update(part)
            sent += len(part)
        if receive(connection, 64).decode() != digest.hexdigest():
            raise OSError(errno.EBADMSG, "other bytes arrived")
        return sent


def stall_one(address: tuple[str, int], length: int, seconds: float) -> int:
    """Asks, waits, reads all of it. Returns the bytes of the body; raises when one is wrong."""
    with socket.create_connection(address) as connection:
        connection.sendall(f"GET /bytes/{length} HTTP/1.1\r\nHost: bench\r\n\r\n".encode())
        time.sleep(seconds)
        head = b""
        while b"\r\n\r\n" not in head:
            head += receive(connection, 1)
        got = 0
        while got < length:
            more = connection.recv(CHUNK)
            if not more:
                raise OSError(errno.ECONNRESET, f"end of stream after {got} bytes")
            if more != pattern(got, len(more)):
                raise OSError(errno.EBADMSG, f"wrong bytes after {got}")
            got += len(more)
        return got


def many(work, address: tuple[str, int], count: int, length: int, seconds: float) -> None:
    """Does it with so many connections at a time."""
    found, errors = [], []

    def one() -> None:
        try:
            found.append(work(address, length, seconds))
        except OSError as error:
            errors.append(str(error))
    threads = [threading.Thread(target=one) for _ in range(count)]
    for thread in threads:
        thread.start()
    say("begun")
    for thread in threads:
        thread.join()
    say(json.dumps({"whole": len(found), "bytes": sum(found), "errors": len(errors), "first_error": (errors + [""])[0]}))


def exchange(connection: socket.socket) -> None:
    """A request and its answer, which is compared."""
    connection.sendall(REQUEST)
    head = b""
    while b"\r\n\r\n" not in head:
        more = connection.recv(4096)
        if not more:
            raise OSError(errno.ECONNRESET, "end of stream")
        head += more
    head, _, body = head.partition(b"\r\n\r\n")
    while len(body) < BODY_LENGTH:
        body += receive(connection, BODY_LENGTH - len(body))
    if not head.startswith(b"HTTP/1.1 200") or body != b"0123456789012345678901234567890123456789012345678\n" * 2:
        raise OSError(errno.EBADMSG, f"another answer: {head[:200]!r}")


def hold(address: tuple[str, int], count: int, requests: int) -> None:
    """Opens connections, waits until they end by themselves, or until a word comes."""
    held = []
    for _ in range(count):
        connection = socket.create_connection(address, timeout=30)
        for _ in range(requests):
            exchange(connection)
        held.append(connection)
    say("holding")
    poll = select.epoll()
    poll.register(sys.stdin.fileno(), select.EPOLLIN)
    for connection in held:
        poll.register(connection.fileno(), select.EPOLLIN | select.EPOLLRDHUP)
    ends = []
    while len(ends) < count:
        stopped = False
        for descriptor, _ in poll.poll():
            if descriptor == sys.stdin.fileno():
                stopped = True
                continue
            ends.append(time.monotonic())
            poll.unregister(descriptor)
        if stopped:
            break
    say(json.dumps({"ended": len(ends), "first": min(ends, default=0), "last": max(ends, default=0)}))


def secure(address: tuple[str, int], count: int, keys: str, protocol: str) -> None:
    """Connections over mutual TLS that rest. Over HTTP/2 a PING is answered, as each peer must."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(f"{keys}/root.pem")
    context.load_cert_chain(f"{keys}/near.pem")
    if protocol != "none":
        context.set_alpn_protocols([protocol])
    held = []
    for _ in range(count):
        plain = socket.create_connection(address, timeout=30)
        connection = context.wrap_socket(plain, server_hostname="far.default.bench.local")
        if protocol == "h2":
            connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))
        connection.setblocking(False)
        held.append(connection)
    say("holding")
    ended, rest, live = 0, {}, set(held)
    while not select.select([sys.stdin], [], [], 0.5)[0]:
        for connection in list(live):
            try:
                more = connection.recv(65536)
            except (ssl.SSLWantReadError, BlockingIOError):
                continue
            except OSError:
                more = b""
            if not more:
                ended += 1
                live.discard(connection)
                continue
            rest[connection] = answer_frames(connection, rest.get(connection, b"") + more)
    say(json.dumps({"ended": ended}))


def answer_frames(connection, taken: bytes) -> bytes:
    """Acknowledges SETTINGS and PINGs. Returns what is no whole frame yet."""
    while len(taken) >= 9 and len(taken) >= 9 + int.from_bytes(taken[:3], "big"):
        length, kind, flags = int.from_bytes(taken[:3], "big"), taken[3], taken[4]
        if kind == 4 and not flags & 1:
            connection.send(bytes([0, 0, 0, 4, 1, 0, 0, 0, 0]))
        elif kind == 6 and not flags & 1:
            connection.send(bytes([0, 0, 8, 6, 1, 0, 0, 0, 0]) + taken[9:17])
        taken = taken[9 + length:]
    return taken


def fresh(address: tuple[str, int], per_second: float) -> None:
    """A connection and a request each time; tells when it was asked, how long it took and what was wrong."""
    say("ready")
    sys.stdin.readline()
    asked, begun = [], time.monotonic()
    waiting = select.poll()
    waiting.register(sys.stdin.fileno(), select.POLLIN)
    while True:
        due = begun + len(asked) / per_second
        if waiting.poll(max(0, due - time.monotonic()) * 1000):
            break
        start, problem = time.monotonic(), ""
        try:
            with socket.create_connection(address, timeout=10) as connection:
                exchange(connection)
        except OSError as error:
            problem = f"{errno.errorcode.get(error.errno or 0, '')} {error}".strip()
        asked.append((start, time.monotonic() - start, problem))
    say(json.dumps({"asked": asked}))


def main() -> None:
    """What it is called for."""
    what, address, port, *rest = sys.argv[1:]
    target = (address, int(port))
    if what == "sink":
        sink(*target)
    elif what in ("push", "stall"):
        many({"push": push_one, "stall": stall_one}[what], target, int(rest[0]), int(rest[1]), float(rest[2]))
    elif what == "hold":
        hold(target, int(rest[0]), int(rest[1]))
    elif what == "secure":
        secure(target, int(rest[0]), rest[1], rest[2])
    elif what == "fresh":
        fresh(target, float(rest[0]))
    else:
        sys.exit(f"peer: no {what}")


if __name__ == "__main__":
    main()
