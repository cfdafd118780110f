"""`qhybrid run` killed at random moments, then run again: the same tables, no job twice, nothing left behind.

Each home gets one kill at a random moment of each of its stages, and every life goes on with what the one before it
left. The seed and every moment are printed. In the test command `test_fault_scenarios` kills a run right after a submission.
"""

import os
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dagster as dg
import pytest
import yaml

from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines.core.system.failpoints import VARIABLE
from qhybrid_pipelines.dagster_home import instance_ref
from qhybrid_pipelines.execution.results import read_head
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines_tests.support import experiment_homes
from qhybrid_pipelines_tests.support.cli_process import KILLED, CommandServer

pytestmark = [pytest.mark.acceptance, pytest.mark.long, experiment_homes.RUNS_IN_PROCESS]

SEED = int(os.environ.get("QHYBRID_KILL_SEED", "20"))
HOMES = 4
KILLS = 20  # in homes of five stages: prepare and execute of two rounds, publish
TOO_LATE = "had ended"
SUCCEEDED = dg.RunsFilter(statuses=[dg.DagsterRunStatus.SUCCESS])
#: One of each kind of moment: before and after the intent, the call, the acknowledgement; while collecting.
FAILPOINTS = (
    *("submit.before_intent", "submit.intended", "submit.before_call", "submit.accepted", "submit.acknowledged"),
    *("collect.before_fetch", "collect.stored", "collect.recorded", "collect.verified"),
)
#: Two rounds: the window of 4 qubits is moved once.
SPEC = {
    "name": "killed",
    "problem": {"family": "qubo", "source": {"generator": "random", "variables": 24, "density": 0.8, "seed": 1}},
    "reduce": {"max_qubits": 4, "windows": 1},
    "ansatz": {"layers": 1},
    "sweep": {"strategy": "fixed_angles", "points": 2},
    "shots": 64,
    "repetitions": 2,
    "rounds": {"max": 2},
}


class KillableProcess(CommandServer):
    """The process that forks commands; one at a time, all of the same specification."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.specification = folder / "killed.yaml"
        self.specification.write_text(yaml.safe_dump(SPEC))

    def run(self, home: Path, **command):
        return super().run(home, self.specification, **command)


@pytest.fixture(scope="module")
def stages(tmp_path_factory):
    opened = [KillableProcess(tmp_path_factory.mktemp(name)) for name in ("left", "right")]
    yield opened
    for process in opened:
        process.close()


@pytest.fixture(scope="module")
def reference_home(stages):
    """Return an undisturbed home, how long its run took, and when each of its stages had ended, in seconds."""
    home = stages[0].folder / "undisturbed"
    end = stages[0].run(home)
    return home, end["seconds"], stage_end_times(home, end["started"])


def instance_of(home: Path) -> dg.DagsterInstance:
    return dg.DagsterInstance.from_ref(instance_ref(Home(home).dagster))


def assert_same_as_reference(home: Path, reference: Path) -> None:
    left, right = (
        experiment_homes.read_reproducible_columns(home),
        experiment_homes.read_reproducible_columns(reference),
    )
    assert left.keys() == right.keys()
    for name, table in right.items():
        assert left[name].equals(table), name
    assert_paid_once(home)
    assert_nothing_left_behind(home)


def assert_paid_once(home: Path) -> None:
    """One job per execution in the ledger, one per job in the provider's own book, and the chain of events whole."""
    jobs = experiment_homes.read_jobs(home)
    executions = experiment_homes.rows(home, "SELECT experiment, backend FROM circuit_batches")
    assert sorted((job["experiment"], job["backend"]) for job in jobs) == sorted(
        (row["experiment"], row["backend"]) for row in executions
    )
    assert {(job["state"], job["attempt"]) for job in jobs} == {("VERIFIED", 1)}
    book = [read_head(path.read_bytes()) for path in (home / "providers" / "local").iterdir()]
    canaries = experiment_homes.rows(home, "SELECT provider_job_id FROM canary_jobs")
    known = [*(job["provider_job_id"] for job in jobs), *(row["provider_job_id"] for row in canaries)]
    assert sorted(head["job"] for head in book) == sorted(filter(None, known))
    assert SqlLedger.open_sqlite(Home(home).ledger).verify_chain().is_intact


def assert_nothing_left_behind(home: Path) -> None:
    assert list(Home(home).tmp.iterdir()) == []
    assert [path for path in home.rglob("*") if path.name.endswith((".tmp", ".partial"))] == []
    assert sorted(path.name for path in home.with_name(f"{home.name}.tmp").rglob("*")) == []
    assert [run.run_id for run in instance_of(home).get_runs() if not run.is_finished] == []  # none seems to go on


def stage_end_times(home: Path, started: float) -> list[float]:
    """Return when each stage of a whole run had ended, in seconds after its start."""
    return sorted(record.end_time - started for record in instance_of(home).get_run_records())


def interrupted_at(home: Path) -> str:
    """Return what a killed process was doing, as Dagster last heard of it."""
    runs = [run for run in instance_of(home).get_runs(limit=1) if not run.is_finished]
    if not runs:
        return "between stages"
    steps = instance_of(home).get_run_step_stats(runs[0].run_id)
    began = [step for step in steps if step.start_time and not step.end_time]
    return f"{runs[0].job_name}: {began[0].step_key if began else 'between steps'}"


def kill_repeatedly(process: KillableProcess, number: int, reference_home) -> list[str]:
    """Kill one home's run once in each of its stages, then let it end; return what each kill met."""
    reference, _, ends = reference_home
    home = process.folder / f"killed-{number}"
    choose = random.Random(f"{SEED}/{number}")
    outcomes = []
    for stage_index, (begin, until) in enumerate(zip([0.0, *ends], ends, strict=False)):
        seconds = choose.random() * (until - begin)
        end = process.run(
            home,
            kill_after_stages=stage_index,
            kill_after_seconds=seconds,
            runs=str(Home(home).dagster / "history" / "runs.db"),
        )
        outcomes.append(
            f"stage {stage_index} + {seconds:5.2f} s  {interrupted_at(home) if end['code'] == KILLED else TOO_LATE}"
        )
    assert process.run(home)["code"] == 0
    assert_same_as_reference(home, reference)
    return outcomes


def test_killed_at_twenty_random_moments(stages, reference_home):
    with ThreadPoolExecutor(len(stages)) as workers:
        futures = [
            workers.submit(
                lambda process, n: [kill_repeatedly(process, k, reference_home) for k in n], process, numbers
            )
            for process, numbers in zip(stages, (range(0, HOMES, 2), range(1, HOMES, 2)), strict=True)
        ]
        outcomes = [line for future in futures for home in future.result() for line in home]
    # A process may end before its kill lands; further homes make up for that.
    for number in range(HOMES, 2 * HOMES):
        if count_landed(outcomes) >= KILLS:
            break
        outcomes += kill_repeatedly(stages[0], number, reference_home)
    print(f"seed {SEED}, undisturbed run {reference_home[1]:.1f} s", *outcomes, sep="\n")
    assert count_landed(outcomes) >= KILLS
    assert {"1_prepare", "2_execute", "operate_publish"} <= {
        line.rpartition(" s  ")[2].partition(":")[0] for line in outcomes
    }


def count_landed(outcomes: list[str]) -> int:
    return sum(not line.endswith(TOO_LATE) for line in outcomes)


def test_killed_at_named_points_of_submission_and_collection(stages, reference_home):
    home = stages[0].folder / "failpoints"
    for name in FAILPOINTS:
        assert stages[0].run(home, failpoint=name)["code"] == KILLED, name
    assert stages[0].run(home)["code"] == 0
    assert_same_as_reference(home, reference_home[0])


def test_the_installed_command_goes_on_after_a_kill(stages, reference_home):
    """The same with nothing forked: the command as it stands in the shell, killed once inside and run again."""
    home, tmp = stages[0].folder / "command", stages[0].folder / "command.tmp"
    tmp.mkdir()
    environment = {**os.environ, "TMPDIR": str(tmp)}
    arguments = ["run", stages[0].specification, "--home", home]
    killed = experiment_homes.command(*arguments, environment={**environment, VARIABLE: "submit.accepted"})
    killed.communicate(timeout=120)
    assert killed.returncode == KILLED
    ended = experiment_homes.command(*arguments, environment=environment)
    said, _ = ended.communicate(timeout=120)
    assert ended.returncode == 0, said
    assert_same_as_reference(home, reference_home[0])
