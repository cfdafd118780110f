"""QUBO against published optima, a mixed-integer solver and x'Qx by hand."""

from __future__ import annotations

import itertools

import networkx as nx
import numpy as np
import pytest

from qhybrid_pipelines.core.binary_models.bits import unpack
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.problems.families.qubo import FAMILY, Options, RandomMatrix, make_instance
from qhybrid_pipelines.problems.quadratic import make_quadratic_form
from qhybrid_pipelines.problems.source_sense import unit_of
from qhybrid_pipelines_tests.support.family_cases import FamilyCases
from qhybrid_pipelines_tests.support.instance_files import instance_files, named
from qhybrid_pipelines_tests.support.known_optima import independent_set_as_qubo, mixed_integer_minimum

LP = "Minimize\n f: x + 2 y\nBinary\n x y\nEnd\n"


def objective_and_feasibility(payload, x):
    linear = sum(c for c, chosen in zip(payload["linear"], x, strict=True) if chosen)
    pairs = zip(payload["pairs"], payload["quadratic"], strict=True)
    return payload["offset"] + linear + sum(c for (i, j), c in pairs if x[i] and x[j]), True


CASES = FamilyCases(
    small={
        "random": [
            {"variables": 9, "density": 0.6, "seed": 12},
            {"variables": 1, "density": 0.5, "seed": 13},
        ],
    },
    reduced=[
        {"generator": "random", "variables": 10, "density": 0.6},
    ],
    definition=objective_and_feasibility,
)


def by_hand(text, row):
    """x'Qx of a BiqMac file, with the symmetric matrix written out."""
    header, *lines = text.split("\n")
    size = int(header.split()[0])
    matrix = np.zeros((size, size))
    for line in filter(str.strip, lines):
        i, j, value = line.split()
        matrix[int(i) - 1, int(j) - 1] = matrix[int(j) - 1, int(i) - 1] = float(value)
    return row @ matrix @ row


#: Graphs whose largest independent set is published, and the solver proves it for the QUBO as well.
GRAPHS = ("farm", "karate", "ibm32", "chesapeake", "johnson8-2-4")


@pytest.mark.parametrize("name", GRAPHS)
def test_the_solver_proves_published_optima(name):
    prove(independent_set_as_qubo(named(name).text), -named(name).best_known)


@pytest.mark.parametrize("name", [file.instance for file in instance_files("qubo")])
def test_the_solver_and_a_mixed_integer_solver_prove_the_same_optimum(name):
    file = named(name)
    reference = mixed_integer_minimum(file.text)
    assert reference.success
    assert (reference.fun, reference.mip_dual_bound) == pytest.approx((file.best_known, file.best_known), abs=1e-6)
    prove(file.text, file.best_known)


def prove(text, optimum):
    answer = FAMILY.solve(FAMILY.parsers[FAMILY.file_suffixes[".sparse"]](text, Options(), "m.sparse"), 7)
    assert (answer.optimal, answer.bound) == (True, optimum)
    assert by_hand(text, answer.assignment.astype(float)) == optimum


def test_doubling_is_declared_never_guessed():
    text = "i,j,value\na,a,-3\na,b,1\n"
    with pytest.raises(InvalidInput) as caught:
        FAMILY.parsers["csv_matrix"](text, Options(), "m.csv")
    assert caught.value.field == "problem.options.offdiag_doubled"
    both = np.ones((1, 2), dtype=np.uint8)
    for doubled, value in ((True, -1.0), (False, -2.0)):
        instance = FAMILY.parsers["csv_matrix"](text, Options(offdiag_doubled=doubled), "m.csv")
        assert FAMILY.objective(instance, both).tolist() == [value]
    sparse = FAMILY.parsers["biqmac_sparse"]("2 1\n1 2 1\n", Options(offdiag_doubled=False), "m.sparse")
    assert FAMILY.objective(sparse, both).tolist() == [1.0]


def test_an_lp_file_keeps_its_constant():
    text = "Minimize\n obj: x - 2 y + [ 6 x * y ] / 2 + 5\nBinary\n x y\nEnd\n"
    instance = FAMILY.parsers["lp"](text, Options(best_known=3.0), "small.lp")
    rows = unpack(np.arange(4, dtype=np.uint64), 2)
    assert FAMILY.objective(instance, rows).tolist() == [5.0, 6.0, 3.0, 7.0]
    assert (instance.name, instance.best_known, instance.variables) == ("small", 3.0, ("x", "y"))
    with pytest.raises(InvalidInput) as caught:
        FAMILY.parsers["lp"](text, Options(offdiag_doubled=True), "small.lp")
    assert caught.value.field == "problem.options.offdiag_doubled"


def test_a_graph_alone_is_no_qubo():
    with pytest.raises(InvalidInput, match="maxcut"):
        FAMILY.from_graph(nx.path_graph(3), "path", Options())


@pytest.mark.parametrize(
    ("entries", "words"),
    [([], "all coefficients are 0"), ([(0, 1, 0.0)], "all coefficients are 0"), ([(0, 1, 1e308)], "overflows")],
)
def test_matrices_without_an_optimum_are_refused(entries, words):
    with np.errstate(over="ignore"), pytest.raises(InvalidInput, match=words):
        make_instance(
            make_quadratic_form("ab", entries, offdiagonal_factor=2.0), name="t", source="file:t", best_known=None
        )


def test_minus_zero_is_zero():
    hashes = {
        make_instance(
            make_quadratic_form("ab", [(0, 0, zero), (0, 1, 1.0)], offdiagonal_factor=1.0, offset=zero),
            name="t",
            source="file:t",
            best_known=None,
        ).sha256
        for zero in (0.0, -0.0)
    }
    assert len(hashes) == 1


def test_generated_matrices_have_the_density_asked_for():
    _, make = FAMILY.generators["random"]
    instance = make(RandomMatrix(variables=60, density=0.25, seed=3))
    assert instance.name == "random-n60-p0.25-s3"
    assert 0.2 < len(instance.payload["pairs"]) / (60 * 59 / 2) < 0.3
    assert all(instance.payload["linear"])
    assert FAMILY.features(instance)["weight_range"] <= 200
    dense = make(RandomMatrix(variables=70, density=0.9, seed=3))
    answer = FAMILY.solve(dense, 1)
    assert answer.bound <= FAMILY.objective(dense, answer.assignment[None])[0]
    assert FAMILY.objective(dense, FAMILY.greedy(dense, 1)[None])[0] >= answer.bound


@pytest.mark.parametrize("name", ["imgseg_2.txt", "gka.in", "bqp100-1.txt.gz", "mqlib.sparse/p1.txt", "p1.sparse.txt"])
def test_a_file_of_mqlibs_form_says_whether_it_is_a_maximum(name):
    """3a + 2b - 2ab over bits is 3 at most; read as a minimum it would be 0, where nothing is chosen."""
    text = "2 3\n1 1 3\n2 2 2\n1 2 -1\n"
    with pytest.raises(InvalidInput, match="a minimum in the Biq Mac library and a maximum in MQLib") as refused:
        FAMILY.parsers["biqmac_sparse"](text, Options(), name)
    assert refused.value.field == "problem.options.sense"
    bits = np.array(list(itertools.product((0, 1), repeat=2)), dtype=np.uint8)
    values = {
        sense: FAMILY.objective(FAMILY.parsers["biqmac_sparse"](text, Options(sense=sense), name), bits).min()
        for sense in ("min", "max")
    }
    assert values == {"min": 0.0, "max": -3.0}
    stated = FAMILY.parsers["biqmac_sparse"](text, Options(), "bqp2.sparse.gz")
    assert FAMILY.objective(stated, bits).min() == values["min"], "the library's own ending"


@pytest.mark.parametrize("sense", [None, "max"])
def test_a_maximum_of_an_lp_file_is_negated_once_and_its_unit_says_so(sense):
    """x + 2y over bits is 3 at most."""
    stated = Options(sense=sense, best_known=None if sense is None else 3.0)
    instance = FAMILY.parsers["lp"](LP.replace("Minimize", "Maximize"), stated, "f.lp")
    assert FAMILY.objective(instance, np.ones((1, 2), dtype=np.uint8))[0] == -3.0
    assert instance.best_known == (None if sense is None else -3.0)
    assert unit_of(FAMILY, instance) == "energy (negated maximum)"
    assert unit_of(FAMILY, FAMILY.parsers["lp"](LP, Options(), "f.lp")) == "energy"


@pytest.mark.parametrize(("said", "sense"), [("Minimize", "max"), ("Maximize", "min")])
def test_an_lp_file_and_its_specification_may_not_contradict_each_other(said, sense):
    with pytest.raises(InvalidInput, match=rf"the file says {said}, and options\.sense says {sense}"):
        FAMILY.parsers["lp"](LP.replace("Minimize", said), Options(sense=sense), "f.lp")
