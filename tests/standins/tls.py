"""Certificates of an authority that exists for one stand-in."""

import ssl
import tempfile

import trustme


def context(*protocols: str) -> tuple[ssl.SSLContext, str]:
    """Return a server's context for this machine, and the path of the authority that signed it."""
    authority = trustme.CA()
    found = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1", "::1").configure_cert(found)
    if protocols:
        found.set_alpn_protocols(list(protocols))
    with tempfile.NamedTemporaryFile("wb", suffix=".pem", delete=False) as file:
        file.write(authority.cert_pem.bytes())
    return found, file.name
