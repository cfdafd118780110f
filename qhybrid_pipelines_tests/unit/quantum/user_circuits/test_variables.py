"""Each outcome of a circuit is the variable that its name says, and gates beside the couplings are noticed."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from qhybrid_pipelines.core.binary_models.reduced_model import ReducedModel
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.quantum.user_circuits.reader import read_user_circuit
from qhybrid_pipelines.quantum.user_circuits.variables import (
    assignment_rows,
    find_warnings,
    order_outcomes,
    variable_names,
)
from qhybrid_pipelines_tests.support.reduced_models import ising
from qhybrid_pipelines_tests.support.user_circuits import V3

#: Five variables of an instance: c is fixed, d the opposite of a, e a copy of b.
NAMES = ("a", "b", "c", "d", "e")
REDUCED = ReducedModel(
    model=ising([0.5, -1.0], {(0, 1): 1.0}),
    root=np.array([1, 0, -1, 1, 0], dtype=np.int32),
    value=np.array([0, 0, 1, 1, 0], dtype=np.uint8),
    cardinality=None,
    exact=True,
)
CHAIN = ReducedModel(
    model=ising([0.0, 1.0, 0.0], {(0, 1): 1.0, (1, 2): -2.0}),
    root=np.arange(3, dtype=np.int32),
    value=np.zeros(3, dtype=np.uint8),
    cardinality=None,
    exact=True,
)


def circuit(text: str, order: tuple[int, ...] = ()):
    return read_user_circuit((V3 + text).encode(), file="c.qasm", order=order)


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (("a", "x"), "'x' is not a variable of the instance"),
        (("a", "c"), "reduction has settled 'c'"),
        (("d", "b"), "the opposite of another variable"),
        (("b", "e"), "a copy of a variable that is named too"),
    ],
)
def test_names_that_no_qubit_can_be_are_refused(names, says):
    with pytest.raises(InvalidInput, match=says) as caught:
        order_outcomes(names, REDUCED, NAMES)
    assert caught.value.field == "problem.circuit_variables"


OFF = "Name what is left (`qhybrid estimate` lists it), or switch reduction off by `reduce: {rules: none}`."


@pytest.mark.parametrize(
    ("names", "problem", "remedy"),
    [
        (("n" * 100,), f"{'n' * 80!r} is not a variable of the instance", "They are a, b, c, d, e."),
        (("c",), "reduction has settled 'c', which has no qubit", OFF),
        (("d",), "reduction has made 'd' the opposite of another variable", OFF),
        (("e", "b"), "reduction has made 'b' a copy of a variable that is named too", OFF),
    ],
)
def test_a_refusal_of_a_name_says_what_can_be_named(names, problem, remedy):
    with pytest.raises(InvalidInput) as caught:
        order_outcomes(names, REDUCED, NAMES)
    assert (caught.value.problem, caught.value.remedy) == (problem, remedy)


@pytest.mark.parametrize(("count", "told"), [(6, "a, b, c, d, e, f"), (7, "a, b, c, d, e, f and 1 more")])
def test_six_names_are_listed_and_the_others_counted(count, told):
    names = "abcdefg"[:count]
    with pytest.raises(InvalidInput) as caught:
        order_outcomes(("x",), REDUCED, names)
    assert caught.value.remedy == f"They are {told}."
    one = ReducedModel(
        model=ising([0.5], {}),
        root=np.zeros(count, dtype=np.int32),
        value=np.zeros(count, dtype=np.uint8),
        cardinality=None,
        exact=True,
    )
    assert variable_names(one, names) == (told,)


def test_a_name_is_the_place_of_its_variable():
    assert order_outcomes(("a", "b"), REDUCED, NAMES) == (1, 0)
    assert order_outcomes(("e", "a"), REDUCED, NAMES) == (0, 1)
    assert variable_names(REDUCED, NAMES) == ("b, e", "a, not d")


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_an_order_moves_qubits_places_and_names_alike(order):
    text = "qubit[3] q;\nqubit help;\nbit[3] c;\nrx(0.1) q[0];\nrx(0.2) q[1];\nrx(0.3) q[2];\ncx q[1], help;\nc = measure q;\n"
    notes = "".join(f"// qhybrid: c[{index}] is {'xyz'[index]}\n" for index in range(3))
    found = circuit(text + notes, order)
    assert (found.n_variables, found.n_qubits) == (3, 4)
    for outcome, variable in enumerate(order):
        assert found.places[variable] == f"q[{outcome}]"
        assert found.names[variable] == "xyz"[outcome]
        column = found.ansatz.offset.tolist().index(0.1 * (outcome + 1) if outcome < 2 else 0.3)
        assert f"rx({found.ansatz.template.parameters[column]}) q[{variable}];" in found.ansatz.template.text
    assert found.pairs == ((order[1], 3),)


def test_rows_say_which_variable_each_qubit_is():
    rows = assignment_rows(circuit("qubit[2] node;\nh node;\n"), REDUCED, NAMES)
    assert rows == [
        {"qubit": "node[0]", "bit": 0, "variable": "b, e"},
        {"qubit": "node[1]", "bit": 1, "variable": "a, not d"},
    ]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("cx q[0], q[1];\ncz q[2], q[1];\n", []),
        ("h q;\n", []),
        (
            "cx q[0], q[2];\ncx q[0], q[1];\ncx q[1], q[2];\n",
            ["1 of 3 pairs of qubits on which a gate acts are not coupled"],
        ),
        ("cx q[0], q[1];\n", ["1 of 2 couplings of the model have no gate on their two qubits: q[1]-q[2] (v, w)"]),
        ("ccx q[0], q[1], q[2];\n", ["1 of 3 pairs"]),
        ("rx(0*a) q[0];\n", ["inputs that move no angle: a"]),
        ("rx(a - a) q[0];\n", ["inputs that move no angle: a"]),
    ],
)
def test_gates_beside_the_couplings_and_inputs_that_do_nothing_are_named(body, says):
    head = "input float a;\n" if "a)" in body else ""
    warnings = find_warnings(circuit(f"{head}qubit[3] q;\n{body}"), CHAIN, ("u", "v", "w"))
    assert len(warnings) == len(says)
    for warning, words in zip(warnings, says, strict=True):
        assert words in warning


def test_gates_with_ancillas_are_not_compared_with_couplings():
    text = "qubit[3] q;\nqubit a;\nbit[3] c;\ncx q[0], a;\ncx q[0], q[1];\ncx q[1], q[2];\nc = measure q;\n"
    assert find_warnings(circuit(text), CHAIN, ("u", "v", "w")) == []


def test_a_warning_counts_lists_and_names_places_and_variables():
    body = "cx q[0], q[1];\ncx q[1], q[2];\ncx q[2], q[0];\n"
    [warning] = find_warnings(circuit(f"qubit[3] q;\n{body}"), CHAIN, ("u", "v", "w" * 100))
    example = f"q[0]-q[2] (u, {'w' * 100})"
    assert warning == f"1 of 3 pairs of qubits on which a gate acts are not coupled in the model: {example[:80]}"
    uncoupled = ReducedModel(
        model=ising([0.0, 1.0, 0.0], {(0, 1): 0.0, (1, 2): -2.0}),
        root=np.arange(3, dtype=np.int32),
        value=np.zeros(3, dtype=np.uint8),
        cardinality=None,
        exact=True,
    )
    assert find_warnings(circuit("qubit[3] q;\ncx q[0], q[1];\n"), uncoupled, ("u", "v", "w")) == [
        "1 of 1 pairs of qubits on which a gate acts are not coupled in the model: q[0]-q[1] (u, v)",
        "1 of 1 couplings of the model have no gate on their two qubits: q[1]-q[2] (v, w)",
    ]
