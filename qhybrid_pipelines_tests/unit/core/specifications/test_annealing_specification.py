import pytest

from qhybrid_pipelines.core.canonical import canonical_json
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.specifications.experiment_key import experiment_key
from qhybrid_pipelines.core.specifications.experiment_specification import ExperimentSpec
from qhybrid_pipelines.core.specifications.specification_text import read_experiments

PAGE = "name: a\nproblem: {family: maxcut, source: 'networkx:petersen_graph'}\n"


def read(more: str) -> ExperimentSpec:
    [written] = read_experiments(PAGE + more, file="a.yaml")
    return written.specification


def test_settings_are_all_combinations_and_count_points_and_shots():
    spec = read("annealing: {reads: 50, annealing_time_us: [20, 100], chain_strength: 0.5, gauges: 2}")
    assert spec.annealing.settings == [(20.0, 0.5, 0), (20.0, 0.5, 1), (100.0, 0.5, 0), (100.0, 0.5, 1)]
    assert (spec.sweep.points, spec.shots, spec.widest) == (4, 50, 1000)


def test_what_is_written_reads_back_as_the_same():
    spec = read("annealing: {chain_strength: [1, 2]}")
    assert ExperimentSpec.model_validate_json(canonical_json(spec.model_dump(mode="json"))) == spec


def test_experiments_without_annealing_keep_their_key():
    assert "annealing" not in read("").model_dump(mode="json")
    assert experiment_key(read("annealing: {}")) != experiment_key(read("shots: 100"))


def test_a_hybrid_solver_is_told_how_long_to_work_and_has_one_point_of_one_answer():
    spec = read("annealing: {time_limit_seconds: 5}")
    assert (spec.sweep.points, spec.shots, spec.widest) == (1, 1, 1000)
    assert spec.model_dump(mode="json")["annealing"] == {"time_limit_seconds": 5.0}
    assert ExperimentSpec.model_validate_json(canonical_json(spec.model_dump(mode="json"))) == spec
    assert experiment_key(spec) != experiment_key(read("annealing: {time_limit_seconds: 6}"))


def test_experiments_on_annealers_say_nothing_of_hybrid_solvers_and_keep_their_key():
    assert "time_limit_seconds" not in read("annealing: {reads: 50}").model_dump(mode="json")["annealing"]
    assert experiment_key(read("annealing: {reads: 50}")) == "a-f9e07c2e94a76fe4"


@pytest.mark.parametrize(
    ("more", "field", "words"),
    [
        ("annealing: {time_limit_seconds: 5, reads: 10}", "annealing.reads", "reads is for annealers"),
        ("annealing: {time_limit_seconds: 5, gauges: 1}", "annealing.gauges", "gauges is for annealers"),
        ("annealing: {time_limit_seconds: 0}", "annealing.time_limit_seconds", "greater than 0|above 0|more than 0"),
        ("annealing: {time_limit_seconds: 5}\nshots: 7", "shots", "is for circuits"),
        ("annealing: {reads: 0}", "annealing.reads", "at least 1"),
        ("annealing: {anealing_time_us: 3}", "annealing.anealing_time_us", "Did you mean annealing_time_us"),
        ("annealing: {chain_strength: [1, 1]}", "annealing.chain_strength", "twice"),
        ("annealing: {annealing_time_us: 3000}", "annealing.annealing_time_us", "2000"),
        ("annealing: {}\nshots: 7", "shots", "is for circuits"),
        ("annealing: {}\nsweep: {strategy: ramp}", "sweep", "is for circuits"),
        ("annealing: {}\nansatz: {layers: 3}", "ansatz", "is for circuits"),
        ("annealing: {}\ncompile: points", "compile", "is for circuits"),
        ("annealing: {gauges: 64, chain_strength: [1, 2, 3, 4, 5]}", "annealing", "at most 256"),
        ("reduce: {max_qubits: 21}", "reduce.max_qubits", "at most 20 qubits"),
    ],
)
def test_what_does_not_go_together_names_the_field(more, field, words):
    with pytest.raises(InvalidInput, match=words) as refused:
        read(more)
    assert refused.value.field.startswith(field)
    assert refused.value.line is not None
