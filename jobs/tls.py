"""Why a connection that is to be encrypted does not come about, in words that say what to do."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from typing import Any

_TIMEOUT_S = 5.0
_ALERT_S = 1.0  # an answer to our certificate comes after the handshake, if at all
_NO_TLS = "it speaks no TLS at this port, so it seems: take the port of its TLS listener"
_UNKNOWN = ("self-signed", "self signed", "unable to get", "unable to verify")


class TlsError(ValueError):
    """A file of ours that TLS needs cannot be used; the text says which and why."""


def client_context(
    authority: str | None,
    certificate: str | None = None,
    key: str | None = None,
    password: str | None = None,
    *,
    check_name: bool = True,
) -> ssl.SSLContext:
    """Return what a client checks a server by, from paths of PEM files; raises TlsError, naming the file."""
    try:
        context = ssl.create_default_context(cafile=authority)
    except (OSError, ssl.SSLError) as error:
        raise TlsError(f"{authority} cannot be used as the list of authorities: {_said(error)}") from None
    context.check_hostname = check_name
    if certificate is not None:
        try:
            context.load_cert_chain(certificate, key, password or "")
        except (OSError, ssl.SSLError) as error:
            raise TlsError(f"{certificate} cannot be used as our certificate: {_said(error)}") from None
    return context


def refusal(address: tuple[str, int], context: ssl.SSLContext | None) -> str | None:
    """Return why TLS with a server fails, or None where it does not; without `context`, whether it wants TLS.

    Opens a connection of its own: clients of Kafka and Redis do not say what went wrong in the handshake.
    """
    wanted = context is not None
    if context is None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # only to see whether it speaks TLS at all: nothing is sent
    try:
        with (
            socket.create_connection(address, timeout=_TIMEOUT_S) as plain,
            context.wrap_socket(plain, server_hostname=address[0]) as wrapped,
        ):
            if not wanted:
                return "it speaks TLS, and we are told not to"
            wrapped.settimeout(_ALERT_S)
            return _alert(wrapped)
    except ssl.SSLCertVerificationError as error:
        return _certificate(error, address[0])
    except ConnectionRefusedError:
        return None  # nothing is there: the client says so itself
    except ssl.SSLError as error:
        return _handshake(error) if wanted else None
    except (TimeoutError, ConnectionError):
        return _NO_TLS if wanted else None
    except OSError:
        return None  # no such host, and the like: the client says so itself


def _alert(wrapped: ssl.SSLSocket) -> str | None:
    try:
        wrapped.recv(1)
    except TimeoutError:
        return None
    except ssl.SSLError as error:
        return _handshake(error)
    return None


def _certificate(error: ssl.SSLCertVerificationError, host: str) -> str:
    said = error.verify_message
    if "expired" in said:
        return "its certificate has expired: renew it on the server"
    if "not yet valid" in said:
        return "its certificate is not valid yet: compare the clocks"
    if "match" in said:
        return f"its certificate is not for {host}: connect by the name that it is for, or have that name added"
    if any(word in said for word in _UNKNOWN):
        return "its certificate is signed by an authority that we do not know: name that authority's PEM file"
    return f"its certificate is not accepted: {said}"


def _handshake(error: ssl.SSLError) -> str:
    reason = error.reason or ""
    if "WRONG_VERSION_NUMBER" in reason or "RECORD_LAYER" in reason or "EOF" in reason:
        return _NO_TLS
    if "CERTIFICATE" in reason or "UNKNOWN_CA" in reason or "HANDSHAKE_FAILURE" in reason:
        return "it asks for a certificate of ours that it knows the authority of: name our certificate and key"
    return f"the handshake failed: {reason.replace('_', ' ').lower() or error}"


def kafka_refusal(servers: str, options: Mapping[str, Any]) -> str | None:
    """Return why TLS with the first of some Kafka servers fails, for kafka-python's options; None where it does not."""
    host, _, port = servers.split(",", maxsplit=1)[0].strip().rpartition(":")
    if not port.isdigit():
        return None
    context = None
    if str(options.get("security_protocol", "")).endswith("SSL"):
        try:
            context = client_context(
                options.get("ssl_cafile"),
                options.get("ssl_certfile"),
                options.get("ssl_keyfile"),
                options.get("ssl_password"),
                check_name=options.get("ssl_check_hostname", True),
            )
        except TlsError as error:
            return str(error)
    why = refusal((host.strip("[]"), int(port)), context)
    return f"{why}: set security.protocol in kafka.client_properties" if why and context is None else why


def _said(error: OSError) -> str:
    return error.strerror or str(error)
