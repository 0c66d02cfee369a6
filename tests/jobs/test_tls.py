"""Why TLS fails, against servers that are wrong in one way each."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from jobs.stack.ports import LOOPBACK
from jobs.tls import TlsError, client_context, kafka_refusal, refusal
from tests.stack.secured import Certificates


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


class Server:
    """Speaks TLS with a certificate, or answers in plain text, to one client after the other."""

    def __init__(self, certificates: Certificates, name: str | None, *, asks: bool = False) -> None:
        self._context = None
        if name is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(certificates.path(name))
            if asks:
                self._context.verify_mode = ssl.CERT_REQUIRED
                self._context.load_verify_locations(certificates.path("ca"))
        self._listening = socket.create_server((LOOPBACK, 0))
        self._listening.settimeout(10)
        self.address = LOOPBACK, int(self._listening.getsockname()[1])
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        self._listening.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                plain, _ = self._listening.accept()
                with suppress(OSError), plain:
                    if self._context is None:
                        plain.recv(1)
                        plain.sendall(b"-ERR unknown command\r\n")
                        continue
                    with self._context.wrap_socket(plain, server_side=True) as wrapped:
                        wrapped.recv(1)


CASES: list[tuple[str | None, bool, str, str | None, str | None]] = [
    ("server", False, "ca", None, None),
    ("server", True, "ca", "client", None),
    ("server", True, "ca", None, "it asks for a certificate of ours"),
    ("server", False, "other-ca", None, "signed by an authority that we do not know: name that authority's PEM file"),
    ("expired", False, "ca", None, "its certificate has expired: renew it on the server"),
    ("elsewhere", False, "ca", None, f"its certificate is not for {LOOPBACK}"),
    (None, False, "ca", None, "it speaks no TLS at this port"),
]


@pytest.fixture
def server(request: pytest.FixtureRequest, certificates: Certificates) -> Iterator[Server]:
    name, asks = request.param
    made = Server(certificates, name, asks=asks)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("server", "authority", "own", "said"), [(case[:2], *case[2:]) for case in CASES], indirect=["server"]
)
def test_what_is_wrong_is_named(
    server: Server, certificates: Certificates, authority: str, own: str | None, said: str | None
) -> None:
    path = certificates.path(own) if own else None
    found = refusal(server.address, client_context(certificates.path(authority), path, path))
    assert found is None if said is None else said in (found or "")


@pytest.mark.parametrize("server", [("server", False)], indirect=True)
def test_the_name_is_compared_unless_told_otherwise(server: Server, certificates: Certificates) -> None:
    servers = f"localhost:{server.address[1]}"
    options = {"security_protocol": "SSL", "ssl_cafile": certificates.path("ca")}
    assert "is not for localhost" in (kafka_refusal(servers, options) or "")
    assert kafka_refusal(servers, options | {"ssl_check_hostname": False}) is None


@pytest.mark.parametrize("server", [("server", False)], indirect=True)
def test_plain_text_to_a_server_that_wants_tls(server: Server) -> None:
    said = kafka_refusal(f"{LOOPBACK}:{server.address[1]}", {})
    assert said == "it speaks TLS, and we are told not to: set security.protocol in kafka.client_properties"


@pytest.mark.parametrize("server", [(None, False)], indirect=True)
def test_plain_text_to_a_plain_server_is_all_right(server: Server) -> None:
    assert refusal(server.address, None) is None


def test_files_that_cannot_be_used_are_named(certificates: Certificates, tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("")
    with pytest.raises(TlsError, match=r"empty\.pem cannot be used as the list of authorities"):
        client_context(str(tmp_path / "empty.pem"))
    with pytest.raises(TlsError, match=r"nowhere cannot be used as our certificate: No such file"):
        client_context(certificates.path("ca"), "/nowhere")
