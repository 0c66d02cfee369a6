"""What a definitions file says about its own upkeep: limits of `segments lint`, findings it accepts, its budget."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from segments.definitions.basis import Model, Text

Code = Annotated[str, Field(pattern=r"^S[0-9]{3}$")]
Accepted = dict[Code, Text]  # a finding's code -> why it is accepted
Share = Annotated[float, Field(gt=0, le=1)]


class SegmentLint(Model):
    """Findings about one segment that are accepted, each with the reason."""

    ignore: Accepted = Field(default_factory=dict)


class LintOptions(SegmentLint):
    """Limits of `segments lint`, and findings accepted in the whole file."""

    exclusive_tags: list[Text] = Field(default_factory=list)
    max_overlap: Share = 0.95
    max_similarity: Share = 0.95
    min_share: float = Field(0.001, ge=0, lt=1)
    min_users: int = Field(20, ge=1)
    max_state: int = Field(262_144, ge=1)


class Budget(Model):
    """What one segment may cost: bytes of state a user at most, microseconds of work an event on average."""

    bytes_per_user: int | None = Field(None, ge=1)
    us_per_event: float | None = Field(None, gt=0)
