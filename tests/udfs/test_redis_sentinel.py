"""A writer that asks Sentinels follows them to the replica that they make the primary, and loses nothing."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
import redis

from jobs.redis_access import check_redis, connected, watched_by
from jobs.settings import RedisSettings
from jobs.stack.ports import LOOPBACK, free_ports
from jobs.stack.redis_server import find_binary
from jobs.stack.waiting import wait_until
from tests.stack.secured import Certificates, tls_proxy
from tests.udfs.redis_support import TTL, Server, Told, Writer, change, put
from tests.udfs.test_redis_outages import assert_right
from udfs.redis_link import RedisOptions
from udfs.redis_place import Sentinels, placed
from udfs.redis_writer import RedisWriter

NAME = "main"
PASSWORD = "hush"  # noqa: S105 - of a Sentinel that lives as long as a test
LOGIN = "canary/51c0"  # of its servers, where they want one
PROMOTED_TIMEOUT = 60.0


@contextmanager
def sentinel(folder: Path, primary: str, login: str | None = None) -> Iterator[tuple[str, int]]:
    """Run one Sentinel that watches the server of an address and decides alone."""
    (port,) = free_ports(1)
    place = urlsplit(primary)
    conf = folder / "sentinel.conf"
    conf.write_text(
        f"port {port}\nbind {LOOPBACK}\ndir {folder}\nrequirepass {PASSWORD}\n"
        f"sentinel monitor {NAME} {place.hostname} {place.port} 1\n"
        + (f"sentinel auth-pass {NAME} {login}\n" if login else "")
        + f"sentinel down-after-milliseconds {NAME} 1000\nsentinel failover-timeout {NAME} 5000\n"
    )
    process = subprocess.Popen([str(find_binary()), str(conf), "--sentinel"], stdout=subprocess.DEVNULL)
    try:
        yield LOOPBACK, port
    finally:
        process.kill()
        process.wait()


def follow(replica: Server, primary: str) -> None:
    place = urlsplit(primary)
    with redis.Redis.from_url(replica.url) as client:
        client.execute_command("REPLICAOF", place.hostname, place.port)
        wait_until(lambda: client.info("replication").get("master_link_status") == "up", 60, "the replica")


def settings_of(place: tuple[str, int], scheme: str = "redis", **known: object) -> RedisSettings:
    given = {"url": f"{scheme}://nowhere.invalid:1/0", "sentinels": [f"{place[0]}:{place[1]}"]}
    named = {"sentinel_service": NAME, "sentinel_password": PASSWORD}
    return RedisSettings.model_validate({**given, **named, **known})


class SentinelWriter(Writer):
    """A writer whose Redis is where the Sentinels say."""

    def __init__(self, sentinels: Sentinels, url: str = "redis://nowhere.invalid:1/0") -> None:
        self.told = Told()
        RedisWriter.__init__(self, RedisOptions(url, TTL, 1_000, sentinels), self.told)
        self.own([0, 1], lacking=False)


def test_a_failover_is_followed(tmp_path: Path) -> None:
    for name in ("old", "new", "sentinel"):
        (tmp_path / name).mkdir()
    with Server(tmp_path / "old") as old, Server(tmp_path / "new") as new:
        follow(new, old.url)
        with sentinel(tmp_path / "sentinel", old.url) as place:
            settings = settings_of(place)
            wait_until(lambda: check_redis(settings) is None, PROMOTED_TIMEOUT, "the Sentinel to know the primary")
            writer = SentinelWriter(Sentinels((place,), NAME, PASSWORD))
            assert str(writer.log._address) == f"the primary of 'main' (Sentinels at {LOOPBACK}:{place[1]})"
            put(writer, [change(f"u{number}", "first", "entered", 1) for number in range(50)])
            with redis.Redis(*place, password=PASSWORD) as asked:
                wait_until(lambda: asked.sentinel_slaves(NAME), PROMOTED_TIMEOUT, "the Sentinel to know the replica")
            old.kill()
            put(writer, [change("u1", "first", "exited", 2), change("u50", "first", "entered", 1)])
            assert_right(new, writer.told)
            assert writer.log.outages >= 1
            with connected(settings) as client:
                assert client.hget("seg:u1", "_seq") == b"2"
            writer.close()


@contextmanager
def fronts(certificates: Certificates) -> Iterator[Callable[..., str]]:
    """Yield what puts TLS in front of a server and returns the address; `plain_too` passes on plain text as well."""
    stop = threading.Event()
    try:
        yield (
            lambda url, **how: (
                f"redis://{LOOPBACK}:{tls_proxy(certificates, 'server', urlsplit(url).port or 0, stop, **how)}/0"
            )
        )
    finally:
        stop.set()


def lock(server: Server) -> None:
    """Let nobody in without the password, and have it log in with the same."""
    with redis.Redis.from_url(server.url) as client:
        client.config_set("masterauth", LOGIN)
        client.config_set("requirepass", LOGIN)
    server.url = server.url.replace("//", f"//:{quote(LOGIN, safe='')}@")


def announce(server: Server, url: str) -> None:
    """Have Sentinel know a server by another address."""
    with redis.Redis.from_url(server.url) as client:
        client.config_set("replica-announce-ip", LOOPBACK)
        client.config_set("replica-announce-port", str(urlsplit(url).port))


def test_a_failover_is_followed_by_tls_and_with_a_login(tmp_path: Path) -> None:
    for name in ("old", "new", "sentinel"):
        (tmp_path / name).mkdir()
    certificates = Certificates(tmp_path)
    with Server(tmp_path / "old") as old, Server(tmp_path / "new") as new, fronts(certificates) as front:
        lock(old)
        lock(new)
        old_front, new_front = front(old.url, plain_too=True), front(new.url, plain_too=True)
        announce(new, new_front)
        follow(new, old_front)
        with sentinel(tmp_path / "sentinel", old_front, LOGIN) as (host, port):
            place = LOOPBACK, urlsplit(front(f"redis://{host}:{port}")).port or 0  # only by TLS
            settings = settings_of(place, "rediss", password=LOGIN, tls_ca=certificates.path("ca"))
            wait_until(lambda: check_redis(settings) is None, PROMOTED_TIMEOUT, "the Sentinel to know the primary")
            assert_refused(settings_of(place, password=LOGIN), "no Sentinel names a primary")
            stranger = settings_of(place, "rediss", password=LOGIN, tls_ca=certificates.path("other-ca"))
            assert_refused(stranger, "certificate verify failed")
            writer = SentinelWriter(watched(settings), settings.url.get_secret_value())
            put(writer, [change(f"u{number}", "first", "entered", 1) for number in range(50)])
            with redis.Redis(host, port, password=PASSWORD) as asked:
                wait_until(lambda: asked.sentinel_slaves(NAME), PROMOTED_TIMEOUT, "the Sentinel to know the replica")
            old.kill()
            put(writer, [change("u1", "first", "exited", 2)])
            assert_right(new, writer.told)
            with connected(settings) as client:
                assert client.hget("seg:u1", "_seq") == b"2"
                assert client.connection_pool.connection_kwargs["port"] == urlsplit(new_front).port
            writer.close()


def watched(settings: RedisSettings) -> Sentinels:
    found = watched_by(settings)
    assert found is not None
    return found


def assert_refused(settings: RedisSettings, text: str) -> None:
    said = check_redis(settings)
    assert said is not None
    assert text in said
    assert LOGIN not in said


def test_sentinels_that_say_nothing_are_named() -> None:
    (port,) = free_ports(1)
    said = check_redis(settings_of((LOOPBACK, port)))
    assert said is not None
    assert said.startswith(f"cannot use Redis at the primary of 'main' (Sentinels at {LOOPBACK}:{port}): no Sentinel")
    assert PASSWORD not in said


def test_the_address_keeps_login_database_and_options() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("udfs.redis_place.primary", lambda *_: ("::1", 7))
        sentinels = Sentinels((("a", 1),), NAME)
        assert (
            placed("rediss://u:p%40@x:1/3?ssl_ca_certs=a", sentinels, 1.0) == "rediss://u:p%40@[::1]:7/3?ssl_ca_certs=a"
        )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"sentinels": ["a:1"]}, "come together"),
        ({"sentinel_service": "main"}, "come together"),
        ({"sentinel_password": "x"}, "needs sentinels"),
        ({"sentinels": ["a"], "sentinel_service": "main"}, "pattern"),
        ({"sentinels": ["a:1"], "sentinel_service": "main", "url": "unix:///x"}, "give host and port"),
    ],
)
def test_sentinels_that_are_given_by_half_are_refused(given: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        RedisSettings(**given)
