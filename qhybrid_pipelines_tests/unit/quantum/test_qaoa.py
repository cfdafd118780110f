"""The QAOA template means what `core.jobs.circuit_jobs.QaoaStructure` says, and knows no number of the instance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qhybrid_pipelines.quantum.qaoa import qaoa_ansatz
from qhybrid_pipelines_tests.support.reduced_models import circuit_probabilities, dense_qaoa, ising, maxcut

numbers = st.floats(-2, 2, allow_nan=False).map(lambda v: round(v, 3))


@st.composite
def models(draw, largest=4):
    n = draw(st.integers(1, largest))
    edges = (
        draw(st.dictionaries(st.sampled_from([(i, j) for j in range(n) for i in range(j)]), numbers)) if n > 1 else {}
    )
    return ising(draw(st.lists(numbers, min_size=n, max_size=n)), edges)


@settings(max_examples=15, deadline=None)
@given(models(), st.integers(1, 3), st.sampled_from(["x", "xy"]), st.data())
def test_template_with_bindings_is_the_qaoa_state(model, layers, mixer, data):
    ones = data.draw(st.integers(0, model.size)) if mixer == "xy" else None
    angles = np.array(data.draw(st.lists(numbers, min_size=2 * layers, max_size=2 * layers)))
    ansatz = qaoa_ansatz(model, layers, mixer=mixer, cardinality=ones)
    [bindings] = ansatz.bindings(angles[None])
    assert np.abs(bindings - (ansatz.offset + angles @ ansatz.matrix)).max(initial=0) < 1e-12
    expected = dense_qaoa(model, angles, mixer, ones)
    assert np.abs(circuit_probabilities(ansatz.template, bindings) - expected).max() < 1e-12


def test_the_gamma_of_a_coupling_is_in_units_of_the_energy():
    ansatz = qaoa_ansatz(ising([0, 0.5], {(0, 1): -0.75}), 1)
    values = dict(zip(ansatz.template.parameters, ansatz.bindings(np.array([[0.3, -0.2]]))[0], strict=True))
    assert values == pytest.approx({"cost_0_0": 2 * 0.3 * -0.75, "cost_0_1": 2 * 0.3 * 0.5, "mixer_0": -0.4})


def test_equal_coefficients_share_an_input():
    ring = maxcut(6, [(i, (i + 1) % 6) for i in range(6)])
    inputs = qaoa_ansatz(ring, 3).template.parameters
    assert inputs == ("cost_0_0", "cost_1_0", "cost_2_0", "mixer_0", "mixer_1", "mixer_2")


def test_the_text_depends_on_the_pattern_and_not_on_the_values():
    first = qaoa_ansatz(ising([0.1, 0, 0.3], {(0, 1): 0.5, (1, 2): 0.1}), 2)
    same = qaoa_ansatz(ising([-7.0, 0, 2.0], {(0, 1): 3.0, (1, 2): -7.0}), 2)
    other = qaoa_ansatz(ising([-7.0, 0, 2.0], {(0, 1): 3.0, (1, 2): 1.0}), 2)
    assert first.template == same.template
    assert first.template.template_id != other.template.template_id


def test_no_term_without_a_coefficient():
    ansatz = qaoa_ansatz(ising([0, 0, 0], {(0, 1): 0.0, (1, 2): 1.0}), 1)
    assert ansatz.template.text.count("rzz(cost") == 1
    assert "rz(cost" not in ansatz.template.text
    assert ansatz.two_qubit_gates == 1


def test_bindings_of_a_point_do_not_depend_on_the_points_beside_it():
    model = ising([0.1, -0.7], {(0, 1): 1 / 3})
    ansatz = qaoa_ansatz(model, 4)
    angles = np.random.default_rng(0).normal(size=(100, 8))
    together = ansatz.bindings(angles)
    assert all(np.array_equal(together[p], ansatz.bindings(angles[p : p + 1])[0]) for p in range(100))


@pytest.mark.parametrize("ones", [None, -1, 4])
def test_the_ring_mixer_needs_a_possible_number_of_ones(ones):
    with pytest.raises(ValueError, match="ones"):
        qaoa_ansatz(ising([0, 0, 0], {}), 1, mixer="xy", cardinality=ones)
