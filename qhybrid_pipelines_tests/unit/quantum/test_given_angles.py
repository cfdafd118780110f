"""A person's own angles: what is read, what is refused and where, and that the stated signs are those of the circuit."""

import numpy as np
import pytest

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.specifications.experiment_specification import ExperimentSpec
from qhybrid_pipelines.quantum.given_angles import angle_columns, qaoa_columns, read_angles
from qhybrid_pipelines.quantum.sweeps import plan_sweep
from qhybrid_pipelines_tests.support.reduced_models import (
    circuit_probabilities,
    exponential,
    make_reduced_model,
    make_spec,
    maxcut,
    on_qubits,
)

X = np.array([[0, 1], [1, 0]], dtype=complex)
TWO = qaoa_columns(2)


def read(text, columns=TWO):
    return read_angles(text.encode(), columns, file="angles.csv")


def test_columns_are_taken_by_name_and_comments_and_blank_lines_passed_over():
    text = "\ufeff# fitted elsewhere\r\nbeta_1, gamma_2,beta_2, gamma_1\r\n\r\n-0.5,.25,-1e-1,+0.125\r\n1,2,3,4\r\n"
    assert read(text).tolist() == [[0.125, 0.25, -0.5, -0.1], [4, 2, 1, 3]]
    assert read("angle_2,angle_1\n1,2\n", None).tolist() == [[2, 1]]
    assert read("theta,phi\n1,2\n", ("phi", "theta")).tolist() == [[2, 1]]


@pytest.mark.parametrize(
    ("text", "line", "field", "says"),
    [
        ("gamma_1,gamma_2,beta_1\n1,2,3\n", 1, "beta_2", "missing"),
        ("gamma_1,gamma_2,beta_1,beta_2,beta_3\n1,2,3,4,5\n", 1, "beta_3", "not an angle of this circuit"),
        ("gama_1,gamma_2,beta_1,beta_2\n1,2,3,4\n", 1, "gama_1", "Did you mean gamma_1"),
        ("gamma_1,gamma_1,beta_1,beta_2\n1,2,3,4\n", 1, "gamma_1", "twice"),
        ("0.1,0.2,0.3,0.4\n", 1, None, "first line holds numbers"),
        ("gamma_1,gamma_2,beta_1,beta_2\n# none\n", None, None, "no point"),
        ("gamma_1,gamma_2,beta_1,beta_2\n1,2,3,4\n\n1,2,x,4\n", 4, "beta_1", "'x' is not a finite number"),
        ("gamma_1,gamma_2,beta_1,beta_2\n1,2,nan,4\n", 2, "beta_1", "radians"),
        ("gamma_1,gamma_2,beta_1,beta_2\n1,2,1e999,4\n", 2, "beta_1", "finite"),
        ("gamma_1,gamma_2,beta_1,beta_2\n1,2,,4\n", 2, "beta_1", "finite"),
        ("gamma_1,gamma_2,beta_1,beta_2\n0,1,0,2,0,3,0,4\n", 2, None, "8 fields, and the header names 4"),
        ('gamma_1,gamma_2,beta_1,beta_2\n"1,2,3,4\n', None, None, "not CSV"),
        ("", None, None, "empty"),
    ],
)
def test_what_is_wrong_is_named_with_its_line_and_column(text, line, field, says):
    with pytest.raises(InvalidInput, match=says) as caught:
        read(text)
    assert caught.value.file == "angles.csv"
    assert (caught.value.field, says == "not CSV" or caught.value.line == line) == (field, True)


def test_bytes_that_are_no_text():
    with pytest.raises(InvalidInput, match="UTF-8") as caught:
        read_angles(b"gamma_1,beta_1\n\xff\n", qaoa_columns(1), file="angles.csv")
    assert caught.value.line == 2


def test_columns_follow_the_circuit():
    assert angle_columns(make_spec(layers=2), None) == ("gamma_1", "gamma_2", "beta_1", "beta_2")
    assert angle_columns(make_spec(kind="hardware_efficient"), None) is None


def given_spec(**fields):
    return make_spec(strategy="given", file="angles.csv", points=1, **fields)


def test_a_maximised_cut_changes_the_sign_of_its_betas_only():
    """The published convention, exp(-i beta X) exp(-i gamma C) with the cut C maximised, by dense matrices."""
    n, edges, (gammas, betas) = 4, [(0, 1), (1, 2), (2, 3), (3, 0), (0, 2)], ([0.4, 0.7], [0.6, 0.3])
    model = make_reduced_model(maxcut(n, edges))
    words = np.arange(1 << n)
    cut = sum(((words >> i) ^ (words >> j)) & 1 for i, j in edges)
    state = np.full(1 << n, 0.25, dtype=complex)
    for gamma, beta in zip(gammas, betas, strict=True):
        state = np.exp(-1j * gamma * cut) * state
        for qubit in range(n):
            state = on_qubits({qubit: exponential(X, beta)}, n) @ state
    text = "gamma_1,gamma_2,beta_1,beta_2\n{},{},{},{}\n".format(*gammas, *(-beta for beta in betas))
    spec = given_spec(layers=2)
    plan = plan_sweep(model, spec, given=read(text))
    from qhybrid_pipelines.quantum.circuits import build_batch

    batch = build_batch(model, plan.angles, spec, experiment="a-00000000", backend="local:auto").batch
    ours = circuit_probabilities(batch.template, batch.bindings[0])
    np.testing.assert_allclose(ours, np.abs(state) ** 2, atol=1e-12)
    assert plan.angle_source == ("given: angles.csv",)
    # The control: with the other sign it is another distribution.
    other = build_batch(model, -plan.angles * [1, 1, -1, -1], spec, experiment="a-00000000", backend="local:auto").batch
    assert np.abs(circuit_probabilities(other.template, other.bindings[0]) - ours).max() > 0.01


@pytest.mark.parametrize("given", [None, np.zeros((1, 3))])
def test_a_plan_needs_an_angle_for_each_of_the_circuit(given):
    for spec in (given_spec(layers=2), given_spec(kind="hardware_efficient")):
        with pytest.raises(InvalidInput, match=r"sweep\.file|angles"):
            plan_sweep(make_reduced_model(maxcut(3, [(0, 1), (1, 2)])), spec, given=given)


def test_other_experiments_keep_their_texts():
    spec = make_spec(strategy="ramp")
    assert "file" not in spec.model_dump(mode="json")["sweep"]
    assert ExperimentSpec.model_validate_json(given_spec().model_dump_json()) == given_spec()
