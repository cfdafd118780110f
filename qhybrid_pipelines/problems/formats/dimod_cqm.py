"""Constrained quadratic models as dimod's ``to_file`` writes them, with linear constraints over binary variables."""

from __future__ import annotations

import io
import zipfile

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.problems.formats.lines import MAX_VARIABLES
from qhybrid_pipelines.problems.linear_constraints import BinaryProgram, Relation, make_linear_constraint
from qhybrid_pipelines.problems.quadratic import make_quadratic_form

_RELATIONS: dict[str, Relation] = {"<=": "<=", ">=": ">=", "==": "=="}


def read_program(content: bytes, *, file: str) -> BinaryProgram:
    """Return objective and constraints; spins are turned into bits. Variables are in the model's order, constraints in that of their labels.

    Raises:
        InvalidInput: names the variable or the constraint: it is not such a file, a variable is not binary, or a constraint
            is quadratic or soft.
    """
    import dimod

    try:
        model = dimod.ConstrainedQuadraticModel.from_file(io.BytesIO(content))
    except (ValueError, KeyError, TypeError, OSError, EOFError, AssertionError, zipfile.BadZipFile) as error:
        raise InvalidInput(
            f"the file is not a constrained quadratic model of dimod: {str(error)[:80]}",
            remedy="Write it by ConstrainedQuadraticModel.to_file, or give an LP file.",
            file=file,
        ) from None
    for variable in model.variables:
        if model.vartype(variable) not in (dimod.BINARY, dimod.SPIN):
            raise InvalidInput(
                f"the variable {variable!r} is {model.vartype(variable).name.lower()}",
                remedy="Write it as a sum of binary variables.",
                file=file,
            )
    model = model.spin_to_binary(inplace=False)
    names = [str(variable) for variable in model.variables]
    if not 1 <= len(names) <= MAX_VARIABLES or len(set(names)) != len(names):
        raise InvalidInput(
            f"the model has {len(names)} variables, {len(set(names))} of them with a name of their own",
            remedy=f"It must have 1 to {MAX_VARIABLES}, each with another name.",
            file=file,
        )
    places = {variable: place for place, variable in enumerate(model.variables)}
    constraints = []
    # The order in which dimod gives constraints differs from run to run, and the instance's hash must not.
    for label, comparison in sorted(model.constraints.items(), key=lambda item: str(item[0])):
        left = comparison.lhs
        if left.quadratic or left.is_soft():
            kind = "soft" if left.is_soft() else "quadratic"
            raise InvalidInput(
                f"the constraint {str(label)!r} is {kind}", remedy="Put it into the objective as a penalty.", file=file
            )
        terms = [(places[variable], float(value)) for variable, value in left.linear.items()]
        bound = float(comparison.rhs) - float(left.offset)
        constraints.append(make_linear_constraint(str(label), terms, _RELATIONS[comparison.sense.value], bound))
    objective = model.objective
    entries = [(places[v], places[v], float(value)) for v, value in objective.linear.items()]
    entries += [
        (min(places[u], places[v]), max(places[u], places[v]), float(value))
        for (u, v), value in objective.quadratic.items()
    ]
    form = make_quadratic_form(names, entries, offdiagonal_factor=1.0, offset=float(objective.offset))
    return BinaryProgram(objective=form, constraints=tuple(constraints))
