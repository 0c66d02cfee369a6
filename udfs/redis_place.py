"""Where Redis is: at an address, or where Sentinels say that the primary of a service is now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import redis
from redis import connection, sentinel


@dataclass(frozen=True, slots=True)
class Sentinels:
    """Who watches Redis: their addresses, the name that they know it by, and the password that they want."""

    addresses: tuple[tuple[str, int], ...]
    service: str
    password: str | None = None

    def __str__(self) -> str:
        """Return whom they watch and where they are."""
        places = ", ".join(f"{host}:{port}" for host, port in self.addresses)
        return f"the primary of '{self.service}' (Sentinels at {places})"


def primary(url: str, sentinels: Sentinels, timeout: float) -> tuple[str, int]:
    """Return host and port of the primary; each Sentinel has `timeout` (s). Raises redis.ConnectionError without one.

    With `rediss://` the Sentinels are asked by TLS too, with the same certificates.
    """
    client: Any = sentinel.Sentinel  # redis-py has no types here
    read_url: Any = connection.parse_url
    options: dict[str, Any] = {key: value for key, value in read_url(url).items() if key.startswith("ssl_")}
    options |= {"socket_timeout": timeout, "socket_connect_timeout": timeout, "password": sentinels.password}
    asked = client([], sentinel_kwargs={})
    asked.sentinels = [
        redis.Redis(host, port, ssl=url.startswith("rediss:"), **options) for host, port in sentinels.addresses
    ]
    try:
        host, port = asked.discover_master(sentinels.service)
    except redis.RedisError as error:
        raise redis.ConnectionError(f"no Sentinel names a primary: {error}") from None
    finally:
        for each in asked.sentinels:
            each.close()
    return str(host), int(port)


def placed(url: str, sentinels: Sentinels | None, timeout: float) -> str:
    """Return the address to connect to now; raises redis.ConnectionError.

    >>> placed("redis://cache:6379/0", None, 1.0)
    'redis://cache:6379/0'
    """
    if sentinels is None:
        return url
    host, port = primary(url, sentinels, timeout)
    parts = urlsplit(url)
    login = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return urlunsplit(parts._replace(netloc=login + place))
