"""A segment of a shard's log, made of profiles and read again: each as today's definitions have it, or put aside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from segments.log_segment import LogSegment, encode_segment, translator
from segments.profile import UNJUDGED, Layout, check_profile
from segments.recent import RecentEvents
from segments.unreadable import Unreadable


def segment_of(release: int, layout: Layout, profiles: dict[str, bytes], recent: RecentEvents) -> bytes:
    """Return a segment of profiles by user, all of one release, with their recent events."""
    return encode_segment(LogSegment(release, layout, profiles, recent.encode_all(profiles)))


def profiles_in(
    read: LogSegment, layouts: Mapping[int, Layout], recent: RecentEvents, unreadable: Unreadable
) -> Iterator[tuple[str, bytes]]:
    """Yield the profiles of a segment by user, and take in their recent events.

    Profiles of other definitions are translated into the newest ones.
    """
    is_known = not layouts or layouts.get(read.release & ~UNJUDGED) == read.layout
    newest = max(layouts, default=0)
    translate = None if is_known else translator(read.layout, layouts[newest], newest)
    for user_id, blob in read.profiles.items():
        unreadable.forget(user_id)
        try:
            if translate is None:
                check_profile(blob)
                recent.load(user_id, read.recent.get(user_id))
                translated = blob
            else:
                translated = translate(blob)
        except (ValueError, msgspec.DecodeError) as error:
            unreadable.note(user_id, blob, error, (read.release, read.layout))
            translated = blob
        yield user_id, translated
