"""What the pipeline costs beside the work in it: Dagster, Parquet files, checks, metadata and pictures.

First every step of an experiment, as a plain function on tables and as an asset of the pipeline; another graph every
round, the same on both ways. Then the `prepare` stage of several experiments: one run for all partitions against one run each.
Then a backfill: many small experiments, all partitions of a stage in one run, against the steps as plain functions and against
chains of empty assets with as many assets and partitions.

    python benchmarks/overhead.py                             # six minutes on two cores
    python benchmarks/overhead.py --rounds 3 --partitions 6
    python benchmarks/overhead.py --only backfill --backfill 200
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa
from measuring import interleaved, machine, show, span

from qhybrid_pipelines.control.experiments.due_stages import EXECUTE, PREPARE, Stage
from qhybrid_pipelines.dagster_home import instance_ref, make_dagster_storage
from qhybrid_pipelines.definitions import build_definitions
from qhybrid_pipelines.defs.jobs import JOB_NAMES
from qhybrid_pipelines.defs.partitions import BACKEND_PARTITIONS, EXECUTIONS, EXPERIMENT_PARTITIONS, execution_key
from qhybrid_pipelines.defs.run_tags import EXPERIMENT_TAG
from qhybrid_pipelines.launch import Launcher
from qhybrid_pipelines.settings import Settings
from qhybrid_pipelines.steps.execute import circuit_batches, qpu_result_sets, qpu_submissions
from qhybrid_pipelines.steps.interpret import (
    baseline_comparisons,
    decisions,
    provenance,
    scored_solutions,
    tracking_runs,
)
from qhybrid_pipelines.steps.prepare import baselines, experiments, parameter_sweeps, problem_instances, reduced_models
from qhybrid_pipelines.steps.workspace import Workspace
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.label_store import LabelStore
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.tables import empty

BACKEND = "local:auto"
SPECIFICATION = """
name: overhead {number}
problem: {{family: maxcut, source: {{generator: random_regular, nodes: 16, degree: 3, seed: {number}}}}}
sweep: {{strategy: fixed_angles, points: 8}}
rounds: {{max: 1}}
"""


#: Work of some tens of milliseconds, so that what is beside it shows.
SMALL = """
name: small {number}
problem: {{family: maxcut, source: {{generator: random_regular, nodes: 10, degree: 3, seed: {number}}}}}
sweep: {{strategy: fixed_angles, points: 2}}
shots: 64
repetitions: 2
rounds: {{max: 1}}
"""


def taken_in(workspace: Workspace, number: int, specification: str = SPECIFICATION) -> str:
    return workspace.registration.register_text(
        specification.format(number=number), file="benchmark", folder=Path()
    ).key


def plain(workspace: Workspace, key: str, processor: Counter[str] | None = None) -> dict[str, float]:
    """Run every step as a plain function on tables; return the seconds of each, and add those of the processor."""
    seconds: dict[str, float] = {}

    def timed(name: str, step: Callable[[], pa.Table]) -> pa.Table:
        started, begun = time.perf_counter(), time.process_time()
        table = step()
        seconds[name] = time.perf_counter() - started
        if processor is not None:
            processor[name] += time.process_time() - begun
        return table

    executions, dispatcher = [(BACKEND, key)], workspace.control_plane.dispatcher
    asked = timed("experiments", lambda: experiments.experiments([key], workspace.specifications))
    found = timed("problem_instances", lambda: problem_instances.problem_instances(asked, workspace.specifications))
    timed("features", lambda: problem_instances.features(found))
    reduced = timed("reduced_models", lambda: reduced_models.reduced_models(asked, found))
    points = timed(
        "parameter_sweeps", lambda: parameter_sweeps.parameter_sweeps(asked, reduced, workspace.specifications)
    )
    classical = timed("baselines", lambda: baselines.baselines(asked, found, reduced))
    sent = timed(
        "circuit_batches",
        lambda: circuit_batches.circuit_batches(
            executions, asked, found, reduced, points, specifications=workspace.specifications
        ),
    )
    jobs = timed(
        "qpu_submissions",
        lambda: qpu_submissions.submit_circuit_batches(sent, asked, dispatcher, principal="benchmark"),
    )
    counts = timed("qpu_result_sets", lambda: qpu_result_sets.collect_result_sets(sent, jobs, dispatcher))
    summary, solutions = timed("scored", lambda: scored_solutions.scores(executions, asked, found, reduced, counts))
    compared = timed(
        "baseline_comparisons",
        lambda: baseline_comparisons.baseline_comparisons(
            executions,
            problem_instances=found,
            reduced_models=reduced,
            parameter_sweeps=points,
            qpu_submissions=jobs,
            point_scores=summary,
            scored_solutions=solutions,
            baselines=classical,
            dispatcher=dispatcher,
        ),
    )
    timed(
        "decisions",
        lambda: decisions.decisions(
            executions,
            experiments=asked,
            problem_instances=found,
            reduced_models=reduced,
            parameter_sweeps=points,
            optimiser_steps=empty(schemas.OPTIMISER_STEPS),
            point_scores=summary,
            scored_solutions=solutions,
            baselines=classical,
            baseline_comparisons=compared,
        ),
    )
    origin = timed(
        "provenance",
        lambda: provenance.provenance(
            executions,
            experiments=asked,
            problem_instances=found,
            circuit_batches=sent,
            qpu_submissions=jobs,
            dispatcher=dispatcher,
        ),
    )
    timed(
        "tracking_runs",
        lambda: tracking_runs.tracking_runs(
            executions,
            experiments=asked,
            circuit_batches=sent,
            optimiser_steps=empty(schemas.OPTIMISER_STEPS),
            point_scores=summary,
            qpu_result_sets=counts,
            baseline_comparisons=compared,
            sampling_verdicts=empty(schemas.SAMPLING_VERDICTS),
            provenance=origin,
            labels=LabelStore(workspace.home),
            tracker=workspace.tracker,
            dagster_run_id="benchmark",
        ),
    )
    return seconds


def piped(launcher: Launcher, key: str) -> dict[str, float]:
    """Run both stages through Dagster; return the seconds of each step, checks by the name of the asset they look at."""
    launcher.run_stage(Stage(experiment=key), lambda _leg, _asset: None)
    launcher.run_stage(Stage(experiment=key, backend=BACKEND, job="execute"), lambda _leg, _asset: None)
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
        rows.append(
            _step_row(f"asset checks, {len(checks)} steps", None, [sum(p[name] for name in checks) for p in whole])
        )
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
    """Time the `prepare` stage of several experiments in one run, and in one run each; files are written over."""
    with tempfile.TemporaryDirectory() as folder:
        launcher = Launcher(Settings(home=Path(folder)))
        keys = sorted(taken_in(launcher.workspace, number) for number in range(partitions))
        launcher.instance.add_dynamic_partitions(EXPERIMENT_PARTITIONS, keys)
        job = build_definitions(launcher.settings).resolve_job_def(JOB_NAMES["prepare"])
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
                launcher.run_stage(Stage(experiment=key), lambda _leg, _asset: None)

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


def empty_chains(instance: dg.DagsterInstance, keys: list[str]) -> Callable[[], None]:
    """Return what runs chains of empty assets, as many as our two stages have, over the same partitions."""
    experiments = dg.DynamicPartitionsDefinition(name=EXPERIMENT_PARTITIONS)
    parts = {"prepare": experiments, "execute": EXECUTIONS}
    assets: dict[str, list[dg.AssetsDefinition]] = {name: [] for name in parts}
    for stage, names in (("prepare", PREPARE), ("execute", EXECUTE)):
        for name in names:
            assets[stage].append(_empty_asset(f"empty_{name}", [a.key for a in assets[stage][-1:]], parts[stage]))
    jobs = [dg.define_asset_job(f"empty_{stage}", dg.AssetSelection.assets(*assets[stage])) for stage in parts]
    definitions = dg.Definitions(
        assets=[*assets["prepare"], *assets["execute"]], jobs=jobs, executor=dg.in_process_executor
    )

    def run() -> None:
        for stage, ends in (("prepare", keys), ("execute", [str(execution_key(BACKEND, key)) for key in keys])):
            _run_range(definitions, f"empty_{stage}", instance, ends)

    return run


def _empty_asset(name: str, deps: list[dg.AssetKey], partitions: Any) -> dg.AssetsDefinition:
    @dg.asset(name=name, deps=deps, partitions_def=partitions, backfill_policy=dg.BackfillPolicy.single_run())
    def empty() -> None:
        pass

    return empty


def _run_range(
    definitions: dg.Definitions, job: str, instance: dg.DagsterInstance, keys: list[str]
) -> dict[str, float]:
    """Run a job over a range of partitions in one run; return the seconds of each of its steps."""
    ran = definitions.resolve_job_def(JOB_NAMES.get(job, job)).execute_in_process(
        instance=instance,
        tags={"dagster/asset_partition_range_start": keys[0], "dagster/asset_partition_range_end": keys[-1]},
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )
    assert ran.success
    return {
        step.step_key: step.end_time - step.start_time
        for step in instance.get_run_step_stats(ran.run_id)
        if step.start_time is not None and step.end_time is not None
    }


def backfill(partitions: int) -> list[dict[str, object]]:
    """Time one backfill three ways; each asset and partition counts once."""
    with (
        tempfile.TemporaryDirectory() as one,
        tempfile.TemporaryDirectory() as two,
        tempfile.TemporaryDirectory() as three,
    ):
        alone, launcher, hollow = (
            Workspace(Home(Path(one)).make()),
            Launcher(Settings(home=Path(two))),
            Home(Path(three)),
        )
        make_dagster_storage(hollow.make())
        bare = dg.DagsterInstance.from_ref(instance_ref(hollow.dagster))
        definitions = build_definitions(launcher.settings)

        def ours(numbers: range) -> dict[str, float]:
            keys = [taken_in(launcher.workspace, n, SMALL) for n in numbers]
            launcher.instance.add_dynamic_partitions(EXPERIMENT_PARTITIONS, keys)
            launcher.instance.add_dynamic_partitions(BACKEND_PARTITIONS, [BACKEND])
            keys = [key for key in launcher.instance.get_dynamic_partitions(EXPERIMENT_PARTITIONS) if key in set(keys)]
            steps = _run_range(definitions, "prepare", launcher.instance, keys)
            ends = [str(execution_key(BACKEND, key)) for key in keys]
            return steps | _run_range(definitions, "execute", launcher.instance, ends)

        def work(numbers: range) -> dict[str, float]:
            seconds: Counter[str] = Counter()
            for number in numbers:
                seconds.update(plain(alone, taken_in(alone, number, SMALL), processor_of_steps))
            return dict(seconds)

        def empty(numbers: range) -> dict[str, float]:
            keys = [f"empty-{number}" for number in numbers]
            bare.add_dynamic_partitions(EXPERIMENT_PARTITIONS, keys)
            bare.add_dynamic_partitions(BACKEND_PARTITIONS, [BACKEND])
            empty_chains(bare, keys)()
            return {}

        ways = {"pipeline": ours, "empty": empty, "work": work}
        processor_of_steps: Counter[str] = Counter()
        for way in ways.values():  # imports libraries and makes databases
            way(range(1))
        processor_of_steps.clear()
        wall, processor, steps = {}, {}, {}
        for name, way in ways.items():
            started, begun = time.perf_counter(), time.process_time()
            steps[name] = way(range(1, partitions + 1))
            wall[name], processor[name] = time.perf_counter() - started, time.process_time() - begun
        launcher.instance.dispose()
        bare.dispose()
    # The record in MLflow is not a science: what it takes counts as overhead.
    recorded, recorded_processor = steps["work"]["tracking_runs"], processor_of_steps["tracking_runs"]
    cells = partitions * (len(PREPARE) + len(EXECUTE))
    rows = [
        ("pipeline", wall["pipeline"], processor["pipeline"]),
        ("chains of empty assets", wall["empty"], processor["empty"]),
    ]
    rows.append(("the steps as plain functions", wall["work"], processor["work"]))
    rows.append(("of them, records in MLflow", recorded, recorded_processor))
    over = wall["pipeline"] - wall["empty"] - (wall["work"] - recorded)
    over_processor = processor["pipeline"] - processor["empty"] - (processor["work"] - recorded_processor)
    rows.append(("**overhead: pipeline - empty - functions without MLflow**", over, over_processor))
    checks = sum(seconds for step, seconds in steps["pipeline"].items() if step not in steps["work"])
    rows.append(("of it, asset checks", checks, float("nan")))
    return [
        {
            "what": what,
            "seconds": seconds,
            "ms per asset and partition": 1e3 * seconds / cells,
            "processor seconds": used,
            "processor ms per asset and partition": 1e3 * used / cells,
        }
        for what, seconds, used in rows
    ]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--partitions", type=int, default=3)
    arguments.add_argument("--backfill", type=int, default=200, help="experiments of the backfill")
    arguments.add_argument("--only", choices=["steps", "runs", "backfill"])
    options = arguments.parse_args()
    about = machine("dagster", "pyarrow", "mlflow", "numpy")
    if options.only in (None, "steps"):
        show(f"One experiment, 16 qubits, 8 points, 10 runs; {options.rounds} rounds", per_step(options.rounds), about)
    if options.only in (None, "runs"):
        rows = together_or_apart(options.partitions, options.rounds)
        show(f"The prepare stage of {options.partitions} experiments; {options.rounds} rounds", rows, about)
    if options.only in (None, "backfill"):
        show(f"A backfill of {options.backfill} small experiments, one run a stage", backfill(options.backfill), about)


if __name__ == "__main__":
    main()
