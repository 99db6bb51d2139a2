# SPDX-License-Identifier: Apache-2.0
"""A client of the SPIFFE Workload API, as an application has one: no code of Malla's, messages read by hand.

usage: workload_api.py SOCKET COUNT [plain]
prints the SPIFFE id and the serial number of each X.509 SVID that comes, after checking it against its bundle and its
key; `plain`: without the metadata that the specification demands.
"""
import sys

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.verification import PolicyBuilder, Store

from issuance_client import fields


def certificates(der):
    """Certificates of a text that has one after the other."""
    found = []
    while der:
        size = int.from_bytes(der[2:4], "big") + 4
        assert der[:2] == b"\x30\x82", der[:2]
        found.append(x509.load_der_x509_certificate(der[:size]))
        der = der[size:]
    return found


def show(response):
    svids = [content for tag, content in fields(response) if tag == 1]
    assert len(svids) == 1, svids
    svid = dict(fields(svids[0]))
    identity = svid[1].decode()
    chain, bundle = certificates(svid[2]), certificates(svid[4])
    key = serialization.load_der_private_key(svid[3], None)
    assert key.public_key() == chain[0].public_key()
    verified = PolicyBuilder().store(Store(bundle)).build_client_verifier().verify(chain[0], chain[1:])
    assert verified.subjects == [x509.UniformResourceIdentifier(identity)], verified.subjects
    print(identity, chain[0].serial_number, flush=True)


def main():
    socket, count = sys.argv[1], int(sys.argv[2])
    metadata = [] if sys.argv[3:] == ["plain"] else [("workload.spiffe.io", "true")]
    channel = grpc.insecure_channel(f"unix:{socket}")
    call = channel.unary_stream(
        "/SpiffeWorkloadAPI/FetchX509SVID", request_serializer=bytes, response_deserializer=bytes
    )
    try:
        for number, response in enumerate(call(b"", timeout=60, metadata=metadata), 1):
            show(response)
            if number == count:
                return
    except grpc.RpcError as error:
        print(error.code().name, error.details())
        sys.exit(3)


if __name__ == "__main__":
    main()
