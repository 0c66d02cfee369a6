"""What a shopper does between opening the shop and leaving it: one session as a list of events."""

from bisect import bisect
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import accumulate
from math import log
from random import Random

from benchmarks.simulator import wire
from benchmarks.simulator.shop import (
    CAMPAIGNS,
    CATEGORIES,
    CATEGORY_PAGES,
    CONTEXTS,
    PLACES,
    PRODUCTS,
    PRODUCTS_PER_CATEGORY,
    Product,
    context_index,
    page,
)
from benchmarks.simulator.shoppers import PLANS, SHOPPERS, Population

Timed = tuple[int, bytes]
_CUMULATIVE = tuple(tuple(accumulate(shopper.steps)) for shopper in SHOPPERS)
_HOME = page("/")
_CART = page("/cart")
_CHECKOUT = page("/checkout")
_SEARCH = page("/search")
_GUIDE = page("/guides/sizes")
_NEW = (b'"collection":"new-arrivals"', page("/new-arrivals"))
_CART_LIFE_MS = 3 * 86_400_000
_MAX_EVENTS = 400


@dataclass(slots=True)
class Cart:
    """A user's cart: it outlives the session, and is thrown away three days after it was last changed."""

    cart_id: bytes
    changed: int
    lines: list[tuple[Product, int]] = field(default_factory=list)


@dataclass(slots=True)
class History:
    """What the shop's browser and server remember of a user between sessions."""

    sessions: int = 0
    orders: int = 0
    cart: Cart | None = None
    bought: Product | None = None


class SessionWriter:
    """Writes sessions one after the other; the random numbers of all of them come from one seeded source."""

    def __init__(self, population: Population, seed: int) -> None:
        self.population = population
        self.random = Random(seed).random  # noqa: S311 - a simulation wants a seed, not secrecy
        self.clock = wire.Clock()
        self._histories: dict[int, History] = {}
        self._prefix = b"%08x-" % (seed & 0xFFFFFFFF)
        self._messages = 0

    def write(self, user: int, start_ms: int) -> list[Timed]:
        """Return the events of one session of `user`, in order of their times."""
        history = self._histories.get(user)
        if history is None:
            history = self._histories[user] = History()
        session = _Session(self, user, history, start_ms)
        session.run()
        history.sessions += 1
        return session.events

    def old_event(self, user: int, time: int) -> bytes:
        """Return a page view of `user` at `time`, as an app sends it that was offline for a long time."""
        return wire.page_view(
            self.clock.iso(time), wire.user_fragment(user), b'"name":"Home"', self.context(user, 0), _HOME,
            self.next_message(),
        )  # fmt: skip

    def next_message(self) -> bytes:
        """Return an id that this writer has not given out yet."""
        self._messages += 1
        return self._prefix + b"%012x" % self._messages

    def context(self, user: int, campaign: int) -> bytes:
        """Return the user's context fragment."""
        people = self.population
        return CONTEXTS[context_index(people.place.item(user), people.device.item(user), campaign)]


class _Session:
    """One visit; every method below adds the events of one thing a shopper does."""

    def __init__(self, writer: SessionWriter, user: int, history: History, start_ms: int) -> None:
        people = writer.population
        self.events: list[Timed] = []
        self._history = history
        self._user = user
        self._people = people
        self._kind = people.shopper.item(user)
        self._shopper = SHOPPERS[self._kind]
        self._favourite = people.favourite.item(user)
        self._random = writer.random
        self._iso = writer.clock.iso
        self._message = writer.next_message
        self._who = wire.user_fragment(user)
        campaign = 1 + int(self._random() * (len(CAMPAIGNS) - 1)) if self._random() < self._shopper.campaign else 0
        self._context = writer.context(user, campaign)
        self._now = start_ms

    def run(self) -> None:
        """Walk through the shop until the shopper has had enough, then to the checkout or away."""
        cart = self._history.cart
        if cart is not None and self._now - cart.changed > _CART_LIFE_MS:
            self._history.cart = None
        self._arrive()
        limits = _CUMULATIVE[self._kind]
        doings = _DOINGS
        while len(self.events) < _MAX_EVENTS:
            self._pause()
            step = bisect(limits, self._random() * limits[-1])
            if step == len(doings):
                break
            doings[step](self)
        self._leave()

    def _pause(self) -> None:
        self._now += 400 + int(-log(1.0 - self._random()) * self._shopper.pause_s * 1_000)

    def _track(self, event: bytes, properties: bytes, page: bytes) -> None:
        self.events.append(
            (
                self._now,
                wire.track(self._iso(self._now), self._who, event, properties, self._context, page, self._message()),
            )
        )

    def _page(self, properties: bytes, page: bytes) -> None:
        self.events.append(
            (
                self._now,
                wire.page_view(self._iso(self._now), self._who, properties, self._context, page, self._message()),
            )
        )

    def _arrive(self) -> None:
        self._page(b'"name":"Home"', _HOME)
        known = self._people.has_account.item(self._user)
        if known and (self._history.sessions == 0 or self._random() < 0.1):
            self._pause()
            self.events.append(
                (
                    self._now,
                    wire.identify(
                        self._iso(self._now), self._who, self._traits(), self._context, _HOME, self._message()
                    ),
                )
            )

    def _traits(self) -> bytes:
        people = self._people
        plan = PLANS[people.plan.item(self._user)]
        traits = f'"plan":"{plan}","country":"{PLACES[people.place.item(self._user)].country}"'
        age = people.age.item(self._user)
        return (traits + f',"age":{age}' if age else traits).encode()

    def browse(self) -> None:
        """Open a category's or a collection's page."""
        if self._random() < 0.25:
            self._page(*_NEW)
        else:
            self._page(*CATEGORY_PAGES[self._category()])

    def search(self) -> None:
        """Search for a category."""
        self._track(b"Products Searched", b'"query":"%b"' % CATEGORIES[self._category()].encode(), _SEARCH)

    def click(self) -> None:
        """Click on the call to action of the home page."""
        self._track(b"CTA Clicked", b'"name":"Shop the sale","position":"hero"', _HOME)

    def watch(self) -> None:
        """Watch a product's video to its end."""
        product = self._pick()
        seconds = 20 + int(self._random() * 160)
        self._track(
            b"Video Played",
            b'"product_id":"%b","seconds":%d' % (product.product_id, seconds),
            product.page,
        )

    def download(self) -> None:
        """Download the size guide."""
        self._track(b"Content Downloaded", b'"name":"size-guide.pdf","kind":"pdf"', _GUIDE)

    def review(self) -> None:
        """Review the newest product bought; those who bought nothing browse."""
        product = self._history.bought
        if product is None:
            self.browse()
            return
        rating = 1 + int(self._random() ** 0.4 * 5)
        self._track(b"Review Submitted", b'"product_id":"%b","rating":%d' % (product.product_id, rating), product.page)

    def view(self) -> None:
        """Look at a product, and perhaps put it into the cart or on the wish list."""
        product = self._pick()
        self._track(b"Product Viewed", product.properties, product.page)
        draw = self._random()
        shopper = self._shopper
        if draw < shopper.add:
            self._add(product)
        elif draw < shopper.add + shopper.wish:
            self._pause()
            self._track(
                b"Product Added to Wishlist", b'%b,"wishlist_id":"W%d"' % (product.properties, self._user), product.page
            )

    def _add(self, product: Product) -> None:
        self._pause()
        history = self._history
        cart = history.cart
        if cart is None:
            cart = history.cart = Cart(b"C%d-%d" % (self._user, self._now // 1_000), self._now)
        quantity = 1 if self._random() < 0.85 else 2
        cart.lines.append((product, quantity))
        self._change(b"Product Added", cart, product, quantity)
        if self._random() < self._shopper.remove:
            self._pause()
            gone, count = cart.lines.pop(int(self._random() * len(cart.lines)))
            self._change(b"Product Removed", cart, gone, count)

    def _change(self, event: bytes, cart: Cart, product: Product, quantity: int) -> None:
        cart.changed = self._now
        self._track(
            event, b'"cart_id":"%b",%b,"quantity":%d' % (cart.cart_id, product.properties, quantity), product.page
        )

    def _leave(self) -> None:
        cart = self._history.cart
        if cart is None or not cart.lines or self._random() >= self._shopper.checkout:
            return
        order = b"O%d-%d" % (self._user, self._now // 1_000)
        total = sum(product.price * quantity for product, quantity in cart.lines)
        lines = [b"%b%d}" % (product.order_line, quantity) for product, quantity in cart.lines]
        properties = wire.order_fragment(order, cart.cart_id, total, lines)
        self._page(b'"name":"Cart"', _CART)
        self._pause()
        self._track(b"Checkout Started", properties, _CHECKOUT)
        if self._random() < self._shopper.order:
            self._pause()
            self._track(b"Order Completed", properties, _CHECKOUT)
            self._history.bought = cart.lines[0][0]
            self._history.orders += 1
            self._history.cart = None

    def _category(self) -> int:
        return self._favourite if self._random() < 0.6 else int(self._random() * len(CATEGORIES))

    def _pick(self) -> Product:
        rank = int(self._random() ** 2 * PRODUCTS_PER_CATEGORY)
        return PRODUCTS[self._category() * PRODUCTS_PER_CATEGORY + rank]


_DOINGS: tuple[Callable[[_Session], None], ...] = (
    _Session.view,
    _Session.browse,
    _Session.search,
    _Session.click,
    _Session.watch,
    _Session.download,
    _Session.review,
)
"""In the order of `shoppers.STEPS`; the last step, stop, has no doing."""
