"""Addresses with TLS, and without it where it is expected: what is wrong is said, and a certificate of one's own can be trusted."""

import asyncio
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme

from ai.backends.openai.backend import OpenAIBackend
from ai.core.words import tls_words


class Models(BaseHTTPRequestHandler):
    """A listing of one model."""

    def do_GET(self) -> None:
        """Answer."""
        body = json.dumps({"data": [{"id": "m"}]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def served(certificate: Path | None = None) -> Iterator[int]:
    """A server on a free port, with TLS where there is a certificate."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Models)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of an authority that nobody knows, for localhost, with its key; the authority's own certificate stands last."""
    authority = trustme.CA()
    issued = authority.issue_cert("localhost")
    made = tmp_path_factory.mktemp("tls") / "made.pem"
    parts = (issued.private_key_pem, *issued.cert_chain_pems, authority.cert_pem)
    made.write_bytes(b"".join(part.bytes() for part in parts))
    return made


def said(url: str) -> tuple[str, str]:
    """State and sentence of a server at an address."""

    async def ask() -> tuple[str, str]:
        backend = OpenAIBackend(url)
        try:
            health = await backend.health(deadline_s=20)
            return health.state, health.detail
        finally:
            await backend.close()

    return asyncio.run(ask())


def test_a_certificate_that_nobody_vouches_for_is_told_with_what_to_do(certificate: Path) -> None:
    """It was "nobody answers there"."""
    with served(certificate) as port:
        state, words = said(f"https://localhost:{port}/v1")
    assert state == "error"
    assert "its certificate is not trusted (self-signed certificate in certificate chain)" in words
    assert "SSL_CERT_FILE" in words


def test_a_certificate_that_the_environment_names_is_trusted(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the name that it is for; for another one it says so."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with served(certificate) as port:
        assert said(f"https://localhost:{port}/v1")[0] == "ready"
        state, words = said(f"https://127.0.0.1:{port}/v1")
    assert state == "error"
    assert "mismatch" in words
    assert "name it by the host" in words


def test_tls_and_plain_http_are_told_apart(certificate: Path) -> None:
    """The address with the other beginning is what helps."""
    with served() as port:
        assert said(f"https://127.0.0.1:{port}")[1].endswith("it does not speak TLS: write http://.")
    with served(certificate) as port:
        assert "begins with https://" in said(f"http://127.0.0.1:{port}")[1]


@pytest.mark.parametrize(
    ("words", "means"),
    [
        ("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate has expired (_ssl.c:1016)", "not trusted (certificate has expired)"),
        ("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: unable to get local issuer certificate (_ssl.c:997)", "SSL_CERT_FILE"),
        ("[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1016)", "write http://"), ("[SSL: RECORD_LAYER_FAILURE] record layer failure (_ssl.c:1016)", "write http://"),
        ("[SSL: SSLV3_ALERT_HANDSHAKE_FAILURE] ssl/tls alert handshake failure", "no TLS connection can be made"), ("All connection attempts failed", ""),
    ],
)  # fmt: skip
def test_the_words_of_openssl_are_understood(words: str, means: str) -> None:
    """Each says what to do; what is none of them says nothing."""
    found = tls_words(words)
    assert means in found
    assert bool(means) == bool(found)
