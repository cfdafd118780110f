from dataclasses import replace

import numpy as np
import pytest

from qhybrid_pipelines.core.canonical import canonical_json
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.jobs.circuit_jobs import CircuitBatch, Template
from qhybrid_pipelines.core.specifications.experiment_key import experiment_key
from qhybrid_pipelines.core.specifications.experiment_specification import ExperimentSpec
from qhybrid_pipelines.core.specifications.mitigation_specification import MitigationSpec
from qhybrid_pipelines.core.specifications.specification_text import read_experiments

PAGE = "name: a\nproblem: {family: maxcut, source: 'networkx:petersen_graph'}\n"


def read(more: str) -> ExperimentSpec:
    [written] = read_experiments(PAGE + more, file="a.yaml")
    return written.specification


def test_experiments_without_mitigation_keep_their_key():
    assert "mitigation" not in read("").model_dump(mode="json")
    assert experiment_key(read("mitigation: null")) == experiment_key(read(""))
    keys = [experiment_key(read(f"mitigation: {{estimation: {name}}}")) for name in ("none", "two_body")]
    assert len({*keys, experiment_key(read(""))}) == 3


def test_factors_are_said_by_zne_alone():
    assert MitigationSpec(estimation="two_body").model_dump(mode="json") == {"estimation": "two_body"}
    said = MitigationSpec(estimation="zne", noise_factors=(5, 1)).model_dump(mode="json")
    assert said == {"estimation": "zne", "noise_factors": [1, 5], "extrapolation": "linear"}
    assert MitigationSpec.model_validate(said).noise_factors == (1, 5)


@pytest.mark.parametrize(
    ("written", "switches"),
    [
        ("{dynamical_decoupling: XY4}", ("dynamical_decoupling:XY4",)),
        ("{twirling: both}", ("twirling:gates", "twirling:measurement")),
        ("{twirling: gates, dynamical_decoupling: XX}", ("dynamical_decoupling:XX", "twirling:gates")),
    ],
)
def test_switches_are_named_with_their_values(written, switches):
    spec = read(f"mitigation: {{suppression: {written}}}")
    assert spec.mitigation.switches == switches
    assert ExperimentSpec.model_validate_json(canonical_json(spec.model_dump(mode="json"))) == spec


def test_a_batch_without_switches_has_the_hash_that_it_always_had():
    batch = CircuitBatch(
        experiment="e",
        backend="local:auto",
        template=Template(text="OPENQASM 3.0;", parameters=("a",), n_qubits=2),
        bindings=np.array([[0.5], [0.25]]),
        shots=10,
        seeds=np.array([[1, 2], [3, 4]], dtype=np.uint64),
    )
    # Written down before batches had switches.
    assert batch.payload_sha256 == "abd4547fd1691575dd05ecea285009d41af139174c2329447f1c158311f6009a"
    points = replace(batch, compile_points=True)
    assert points.payload_sha256 == "973988438be85bdad2db23bd6574e611f3434927838667d83a277b7a146239b9"
    switched = [replace(batch, suppression=(f"twirling:{what}",)).payload_sha256 for what in ("gates", "measurement")]
    assert len({batch.payload_sha256, *switched}) == 3


def test_what_is_written_reads_back_as_the_same():
    spec = read("mitigation: {estimation: two_body}")
    assert ExperimentSpec.model_validate_json(canonical_json(spec.model_dump(mode="json"))) == spec


@pytest.mark.parametrize(
    ("more", "field", "words"),
    [
        ("mitigation: {estimation: two-body}", "mitigation.estimation", "two_body"),
        ("mitigation: {estimaton: two_body}", "mitigation.estimaton", "Did you mean estimation"),
        ("mitigation: {suppression: {}}", "mitigation.suppression", "asks for nothing"),
        ("mitigation: {suppression: {twirling: gate}}", "mitigation.suppression.twirling", "gates"),
        (
            "mitigation: {suppression: {dynamic_decoupling: XX}}",
            "mitigation.suppression.dynamic_decoupling",
            "Did you mean",
        ),
        ("mitigation: two_body", "mitigation", "fields of its own"),
        ("sweep: {strategy: optimise}\nmitigation: {estimation: zne}", "mitigation.estimation", "not for a loop"),
        ("mitigation: {estimation: zne, noise_factors: [1, 2]}", "mitigation.noise_factors", "odd"),
        (
            "mitigation: {estimation: zne, noise_factors: [3, 5]}",
            "mitigation.noise_factors",
            "must be one of the factors",
        ),
        ("mitigation: {estimation: zne, noise_factors: [1, 3, 3]}", "mitigation.noise_factors", "named once"),
        ("mitigation: {estimation: zne, noise_factors: [1, 11]}", "mitigation.noise_factors.1", "at most 9"),
        ("mitigation: {estimation: zne, extrapolation: lineal}", "mitigation.extrapolation", "linear"),
        ("mitigation: {extrapolation: richardson}", "mitigation", "only used by estimation 'zne'"),
        ("annealing: {}\nmitigation: {estimation: two_body}", "mitigation", "is for circuits"),
    ],
)
def test_what_is_wrong_names_the_field(more, field, words):
    with pytest.raises(InvalidInput) as refused:
        read(more)
    assert words in str(refused.value)
    assert refused.value.field == field
    assert refused.value.line is not None
