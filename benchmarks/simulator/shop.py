"""The world the shoppers live in: products, places, devices, campaigns. All of it is fixed, none of it is random."""

from dataclasses import dataclass
from itertools import product as pairs
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

CATEGORIES = (
    "coats", "dresses", "shirts", "jeans", "shoes", "boots", "bags", "hats", "scarves", "knitwear", "sportswear",
    "jewellery",
)  # fmt: skip
COLLECTIONS = ("new-arrivals", "winter", "classics", "summer")
BRANDS = ("Nordlys", "Alba", "Kestrel", "Maru", "Oakline", "Verano", "Tindra", "Brisk")
PRODUCTS_PER_CATEGORY = 40
_BASE_PRICE = dict(zip(CATEGORIES, (149, 69, 39, 79, 89, 119, 99, 25, 29, 59, 49, 35), strict=True))
_WORDS = ("Wool", "Linen", "Quilted", "Slim", "Vintage", "Light", "Classic", "Relaxed", "Hooded", "Soft")


def page(path: str) -> bytes:
    """Return the fragment of a page of the shop: what `context.page` and a page call's properties hold."""
    return f'"path":"{path}","url":"https://shop.example{path}"'.encode()


@dataclass(frozen=True, slots=True)
class Product:
    """A product with the JSON fragments that events are put together from (no braces, no commas at the ends)."""

    product_id: bytes
    price: float
    properties: bytes
    order_line: bytes
    page: bytes


def _product(number: int, category: str) -> Product:
    rank = number % PRODUCTS_PER_CATEGORY
    collection = COLLECTIONS[1] if category == "coats" and rank % 2 else COLLECTIONS[(rank * 7 + rank // 4) % 4]
    word = _WORDS[(rank * 3) % len(_WORDS)]
    name = f"{word} {category.title()} {rank + 1}"
    price = round(_BASE_PRICE[category] * (0.6 + 0.04 * ((rank * 17) % 30)), 2)
    product_id = f"P{10_000 + number}"
    return Product(
        product_id.encode(),
        price,
        f'"product_id":"{product_id}","category":"{category}","collection":"{collection}","name":"{name}",'
        f'"brand":"{BRANDS[number % len(BRANDS)]}","price":{price},"currency":"USD"'.encode(),
        f'{{"product_id":"{product_id}","category":"{category}","price":{price},"quantity":'.encode(),
        page(f"/{category}/{product_id}"),
    )


PRODUCTS = tuple(
    _product(index * PRODUCTS_PER_CATEGORY + rank, category)
    for index, category in enumerate(CATEGORIES)
    for rank in range(PRODUCTS_PER_CATEGORY)
)


CATEGORY_PAGES = tuple((f'"category":"{category}"'.encode(), page(f"/{category}")) for category in CATEGORIES)
"""Of each category: a page call's own properties, and the page."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a shopper lives; `share` is its weight, `utc_hours` its winter time, which sets when people shop."""

    country: str
    region: str
    timezone: str
    locale: str
    share: int
    utc_hours: float


PLACES = (
    Place("US", "NY", "America/New_York", "en-US", 14, -5),
    Place("US", "CA", "America/Los_Angeles", "en-US", 12, -8),
    Place("US", "TX", "America/Chicago", "en-US", 9, -6),
    Place("US", "CO", "America/Denver", "es-US", 4, -7),
    Place("GB", "ENG", "Europe/London", "en-GB", 10, 0),
    Place("DE", "BE", "Europe/Berlin", "de-DE", 10, 1),
    Place("DE", "BY", "Europe/Berlin", "de-DE", 5, 1),
    Place("FR", "IDF", "Europe/Paris", "fr-FR", 8, 1),
    Place("ES", "MD", "Europe/Madrid", "es-ES", 5, 1),
    Place("SE", "AB", "Europe/Stockholm", "sv-SE", 3, 1),
    Place("PL", "MZ", "Europe/Warsaw", "pl-PL", 4, 1),
    Place("BR", "SP", "America/Sao_Paulo", "pt-BR", 5, -3),
    Place("IN", "MH", "Asia/Kolkata", "en-IN", 5, 5.5),
    Place("JP", "13", "Asia/Tokyo", "ja-JP", 4, 9),
    Place("AU", "NSW", "Australia/Sydney", "en-AU", 2, 10),
)


@dataclass(frozen=True, slots=True)
class Device:
    """What a shopper holds; `share` is its weight (the bot's own device has none)."""

    kind: str
    user_agent: str
    share: int


DEVICES = (
    Device("mobile", "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) Safari/605.1", 28),
    Device("mobile", "Mozilla/5.0 (Linux; Android 14; Pixel 8) Chrome/126.0 Mobile", 27),
    Device("tablet", "Mozilla/5.0 (iPad; CPU OS 17_4 like Mac OS X) Safari/605.1", 6),
    Device("desktop", "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/126.0", 24),
    Device("desktop", "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) Safari/605.1", 11),
    Device("desktop", "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0", 4),
    Device("desktop", "Mozilla/5.0 (compatible; PriceWatchBot/2.1; +https://bot.example/about)", 0),
)
BOT_DEVICE = len(DEVICES) - 1
CAMPAIGNS = ("", "winter-sale", "newsletter", "retargeting", "influencer")
_SOURCES = ("", "google", "email", "facebook", "instagram")


def _context(place: Place, device: Device, campaign: int) -> bytes:
    source = (
        f',"campaign":{{"name":"{CAMPAIGNS[campaign]}","source":"{_SOURCES[campaign]}"}}' if CAMPAIGNS[campaign] else ""
    )
    return (
        f'"library":{{"name":"analytics.js"}},"userAgent":"{device.user_agent}",'
        f'"device":{{"type":"{device.kind}"}},"locale":"{place.locale}",'
        f'"timezone":"{place.timezone}","location":{{"country":"{place.country}","region":"{place.region}"}}{source}'
    ).encode()


CONTEXTS = tuple(
    _context(place, device, campaign) for place, device, campaign in pairs(PLACES, DEVICES, range(len(CAMPAIGNS)))
)
"""Context fragments; the page still has to be added. See `context_index`."""


Index = TypeVar("Index", int, NDArray[np.int64])


def context_index(place: Index, device: Index, campaign: Index) -> Index:
    """Return the place in CONTEXTS of these indexes (or arrays of them) into PLACES, DEVICES and CAMPAIGNS."""
    return (place * len(DEVICES) + device) * len(CAMPAIGNS) + campaign
