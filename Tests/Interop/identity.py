# SPDX-License-Identifier: Apache-2.0
"""Judges certificates that Malla issued, and makes requests that it must refuse."""
import datetime
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID
from cryptography.x509.verification import PolicyBuilder, Store


def read(path):
    with open(path, "rb") as file:
        return x509.load_pem_x509_certificates(file.read())


def check(root, chain, identity, now, lifetime):
    now = datetime.datetime.fromtimestamp(int(now), datetime.timezone.utc)
    certificates = read(chain)
    leaf = certificates[0]
    verifier = PolicyBuilder().store(Store(read(root))).time(now).build_client_verifier()
    verified = verifier.verify(leaf, certificates[1:])
    assert len(verified.chain) == 3, verified.chain
    names = leaf.extensions.get_extension_for_oid(ExtensionOID.SUBJECT_ALTERNATIVE_NAME)
    assert names.critical
    assert list(names.value) == [x509.UniformResourceIdentifier(identity)], list(names.value)
    assert leaf.subject == x509.Name([])
    assert isinstance(leaf.public_key().curve, ec.SECP256R1)
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    usage = leaf.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical and usage.value.digital_signature and not usage.value.key_cert_sign
    extended = set(leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    assert extended == {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}
    assert leaf.not_valid_before_utc == now - datetime.timedelta(seconds=300)
    assert leaf.not_valid_after_utc == now + datetime.timedelta(seconds=int(lifetime))
    constraints = certificates[1].extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical and constraints.value.ca and constraints.value.path_length == 0
    print("good")


def request(folder, name, key, names, subject=(), extensions=1):
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(list(subject)))
    if names is not None:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    csr = builder.sign(key, hashes.SHA256())
    with open(f"{folder}/{name}.csr", "wb") as file:
        file.write(csr.public_bytes(serialization.Encoding.PEM))


def requests(folder):
    uri = x509.UniformResourceIdentifier
    backend = "spiffe://malla.test/ns/default/sa/backend"
    p256 = ec.generate_private_key(ec.SECP256R1())
    request(folder, "good", p256, [uri(backend)])
    request(folder, "good-p384", ec.generate_private_key(ec.SECP384R1()), [uri(backend)])
    request(folder, "good-subject", p256, [uri(backend)], [x509.NameAttribute(NameOID.COMMON_NAME, "root")])
    request(folder, "bad-two", p256, [uri(backend), uri("spiffe://malla.test/ns/default/sa/web")])
    request(folder, "bad-twice", p256, [uri(backend), uri(backend)])
    request(folder, "bad-dns-too", p256, [uri(backend), x509.DNSName("backend")])
    request(folder, "bad-dns", p256, [x509.DNSName("backend")])
    request(folder, "bad-none", p256, None)
    request(folder, "bad-percent", p256, [uri("spiffe://malla.test/ns/default/sa/%62ackend")])
    request(folder, "bad-capital", p256, [uri("spiffe://malla.test/ns/default/sa/Backend")])
    request(folder, "bad-port", p256, [uri("spiffe://malla.test:1/ns/default/sa/backend")])
    request(folder, "bad-short", p256, [uri("spiffe://malla.test/backend")])
    request(folder, "bad-rsa-1024", rsa.generate_private_key(65537, 1024), [uri(backend)])
    request(folder, "bad-rsa-2048", rsa.generate_private_key(65537, 2048), [uri(backend)])
    request(folder, "bad-p521", ec.generate_private_key(ec.SECP521R1()), [uri(backend)])
    request(folder, "bad-p224", ec.generate_private_key(ec.SECP224R1()), [uri(backend)])
    request(folder, "bad-many", p256, [uri(f"spiffe://malla.test/ns/default/sa/a{i}") for i in range(500)])
    with open(f"{folder}/good.csr", "rb") as file:
        csr = x509.load_pem_x509_csr(file.read())
    der = bytearray(csr.public_bytes(serialization.Encoding.DER))
    with open(f"{folder}/good-der.csr", "wb") as file:
        file.write(der)
    der[-1] ^= 1
    with open(f"{folder}/bad-signature.csr", "wb") as file:
        file.write(der)
    print("made")


if __name__ == "__main__":
    {"check": check, "requests": requests}[sys.argv[1]](*sys.argv[2:])
