# SPDX-License-Identifier: Apache-2.0
"""A SPIFFE Workload API as a SPIRE agent has one: no code of Malla's, certificates of Python's cryptography, gRPC's own
server. Obeys its standard input, a command a line, and says "done" to each:

  give ID...   new SVIDs for these ids, and no others, go to all who listen; ID=rsa with a key of that kind
  roll         the next SVIDs are of another root, and the bundle has both
  deny         ends all streams with PERMISSION_DENIED, and refuses new ones until the next give

usage: workload_server.py SOCKET LIFETIME
"""
import datetime
import os
import sys
import threading
from concurrent import futures

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DER = serialization.Encoding.DER


def field(tag, content):
    count, text = len(content), bytes([tag << 3 | 2])
    while count >= 0x80:
        text += bytes([count & 0x7F | 0x80])
        count >>= 7
    return text + bytes([count]) + content


def usage(**allowed):
    names = ["digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
             "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"]
    return x509.KeyUsage(**{name: allowed.get(name, False) for name in names})


class Root:
    def __init__(self, domain):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([
            x509.NameAttribute(NameOID.COUNTRY_NAME, "US"), x509.NameAttribute(NameOID.ORGANIZATION_NAME, "SPIRE"),
            x509.NameAttribute(NameOID.SERIAL_NUMBER, str(x509.random_serial_number()))])
        names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(f"spiffe://{domain}")])
        self.certificate = self.build(self.name, self.key.public_key(), 86_400).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True).add_extension(
            usage(key_cert_sign=True, crl_sign=True), critical=True).add_extension(names, critical=False).sign(
            self.key, hashes.SHA256())

    def build(self, subject, key, lifetime):
        now = datetime.datetime.now(datetime.timezone.utc)
        return x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(key).serial_number(
            x509.random_serial_number()).not_valid_before(now - datetime.timedelta(seconds=10)).not_valid_after(
            now + datetime.timedelta(seconds=lifetime)).add_extension(
            x509.SubjectKeyIdentifier.from_public_key(key), critical=False).add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)

    def svid(self, name, kind, lifetime):
        key = rsa.generate_private_key(65537, 2048) if kind == "rsa" else ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([
            x509.NameAttribute(NameOID.COUNTRY_NAME, "US"), x509.NameAttribute(NameOID.ORGANIZATION_NAME, "SPIRE")])
        names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(name)])
        purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
        certificate = self.build(subject, key.public_key(), lifetime).add_extension(
            x509.BasicConstraints(ca=False, path_length=None), critical=True).add_extension(
            usage(digital_signature=True, key_encipherment=True, key_agreement=True), critical=True).add_extension(
            purposes, critical=False).add_extension(names, critical=False).sign(self.key, hashes.SHA256())
        secret = key.private_bytes(DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        return certificate.public_bytes(DER), secret


class Server:
    def __init__(self, lifetime):
        self.lifetime = lifetime
        self.roots = [Root("malla.test")]
        self.changed = threading.Condition()
        self.generation, self.answer = 0, None

    def give(self, names):
        bundle = b"".join(root.certificate.public_bytes(DER) for root in self.roots)
        answer = b""
        for name in names:
            name, _, kind = name.partition("=")
            chain, key = self.roots[-1].svid(name, kind, self.lifetime)
            answer += field(1, field(1, name.encode()) + field(2, chain) + field(3, key) + field(4, bundle))
        self.tell(answer)

    def tell(self, answer):
        with self.changed:
            self.generation += 1
            self.answer = answer
            self.changed.notify_all()

    def stream(self, request, context):
        if ("workload.spiffe.io", "true") not in context.invocation_metadata():
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "security header missing from request")
        seen = -1
        while context.is_active():
            with self.changed:
                if self.generation == seen:
                    self.changed.wait(0.2)
                    continue
                seen, answer = self.generation, self.answer
            if answer is None:
                context.abort(grpc.StatusCode.PERMISSION_DENIED, "no identity issued")
            yield answer


def main():
    socket, lifetime = sys.argv[1], int(sys.argv[2])
    api = Server(lifetime)
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
    handler = grpc.unary_stream_rpc_method_handler(api.stream, request_deserializer=bytes, response_serializer=bytes)
    server.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler("SpiffeWorkloadAPI", {"FetchX509SVID": handler})])
    server.add_insecure_port(f"unix:{socket}")
    server.start()
    print("listening", flush=True)
    for line in sys.stdin:
        command, *names = line.split()
        if command == "give":
            api.give(names)
        elif command == "roll":
            api.roots.append(Root("malla.test"))
        elif command == "deny":
            api.tell(None)
        print("done", flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
