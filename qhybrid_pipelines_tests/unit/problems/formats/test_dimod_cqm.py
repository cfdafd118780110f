"""Constrained quadratic models: written by dimod, read here, compared over every assignment."""

from __future__ import annotations

import itertools

import dimod
import pytest

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.problems.formats.dimod_cqm import read_program


def written(model):
    with model.to_file() as file:
        return file.read()


def test_bits_and_spins_mean_what_dimod_says():
    x, y = dimod.Binaries(["x", "y"])
    s = dimod.Spin("s")
    model = dimod.ConstrainedQuadraticModel()
    model.set_objective(3 * x - 2 * y * s + x * y + s + 1)
    model.add_constraint(2 * x + y - s <= 2, label="room")
    model.add_constraint(x + s >= 0, label=7)
    program = read_program(written(model), file="f")
    assert program.objective.names == tuple(model.variables) == ("x", "s", "y")
    assert [constraint.name for constraint in program.constraints] == ["7", "room"]
    form = program.objective
    for bits in itertools.product((0, 1), repeat=3):
        sample = {"x": bits[0], "y": bits[2], "s": 2 * bits[1] - 1}
        value = form.offset + sum(c * b for c, b in zip(form.linear, bits, strict=True))
        value += sum(c * bits[i] * bits[j] for (i, j), c in zip(form.pairs, form.quadratic, strict=True))
        assert value == model.objective.energy(sample)
        totals = [
            sum(c * bits[p] for p, c in zip(constraint.places, constraint.coefficients, strict=True))
            for constraint in program.constraints
        ]
        kept = totals[1] <= program.constraints[1].bound and totals[0] >= program.constraints[0].bound
        assert kept == model.check_feasible(sample)


def refused(build):
    model = dimod.ConstrainedQuadraticModel()
    build(model)
    with pytest.raises(InvalidInput) as error:
        read_program(written(model), file="f")
    return str(error.value)


def test_what_has_no_place_is_refused_by_name():
    x, y = dimod.Binaries("xy")
    assert "'n' is integer" in refused(lambda m: m.set_objective(dimod.Integer("n", upper_bound=5)))
    assert "'c' is quadratic" in refused(lambda m: m.add_constraint(x * y <= 0, label="c"))
    assert "'c' is soft" in refused(lambda m: m.add_constraint(x + y <= 1, label="c", weight=2.0))
    with pytest.raises(InvalidInput, match="not a constrained quadratic model"):
        read_program(b"PK nothing", file="f")
    with pytest.raises(InvalidInput, match="not a constrained quadratic model"):
        read_program(b"", file="f")
