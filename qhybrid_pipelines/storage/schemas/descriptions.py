"""What a description of a table consists of, and the columns that many tables share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a table.

    Attributes:
        words: the only texts it may hold; empty where any text will do.
        minimum: smallest value it may hold.
    """

    name: str
    type: pa.DataType
    meaning: str
    unit: str | None = None
    nullable: bool = False
    measured: bool = False
    words: tuple[str, ...] = ()
    minimum: int | None = None


@dataclass(frozen=True, kw_only=True)  # no slots, which leave no room for what is computed once
class Table:
    """One table. Its name is that of the asset that writes it, of its folder in the lake, and of the table in the warehouse.

    Attributes:
        key: columns that together are unique.
        order: columns that rows are sorted by before writing; the key unless something else is said.
    """

    name: str
    meaning: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    order: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.order:
            object.__setattr__(self, "order", self.key)

    @cached_property
    def partition_columns(self) -> tuple[str, ...]:
        """Columns that tell a row's partition in the lake: none, the experiment, or experiment and backend."""
        if "experiment" not in self.key:
            return ()
        return ("experiment", "backend") if BACKEND in self.columns else ("experiment",)

    @cached_property
    def schema(self) -> pa.Schema:
        """The Arrow schema, with the meaning of each column in its field metadata."""
        return pa.schema(
            [pa.field(c.name, c.type, nullable=c.nullable, metadata={"comment": comment(c)}) for c in self.columns]
        )


def comment(column: Column) -> str:
    """Return what a column means, with its unit."""
    return f"{column.meaning} [{column.unit}]" if column.unit else column.meaning


TEXT, I32, I64, F64, BOOL = pa.string(), pa.int32(), pa.int64(), pa.float64(), pa.bool_()
U64, BYTES, TIME = pa.uint64(), pa.binary(), pa.timestamp("us", tz="UTC")


def column(
    name: str,
    type_: pa.DataType,
    meaning: str,
    unit: str | None = None,
    *,
    nullable: bool = False,
    measured: bool = False,
    words: tuple[str, ...] = (),
    minimum: int | None = None,
) -> Column:
    """Return a column; its fields are those of `Column`."""
    return Column(
        name=name,
        type=type_,
        meaning=meaning,
        unit=unit,
        nullable=nullable,
        measured=measured,
        words=words,
        minimum=minimum,
    )


EXPERIMENT = column("experiment", TEXT, "Key of the experiment: slug and digits of its content hash")
BACKEND = column("backend", TEXT, "Backend as provider:backend")
INSTANCE = column("instance", TEXT, "Name of the problem instance")
POINT = column("point", I32, "Index of the parameter point, from 0", minimum=0)
REPETITION = column("repetition", I32, "Independent run, from 0; paired over all solvers", minimum=0)
TIER = column("tier", TEXT, "How urgent it is", words=("interactive", "batch", "scheduled"))
JOB_ID = column("job_id", TEXT, "Our id of the job, the same for the same payload")
