"""From the rows as they were read to the rows that are used: classes kept, labels numbered, columns checked.

Everything that would make training meaningless is refused here, by the name of the column or field.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.learning.data.dataset import I64, Dataset
from qhybrid_pipelines.learning.data.table_cells import DIGIT_FOR_BOOLEAN

#: More classes than this are a quantity to be predicted, not classes.
MAX_CLASSES = 20

_WHOLE_NUMBER = re.compile(r"[+-]?\d{1,18}(?:\.0*)?", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class RawDataset:
    """Rows as they were read: numbers in every feature, labels still as written.

    Attributes:
        name: of the data set.
        features: finite numbers, shape ``(rows, columns)``.
        feature_names: one per column.
        labels: one text per row; whole numbers without sign, point or leading zeros that mean nothing.
        source: where the rows come from.
        licence: under which terms.
        target: the column of the label.
        file: the file's name for messages; None for a bundled set.
        lines: the line of each row in a text file; None where rows have no lines.
        class_order: the classes in the order of their indices, where the source states one.
        drop_constant: drop constant columns instead of refusing them: nobody can edit a bundled set.
        groups: what the rows belong to, one text per row; None where each is on its own.
        times: number of the instant of each row, shape ``(rows,)``; None where they have no order.
    """

    name: str
    features: F64
    feature_names: tuple[str, ...]
    labels: tuple[str, ...]
    source: str
    licence: str
    target: str
    file: str | None = None
    lines: tuple[int, ...] | None = None
    class_order: tuple[str, ...] | None = None
    drop_constant: bool = False
    groups: tuple[str, ...] | None = None
    times: I64 | None = None


def build_dataset(raw: RawDataset, *, features: Sequence[str] | None, classes: Sequence[int | str] | None) -> Dataset:
    """Return the data set of the wanted columns and classes, its labels numbered from 0.

    Class indices follow ``classes``; without it every label must be a whole number, and they follow its order: which
    text is class 0 is never guessed.

    Raises:
        InvalidInput: an unknown column or class, a label that is not a whole number, a single class, a constant column.
    """
    columns = _column_indices(raw, features)
    names = _class_names(raw, classes)
    index = {name: number for number, name in enumerate(names)}
    _check_classes(raw, names)
    numbered = np.array([index.get(label, -1) for label in raw.labels], dtype=np.int64)
    selected = numbered >= 0
    labels, values = numbered[selected], raw.features[selected][:, columns]
    notes = (
        []
        if selected.all()
        else [f"{selected.sum()} of {len(selected)} rows belong to the classes {', '.join(names)}."]
    )
    constant = np.flatnonzero((values == values[:1]).all(axis=0))
    if len(constant):
        stated = [raw.feature_names[columns[at]] for at in constant]
        if not raw.drop_constant or len(constant) == len(columns):
            raise InvalidInput(
                f"column {stated[0]!r} holds the same value in every row that is used"
                + (f" (and {len(stated) - 1} more like it)" if len(stated) > 1 else ""),
                remedy="Omit it with dataset.exclude, or list the other columns under dataset.features.",
                file=raw.file,
                field="dataset.features",
            )
        notes.append(f"Omitted, constant in every row used: {', '.join(stated)}.")
        varying = np.setdiff1d(np.arange(len(columns)), constant)
        columns, values = [columns[at] for at in varying], values[:, varying]
    return Dataset(
        name=raw.name,
        features=np.ascontiguousarray(values),
        labels=labels,
        feature_names=tuple(raw.feature_names[at] for at in columns),
        class_names=names,
        source=raw.source,
        licence=raw.licence,
        notes=tuple(notes),
        groups=None if raw.groups is None else np.unique(raw.groups, return_inverse=True)[1][selected].astype(np.int64),
        times=None if raw.times is None else np.unique(raw.times[selected], return_inverse=True)[1].astype(np.int64),
    )


def unknown_column_error(name: str, known: Sequence[str], *, file: str | None, field: str) -> InvalidInput:
    """Return the error for a column that is not there, with the nearest one that is."""
    close = difflib.get_close_matches(name, known, n=1)
    listed = ", ".join(known[:12]) + (f" and {len(known) - 12} more" if len(known) > 12 else "")
    return InvalidInput(
        f"there is no column {name!r}",
        remedy=(f"Did you mean {close[0]!r}? " if close else "") + f"The columns are: {listed}.",
        file=file,
        field=field,
    )


def _column_indices(raw: RawDataset, wanted: Sequence[str] | None) -> list[int]:
    known = {name: at for at, name in enumerate(raw.feature_names)}
    for name in wanted or ():
        if name not in known:
            raise unknown_column_error(name, raw.feature_names, file=raw.file, field="dataset.features")
    return [known[name] for name in wanted] if wanted is not None else list(known.values())


def _class_names(raw: RawDataset, wanted: Sequence[int | str] | None) -> tuple[str, ...]:
    """Return the classes in the order of their indices."""
    present = set(raw.labels)
    if wanted is not None:
        return tuple(_resolve_class(raw, name, present) for name in wanted)
    if raw.class_order is not None:
        return raw.class_order
    texts = [at for at, label in enumerate(raw.labels) if not _WHOLE_NUMBER.fullmatch(label)]
    if texts:
        _check_classes(raw, tuple(sorted(present)))  # no order of them would help
        raise InvalidInput(
            f"the label {raw.labels[texts[0]]!r} in column {raw.target!r} is not a whole number",
            remedy="State which text is which class, in order, for example "
            f"dataset.classes: {json.dumps(sorted(present)[:6], ensure_ascii=False)}; quantities cannot be predicted here.",
            file=raw.file,
            line=raw.lines[texts[0]] if raw.lines else None,
            field="dataset.target",
        )
    return tuple(sorted(present, key=int))


def _resolve_class(raw: RawDataset, name: int | str, present: set[str]) -> str:
    """Return the label that a class of the specification means; a stated order may also be counted from 0."""
    text = normalise_label(str(name))
    if text in present:
        return text
    if (number := DIGIT_FOR_BOOLEAN.get(text.lower())) in present:
        return str(number)
    if isinstance(name, int) and raw.class_order is not None and 0 <= name < len(raw.class_order):
        return raw.class_order[name]
    raise InvalidInput(
        f"no row has the class {text!r}",
        remedy=f"The classes are: {', '.join(sorted(present)[:20])}.",
        file=raw.file,
        field="dataset.classes",
    )


def normalise_label(text: str) -> str:
    """Return a label in its plainest form: ``1.0`` and ``01`` are the whole number ``1``, other texts are themselves."""
    stripped = text.strip()
    return str(int(stripped.split(".")[0])) if _WHOLE_NUMBER.fullmatch(stripped) else stripped


def _check_classes(raw: RawDataset, names: tuple[str, ...]) -> None:
    if len(names) < 2:
        raise InvalidInput(
            f"every row has the same label {names[0]!r} in column {raw.target!r}",
            remedy="A classifier needs at least two classes.",
            file=raw.file,
            field="dataset.target",
        )
    if len(names) > MAX_CLASSES:
        raise InvalidInput(
            f"the label in column {raw.target!r} has {len(names)} different values",
            remedy=f"Quantities cannot be predicted here: name a column with at most {MAX_CLASSES} classes, "
            "or list those of its values that are to be told apart under dataset.classes, in quotes.",
            file=raw.file,
            field="dataset.target",
        )
