# SPDX-License-Identifier: Apache-2.0
"""Asks an authority for a certificate, as any gRPC client can: no code of Malla's, messages written by hand.

usage: issuance_client.py ADDRESS ROOT.pem REQUEST.csr [--token TOKEN] [--node CHAIN.pem KEY.pem] [--raw HEX] [--size N]
prints the certificates, or the status and its message.
"""
import argparse
import sys

import grpc


def varint(number):
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def field(tag, content):
    return varint(tag << 3 | 2) + varint(len(content)) + content


def fields(data):
    """(tag, content) of each field that has a length."""
    at = 0

    def number():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        key = number()
        assert key & 7 == 2, key
        size = number()
        yield key >> 3, data[at : at + size]
        at += size


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("address")
    parser.add_argument("root")
    parser.add_argument("request")
    parser.add_argument("--token")
    parser.add_argument("--node", nargs=2)
    parser.add_argument("--raw")
    parser.add_argument("--size", type=int, help="so many zeros instead of a message")
    parser.add_argument("--seconds", type=int, default=0)
    parser.add_argument("--path", default="/istio.v1.auth.IstioCertificateService/CreateCertificate")
    options = parser.parse_args()

    def read(path):
        with open(path, "rb") as file:
            return file.read()

    chain, key = map(read, options.node) if options.node else (None, None)
    credentials = grpc.ssl_channel_credentials(read(options.root), key, chain)
    message = field(1, read(options.request))
    if options.seconds:
        message += varint(3 << 3) + varint(options.seconds)
    if options.raw is not None:
        message = bytes.fromhex(options.raw)
    if options.size:
        message = bytes(options.size)
    metadata = [("authorization", f"Bearer {options.token}")] if options.token else []
    channel = grpc.secure_channel(
        options.address, credentials, [("grpc.ssl_target_name_override", "istiod.istio-system.svc")]
    )
    call = channel.unary_unary(options.path, request_serializer=bytes, response_deserializer=bytes)
    try:
        answer = call(message, timeout=30, metadata=metadata)
    except grpc.RpcError as error:
        print(error.code().name, error.details())
        sys.exit(3)
    for tag, content in fields(answer):
        assert tag == 1
        sys.stdout.write(content.decode())


if __name__ == "__main__":
    main()
