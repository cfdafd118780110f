"""What QOBLIB, the Quantum Optimization Benchmarking Library, asks of a submission, for the problem classes that are here too.

The columns and the rules are those of the library's template, guidelines and checkers: T. Koch and others, arXiv:2504.03832,
https://github.com/ZIB-AOPT/QOBLIB, commit de698d45 of January 2026. Nothing here reads or writes a file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from qhybrid_pipelines.core.binary_models.bits import assignment_array
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.problems.instance import Instance
from qhybrid_pipelines.problems.registry import family_named

#: Columns of the template, in its order.
COLUMNS = (
    "Problem",
    "Submitter",
    "Date",
    "Reference",
    "Best Objective Value",
    "Optimality Bound",
    "Modeling Approach",
    "# Decision Variables",
    "# Binary Variables",
    "# Integer Variables",
    "# Continuous Variables",
    "# Non-Zero Coefficients",
    "Coefficients Type",
    "Coefficients Range",
    "Workflow",
    "Algorithm Type",
    "# Runs",
    "# Feasible Runs",
    "# Successful Runs",
    "Success Threshold",
    "Hardware Specifications",
    "Total Runtime",
    "CPU Runtime",
    "GPU Runtime",
    "QPU Runtime",
    "Other HW Runtime",
    "Remarks",
)
#: The text of a cell that has nothing to say.
NOT_AVAILABLE = "N/A"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemClass:
    """One class of the library.

    Attributes:
        folder: of the library.
        why_not: why an instance is none of this class; empty where it is one.
        is_solution: an assignment, values 0 and 1 in the instance's order, is a solution by the rules of the class.
    """

    folder: str
    why_not: Callable[[Instance], str]
    is_solution: Callable[[Instance, str], bool]


def _why_no_independent_set(instance: Instance) -> str:
    if any(weight != 1 for weight in instance.payload["weights"]):
        return "its nodes have weights, and those of the library have none"
    if instance.variables != tuple(str(node) for node in range(1, instance.size + 1)):
        return "its nodes are not numbered from 1 as in the library's files"
    return ""


def _is_independent(instance: Instance, assignment: str) -> bool:
    return bool(family_named(instance.family).feasible(instance, assignment_array(assignment)[None, :])[0])


def _splits_exactly(instance: Instance, assignment: str) -> bool:
    """Every row of ``A x`` is its target: the library knows no near solutions."""
    products = np.array(instance.payload["coefficients"]) @ assignment_array(assignment).astype(np.int64)
    return bool(np.array_equal(products, np.array(instance.payload["targets"])))


#: By family.
CLASSES: Mapping[str, ProblemClass] = {
    "market_split": ProblemClass(folder="01-marketsplit", why_not=lambda _: "", is_solution=_splits_exactly),
    "independent_set": ProblemClass(
        folder="07-independentset", why_not=_why_no_independent_set, is_solution=_is_independent
    ),
}
#: Families that share a name with a class of the library, and are something else.
_OTHERS = {
    "portfolio": "the library's portfolios trade over several periods with costs and short positions, and this family chooses once"
}


def problem_class(instance: Instance) -> ProblemClass:
    """Return the class that an instance belongs to.

    Raises:
        InvalidInput: it belongs to none; says why.
    """
    found = CLASSES.get(instance.family)
    reason = _OTHERS.get(instance.family, "the library has no such class") if found is None else found.why_not(instance)
    if not reason and not instance.source.startswith("file:"):
        reason = f"it comes from {instance.source}, and not from a file of the library"
    if found is None or reason:
        raise InvalidInput(
            f"{instance.name} of the family {instance.family} is not an instance of QOBLIB: {reason}",
            remedy=f"Name experiments on the library's own files of the classes {', '.join(c.folder for c in CLASSES.values())}.",
            field="KEY",
        )
    return found


def solution_text(assignment: str) -> str:
    """Return a solution file: one line per variable, numbered from 1, which every checker of the library reads."""
    return "".join(f"x#{number} {value}\n" for number, value in enumerate(assignment, start=1))


def coefficients(model_json: str) -> dict[str, str]:
    """Return the columns about a model's numbers, of an Ising model as a row of `reduced_models` holds it."""
    model = json.loads(model_json)
    numbers = [value for value in (*model["linear"], *model["couplings"]) if value]
    if not numbers:
        return {
            "# Non-Zero Coefficients": "0",
            "Coefficients Type": NOT_AVAILABLE,
            "Coefficients Range": NOT_AVAILABLE,
        }
    whole = all(float(value).is_integer() for value in numbers)
    return {
        "# Non-Zero Coefficients": str(len(numbers)),
        "Coefficients Type": "Integer" if whole else "Continuous",
        "Coefficients Range": f"{min(numbers):g} - {max(numbers):g}",
    }


def run_columns(objectives: Mapping[int, float | None], *, sense: str) -> dict[str, str]:
    """Return the columns about runs: by run the objective of its best solution, None where it found none.

    A run succeeds when it reached the best objective that any run has; the threshold is 0.
    """
    found = [value for value in objectives.values() if value is not None]
    best = (max if sense == "max" else min)(found) if found else None
    return {
        "# Runs": str(len(objectives)),
        "# Feasible Runs": str(len(found)),
        "# Successful Runs": str(sum(value == best for value in found)),
        "Success Threshold": "0",
    }


def summary_row(facts: Mapping[str, Any]) -> dict[str, str]:
    """Return a row of the template; columns that ``facts`` leaves out are not available.

    Raises:
        ValueError: a column is not one of the template.
    """
    if unknown := facts.keys() - set(COLUMNS):
        raise ValueError(f"the template has no columns {sorted(unknown)}")
    texts = {name: value for name, value in facts.items() if value is not None}
    return {name: " ".join(str(texts.get(name, NOT_AVAILABLE)).split()) for name in COLUMNS}
