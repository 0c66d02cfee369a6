"""Training data: two matrices, a label if there is one, and how it is parted into what is learnt from and held out."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from segments.models.features import Vector
from segments.models.inputs import Categories, Inputs, Numbers
from segments.models.model import ModelSpec, Table
from training.rows import Columns, Row

Places = NDArray[np.intp]


class BadData(ValueError):
    """Data that nothing can be learnt from; the text says what is missing."""


@dataclass(frozen=True)
class Dataset:
    """Rows of a model: `users` and `at` (ms) are empty for a table; `labels` is None where nothing is foretold."""

    inputs: Inputs
    numbers: Numbers
    categories: Categories
    labels: NDArray[np.int8] | None
    users: NDArray[np.object_]
    at: NDArray[np.int64]
    hash: str

    def __len__(self) -> int:
        return len(self.numbers)

    def take(self, places: Places) -> Dataset:
        """Return some of the rows."""
        return replace(
            self,
            numbers=self.numbers[places],
            categories=self.categories[places],
            labels=None if self.labels is None else self.labels[places],
            users=self.users[places] if len(self.users) else self.users,
            at=self.at[places] if len(self.at) else self.at,
        )

    def columns(self) -> dict[str, list[str]]:
        """Return the columns by what they are, as a manifest names them."""
        inputs = self.inputs
        return {"given": [*inputs.names], "numbers": [*inputs.numbers], "categories": [*inputs.categories]}

    def matrix(self) -> NDArray[np.object_]:
        """Return numbers and categories side by side, as the pipelines take them."""
        return joined(self.numbers, self.categories)


def joined(numbers: Numbers, categories: Categories) -> NDArray[Any]:
    """Return one matrix; it is of objects only where there are categories."""
    return np.concatenate([numbers.astype(object), categories], axis=1) if categories.shape[1] else numbers


def from_rows(rows: Sequence[Row], columns: Columns, spec: ModelSpec) -> Dataset:
    """Return the data of rows from events; raises BadData when there are none."""
    if not rows:
        raise BadData("no user was active at any instant: see rows.every, rows.active_within and rows.warm_up")
    inputs = inputs_of(spec, columns.names, columns.categories)
    numbers, categories = inputs.matrices([row.vector for row in rows])
    labels = None if rows[0].label is None else np.array([row.label for row in rows], np.int8)
    users = np.array([row.user_id for row in rows], object)
    return Dataset(inputs, numbers, categories, labels, users, np.array([row.at for row in rows]), columns.hash)


def from_table(path: Path, table: Table, spec: ModelSpec, identity: str) -> Dataset:
    """Return the data of a CSV file; raises BadData when a column is missing or a number is none, OSError."""
    rows = _rows_of(path, [*table.numbers, *table.categories, *([table.label] if table.label else [])])
    if not rows:
        raise BadData(f"{path} has no rows")
    inputs = inputs_of(spec, [*table.numbers, *table.categories], table.categories)
    vectors = [_vector(row, table, f"{path}:{line}") for line, row in enumerate(rows, 2)]
    numbers, categories = inputs.matrices(vectors)
    labels = None if table.label is None else np.array([row[table.label] in table.positive for row in rows], np.int8)
    return Dataset(inputs, numbers, categories, labels, np.array([], object), np.array([], np.int64), identity)


def _rows_of(path: Path, wanted: Sequence[str]) -> list[dict[str, str]]:
    """Return the rows of a CSV file that has these columns; raises BadData, OSError."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            known = reader.fieldnames or ()
            missing = [name for name in wanted if name not in known]
            if missing:
                raise BadData(f"{path} has no column {', '.join(missing)}; its columns are {', '.join(known)}")
            return list(reader)
    except UnicodeDecodeError as error:
        raise BadData(f"{path} is no text in UTF-8: {error}") from None
    except csv.Error as error:
        raise BadData(f"{path} is no CSV file: {error}") from None


def inputs_of(spec: ModelSpec, names: Sequence[str], categories: Sequence[str]) -> Inputs:
    """Return the inputs of a model; raises BadData when something is derived from what is not there."""
    try:
        return Inputs(names, categories, ordered=spec.ordered, derive=spec.derive)
    except ValueError as error:
        raise BadData(f"model '{spec.name}': {error}") from None


def _vector(row: dict[str, str], table: Table, where: str) -> Vector:
    values: list[float | str | None] = []
    for name in table.numbers:
        text = (row[name] or "").strip()
        try:
            values.append(float(text) if text else None)
        except ValueError:
            raise BadData(f"{where}: '{text}' in column {name} is no number: is it a category?") from None
    return (*values, *((row[name] or "").strip() or None for name in table.categories))


def parted(data: Dataset, spec: ModelSpec, gap: int) -> tuple[Dataset, Dataset]:
    """Return what is learnt from and what is held out: a table at random with equal shares, events by time.

    The last instants are held out; those whose label reaches (`gap`, ms) into them are left out of both.
    Raises BadData when a part is empty or knows one label only.
    """
    if len(data.at):
        first, second = _by_time(data, spec.held_out, gap)
    else:
        first, second = train_test_split(
            np.arange(len(data)), test_size=spec.held_out, stratify=data.labels, random_state=spec.seed
        )
    parts = data.take(first), data.take(second)
    for name, part in zip(("learnt from", "held out"), parts, strict=True):
        if not len(part):
            raise BadData(f"no rows to be {name}: the events span too little time for rows.every and the label")
        if part.labels is not None and len(np.unique(part.labels)) < 2:
            raise BadData(f"all {len(part):,} rows to be {name} have one label: there is nothing to tell apart")
    return parts


def _by_time(data: Dataset, held_out: float, gap: int) -> tuple[Places, Places]:
    instants = np.unique(data.at)
    after = np.array([np.count_nonzero(data.at >= instant) for instant in instants]) / len(data)
    allowed = instants[after <= held_out] if (after <= held_out).any() else instants[-1:]
    begin = allowed[0]
    return np.flatnonzero(data.at + gap <= begin), np.flatnonzero(data.at >= begin)
