"""Who shops: six types of shopper, and a population drawn from them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.simulator.shop import BOT_DEVICE, CATEGORIES, DEVICES, PLACES

DAY_MS = 86_400_000
STEPS = ("view", "page", "search", "click", "video", "download", "review", "stop")
"""What a shopper does next, in the order of `Shopper.steps`."""


@dataclass(frozen=True, slots=True)
class Shopper:
    """How one type of shopper behaves; rates are per week, the rest are probabilities."""

    name: str
    share: float
    sessions_a_week: float
    events_a_session: float
    """About how many events a session has; used only to estimate how long a simulation lasts."""
    steps: tuple[float, ...]
    add: float
    wish: float
    remove: float
    checkout: float
    order: float
    campaign: float
    pause_s: float
    """Mean time between two steps in seconds."""
    churns: float = 0.0


SHOPPERS = (
    Shopper("window shopper", 0.38, 1.5, 9, (50, 20, 8, 4, 4, 1, 0, 13), 0.06, 0.04, 0.2, 0.25, 0.4, 0.2, 35),
    Shopper("buyer", 0.22, 1.2, 13, (52, 15, 9, 3, 3, 1, 2, 10), 0.22, 0.03, 0.1, 0.7, 0.8, 0.15, 40),
    Shopper("loyal", 0.10, 4.0, 17, (50, 14, 6, 5, 8, 2, 6, 8), 0.25, 0.08, 0.08, 0.75, 0.9, 0.1, 45),
    Shopper("bargain hunter", 0.15, 2.5, 19, (55, 12, 14, 6, 1, 1, 1, 7), 0.30, 0.12, 0.3, 0.3, 0.5, 0.7, 25),
    Shopper("bot", 0.01, 12.0, 41, (90, 4, 4, 0, 0, 0, 0, 2), 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.2),
    Shopper("churner", 0.14, 2.5, 11, (50, 17, 8, 4, 4, 1, 1, 12), 0.12, 0.05, 0.15, 0.5, 0.7, 0.2, 35, 1.0),
)
BOT = next(index for index, shopper in enumerate(SHOPPERS) if shopper.name == "bot")
PLANS = ("free", "plus", "premium")
_NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class Population:
    """One entry a user in every array; users are numbered from 0."""

    shopper: NDArray[np.uint8]
    place: NDArray[np.uint8]
    device: NDArray[np.uint8]
    favourite: NDArray[np.uint8]
    plan: NDArray[np.uint8]
    age: NDArray[np.uint8]
    """0: the shop does not know it."""
    has_account: NDArray[np.bool_]
    leaves_at: NDArray[np.int64]
    """When the user churns, in ms since 1970."""
    sessions_a_ms: NDArray[np.float64]


def draw_population(users: int, start_ms: int, events: int, days: float | None, rng: np.random.Generator) -> Population:
    """Return `users` shoppers who make about `events` events in `days`, or at their natural pace when it is None."""
    shopper = rng.choice(len(SHOPPERS), users, p=[kind.share for kind in SHOPPERS]).astype(np.uint8)
    weekly = np.array([kind.sessions_a_week for kind in SHOPPERS])[shopper] * rng.lognormal(-0.125, 0.5, users)
    rate = weekly / (7 * DAY_MS)
    natural_ms = events / float(rate @ np.array([kind.events_a_session for kind in SHOPPERS])[shopper])
    span_ms = natural_ms if days is None else days * DAY_MS
    churns = rng.random(users) < np.array([kind.churns for kind in SHOPPERS])[shopper]
    leaves_at = np.where(churns, start_ms + (rng.uniform(0.05, 0.7, users) * span_ms).astype(np.int64), _NEVER)
    human_device = _weighted([device.share for device in DEVICES], users, rng)
    return Population(
        shopper=shopper,
        place=_weighted([place.share for place in PLACES], users, rng),
        device=np.where(shopper == BOT, np.uint8(BOT_DEVICE), human_device),
        favourite=rng.integers(0, len(CATEGORIES), users, dtype=np.uint8),
        plan=_weighted([70, 20, 10], users, rng),
        age=np.where(rng.random(users) < 0.85, np.clip(rng.normal(38, 13, users), 16, 90), 0).astype(np.uint8),
        has_account=(rng.random(users) < 0.75) & (shopper != BOT),
        leaves_at=leaves_at,
        sessions_a_ms=rate * (natural_ms / span_ms),
    )


def _weighted(weights: list[int], size: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    return rng.choice(len(weights), size, p=np.array(weights) / sum(weights)).astype(np.uint8)
