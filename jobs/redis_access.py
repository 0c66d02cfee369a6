"""Whether Redis lets us in, and in what words to say that it does not."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import redis

from jobs.settings import RedisSettings
from jobs.tls import TlsError, client_context, refusal
from udfs.redis_place import Sentinels, placed

_DEFAULT_PORT = 6379
_LOGIN = (redis.AuthenticationError, redis.exceptions.AuthorizationError, redis.exceptions.NoPermissionError)


class RedisRefused(RuntimeError):
    """Redis is there and does not let us in, which waiting does not mend; the text says what to change."""


def check_redis(settings: RedisSettings) -> str | None:
    """Return None when Redis takes a command, else why it does not answer, which may pass.

    Raises RedisRefused where a password, a permission or a certificate is wrong.
    """
    if not settings.enabled:
        return None
    timeout = settings.timeout / 1_000
    try:
        with connected(settings, socket_timeout=timeout, socket_connect_timeout=timeout) as client:
            client.exists("seg:", "segment:", "segments:")
    except redis.RedisError as error:
        why, lasting = _reason(settings, error)
        said = f"cannot use Redis at {settings.display_url}: {why}"
        if lasting:
            raise RedisRefused(said) from None
        return said
    return None


def watched_by(settings: RedisSettings) -> Sentinels | None:
    """Return the Sentinels who know where Redis is, None where the url says it."""
    if not settings.sentinels or settings.sentinel_service is None:
        return None
    places = (each.rpartition(":") for each in settings.sentinels)
    password = settings.sentinel_password.get_secret_value() if settings.sentinel_password else None
    return Sentinels(
        tuple((host.strip("[]"), int(port)) for host, _, port in places), settings.sentinel_service, password
    )


def address_now(settings: RedisSettings) -> str:
    """Return the url of the server, or of the primary that the Sentinels name now; raises redis.ConnectionError."""
    return placed(settings.url.get_secret_value(), watched_by(settings), settings.timeout / 1_000)


def connected(settings: RedisSettings, **options: Any) -> redis.Redis:
    """Return a client of the server, or of the primary that the Sentinels name now; raises redis.ConnectionError."""
    return redis.Redis.from_url(address_now(settings), **options)


def said_by_redis(settings: RedisSettings, error: redis.RedisError) -> str:
    """Return an error of redis-py in words that say where and what to check, never with a secret."""
    return f"cannot use Redis at {settings.display_url}: {_reason(settings, error)[0]}"


def _reason(settings: RedisSettings, error: redis.RedisError) -> tuple[str, bool]:
    """Return what is wrong, and whether it stays so until somebody changes something."""
    text = str(error)
    if "NOPERM" in text or isinstance(error, redis.exceptions.NoPermissionError):
        return f"{text}; its ACL must allow the user all commands on the keys seg:*, segment:* and segments:*", True
    if "NOAUTH" in text or "Authentication required" in text:
        return "it asks for a password: set redis.password (and redis.user)", True
    if isinstance(error, _LOGIN) or "WRONGPASS" in text or "invalid password" in text:
        return "it does not accept redis.user and redis.password", True
    why = tls_refusal(settings) if isinstance(error, redis.ConnectionError | redis.TimeoutError) else None
    return (why, True) if why is not None else (text, False)


def tls_refusal(settings: RedisSettings) -> str | None:
    """Return why TLS with Redis fails, or that Redis wants it; None where TLS is not what is wrong."""
    parts = urlsplit(settings.url.get_secret_value())
    if parts.hostname is None or settings.sentinels:
        return None
    address = parts.hostname, parts.port or _DEFAULT_PORT
    if parts.scheme != "rediss":
        why = refusal(address, None)
        return f"{why}: write rediss:// in redis.url" if why else None
    options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    if options.get("ssl_cert_reqs") == "none":
        return None
    check_name = options.get("ssl_check_hostname", "true").lower() not in {"false", "no", "0"}
    try:
        own = options.get("ssl_certfile"), options.get("ssl_keyfile")
        context = client_context(options.get("ssl_ca_certs"), *own, check_name=check_name)
    except TlsError as error:
        return str(error)
    why = refusal(address, context)
    return f"{why} (redis.tls_ca, tls_certificate, tls_key)" if why else None
