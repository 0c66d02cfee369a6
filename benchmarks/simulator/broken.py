"""Records that no shop should send and every shop does: one builder a kind."""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.simulator import wire
from benchmarks.simulator.shop import PRODUCTS

_YEAR_MS = 365 * 86_400_000
_DEPTH = 2_000
_OVERSIZED_BYTES = 5 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Draft:
    """What a broken record is made of; `variant` is any number, to choose between forms of one kind."""

    clock: wire.Clock
    time: int
    user: int
    context: bytes
    message: bytes
    variant: int


def _viewed(draft: Draft, *, who: bytes | None = None, time: int | None = None, extra: bytes = b"") -> bytes:
    product = PRODUCTS[draft.variant % len(PRODUCTS)]
    return wire.track(
        draft.clock.iso(draft.time if time is None else time),
        wire.user_fragment(draft.user) if who is None else who,
        b"Product Viewed", product.properties + extra, draft.context, product.page, draft.message,
    )  # fmt: skip


def _not_json(draft: Draft) -> bytes:
    whole = _viewed(draft)
    return whole[: len(whole) * 2 // 3] if draft.variant % 2 else b"timestamp=" + whole[14:]


def _no_user(draft: Draft) -> bytes:
    return _viewed(draft, who=b'"userId":null,"anonymousId":""' if draft.variant % 2 else b'"userId":""')


def _unknown_type(draft: Draft) -> bytes:
    return _viewed(draft).replace(b'"type":"track"', b'"type":"trackk"', 1)


def _time_years_off(draft: Draft) -> bytes:
    years = 7 if draft.variant % 2 else -24
    return _viewed(draft, time=draft.time + years * _YEAR_MS)


def _wrong_property_type(draft: Draft) -> bytes:
    product = PRODUCTS[draft.variant % len(PRODUCTS)]
    return _viewed(draft).replace(b'"price":%b' % str(product.price).encode(), b'"price":"abc"', 1)


def _deep_nesting(draft: Draft) -> bytes:
    return _viewed(draft, extra=b',"variant":' + b'{"of":' * _DEPTH + b"1" + b"}" * _DEPTH)


def _lone_surrogate(draft: Draft) -> bytes:
    return _viewed(draft, extra=b',"coupon":"\\ud83d"')


def oversized_event(draft: Draft) -> bytes:
    """Return a correct event of 5 MiB."""
    return _viewed(draft, extra=b',"note":"' + b"x" * _OVERSIZED_BYTES + b'"')


BROKEN: dict[str, Callable[[Draft], bytes]] = {
    "not_json": _not_json,
    "no_user": _no_user,
    "unknown_type": _unknown_type,
    "time_years_off": _time_years_off,
    "wrong_property_type": _wrong_property_type,
    "deep_nesting": _deep_nesting,
    "lone_surrogate": _lone_surrogate,
}
