"""MPS files against HiGHS, which reads the same text with a reader of its own, and what is refused."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest
from ortools.linear_solver.python import model_builder

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.problems.formats.mps import read_program
from qhybrid_pipelines_tests.support.wrong_problem_files import MPS


def holds(constraint, x):
    total = sum(c * x[p] for p, c in zip(constraint.places, constraint.coefficients, strict=True))
    relations = {"<=": total <= constraint.bound, ">=": total >= constraint.bound, "==": total == constraint.bound}
    return relations[constraint.relation]


def test_what_or_tools_writes_means_what_was_written():
    model = model_builder.Model()
    x = [model.new_bool_var(f"x{i}") for i in range(4)]
    model.add(2 * x[0] + x[1] - x[3] <= 2)
    model.add_linear_constraint(x[0] + x[2] + x[3], 1, 2)
    model.add(x[1] + x[2] == 1)
    model.maximize(3 * x[0] + x[1] - 2 * x[2] + 5)
    program = read_program(model.export_to_mps_string(), file="f")
    assert program.objective.names == ("x0", "x1", "x2", "x3")
    for bits in itertools.product((0, 1), repeat=4):
        allowed = (
            2 * bits[0] + bits[1] - bits[3] <= 2 and 1 <= bits[0] + bits[2] + bits[3] <= 2 and bits[1] + bits[2] == 1
        )
        assert all(holds(constraint, bits) for constraint in program.constraints) == allowed
        value = program.objective.offset + np.dot(program.objective.linear, bits)
        assert value == -(3 * bits[0] + bits[1] - 2 * bits[2] + 5)


def test_fixed_form_is_read():
    program = read_program(MPS, file="f")
    assert program.objective.linear.tolist() == [-1.0, -2.0]
    [constraint] = program.constraints
    assert (constraint.name, constraint.relation, constraint.bound) == ("c", "<=", 1.0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "does not stop with ENDATA"),
        ("hello\n", "the section 'hello'"),
        (MPS.replace("ENDATA\n", ""), "does not stop with ENDATA"),
        (MPS.replace("ENDATA", "SOS\nENDATA"), "the section 'SOS'"),
        (MPS.replace(" BV bnd x", " FR bnd x"), "'x' is integer, from -inf to inf"),
        (re.sub(" M .*\n", "", MPS).replace(" BV bnd x", " UP bnd x 1"), "'x' is continuous"),
        (MPS.replace("cost -1", "cost nan"), "'nan' is not a finite number"),
        (MPS.replace("r c 1", "r d 0"), "the row 'd' is not declared"),
        (MPS + "more\n", "outside any section"),
    ],
)
def test_what_is_something_else_is_refused(text, words):
    with pytest.raises(InvalidInput, match=words):
        read_program(text, file="f")
