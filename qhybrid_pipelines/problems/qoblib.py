"""What QOBLIB, the Quantum Optimization Benchmarking Library, asks of a submission, for the problem classes that are here too.

The columns and the rules are those of the library's template, guidelines and checkers: T. Koch and others, arXiv:2504.03832,
https://github.com/ZIB-AOPT/QOBLIB, commit de698d45 of January 2026. Nothing here reads or writes a file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import numpy as np

from qhybrid_pipelines.core.binary_models.bits import assignment_array
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.problems.instance import Instance
from qhybrid_pipelines.problems.registry import family_named
from qhybrid_pipelines.problems.solvers.routing import RoutingProblem, customer_names

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


def _values_text(instance: Instance, assignment: str) -> str:  # noqa: ARG001 - values say all
    """Return one line per variable, numbered from 1: 0 and 1, which of a sequence's elements are +1 and -1."""
    return "".join(f"x#{number} {value}\n" for number, value in enumerate(assignment, start=1))


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemClass:
    """One class of the library.

    Attributes:
        folder: of the library.
        why_not: why an instance is none of this class; empty where it is one.
        is_solution: an assignment, values 0 and 1 in the instance's order, is a solution by the rules of the class.
        library_name: what the library calls an instance; by default as its file is called.
        solution_text: the solution file of an assignment; by default the values of its variables.
    """

    folder: str
    why_not: Callable[[Instance], str]
    is_solution: Callable[[Instance, str], bool]
    library_name: Callable[[Instance], str] = attrgetter("name")
    solution_text: Callable[[Instance, str], str] = _values_text


def _why_not_a_file(instance: Instance) -> str:
    if instance.source.startswith("file:"):
        return ""
    return f"it comes from {instance.source}, and not from a file of the library"


def _why_no_independent_set(instance: Instance) -> str:
    if any(weight != 1 for weight in instance.payload["weights"]):
        return "its nodes have weights, and those of the library have none"
    if instance.variables != tuple(str(node) for node in range(1, instance.size + 1)):
        return "its nodes are not numbered from 1 as in the library's files"
    return _why_not_a_file(instance)


def _why_no_routing(instance: Instance) -> str:
    """Return why not: the library's checker takes distances from places and numbers customers by their line after the depot's."""
    problem, named = RoutingProblem.from_payload(instance.payload), re.search(r"-k(\d+)(?!\d)", instance.name)
    numbers = customer_names(problem, instance.variables)
    if problem.demands is None:
        return "it has no capacity that binds, and those of the library have one"
    if numbers != [str(node) for node in range(2, problem.customers + 2)]:
        return "its depot is not node 1, or its nodes are not numbered from 1 as in the library's files"
    if named is None:
        return "its name does not say the number of vehicles, as the library's names do (XSH-n20-k4-01)"
    if problem.vehicles > int(named[1]):
        return f"it has {problem.vehicles} vehicles, and the library's has {named[1]}"
    return _why_not_a_file(instance)


def _keeps_every_rule(instance: Instance, assignment: str) -> bool:
    return bool(family_named(instance.family).feasible(instance, assignment_array(assignment)[None, :])[0])


def _splits_exactly(instance: Instance, assignment: str) -> bool:
    """Every row of ``A x`` is its target: the library knows no near solutions."""
    products = np.array(instance.payload["coefficients"]) @ assignment_array(assignment).astype(np.int64)
    return bool(np.array_equal(products, np.array(instance.payload["targets"])))


def _routes_text(instance: Instance, assignment: str) -> str:
    """Return a line per route, customers numbered from 1 without the depot, and the length."""
    problem = RoutingProblem.from_payload(instance.payload)
    routes = [route for route in problem.decode(assignment_array(assignment)) if route]
    lines = [
        f"Route #{number}: {' '.join(str(c + 1) for c in route)}\n" for number, route in enumerate(routes, start=1)
    ]
    return "".join([*lines, f"Cost {problem.length(routes):g}\n"])


#: By family.
CLASSES: Mapping[str, ProblemClass] = {
    "market_split": ProblemClass(folder="01-marketsplit", why_not=_why_not_a_file, is_solution=_splits_exactly),
    # There is one instance for each length and no file of it; every sequence is a solution.
    "labs": ProblemClass(
        folder="02-labs",
        why_not=lambda _: "",
        is_solution=_keeps_every_rule,
        library_name=lambda instance: f"labs{instance.size:03d}",
    ),
    "independent_set": ProblemClass(
        folder="07-independentset", why_not=_why_no_independent_set, is_solution=_keeps_every_rule
    ),
    "vehicle_routing": ProblemClass(
        folder="09-routing",
        why_not=_why_no_routing,
        is_solution=_keeps_every_rule,
        solution_text=_routes_text,
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
    if found is None or reason:
        raise InvalidInput(
            f"{instance.name} of the family {instance.family} is not an instance of QOBLIB: {reason}",
            remedy=f"Name experiments on the library's own instances of the classes {', '.join(c.folder for c in CLASSES.values())}.",
            field="KEY",
        )
    return found


def model_columns(model_json: str) -> dict[str, str]:
    """Return the columns about a model and its numbers, of an Ising model as a row of `reduced_models` holds it."""
    model = json.loads(model_json)
    products = model.get("products", [])
    numbers = [value for value in (*model["linear"], *model["couplings"], *(weight for _, weight in products)) if value]
    order = max((len(spins) for spins, _ in products), default=2)
    # No penalty makes products of more than two spins: they are those of the objective itself.
    kind = "of the penalised problem" if order == 2 else f"with products of up to {order} spins,"
    approach = {"Modeling Approach": f"Ising model {kind} after reduction"}
    if not numbers:
        return approach | {
            "# Non-Zero Coefficients": "0",
            "Coefficients Type": NOT_AVAILABLE,
            "Coefficients Range": NOT_AVAILABLE,
        }
    whole = all(float(value).is_integer() for value in numbers)
    return approach | {
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
