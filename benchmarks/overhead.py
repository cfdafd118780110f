"""What the pipeline costs beside the work in it: Dagster, Parquet files, checks, metadata and pictures.

First every step of an experiment, as a plain function on tables and as an asset of the pipeline; another graph every
round, the same on both ways. Then the `prepare` leg of several experiments: one run for all partitions against one run each.

    python benchmarks/overhead.py                             # minutes, on two busy cores
    python benchmarks/overhead.py --rounds 3 --partitions 6
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import numpy as np
import pyarrow as pa
from measuring import interleaved, machine, show, span

from qhybrid_pipelines.control.progress import Leg
from qhybrid_pipelines.definitions import build_definitions
from qhybrid_pipelines.defs.automation import EXPERIMENT_TAG
from qhybrid_pipelines.defs.partitions import PARTITIONS_NAME
from qhybrid_pipelines.launch import Launcher
from qhybrid_pipelines.settings import Settings
from qhybrid_pipelines.steps import (
    baselines,
    batches,
    comparisons,
    decisions,
    experiments,
    instances,
    kernels,
    provenance,
    results,
    scores,
    submissions,
    sweeps,
    tracking,
)
from qhybrid_pipelines.steps.workspace import Workspace
from qhybrid_pipelines.storage.layout import Home

BACKEND = "local:auto"
SPECIFICATION = """
name: overhead {number}
problem: {{family: maxcut, source: {{generator: random_regular, nodes: 16, degree: 3, seed: {number}}}}}
sweep: {{strategy: fixed_angles, points: 8}}
rounds: {{max: 1}}
"""


def taken_in(workspace: Workspace, number: int) -> str:
    return workspace.intake.accept_text(SPECIFICATION.format(number=number), file="benchmark", folder=Path()).key


def plain(workspace: Workspace, key: str) -> dict[str, float]:
    """Run every step as a plain function on tables; return the seconds of each."""
    seconds: dict[str, float] = {}

    def timed(name: str, step: Callable[[], pa.Table]) -> pa.Table:
        started = time.perf_counter()
        table = step()
        seconds[name] = time.perf_counter() - started
        return table

    executions, dispatcher = [(BACKEND, key)], workspace.gateway.dispatcher
    asked = timed("experiments", lambda: experiments.experiments([key], workspace.specifications))
    found = timed("problem_instances", lambda: instances.problem_instances(asked, workspace.specifications))
    timed("features", lambda: instances.features(found))
    reduced = timed("kernels", lambda: kernels.kernels(asked, found))
    points = timed("parameter_sweeps", lambda: sweeps.parameter_sweeps(asked, reduced, workspace.specifications))
    classical = timed("baselines", lambda: baselines.baselines(asked, found, reduced))
    sent = timed(
        "circuit_batches",
        lambda: batches.circuit_batches(executions, asked, reduced, points, workspace.specifications),
    )
    jobs = timed("qpu_submissions", lambda: submissions.submissions(sent, asked, dispatcher, principal="benchmark"))
    counts = timed("qpu_result_sets", lambda: results.result_sets(sent, jobs, dispatcher))
    summary, solutions = timed("scored", lambda: scores.scores(executions, asked, found, reduced, counts))
    compared = timed(
        "baseline_comparisons",
        lambda: comparisons.comparisons(
            executions,
            instances=found,
            kernels=reduced,
            submissions=jobs,
            point_scores=summary,
            solutions=solutions,
            baselines=classical,
            dispatcher=dispatcher,
        ),
    )
    timed(
        "decisions",
        lambda: decisions.decisions(
            executions,
            experiments=asked,
            instances=found,
            kernels=reduced,
            sweep_points=points,
            point_scores=summary,
            solutions=solutions,
            baselines=classical,
            comparisons=compared,
        ),
    )
    origin = timed(
        "provenance",
        lambda: provenance.provenance(
            executions, experiments=asked, instances=found, batches=sent, submissions=jobs, dispatcher=dispatcher
        ),
    )
    timed(
        "tracking_runs",
        lambda: tracking.tracking_runs(
            executions,
            experiments=asked,
            batches=sent,
            point_scores=summary,
            counts=counts,
            comparisons=compared,
            provenance=origin,
            tracker=workspace.tracker,
            dagster_run_id="benchmark",
        ),
    )
    return seconds


def piped(launcher: Launcher, key: str) -> dict[str, float]:
    """Run both legs through Dagster; return the seconds of each step, checks by the name of the asset they look at."""
    launcher.run_leg(Leg(experiment=key), lambda _leg, _asset: None)
    launcher.run_leg(Leg(experiment=key, backend=BACKEND), lambda _leg, _asset: None)
    seconds: dict[str, float] = {}
    for run in launcher.instance.get_runs(dg.RunsFilter(tags={EXPERIMENT_TAG: key})):
        for step in launcher.instance.get_run_step_stats(run.run_id):
            if step.start_time is not None and step.end_time is not None:
                seconds[step.step_key] = step.end_time - step.start_time
    return seconds


def per_step(rounds: int) -> list[dict[str, object]]:
    work: list[dict[str, float]] = []
    whole: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        workspace = Workspace(Home(Path(one)).make())
        launcher = Launcher(Settings(home=Path(other)))
        for number in range(rounds + 1):
            work.append(plain(workspace, taken_in(workspace, number)))
            whole.append(piped(launcher, taken_in(launcher.workspace, number)))
        launcher.instance.dispose()
    # The first round also imports libraries and makes databases.
    work, whole = work[1:], whole[1:]
    steps = [name for name in whole[0] if name in work[0]]
    checks = [name for name in whole[0] if name not in work[0]]
    rows = [_step_row(name, [w[name] for w in work], [p[name] for p in whole]) for name in work[0] if name in steps]
    if checks:
        rows.append(_step_row(f"{len(checks)} asset checks", None, [sum(p[name] for name in checks) for p in whole]))
    rows.append(_step_row("**all**", [sum(w.values()) for w in work], [sum(p.values()) for p in whole]))
    return rows


def _step_row(name: str, work: list[float] | None, whole: list[float]) -> dict[str, object]:
    base = np.array(work) if work else np.zeros(len(whole))
    return {
        "step": name,
        "work, ms": float(np.median(base) * 1e3),
        "in the pipeline, ms": float(np.median(whole) * 1e3),
        "beside the work, ms": float(np.median(np.array(whole) - base) * 1e3),
        "lowest to highest, ms": span((np.array(whole) - base) * 1e3),
    }


def together_or_apart(partitions: int, rounds: int) -> list[dict[str, object]]:
    """Time the `prepare` leg of several experiments in one run, and in one run each; files are written over."""
    with tempfile.TemporaryDirectory() as folder:
        launcher = Launcher(Settings(home=Path(folder)))
        keys = sorted(taken_in(launcher.workspace, number) for number in range(partitions))
        launcher.instance.add_dynamic_partitions(PARTITIONS_NAME, keys)
        job = build_definitions(launcher.settings).resolve_job_def("prepare")
        quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}

        def together() -> None:
            span_of_keys = {
                "dagster/asset_partition_range_start": keys[0],
                "dagster/asset_partition_range_end": keys[-1],
            }
            ran = job.execute_in_process(instance=launcher.instance, tags=span_of_keys, run_config=quiet)
            assert ran.success

        def apart() -> None:
            for key in keys:
                launcher.run_leg(Leg(experiment=key), lambda _leg, _asset: None)

        timings = interleaved({"one run for all": together, "one run each": apart}, rounds=rounds)
        launcher.instance.dispose()
    first, second = (np.array(timings[name].seconds) for name in ("one run for all", "one run each"))
    return [
        {
            "way": name,
            "partitions": partitions,
            "seconds a partition (median)": float(np.median(seconds) / partitions),
            "lowest to highest": span(seconds / partitions),
            "times one run for all": float(np.median(seconds / first)),
        }
        for name, seconds in (("one run for all", first), ("one run each", second))
    ]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--partitions", type=int, default=3)
    options = arguments.parse_args()
    about = machine("dagster", "pyarrow", "mlflow", "numpy")
    show(f"One experiment, 16 qubits, 8 points, 10 runs; {options.rounds} rounds", per_step(options.rounds), about)
    rows = together_or_apart(options.partitions, options.rounds)
    show(f"The prepare leg of {options.partitions} experiments; {options.rounds} rounds", rows, about)


if __name__ == "__main__":
    main()
