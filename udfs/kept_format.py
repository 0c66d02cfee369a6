"""The number of the format in which a worker keeps something beside profiles; what was kept before has none: 1."""

from __future__ import annotations

from segments.version import VERSION

FORMAT = 2  # the newest; the content is that of format 1, which had no number
_MARK = b"\xc1"  # begins neither MessagePack nor xz


def with_format(content: bytes) -> bytes:
    r"""Return the content with the number of the present format.

    >>> with_format(b"...")
    b'\xc1\x02...'
    """
    return _MARK + bytes([FORMAT]) + content


def without_format(kept: bytes, what: str) -> bytes:
    """Return the content; raises ValueError when it was written in a newer format.

    >>> without_format(with_format(b"..."), "releases"), without_format(b"...", "releases")
    (b'...', b'...')
    """
    if kept[:1] != _MARK:
        return kept
    found = kept[1]
    if found > FORMAT:
        raise ValueError(
            f"{what} in the state have format {found}; this version ({VERSION}) reads 1 to {FORMAT}. They were written"
            " by a newer version: go on with that one, or from a savepoint of before it (docs/upgrading.md)"
        )
    return kept[2:]
