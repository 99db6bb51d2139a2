# SPDX-License-Identifier: Apache-2.0
"""gRPC peers without generated code: messages are bytes.

usage: grpc_peer.py serve PORT | grpc_peer.py call HOST:PORT
"""
import concurrent.futures
import sys
import time

import grpc

METHODS = "malla.test.Echo"


def unary(request, context):
    context.set_trailing_metadata((("x-end", "unary"),))
    return request


def fail(_request, context):
    context.set_trailing_metadata((("x-end", "fail"),))
    context.abort(grpc.StatusCode.FAILED_PRECONDITION, "as asked for")


def slow(request, context):
    for _ in range(200):
        if not context.is_active():
            return request
        time.sleep(0.05)
    return request


def download(request, _context):
    for number in range(100):
        yield request + b"%d" % number


def upload(requests, _context):
    return b"%d" % sum(len(request) for request in requests)


def both(requests, _context):
    for request in requests:
        yield request


class Handlers(grpc.GenericRpcHandler):
    def service(self, details):
        return {
            "Unary": grpc.unary_unary_rpc_method_handler(unary),
            "Fail": grpc.unary_unary_rpc_method_handler(fail),
            "Slow": grpc.unary_unary_rpc_method_handler(slow),
            "Download": grpc.unary_stream_rpc_method_handler(download),
            "Upload": grpc.stream_unary_rpc_method_handler(upload),
            "Both": grpc.stream_stream_rpc_method_handler(both),
        }.get(details.method.rsplit("/", 1)[1])


def serve(port: str) -> None:
    options = [("grpc.max_receive_message_length", 64 << 20), ("grpc.so_reuseport", 0)]
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(16), handlers=(Handlers(),), options=options)
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    server.wait_for_termination(120)


def call(target: str) -> None:
    options = [("grpc.max_receive_message_length", 64 << 20), ("grpc.enable_http_proxy", 0)]
    with grpc.insecure_channel(target, options=options) as channel:
        def method(kind: str, name: str):
            return getattr(channel, kind)(f"/{METHODS}/{name}")

        answer, details = method("unary_unary", "Unary").with_call(b"hello", timeout=20)
        assert answer == b"hello" and ("x-end", "unary") in details.trailing_metadata()
        large = bytes(range(256)) * 40_000
        assert method("unary_unary", "Unary")(large, timeout=40) == large
        try:
            method("unary_unary", "Fail")(b"x", timeout=20)
            raise AssertionError("a call that fails has succeeded")
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.FAILED_PRECONDITION and error.details() == "as asked for"
            assert ("x-end", "fail") in error.trailing_metadata()
        try:
            method("unary_unary", "Slow")(b"x", timeout=0.3)
            raise AssertionError("a deadline was not kept")
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        received = list(method("unary_stream", "Download")(b"n", timeout=20))
        assert received == [b"n%d" % number for number in range(100)]
        assert method("stream_unary", "Upload")((b"y" * 10_000 for _ in range(300)), timeout=40) == b"3000000"
        # Each message goes only when the last one has come back: nothing is held back on the way.
        pending = [b"first"]
        echoes = method("stream_stream", "Both")(iter(lambda: take(pending), None), timeout=40)
        for number in range(50):
            echo = next(echoes)
            pending.append(None if number == 49 else echo[:5] + b"%d" % number)
        assert next(echoes, None) is None
        try:
            method("unary_unary", "Missing")(b"x", timeout=20)
            raise AssertionError("a method that is not there has answered")
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.UNIMPLEMENTED
    print("ok")


def take(pending: list):
    """The next message, once there is one."""
    deadline = time.monotonic() + 30
    while not pending:
        assert time.monotonic() < deadline
        time.sleep(0.002)
    return pending.pop(0)


if __name__ == "__main__":
    serve(sys.argv[2]) if sys.argv[1] == "serve" else call(sys.argv[2])
