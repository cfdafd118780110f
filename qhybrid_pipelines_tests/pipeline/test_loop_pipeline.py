"""Loops that optimise angles through backends: on this machine and on the emulated cloud, where answers get lost."""

import json

import numpy as np
import pytest

from qhybrid_pipelines.reports.page import chapters
from qhybrid_pipelines.steps.on_demand.bundle_replays import replay_bundle
from qhybrid_pipelines.steps.on_demand.bundles import pack_experiment
from qhybrid_pipelines.steps.on_demand.estimates import estimate_registered
from qhybrid_pipelines.steps.on_demand.report import report_content
from qhybrid_pipelines.storage.lake import PartitionKey
from qhybrid_pipelines_tests.support import experiment_homes
from qhybrid_pipelines_tests.support.emulator_client import cloud_in_environment
from qhybrid_pipelines_tests.support.matrices import others_are_long

pytestmark = [experiment_homes.RUNS_IN_PROCESS, pytest.mark.slow]

CLOUD = "ionq:qpu.aria-1"
STEPS = 4
#: Optimiser -> points of each step. All of them run in `make test-long`.
OPTIMISERS = {"cobyla": 1, "spsa": 2, "bayesian": 2}
LOST_ANSWERS = {"route": "POST /jobs", "probability": 0.3, "fault": "after_accept", "params": {"drop": True}}


def loop(name, optimiser="cobyla", backends=("local:auto", CLOUD), steps=STEPS, **more):
    sweep = {"strategy": "optimise", "optimiser": optimiser, "steps": steps, "points": OPTIMISERS[optimiser]}
    return {
        "name": name,
        "problem": {
            "family": "maxcut",
            "source": {"generator": "erdos_renyi", "nodes": 6, "probability": 0.8, "seed": 2},
        },
        "ansatz": {"layers": 1},
        "sweep": sweep,
        "shots": 64,
        "repetitions": 2,
        "rounds": {"max": 1},
        "backends": list(backends),
        "budget": {"usd": 100_000},
        **more,
    }


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    folder = tmp_path_factory.mktemp("loops") / "cloud"
    with cloud_in_environment(folder, key="loop-test", speed=3600.0, seed=7, drift_hours=0.2) as client:
        yield client


@pytest.fixture(scope="module", params=others_are_long([("spsa",), tuple(OPTIMISERS)], ("spsa",)), ids=" ".join)
def optimisers(request):
    return request.param


@pytest.fixture(scope="module")
def finished(cloud, tmp_path_factory, optimisers):
    """A home in which optimisers ran here and on a cloud with a queue, that loses answers and is calibrated in mid-loop."""
    cloud.faults(LOST_ANSWERS)
    launcher = experiment_homes.make_launcher(tmp_path_factory.mktemp("loop") / "home")
    keys = experiment_homes.register(launcher, [loop(name, name) for name in optimisers])
    known, failures = launcher.run(keys, lambda stage, asset: None, wait=True)
    assert [(failure.stage, failure.message) for failure in failures] == []
    assert known == keys
    cloud.faults()
    return launcher, dict(zip(optimisers, keys, strict=True)), len(cloud.book())


def rows(finished, sql):
    return experiment_homes.rows(finished[0].workspace.home.path, sql)


def test_every_step_is_one_job_and_the_book_has_nothing_else(finished, cloud):
    launcher, keys, booked = finished
    jobs = [job for job in experiment_homes.read_jobs(launcher.workspace.home.path) if job["provider"] == "ionq"]
    assert sorted(job["provider_job_id"] for job in jobs) == sorted(entry["id"] for entry in cloud.book()[:booked])
    of_loops = [job for job in jobs if job["experiment"] in keys.values()]
    assert {job["state"] for job in of_loops} == {"VERIFIED"}
    assert len(of_loops) == STEPS * len(keys)


def test_the_calibration_changed_in_mid_loop(finished):
    for key in finished[1].values():
        [row] = rows(
            finished, f"SELECT calibration_id FROM provenance WHERE experiment = '{key}' AND backend = '{CLOUD}'"
        )
        assert len(row["calibration_id"].split(", ")) > 1


def test_the_trace_is_whole(finished):
    for optimiser, key in finished[1].items():
        for backend in ("local:auto", CLOUD):
            found = rows(
                finished,
                f"SELECT * FROM optimiser_steps WHERE experiment = '{key}' AND backend = '{backend}' ORDER BY point",
            )
            points = STEPS * OPTIMISERS[optimiser]
            assert [row["point"] for row in found] == list(range(points))
            assert [row["step"] for row in found] == [point // OPTIMISERS[optimiser] for point in range(points)]
            assert {row["stop_reason"] for row in found} == {"all steps are done"}
            values = [row["value"] for row in found]
            assert [row["best_value"] for row in found] == np.minimum.accumulate(values).tolist()


def test_values_recompute_from_the_counts_that_an_analyst_sees(finished):
    checked = 0
    for key in finished[1].values():
        [batch] = rows(
            finished,
            f"SELECT structure FROM circuit_batches WHERE experiment = '{key}' AND backend = '{CLOUD}' AND first_point = 0",
        )
        model = json.loads(batch["structure"])["model"]
        counts = rows(
            finished,
            f"SELECT point, bits, sum(count)::BIGINT AS n FROM qpu_result_sets WHERE experiment = '{key}' AND backend = '{CLOUD}' GROUP BY ALL",
        )
        for row in rows(
            finished,
            f"SELECT point, value, shots FROM optimiser_steps WHERE experiment = '{key}' AND backend = '{CLOUD}'",
        ):
            shots = sorted(
                energy(model, one["bits"]) for one in counts if one["point"] == row["point"] for _ in range(one["n"])
            )
            assert len(shots) == row["shots"] == 128
            best = 0.1 * len(shots)
            expected = (sum(shots[: int(best)]) + (best - int(best)) * shots[int(best)]) / best
            assert row["value"] == pytest.approx(expected)
            checked += 1
    assert checked == STEPS * sum(OPTIMISERS[name] for name in finished[1])


def energy(model, bits):
    """The energy of one outcome, written out."""
    spins = [1 - 2 * (bits >> qubit & 1) for qubit in range(len(model["linear"]))]
    value = model["offset"] + sum(h * s for h, s in zip(model["linear"], spins, strict=True))
    return value + sum(j * spins[a] * spins[b] for (a, b), j in zip(model["pairs"], model["couplings"], strict=True))


def test_a_verdict_as_for_a_sweep_and_the_trace_in_report_and_record(finished):
    verdicts = rows(finished, "SELECT experiment, backend, verdict FROM verdicts")
    assert len(verdicts) == 2 * len(finished[1])
    key = finished[1]["spsa"]
    workspace = finished[0].workspace
    content = report_content(key, workspace.specifications, workspace.lake, workspace.control_plane, workspace.home)
    [chapter] = chapters([content])
    section = next(section for section in chapter.sections if section.name == "loop")
    assert len(section.drawings) == 1
    assert all(f"{STEPS} steps measured" in sentence for sentence in section.paragraphs)
    record = next(iter(workspace.home.spool.glob("*.json")), None)
    assert record is None  # all were handed to MLflow, whose steps are those of the loop


def test_a_bundle_replays_the_points_that_were_run(finished):
    workspace = finished[0].workspace
    key = finished[1]["spsa"]
    bundle = pack_experiment(key, workspace.home, workspace.specifications, workspace.lake, workspace.control_plane)
    assert [one.differences for one in replay_bundle(bundle, workspace.home, workspace.control_plane)] == [(), ()]


def test_lost_answers_change_nothing(finished, cloud, tmp_path):
    """The same loop in another home, here only: the trace is a function of seed and counts."""
    launcher = experiment_homes.make_launcher(tmp_path / "home")
    [key] = experiment_homes.register(launcher, [loop("spsa", "spsa")])
    assert key == finished[1]["spsa"]
    workspace = launcher.workspace
    [stage] = launcher.due([key])
    launcher.run_stage(stage, lambda stage, asset: None)
    here = [stage for stage in launcher.due([key]) if stage.backend == "local:auto"]
    launcher.run_stage(here[0], lambda stage, asset: None)
    partition = PartitionKey(experiment=key, backend="local:auto")
    again = workspace.lake.read("optimiser_steps", partition)
    assert again.equals(finished[0].workspace.lake.read("optimiser_steps", partition))


def preview(launcher, key):
    workspace = launcher.workspace
    return estimate_registered([key], workspace.specifications, workspace.control_plane.dispatcher, workspace.lake)


def test_a_loop_is_priced_as_a_whole_and_refused_before_its_first_step(cloud, tmp_path):
    launcher, booked = experiment_homes.make_launcher(tmp_path / "home"), len(cloud.book())
    without, little, enough = experiment_homes.register(
        launcher,
        [
            loop("without budget", backends=[CLOUD], budget={"usd": 0}),
            loop("little budget", backends=[CLOUD], budget={"usd": 5.0}),
            loop("enough budget", backends=[CLOUD]),
        ],
    )
    [row] = preview(launcher, enough).rows
    [one] = preview(
        launcher,
        experiment_homes.register(launcher, [loop("one", backends=[CLOUD], steps=1)])[0],
    ).rows
    assert row["high_usd"] == pytest.approx(STEPS * one["high_usd"])
    assert (row["jobs"], row["circuits"], row["what"]) == (STEPS, STEPS * one["circuits"], f"loop of {STEPS} steps")
    assert f"{STEPS} steps" in row["assumptions"]
    for key, words in ((without, ["It has no budget", "local:*"]), (little, ["Its budget is $5.00", "sweep.steps"])):
        assert preview(launcher, key).problems
        _, failures = launcher.run([key], lambda stage, asset: None)
        [message] = [failure.message for failure in failures]
        assert all(word in message for word in [*words, f"{STEPS} steps", "nothing was sent"]), message
    assert len(cloud.book()) == booked
