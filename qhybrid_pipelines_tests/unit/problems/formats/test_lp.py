"""LP files: what is accepted means what it says, and what dimod would swallow in silence is refused."""

from __future__ import annotations

import dimod
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qhybrid_pipelines.core.binary_models.bits import unpack
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.problems.formats import lp
from qhybrid_pipelines.problems.quadratic import pair_sums

coefficient = st.integers(-20, 20).map(float) | st.floats(-1e3, 1e3, allow_nan=False).filter(lambda v: abs(v) > 1e-6)


@st.composite
def models(draw):
    size = draw(st.integers(1, 5))
    model = dimod.BinaryQuadraticModel("BINARY")
    for i in range(size):
        # dimod writes no objective at all where it is 0
        model.add_linear(f"x{i}", draw(coefficient) or 1.0)
    pairs = [(i, j) for i in range(size) for j in range(i)]
    for i, j in draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []:
        model.add_quadratic(f"x{i}", f"x{j}", draw(coefficient))
    model.offset = draw(coefficient)
    return model


@settings(deadline=None)
@given(models())
def test_what_dimod_writes_is_read_with_the_same_energies(model):
    cqm = dimod.ConstrainedQuadraticModel()
    cqm.set_objective(model)
    form = lp.read(dimod.lp.dumps(cqm), file="f.lp")
    assert set(form.names) == set(model.variables)
    rows = unpack(np.arange(2 ** len(form.names), dtype=np.uint64), len(form.names))
    values = form.offset + rows @ form.linear + pair_sums(rows, form.pairs, form.quadratic)
    expected = model.energies((rows, list(form.names)))
    np.testing.assert_allclose(values, expected, rtol=0, atol=1e-6)


def test_a_file_by_hand():
    text = (
        "\\ a comment\nMINIMISE\n cost: - x + 2.5e-1 y(1,2)\n  + [ 4 x * y(1,2) - 2 x ^ 2 ] / 2 + 3 \\ more\n"
        "such that\nBounds\nBinaries\n x z\n y(1,2)\nEnd\n\n"
    )
    form = lp.read(text, file="f.lp")
    assert form.names == ("x", "y(1,2)", "z")
    assert form.linear.tolist() == [-2.0, 0.25, 0.0]
    assert (form.pairs.tolist(), form.quadratic.tolist(), form.offset) == ([[0, 1]], [2.0], 3.0)


def test_a_maximum_is_negated_as_a_whole():
    form = lp.read("Maximize\n obj: 2 x + [ 6 x * y ] / 2 + 1\nBinary\n x y\nEnd\n", file="f.lp")
    assert form.linear.tolist() == [-2.0, 0.0]
    assert (form.pairs.tolist(), form.quadratic.tolist(), form.offset) == ([[0, 1]], [-3.0], -1.0)


def objective(text):
    return f"Minimize\n obj: {text}\nBinary\n x y\nEnd\n"


WRONG = {
    "no End": ("Minimize\n obj: x\nBinary\n x\n", 5, "half-written"),
    "no Binary": ("Minimize\n obj: x\nEnd\n", 2, "continuous"),
    "one variable continuous": ("Minimize\n obj: x\n + z\nBinary\n x\nEnd\n", 3, "'z' is continuous"),
    "constraints": ("Minimize\n obj: x\nSubject To\n c: x <= 1\nBinary\n x\nEnd\n", 4, "binary_program"),
    "bounds": ("Minimize\n obj: x\nBounds\n x = 1\nBinary\n x\nEnd\n", 4, "bounds"),
    "integers": ("Minimize\n obj: x\nGenerals\n x\nEnd\n", 4, "binary variables"),
    "special ordered sets": ("Minimize\n obj: x\nSOS\n s1: S1:: x:1\nBinary\n x\nEnd\n", 3, "'SOS' is not"),
    "lazy constraints": ("Minimize\n obj: x\nLazy  Constraints\nBinary\n x\nEnd\n", 3, "is not accepted"),
    "unknown section": ("Minimize\n obj: x\nFoo\n s1\nBinary\n x\nEnd\n", 3, "name of a section"),
    "two objectives": ("Minimize\n obj: x\nMinimize\n obj: x\nBinary\n x\nEnd\n", 3, "second section"),
    "text before": ("hello\nMinimize\n obj: x\nBinary\n x\nEnd\n", 1, "before any section"),
    "text after": ("Minimize\n obj: x\nBinary\n x\nEnd\nmore\n", 6, "follows End"),
    "no sections": ("# only this\n", None, "no objective"),
    "decimal comma": (objective("2,5 x"), 2, "decimal point"),
    "nan": (objective("nan x"), 2, "neither a number nor a name"),
    "overflow": (objective("1e999 x"), 2, "not finite"),
    "a name like an exponent": (objective("2 e5"), 2, "rename"),
    "two names": (objective("x y"), 2, "followed by"),
    "two numbers": (objective("2 3 x"), 2, "followed by"),
    "two signs": (objective("x + - y"), 2, "followed by"),
    "a sign at the end": (objective("x +"), 2, "the end"),
    "a product outside brackets": (objective("2 x * y"), 2, "out of place"),
    "a third factor": (objective("[ x * y * x ] / 2"), 2, "not understood"),
    "a cube": (objective("[ x ^ 3 ] / 2"), 2, "not understood"),
    "brackets without / 2": (objective("[ x * y ]"), 2, "not understood"),
    "a bracket left open": (objective("[ x * y"), 2, "not closed"),
    "a bracket never opened": (objective("x ] / 2"), 2, "do not match"),
    "a second name of the objective": (objective("x + y : 2"), 2, "':' is out of place"),
    "foreign characters": (objective("x & y = 2"), 2, "does not belong"),
    "a number among the variables": ("Minimize\n obj: x\nBinary\n x 3\nEnd\n", 4, "is not a variable"),
    "no variables": ("Minimize\nBinary\nEnd\n", None, "0 variables"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_files_name_line_and_remedy(case):
    text, line, words = WRONG[case]
    with pytest.raises(InvalidInput) as caught:
        lp.read(text, file="f.lp")
    assert (caught.value.file, caught.value.line) == ("f.lp", line), str(caught.value)
    assert words in str(caught.value)


def program(constraints):
    return f"Minimize\n obj: x - y\nSubject To\n{constraints}\nBinary\n x y z\nEnd\n"


def test_constraints_are_read_with_names_signs_and_every_relation():
    read = lp.read_program(program(" c1: 2 x - 3.5 y\n + z <= 4\n - x - z >= -1.5\n three: x + x + y = 2"), file="f")
    assert read.objective.names == ("x", "y", "z")
    assert [(c.name, c.places, c.coefficients, c.relation, c.bound) for c in read.constraints] == [
        ("c1", (0, 1, 2), (2.0, -3.5, 1.0), "<=", 4.0),
        ("constraint 2", (0, 2), (-1.0, -1.0), ">=", -1.5),
        ("three", (0, 1), (2.0, 1.0), "==", 2.0),
    ]


@pytest.mark.parametrize(
    ("constraint", "words"),
    [
        ("c: x <= 1 + y", "follows a whole constraint"),
        ("c: x <= y", "right side"),
        ("c: x + y", "no relation"),
        ("c: <= 1", "left side"),
        ("c: x + <= 1", "left side"),
        ("c: x 2 <= 1", "'2' is out of place"),
        ("c: [ x * y ] <= 1", "quadratic constraints"),
        ("2: x <= 1", "does not name"),
        ("0 <= x", "left side"),
        ("c: x + w <= 1", "'w' is continuous"),
    ],
)
def test_a_constraint_that_is_something_else_is_refused_with_its_line(constraint, words):
    with pytest.raises(InvalidInput, match=words) as refused:
        lp.read_program(program(f" {constraint}"), file="f")
    assert refused.value.line == 4


def test_constraints_are_read_as_dimod_reads_them():
    text = program(" a: 2 x - y + 3 z <= 2\n b: x + y >= 1\n c: - x + z = 0")
    model = dimod.lp.loads(text)
    for constraint in lp.read_program(text, file="f").constraints:
        other = model.constraints[constraint.name]
        names = ("x", "y", "z")
        assert {names[p]: c for p, c in zip(constraint.places, constraint.coefficients, strict=True)} == dict(
            other.lhs.linear
        )
        assert (constraint.relation, constraint.bound) == (other.sense.value, other.rhs)
