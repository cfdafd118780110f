"""A batch that goes out in parts comes back as if it had been one job, row for row."""

from dataclasses import replace

import pyarrow as pa
import pytest

from qhybrid_pipelines.control.job_dispatcher import Dispatcher
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.execution.providers.local import LocalProvider
from qhybrid_pipelines.steps.execute.circuit_batches import circuit_batches
from qhybrid_pipelines.steps.execute.qpu_result_sets import collect_result_sets
from qhybrid_pipelines.steps.execute.qpu_submissions import submit_circuit_batches
from qhybrid_pipelines.steps.prepare.experiments import experiments
from qhybrid_pipelines.steps.prepare.parameter_sweeps import parameter_sweeps
from qhybrid_pipelines.steps.prepare.problem_instances import problem_instances
from qhybrid_pipelines.steps.prepare.reduced_models import reduced_models
from qhybrid_pipelines.steps.workspace import Workspace
from qhybrid_pipelines.storage.content_store import RawStore
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines_tests.support.memory_ledger import MemoryLedger

BACKEND = "local:auto"
SPEC = """
name: parts
problem: {family: maxcut, source: "networkx:petersen"}
sweep: {strategy: fixed_angles, points: 3}
shots: 50
repetitions: 4
"""


class SmallJobs(LocalProvider):
    """The local simulators behind a limit on the circuits of a job; counts the jobs it runs."""

    def __init__(self, folder, most):
        super().__init__(folder)
        self.most, self.jobs = most, 0

    def capabilities(self, backend):
        return replace(super().capabilities(backend), max_circuits_per_job=self.most)

    def submit(self, batch, token):
        assert batch.points * batch.repetitions <= self.most
        self.jobs += 1
        return super().submit(batch, token)


@pytest.fixture(scope="module")
def planned(tmp_path_factory):
    workspace = Workspace(Home(tmp_path_factory.mktemp("parts")).make())
    key = workspace.registration.register_text(SPEC, file="spec.yaml", folder=workspace.home.path).key
    asked = experiments([key], workspace.specifications)
    known = workspace.specifications
    instances = problem_instances(asked, known)
    reduced = reduced_models(asked, instances)
    points = parameter_sweeps(asked, reduced, known)
    return asked, circuit_batches([(BACKEND, key)], asked, instances, reduced, points, specifications=known)


def ran(planned, folder, most):
    provider = SmallJobs(folder / "local", most)
    dispatcher = Dispatcher(MemoryLedger(), {"local": provider}, RawStore(folder / "raw"))
    asked, batches = planned
    submitted = submit_circuit_batches(batches, asked, dispatcher, principal="somebody")
    return provider, dispatcher, submitted, collect_result_sets(batches, submitted, dispatcher)


@pytest.mark.parametrize(("most", "jobs"), [(1, 12), (3, 6), (4, 3), (8, 2), (12, 1)])
def test_parts_are_put_back_at_their_places(planned, tmp_path, most, jobs):
    _, _, _, whole = ran(planned, tmp_path / "whole", 10_000)
    provider, _, submitted, parts = ran(planned, tmp_path / "parts", most)
    assert provider.jobs == submitted.num_rows == jobs
    assert len(set(parts.column("job_id").to_pylist())) == jobs
    assert parts.drop_columns("job_id").equals(whole.drop_columns("job_id"))
    covered = [
        (point, repetition)
        for row in submitted.to_pylist()
        for point in range(row["first_point"], row["first_point"] + row["points"])
        for repetition in range(row["first_repetition"], row["first_repetition"] + row["repetitions"])
    ]
    assert sorted(covered) == [(point, repetition) for point in range(3) for repetition in range(4)]


def test_asking_again_hands_nothing_over_again(planned, tmp_path):
    provider, dispatcher, first, _ = ran(planned, tmp_path, 4)
    assert submit_circuit_batches(planned[1], planned[0], dispatcher, principal="somebody").equals(first)
    assert provider.jobs == 3


def test_a_job_that_the_ledger_does_not_know_is_named(planned, tmp_path):
    _, dispatcher, submitted, _ = ran(planned, tmp_path, 4)
    foreign = pa.array(["j0000000000000000", *submitted.column("job_id").to_pylist()[1:]])
    wrong = submitted.set_column(submitted.column_names.index("job_id"), "job_id", foreign)
    with pytest.raises(InvalidInput, match="j0000000000000000"):
        collect_result_sets(planned[1], wrong, dispatcher)
    assert {job.state for job in dispatcher.ledger.jobs()} == {JobState.VERIFIED}


def test_a_batch_keeps_its_parts_when_the_limits_change(planned, tmp_path):
    """The process died after its jobs were sent and before their table was written; meanwhile the limits changed."""
    provider, dispatcher, first, _ = ran(planned, tmp_path, 4)
    for most in (12, 5, 4):
        provider.most = most
        assert submit_circuit_batches(planned[1], planned[0], dispatcher, principal="somebody").equals(first)
    assert provider.jobs == 3
