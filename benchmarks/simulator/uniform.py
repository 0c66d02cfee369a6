"""The benchmarks' load: realistic events of users drawn one by one, so any number of users and events is cheap."""

from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.simulator import wire
from benchmarks.simulator.shop import (
    CAMPAIGNS,
    CATEGORIES,
    CATEGORY_PAGES,
    CONTEXTS,
    DEVICES,
    PLACES,
    PRODUCTS,
    Product,
    context_index,
    page,
)

Distribution = Literal["uniform", "zipf"]
MIX: dict[str, float] = {
    "Page Viewed": 0.40,
    "Product Viewed": 0.33,
    "Products Searched": 0.05,
    "Product Added": 0.08,
    "Product Removed": 0.02,
    "Checkout Started": 0.02,
    "Order Completed": 0.03,
    "Video Played": 0.03,
    "Review Submitted": 0.02,
    "Identify": 0.02,
}
_BATCH = 16_384
_CART_MS = 3_600_000
_ZIPF_EXPONENT = 1.05
_SEARCH = page("/search")
_CHECKOUT = page("/checkout")
_HOME = page("/")


def uniform_load(
    users: int, events: int, seed: int, start_ms: int, step_ms: int = 20, distribution: Distribution = "uniform"
) -> Iterator[bytes]:
    """Yield `events` records, one every `step_ms` of event time, in the mix `MIX`; same arguments, same bytes.

    Every event's user is drawn anew, uniformly or by zipf's law (exponent 1.05, ranks shuffled). A user's cart lasts
    an hour. Raises ValueError when an argument makes no sense.
    """
    if users < 1 or events < 0 or step_ms < 0 or distribution not in ("uniform", "zipf"):
        raise ValueError("users must be positive, events and step_ms at least 0, distribution uniform or zipf")
    return _load(users, events, seed, start_ms, step_ms, distribution)


def _load(
    users: int, events: int, seed: int, start_ms: int, step_ms: int, distribution: Distribution
) -> Iterator[bytes]:
    rng = np.random.default_rng(seed)
    draw_users = _user_source(users, distribution, rng)
    clock = wire.Clock()
    prefix = b"L%07x-" % (seed & 0xFFFFFFF)
    shares = np.cumsum(list(MIX.values()))
    for first in range(0, events, _BATCH):
        size = min(_BATCH, events - first)
        who = draw_users(size)
        kinds = np.minimum(np.searchsorted(shares, rng.random(size), side="right"), len(_WRITERS) - 1)
        products = (rng.random(size) ** 2 * len(PRODUCTS)).astype(np.int64)
        extras = rng.integers(0, 1 << 20, size)
        columns = zip(
            who.tolist(), kinds.tolist(), products.tolist(), _contexts(who).tolist(), extras.tolist(), strict=True
        )
        for number, (user, kind, product, context, extra) in enumerate(columns, first):
            time = start_ms + number * step_ms
            call = _Call(
                clock.iso(time), time, wire.user_fragment(user), user, PRODUCTS[product], CONTEXTS[context],
                prefix + b"%012x" % number, extra,
            )  # fmt: skip
            yield _WRITERS[kind](call)


def _user_source(
    users: int, distribution: Distribution, rng: np.random.Generator
) -> Callable[[int], NDArray[np.int64]]:
    if distribution == "uniform":
        return lambda size: rng.integers(0, users, size)
    shares = np.cumsum(1.0 / np.arange(1, users + 1) ** _ZIPF_EXPONENT)
    by_rank = rng.permutation(users)
    return lambda size: by_rank[np.searchsorted(shares, rng.random(size) * shares[-1], side="right")]


def _share_table(shares: list[int]) -> NDArray[np.int64]:
    return np.repeat(np.arange(len(shares)), shares)


_PLACE_OF = _share_table([place.share for place in PLACES])
_DEVICE_OF = _share_table([device.share for device in DEVICES])
_CAMPAIGN_OF = _share_table([14, *[1] * (len(CAMPAIGNS) - 1)])


def _contexts(users: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return an index into CONTEXTS for each user, always the same for the same user."""
    mixed = (users.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    place = _PLACE_OF[(mixed >> np.uint64(40)) % np.uint64(len(_PLACE_OF))]
    device = _DEVICE_OF[(mixed >> np.uint64(24)) % np.uint64(len(_DEVICE_OF))]
    campaign = _CAMPAIGN_OF[(mixed >> np.uint64(56)) % np.uint64(len(_CAMPAIGN_OF))]
    return context_index(place, device, campaign)


class _Call(NamedTuple):
    """What one event is written from; `extra` is a random number below 2**20."""

    iso: bytes
    time: int
    who: bytes
    user: int
    product: Product
    context: bytes
    message: bytes
    extra: int


def _track(call: _Call, event: bytes, properties: bytes, at: bytes) -> bytes:
    return wire.track(call.iso, call.who, event, properties, call.context, at, call.message)


def _page_viewed(call: _Call) -> bytes:
    properties, at = CATEGORY_PAGES[call.extra % len(CATEGORIES)]
    return wire.page_view(call.iso, call.who, properties, call.context, at, call.message)


def _product_viewed(call: _Call) -> bytes:
    return _track(call, b"Product Viewed", call.product.properties, call.product.page)


def _products_searched(call: _Call) -> bytes:
    return _track(call, b"Products Searched", b'"query":"%b"' % _QUERIES[call.extra % len(_QUERIES)], _SEARCH)


def _cart(call: _Call) -> bytes:
    return b"C%d-%d" % (call.user, call.time // _CART_MS)


def _product_added(call: _Call) -> bytes:
    properties = b'"cart_id":"%b",%b,"quantity":%d' % (_cart(call), call.product.properties, 1 + call.extra % 2)
    return _track(call, b"Product Added", properties, call.product.page)


def _product_removed(call: _Call) -> bytes:
    properties = b'"cart_id":"%b",%b,"quantity":1' % (_cart(call), call.product.properties)
    return _track(call, b"Product Removed", properties, call.product.page)


def _order(call: _Call) -> bytes:
    quantity = 1 + call.extra % 3
    line = b"%b%d}" % (call.product.order_line, quantity)
    return wire.order_fragment(b"O" + call.message, _cart(call), call.product.price * quantity, (line,))


def _checkout_started(call: _Call) -> bytes:
    return _track(call, b"Checkout Started", _order(call), _CHECKOUT)


def _order_completed(call: _Call) -> bytes:
    return _track(call, b"Order Completed", _order(call), _CHECKOUT)


def _video_played(call: _Call) -> bytes:
    properties = b'"product_id":"%b","seconds":%d' % (call.product.product_id, 20 + call.extra % 160)
    return _track(call, b"Video Played", properties, call.product.page)


def _review_submitted(call: _Call) -> bytes:
    properties = b'"product_id":"%b","rating":%d' % (call.product.product_id, 1 + call.extra % 5)
    return _track(call, b"Review Submitted", properties, call.product.page)


def _identify(call: _Call) -> bytes:
    traits = _TRAITS[call.user % len(_TRAITS)]
    return wire.identify(call.iso, call.who, traits, call.context, _HOME, call.message)


_QUERIES = tuple(category.encode() for category in CATEGORIES)
_TRAITS = tuple(
    f'"plan":"{plan}","country":"{PLACES[age % len(PLACES)].country}","age":{age}'.encode()
    for plan in ("free", "free", "plus", "premium")
    for age in range(18, 82)
)
_WRITERS: tuple[Callable[[_Call], bytes], ...] = (
    _page_viewed,
    _product_viewed,
    _products_searched,
    _product_added,
    _product_removed,
    _checkout_started,
    _order_completed,
    _video_played,
    _review_submitted,
    _identify,
)
"""In the order of MIX."""
