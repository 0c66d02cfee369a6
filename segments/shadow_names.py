"""The inner names of segments in the shadow."""

from __future__ import annotations

from collections.abc import Iterable

SHADOW = "@shadow"  # no segment's own name can end like this


def in_shadow(name: str) -> bool:
    """Say whether a name is one of the shadow's."""
    return name.endswith(SHADOW)


def plain_name(name: str) -> str:
    """Return the name that people know.

    >>> plain_name("loyal@shadow")
    'loyal'
    """
    return name.removesuffix(SHADOW)


def names_of(segments: Iterable[str]) -> str:
    """Return names of segments as people know them.

    >>> names_of(["loyal", "buyer@shadow"])
    'loyal, buyer (shadow)'
    """
    return ", ".join(f"{plain_name(name)} (shadow)" if in_shadow(name) else name for name in segments)
