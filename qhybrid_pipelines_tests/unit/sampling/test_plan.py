"""From a specification to circuits."""

import pytest

from qhybrid_pipelines.core.canonical import sha256_hex
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.specifications.sampling_specification import SamplingSpec
from qhybrid_pipelines.sampling.plan import check_plan, circuit_reference, plan_circuits, series_batch

ANCILLA = b"""OPENQASM 3.0;
include "stdgates.inc";
qubit[3] q;
bit[2] c;
h q[0];
cx q[0], q[1];
cx q[1], q[2];
c[0] = measure q[2];
c[1] = measure q[0];
"""
INPUT = (
    b'OPENQASM 3.0;\ninclude "stdgates.inc";\ninput float[64] t;\nqubit[1] q;\nbit[1] c;\nrx(t) q[0];\nc = measure q;\n'
)


def spec(circuit, **more):
    return SamplingSpec.model_validate({"name": "s", "circuit": circuit, **more})


def files(**contents):
    blobs = {sha256_hex(data): data for data in contents.values()}
    named = [{"file": f"{name}.qasm", "sha256": sha256_hex(data)} for name, data in contents.items()]
    return named, lambda source: blobs[source.sha256]


def nothing(source):
    raise AssertionError(source)


def test_a_series_is_widths_then_depths_then_instances():
    found = plan_circuits(spec({"family": "mirror", "widths": [3, 2], "depths": [2, 4], "instances": 2}), nothing)
    assert [circuit.name for circuit in found] == [
        f"mirror-{width}x{depth}-{instance}" for width in (3, 2) for depth in (2, 4) for instance in (0, 1)
    ]
    assert [circuit.point for circuit in found] == list(range(8))


def test_a_longer_series_has_the_same_circuits():
    short = plan_circuits(spec({"family": "qft", "widths": [4]}), nothing)
    long = plan_circuits(spec({"family": "qft", "widths": [3, 4]}), nothing)
    assert short[0].template == long[1].template
    assert short[0].known == long[1].known


def test_qubits_of_a_file_that_are_not_measured_are_summed_out():
    named, read = files(bell=ANCILLA)
    experiment = spec({"files": named})
    [(circuit, origin, reference)] = circuit_reference(experiment, plan_circuits(experiment, read), read)
    assert (circuit.name, circuit.template.n_qubits, circuit.measured, origin) == ("bell", 3, 2, "exact")
    assert dict(zip(reference.outcomes.tolist(), reference.probabilities.tolist(), strict=True)) == pytest.approx(
        {0: 0.5, 3: 0.5}
    )


@pytest.mark.parametrize(
    ("circuit", "more", "field", "says"),
    [
        ({"family": "ghz", "widths": [1]}, {}, "circuit.widths", "begins at 2"),
        ({"family": "hidden_shift", "widths": [3]}, {}, "circuit.widths", "a multiple of 2"),
        ({"family": "ghz", "widths": [3], "depths": [2]}, {}, "circuit.depths", "Remove it"),
        ({"family": "ghz", "widths": [3], "instances": 2}, {}, "circuit.instances", "Remove it"),
        ({"family": "quantum_volume", "widths": [21], "depths": [1]}, {}, "circuit.widths", "reference: {file"),
        ({"family": "ghz", "widths": [3, 4]}, {"reference": {"outcome": "000"}}, "reference.outcome", "column circuit"),
        ({"family": "ghz", "widths": [3]}, {"reference": {"outcome": "00"}}, "reference.outcome", "3 digits"),
    ],
)
def test_what_does_not_fit_is_refused_at_its_field(circuit, more, field, says):
    experiment = spec(circuit, **more)
    with pytest.raises(InvalidInput) as caught:
        check_plan(experiment, plan_circuits(experiment, nothing), nothing)
    assert caught.value.field == field
    assert says in caught.value.remedy


def test_a_circuit_with_inputs_is_refused():
    named, read = files(turn=INPUT)
    with pytest.raises(InvalidInput, match="inputs without a value: t"):
        plan_circuits(spec({"files": named}), read)


def test_wide_circuits_whose_outcome_is_known_need_no_simulation():
    experiment = spec({"family": "ghz", "widths": [100]})
    [(_, origin, reference)] = circuit_reference(experiment, plan_circuits(experiment, nothing), nothing)
    assert origin == "known"
    assert reference.outcomes.tolist() == [0, 2**100 - 1]


def test_seeds_depend_on_the_place_in_the_series_and_not_on_the_backend():
    experiment = spec({"family": "ghz", "widths": [2, 3]}, repetitions=3)
    first, second = plan_circuits(experiment, nothing)
    one, again, other = (
        series_batch(circuit, experiment, experiment="s-0", backend=backend).batch.seeds.tolist()
        for circuit, backend in ((first, "local:auto"), (first, "ibm:fake_manila"), (second, "local:auto"))
    )
    assert one == again
    assert len(set(one[0]) | set(other[0])) == 6
