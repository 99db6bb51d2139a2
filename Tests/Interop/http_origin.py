# SPDX-License-Identifier: Apache-2.0
"""An HTTP/1.1 origin by Python's own library, which answers with the path that it was asked for, or /sum with the
MD5 of what it was sent.

usage: http_origin.py PORT
"""
import hashlib
import http.server
import sys


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def content(self) -> None:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            while size := int(self.rfile.readline().split(b";")[0], 16):
                self.rfile.read(size + 2)
            while self.rfile.readline().strip():
                pass
        else:
            left = int(self.headers.get("Content-Length", "0"))
            while left > 0 and (part := self.rfile.read(min(left, 1 << 20))):
                self.sum.update(part)
                left -= len(part)

    def answer(self) -> None:
        self.sum = hashlib.md5()
        self.content()
        text = (self.sum.hexdigest() if self.path == "/sum" else self.path).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    def __getattr__(self, name: str):
        if name.startswith("do_"):
            return self.answer
        raise AttributeError(name)

    def log_message(self, *_) -> None:
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
