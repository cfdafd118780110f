"""Objectives as a person states them: what a source maximises is minimised here as its negative, and shown as itself.

Tables that are computed with hold the negative. What people read (tables in a terminal, reports, answers, the view `verdicts`) goes
through `as_stated`, which gives back the value, the sense and the unit of the source.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from qhybrid_pipelines.core.vocabulary.units import NEGATED

if TYPE_CHECKING:
    from qhybrid_pipelines.problems.family import Family
    from qhybrid_pipelines.problems.instance import Instance

#: Names under which tables and rows have an objective of the instance.
OBJECTIVES = frozenset(
    {
        "best_classical",
        "best_known",
        "best_quantum",
        "best_quantum_raw",
        "final_objective",
        "incumbent_objective",
        "objective",
        "optimum",
        "reduced_model_optimum",
        "reference",
    }
)


def unit_of(family: Family, instance: Instance) -> str:
    """Return the unit that is stored with an instance's objective; it says where that is the negative of what is maximised."""
    return family.unit + (NEGATED if instance.is_negated else "")


def source_sense(family: Family, instance: Instance) -> str:
    """Return max where the source is to be maximised, whatever is computed with; else min."""
    return "max" if instance.is_negated else family.sense


def is_negated(row: Mapping[str, Any]) -> bool:
    """Tell whether the objectives of a row are negatives, by its unit or by the sense of its source.

    Args:
        row: of `problem_instances`, or of `baseline_comparisons`; one of a release that did not note the sense is taken as it is.
    """
    if str(row.get("unit", "")).endswith(NEGATED):
        return True
    return row.get("source_sense") == "max" and row["sense"] == "min"


def stated(value: float, *, negated: bool) -> float:
    """Return an objective as its source means it; no minus before a zero."""
    return 0 - value if negated else value


def as_stated(row: Mapping[str, Any], *, negated: bool) -> dict[str, Any]:
    """Return a row with its objectives (`OBJECTIVES`), its sense and its unit as the source means them."""
    found = dict(row)
    if negated:
        objectives = {name for name in OBJECTIVES & found.keys() if found[name] is not None}
        found |= {name: stated(found[name], negated=True) for name in objectives}
        found |= {"sense": "max"} if "sense" in found else {}
        found |= {"unit": found["unit"].removesuffix(NEGATED)} if "unit" in found else {}
    return found
