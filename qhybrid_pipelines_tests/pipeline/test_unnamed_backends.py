"""An execution that nobody asked for is refused before the ledger; one whose backend is gone hurts itself only."""

import pytest
import yaml

from qhybrid_pipelines.control.experiments.due_stages import Stage
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.defs.jobs import JOB_NAMES
from qhybrid_pipelines.defs.partitions import add_partitions, execution_key
from qhybrid_pipelines.emulator.process import start_emulator
from qhybrid_pipelines.steps.learning.inference_batches import inference_batches
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.tables import from_rows
from qhybrid_pipelines_tests.support import experiment_homes
from qhybrid_pipelines_tests.support.code_location import open_code_location, requested_stages
from qhybrid_pipelines_tests.support.emulator_client import client_in_environment

pytestmark = experiment_homes.RUNS_IN_PROCESS

UNNAMED = "ionq:simulator"
COMMON = {
    "problem": {"family": "maxcut", "source": "networkx:petersen"},
    "ansatz": {"layers": 1},
    "shots": 64,
    "repetitions": 2,
    "sweep": {"strategy": "fixed_angles", "points": 2},
    "rounds": {"max": 1},
}
ALLOW = "rules: [{name: all, then: allow, reason: a test}]\n"


@pytest.fixture(scope="module")
def emulator(tmp_path_factory):
    running = start_emulator(tmp_path_factory.mktemp("cloud"), key="unnamed-test", speed=0.001, seed=7)
    yield running
    running.stop()


@pytest.fixture
def cloud(emulator, monkeypatch):
    with client_in_environment(emulator, monkeypatch) as client:
        yield client


@pytest.fixture
def code_location(tmp_path, cloud):
    with open_code_location(tmp_path) as opened:
        opened.home.joinpath("policy.yaml").write_text(ALLOW)
        yield opened


LOOP = {"sweep": {"strategy": "optimise", "optimiser": "cobyla", "steps": 4}}
LEARNING = {
    "kind": "qml",
    "dataset": {"source": "sklearn:iris"},
    "features": {"pca": 2},
    "models": ["separable"],
    "training": {"layers": 1, "epochs": 1},
    "evaluation": {"shots": [64], "backends": ["local:auto"]},
}


def register(code_location, name, backend, **fields):
    return code_location.register(yaml.safe_dump({"name": name, "backends": [backend], **COMMON, **fields}))


def materialise(code_location, job, partition):
    return code_location.definitions.resolve_job_def(JOB_NAMES[job]).execute_in_process(
        instance=code_location.instance, partition_key=partition, raise_on_error=False
    )


def failure_messages(result):
    return [event.step_failure_data.error.to_string() for event in result.get_step_failure_events()]


@pytest.mark.parametrize(("job", "fields"), [("submit", {}), ("execute", {}), ("submit", LOOP)])
def test_a_backend_that_the_specification_does_not_name_is_refused(code_location, cloud, job, fields):
    """A click on the other square of the grid that the UI shows."""
    key = register(code_location, code_location.home.name, "local:auto", **fields)
    before = len(cloud.book())
    add_partitions(code_location.instance, [Stage(experiment=key, backend=UNNAMED)])
    assert materialise(code_location, "prepare", key).success
    result = materialise(code_location, job, execution_key(UNNAMED, key))
    assert not result.success
    (message, *_) = failure_messages(result)
    assert (
        f"experiment {key} does not name the backend '{UNNAMED}'; nothing was sent. Its backends are local:auto."
        in message
    )
    assert [j for j in code_location.workspace.control_plane.ledger.jobs() if j.experiment == key] == []
    assert len(cloud.book()) == before


def test_a_learning_experiment_measures_on_no_other_backend_either(code_location, cloud):
    """It is refused before rows, folds and models are looked at."""
    key = code_location.register(yaml.safe_dump({"name": code_location.home.name, **LEARNING}))
    before = len(cloud.book())
    spec = code_location.workspace.specifications.load_any(key)
    empty = from_rows(schemas.QML_MODELS, [])
    with pytest.raises(InvalidInput, match=f"does not name the backend '{UNNAMED}'; nothing was sent"):
        next(inference_batches(key, UNNAMED, spec=spec, dataset=None, splits=(), qml_models=empty))
    assert len(cloud.book()) == before


def test_the_named_backend_is_taken(code_location, cloud):
    """The control: the same clicks on a square that was asked for."""
    key = register(code_location, code_location.home.name, UNNAMED)
    before = len(cloud.book())
    add_partitions(code_location.instance, [Stage(experiment=key, backend=UNNAMED)])
    assert materialise(code_location, "prepare", key).success
    assert materialise(code_location, "submit", execution_key(UNNAMED, key)).success
    assert len(cloud.book()) == before + 1


def test_an_execution_whose_backend_is_gone_keeps_nothing_else_waiting(code_location, cloud, monkeypatch):
    gone = register(code_location, code_location.home.name, UNNAMED)
    add_partitions(code_location.instance, [Stage(experiment=gone, backend=UNNAMED)])
    assert materialise(code_location, "prepare", gone).success
    assert materialise(code_location, "submit", execution_key(UNNAMED, gone)).success
    for name in ("IONQ_API_KEY", "IONQ_API_URL"):
        monkeypatch.delenv(name, raising=False)
    with open_code_location(code_location.home) as later:
        other = register(later, "other", "local:auto")
        assert requested_stages(later.tick("due_stages")) == [("prepare", other)]
        assert later.poll().asset_events == []
