"""Mutual TLS with the host, the way of hashicorp/go-plugin: each end makes a certificate
for this one process and trusts the other's alone."""

from __future__ import annotations

import base64
import datetime
import ssl
from typing import Any

import grpc

from .errors import ConfigError


def credentials(host: str) -> tuple[Any, str]:
    """Returns what a server shows and wants of its clients, and its certificate as it
    stands in the handshake. host is the host's certificate, in PEM."""
    key, certificate, der = _certificate()
    try:
        ssl.PEM_cert_to_DER_cert(host.strip())
    except ValueError as e:
        raise ConfigError(f"is no certificate: {e}", where="$PLUGIN_CLIENT_CERT") from e
    server = grpc.ssl_server_credentials([(key, certificate)], host.encode(), require_client_auth=True)
    return server, base64.b64encode(der).decode().rstrip("=")


def _certificate() -> tuple[bytes, bytes, bytes]:
    """Returns a new key and a certificate signed with it, in PEM, and again in DER."""
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.x509.oid import NameOID
    except ImportError as e:
        raise ConfigError(
            f"needs the package cryptography: {e}", where="TLS", hint='pip install "plume-da[tls]"'
        ) from e
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))  # clocks differ
        .not_valid_after(now + datetime.timedelta(days=3650))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, der = serialization.Encoding.PEM, serialization.Encoding.DER
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return private, certificate.public_bytes(pem), certificate.public_bytes(der)
