"""The problem files in `instances/`: where they are, and what is known about each. The manifest says it; see its README."""

from __future__ import annotations

import csv
import functools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qhybrid_pipelines.problems.formats.lines import decode_text

FOLDER = Path(__file__).parents[1] / "instances"


@dataclass(frozen=True, kw_only=True)
class InstanceFile:
    """One row of the manifest; ``family`` is empty for a file that only accompanies others."""

    file: str
    instance: str
    family: str
    format: str
    options: dict[str, Any]
    sense: str
    best_known: float
    published_in: str
    source: str
    licence: str
    sha256: str

    @property
    def path(self) -> Path:
        return FOLDER / self.file

    @property
    def text(self) -> str:
        return decode_text(self.path.read_bytes(), file=self.path.name)

    @property
    def problem(self) -> dict[str, Any]:
        """The `problem` of a specification, with the whole path of the file."""
        return {"family": self.family, "format": self.format, "options": self.options, "source": str(self.path)}


@functools.cache
def listed_files() -> tuple[InstanceFile, ...]:
    """Return all rows of the manifest."""
    with (FOLDER / "manifest.csv").open(encoding="utf-8", newline="") as file:
        return tuple(
            InstanceFile(
                **{
                    **row,
                    "options": json.loads(row["options"] or "{}"),
                    "best_known": float(row["best_known"] or "nan"),
                }
            )
            for row in csv.DictReader(file)
        )


def instance_files(family: str | None = None) -> list[InstanceFile]:
    """Return the problems among them, all with a known optimum, in the order of the manifest."""
    return [file for file in listed_files() if file.family and family in {None, file.family}]


def named(instance: str) -> InstanceFile:
    """Return the problem of this name."""
    [file] = [file for file in instance_files() if file.instance == instance]
    return file
