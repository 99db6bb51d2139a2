# SPDX-License-Identifier: Apache-2.0
"""Mints certificates, good ones and every kind of bad one, into a folder: NAME.pem (leaf first) and NAME.key.

usage: certificates.py FOLDER
"""

import datetime
import pathlib
import subprocess
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID as Usage, NameOID, ObjectIdentifier

NOW = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
DAY = datetime.timedelta(days=1)
GOOD = "spiffe://malla.test/ns/default/sa/frontend"
BOTH = [Usage.SERVER_AUTH, Usage.CLIENT_AUTH]
folder = pathlib.Path(sys.argv[1])



def make_key():
    return ec.generate_private_key(ec.SECP256R1())


def usage(sign=False, certify=False, encipher=False):
    return x509.KeyUsage(sign, False, encipher, False, False, certify, certify, False, False)


class Signer:
    """A certificate with its key, which signs others."""

    def __init__(self, common_name, issuer=None, life=(-DAY, 365 * DAY), is_authority=True, path_length=None,
                 may_certify=True, others=()):
        self.key = make_key()
        self.issuer = issuer
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        builder = (
            x509.CertificateBuilder().subject_name(subject)
            .issuer_name(issuer.certificate.subject if issuer else subject).public_key(self.key.public_key())
            .serial_number(x509.random_serial_number()).not_valid_before(NOW + life[0]).not_valid_after(NOW + life[1])
            .add_extension(x509.BasicConstraints(is_authority, path_length), True)
            .add_extension(usage(sign=not may_certify, certify=may_certify), True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), False)
        )
        for extension, is_critical in others:
            builder = builder.add_extension(extension, is_critical)
        self.certificate = builder.sign(issuer.key if issuer else self.key, hashes.SHA256())

    def links(self):
        """The certificates between a leaf and the root."""
        return [] if self.issuer is None else [self.certificate] + self.issuer.links()


def pem(certificates):
    return b"".join(one.public_bytes(serialization.Encoding.PEM) for one in certificates)


def key_pem(key):
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())


def write(name, certificates, key):
    (folder / f"{name}.pem").write_bytes(certificates if isinstance(certificates, bytes) else pem(certificates))
    (folder / f"{name}.key").write_bytes(key if isinstance(key, bytes) else key_pem(key))


def leaf(signer, names=(GOOD,), life=(-DAY, DAY), key=None, usages=BOTH, key_usage=None, is_authority=False, others=(),
         alternatives=None):
    key = key or make_key()
    builder = (
        x509.CertificateBuilder().subject_name(x509.Name([]))
        .issuer_name(signer.certificate.subject if signer else x509.Name([])).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(NOW + life[0]).not_valid_after(NOW + life[1])
        .add_extension(x509.BasicConstraints(is_authority, None), True)
        .add_extension(key_usage or usage(sign=True), True)
    )
    if usages:
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), False)
    alternatives = [x509.UniformResourceIdentifier(one) for one in names] if alternatives is None else alternatives
    if alternatives:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), True)
    for extension, is_critical in others:
        builder = builder.add_extension(extension, is_critical)
    return builder.sign(signer.key if signer else key, hashes.SHA256()), key


def save(name, signer, **how):
    certificate, key = leaf(signer, **how)
    write(name, [certificate] + (signer.links() if signer else []), key)


def foreign_key(certificate, other):
    """A key whose public half is the certificate's and whose private half is another's: nobody looks before it signs."""
    numbers = other.private_numbers().private_value.to_bytes(32, "big")
    public = certificate.public_key().public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    curve = bytes.fromhex("a00a06082a8648ce3d030107")
    half = b"\xa1" + bytes([len(public) + 3]) + b"\x03" + bytes([len(public) + 1]) + b"\x00" + public
    body = b"\x02\x01\x01\x04\x20" + numbers + curve + half
    import base64
    text = base64.encodebytes(b"\x30" + bytes([len(body)]) + body)
    return b"-----BEGIN EC PRIVATE KEY-----\n" + text + b"-----END EC PRIVATE KEY-----\n"


def patched(certificate, key, signer, old, new):
    """The certificate with some bytes exchanged for as many others, signed anew by hand."""
    body = certificate.tbs_certificate_bytes.replace(old, new)
    assert body != certificate.tbs_certificate_bytes and len(old) == len(new)
    signature = signer.key.sign(body, ec.ECDSA(hashes.SHA256()))
    algorithm = bytes.fromhex("300a06082a8648ce3d040302")
    content = body + algorithm + b"\x03" + bytes([len(signature) + 1]) + b"\x00" + signature
    whole = b"\x30\x82" + len(content).to_bytes(2, "big") + content
    import base64
    return b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(whole) + b"-----END CERTIFICATE-----\n"


root = Signer("root")
other_root = Signer("root of another")
middle = Signer("middle", root)
(folder / "root.pem").write_bytes(pem([root.certificate]))
(folder / "other-root.pem").write_bytes(pem([other_root.certificate]))

# Good ones.
save("good", root)
save("good-by-middle", middle)
save("backend", root, names=["spiffe://malla.test/ns/default/sa/backend"])
save("renewed", root)
save("federated", other_root, names=["spiffe://other.test/ns/default/sa/frontend"])
save("short-lived", root, life=(-DAY, datetime.timedelta(seconds=4)))
save("by-other-root", other_root)

# Times.
save("expired", root, life=(-10 * DAY, -DAY))
save("not-yet-valid", root, life=(DAY, 10 * DAY))
save("middle-expired", Signer("old middle", root, life=(-10 * DAY, -DAY)))
save("middle-not-yet-valid", Signer("young middle", root, life=(DAY, 10 * DAY)))

# Who signed it.
save("self-signed", None)
certificate, key = leaf(middle)
write("truncated-chain", [certificate], key)
save("middle-is-no-authority", Signer("no authority", root, is_authority=False))
save("middle-may-not-certify", Signer("may not certify", root, may_certify=False))
save("path-too-long", Signer("below", Signer("last", root, path_length=0)))
signer = root
for number in range(4):
    signer = Signer(f"link {number}", signer)
save("five-certificates", signer)
certificate, key = leaf(root)
der = bytearray(certificate.public_bytes(serialization.Encoding.DER))
der[-3] ^= 1
write("tampered", [x509.load_der_x509_certificate(bytes(der))], key)
save("outside-of-constraint", Signer("constrained", root, others=[
    (x509.NameConstraints([x509.UniformResourceIdentifier("other.test")], None), True)]))
save("federated-claims-ours", other_root)
save("ours-claims-federated", root, names=["spiffe://other.test/ns/default/sa/frontend"])

# Size and strength.
blob = x509.UnrecognizedExtension(ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"x" * 40_000)
save("huge-leaf", root, others=[(blob, False)])
million = x509.UnrecognizedExtension(ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"x" * 1_000_000)
save("million-bytes", root, others=[(million, False)])
save("rsa-1024", root, key=rsa.generate_private_key(65537, 1024))
save("sha1", root)
subprocess.run(
    ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-sha256", "-subj",
     "/CN=weak middle", "-keyout", folder / "weak.key", "-out", folder / "weak-self.pem", "-days", "30"],
    check=True, capture_output=True)
(folder / "weak.ext").write_text(
    f"basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nsubjectAltName=critical,URI:{GOOD}\n")
(folder / "root.key").write_bytes(key_pem(root.key))
subprocess.run(
    ["openssl", "x509", "-in", folder / "weak-self.pem", "-CA", folder / "root.pem", "-CAkey", folder / "root.key",
     "-CAcreateserial", "-clrext", "-sha1", "-days", "2", "-extfile", folder / "weak.ext", "-out", folder / "sha1.pem"],
    check=True, capture_output=True)
(folder / "sha1.key").write_bytes((folder / "weak.key").read_bytes())

# What it may be used for.
save("server-only", root, usages=[Usage.SERVER_AUTH])
save("client-only", root, usages=[Usage.CLIENT_AUTH])
save("code-signing", root, usages=[Usage.CODE_SIGNING])
save("encipherment", root, key_usage=usage(encipher=True))
save("leaf-is-authority", root, is_authority=True, key_usage=usage(sign=True, certify=True))
save("leaf-may-certify", root, key_usage=usage(sign=True, certify=True))
save("unknown-critical", root, others=[
    (x509.UnrecognizedExtension(ObjectIdentifier("1.3.6.1.4.1.99999.2"), b"\x05\x00"), True)])
certificate, key = leaf(root, names=["spiffe://malla.test/ns/default/sa/backend"])
write("foreign-key", [certificate], foreign_key(certificate, make_key()))

# Names.
save("no-names", root, alternatives=[])
save("dns-only", root, alternatives=[x509.DNSName("frontend.malla.test")])
save("two-names", root, names=[GOOD, "spiffe://malla.test/ns/default/sa/backend"])
save("one-name-twice", root, names=[GOOD, GOOD])
save("unknown-domain", root, names=["spiffe://evil.test/ns/default/sa/frontend"])
save("domain-as-prefix", root, names=["spiffe://malla.test.evil/ns/default/sa/frontend"])
BAD_NAMES = {
    "user": "spiffe://malla.test@evil/ns/default/sa/frontend",
    "upper-case-domain": "spiffe://Malla.test/ns/default/sa/frontend",
    "upper-case-scheme": "SPIFFE://malla.test/ns/default/sa/frontend",
    "upper-case-account": "spiffe://malla.test/ns/default/sa/Frontend",
    "percent": "spiffe://malla.test/ns/default/sa/front%65nd",
    "percent-dot": "spiffe://malla%2etest/ns/default/sa/frontend",
    "port": "spiffe://malla.test:443/ns/default/sa/frontend",
    "slash-behind": "spiffe://malla.test/ns/default/sa/frontend/",
    "double-slash": "spiffe://malla.test//ns/default/sa/frontend",
    "dot-segments": "spiffe://malla.test/ns/../ns/default/sa/frontend",
    "wildcard": "spiffe://malla.test/ns/default/sa/*",
    "query": "spiffe://malla.test/ns/default/sa/frontend?x",
    "fragment": "spiffe://malla.test/ns/default/sa/frontend#x",
    "no-domain": "spiffe:///ns/default/sa/frontend",
    "no-account": "spiffe://malla.test/ns/default/sa/",
    "no-path": "spiffe://malla.test",
    "other-scheme": "https://malla.test/ns/default/sa/frontend",
    "space": "spiffe://malla.test/ns/default/sa/front end",
    "two-kilobytes": "spiffe://malla.test/ns/default/sa/" + "a" * 2048,
}
for name, text in BAD_NAMES.items():
    save(f"name-{name}", root, names=[text])
certificate, key = leaf(root, names=["spiffe://malla.test/ns/default/sa/frontend.evil"])
write("name-nul", patched(certificate, key, root, b"frontend.evil", b"frontend\0evil"), key)
write("name-eight-bits", patched(certificate, key, root, b"frontend.evil", b"front\xc3\xa9nd.evi"), key)
