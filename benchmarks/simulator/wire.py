"""Events as bytes: templates for every call the shop's web site makes, in the order of fields analytics.js uses.

Fragments are JSON without braces; all text in them is plain ASCII that needs no escaping.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

EVENT_NAMES = (
    "Page Viewed", "Products Searched", "Product Viewed", "Product Added", "Product Removed",
    "Product Added to Wishlist", "Checkout Started", "Order Completed", "Video Played", "Review Submitted",
    "Content Downloaded", "CTA Clicked", "Identify",
)  # fmt: skip
_MINUTE_MS = 60_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECONDS = tuple(b"%02d.%03dZ" % divmod(ms, 1_000) for ms in range(_MINUTE_MS))


class Clock:
    """Milliseconds to ISO 8601, quickly: the newest minutes' texts are kept."""

    def __init__(self) -> None:
        self._minutes: dict[int, bytes] = {}

    def iso(self, ms: int) -> bytes:
        """Return `ms` since 1970 as for example `2026-11-22T10:00:00.000Z`."""
        minute = ms // _MINUTE_MS
        text = self._minutes.get(minute)
        if text is None:
            if len(self._minutes) > 10_000:
                self._minutes.clear()
            text = self._minutes[minute] = _minute_text(minute)
        return text + _SECONDS[ms - minute * _MINUTE_MS]


def _minute_text(minute: int) -> bytes:
    return (_EPOCH + timedelta(minutes=minute)).strftime("%Y-%m-%dT%H:%M:").encode()


def user_fragment(user: int) -> bytes:
    """Return the fields that say who: a user id and the browser's anonymous id, which looks like a UUID."""
    scrambled = (user * 0x9E3779B97F4A7C15 + 0x1D8E4E27C47D124F) & 0xFFFFFFFFFFFFFFFF
    return b'"userId":"u%07d","anonymousId":"%08x-%04x-4%03x-8%03x-%012x"' % (
        user, scrambled >> 32, (scrambled >> 16) & 0xFFFF, scrambled & 0xFFF, (scrambled >> 20) & 0xFFF,
        scrambled & 0xFFFFFFFFFFFF,
    )  # fmt: skip


def track(
    time: bytes, who: bytes, event: bytes, properties: bytes, context: bytes, page: bytes, message: bytes
) -> bytes:
    """Return a track call."""
    return (
        b'{"timestamp":"%b",%b,"type":"track","event":"%b","properties":{%b},"context":{%b,"page":{%b}},"messageId":"%b"}'
        % (time, who, event, properties, context, page, message)
    )


def page_view(time: bytes, who: bytes, properties: bytes, context: bytes, page: bytes, message: bytes) -> bytes:
    """Return a page call; the page's own fields are among its properties."""
    return b'{"timestamp":"%b",%b,"type":"page","properties":{%b,%b},"context":{%b,"page":{%b}},"messageId":"%b"}' % (
        time,
        who,
        properties,
        page,
        context,
        page,
        message,
    )


def identify(time: bytes, who: bytes, traits: bytes, context: bytes, page: bytes, message: bytes) -> bytes:
    """Return an identify call."""
    return b'{"timestamp":"%b",%b,"type":"identify","traits":{%b},"context":{%b,"page":{%b}},"messageId":"%b"}' % (
        time, who, traits, context, page, message,
    )  # fmt: skip


def order_fragment(order: bytes, cart: bytes, total: float, lines: Iterable[bytes]) -> bytes:
    """Return the properties of Checkout Started and Order Completed; `total` is in USD."""
    return b'"order_id":"%b","cart_id":"%b","total":%.2f,"revenue":%.2f,"currency":"USD","products":[%b]' % (
        order, cart, total, total, b",".join(lines),
    )  # fmt: skip
