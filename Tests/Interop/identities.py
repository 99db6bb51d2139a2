# SPDX-License-Identifier: Apache-2.0
"""Mints what a small mesh of two nodes needs into a folder: NAME.pem (leaf first), NAME.key, root.pem, other-root.pem.

usage: identities.py FOLDER
"""

import datetime
import pathlib
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID as Usage, NameOID

folder = pathlib.Path(sys.argv[1])
NOW = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
DAY = datetime.timedelta(days=1)


def usage(certify):
    return x509.KeyUsage(not certify, False, False, False, False, certify, certify, False, False)


def root(name):
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(NOW - DAY).not_valid_after(NOW + 30 * DAY)
        .add_extension(x509.BasicConstraints(True, None), True).add_extension(usage(True), True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        .sign(key, hashes.SHA256()))
    (folder / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return certificate, key


def leaf(name, signer, account, life=(-DAY, DAY), domain="malla.test"):
    key = ec.generate_private_key(ec.SECP256R1())
    uri = x509.UniformResourceIdentifier(f"spiffe://{domain}/ns/default/sa/{account}")
    certificate = (
        x509.CertificateBuilder().subject_name(x509.Name([])).issuer_name(signer[0].subject)
        .public_key(key.public_key()).serial_number(x509.random_serial_number())
        .not_valid_before(NOW + life[0]).not_valid_after(NOW + life[1])
        .add_extension(x509.BasicConstraints(False, None), True).add_extension(usage(False), True)
        .add_extension(x509.ExtendedKeyUsage([Usage.SERVER_AUTH, Usage.CLIENT_AUTH]), False)
        .add_extension(x509.SubjectAlternativeName([uri]), True).sign(signer[1], hashes.SHA256()))
    (folder / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / f"{name}.key").write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))


own = root("root")
other = root("other-root")
for account in ("frontend", "backend", "stranger"):
    leaf(account, own, account)
    leaf(f"{account}-new", own, account)
leaf("frontend-forged", other, "frontend")
leaf("backend-forged", other, "backend")
leaf("backend-expired", own, "backend", life=(-2 * DAY, -DAY))
leaf("frontend-expired", own, "frontend", life=(-2 * DAY, -DAY))
leaf("foreigner", other, "frontend", domain="other.test")
