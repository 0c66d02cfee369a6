"""How a model is watched and trained anew, as it stands in `conf/models.yaml`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from segments.definitions.basis import Duration, Model

DAY_MS = 86_400_000


class Watch(Model):
    """How often drift is measured, over which newest part of the events, and from when on it is an alarm.

    `psi` of a column or the score; `ks_level` of the test over all columns together and `ks_effect`, the least distance
    that matters; `importance` is a shift of shares; `accuracy` is the least; fewer than `least_rows` cannot be judged.

    >>> Watch(accuracy=0.6).window // DAY_MS
    7
    """

    every: Duration = DAY_MS
    window: Duration = 7 * DAY_MS
    psi: float = Field(0.2, gt=0)
    ks_level: float = Field(0.001, gt=0, lt=1)
    ks_effect: float = Field(0.1, gt=0, lt=1)
    importance: float = Field(0.5, gt=0, le=1)
    accuracy: float = Field(0.85, ge=0, le=1)
    least_rows: int = Field(200, ge=20)


class Churn(Model):
    """How often churn of segments is counted, which is also the interval, and above how many exits a member it alarms.

    Segments of fewer than `least_members` cannot be judged.
    """

    every: Duration = DAY_MS
    limit: float = Field(0.5, gt=0)
    least_members: int = Field(200, ge=1)


class Retrain(Model):
    """How often a model is trained anew, on rows of which newest part, and whether the job gets the better one.

    >>> Retrain(every="14d").release
    'no'
    """

    every: Duration = 7 * DAY_MS
    window: Duration = 30 * DAY_MS
    release: Literal["no", "shadow", "live"] = "no"
