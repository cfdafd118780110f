"""What Dagster's declarative automation costs and does where our sensors `inbox`, `due_stages` and `qpu_poll` decide today.

Three empty assets in a chain stand for our stages, on our two partition definitions: one for each experiment, two for each experiment
and backend. Most experiments are materialised, some are new. Measured are ticks of Dagster's automation sensor, by its own
`evaluate_tick` on an instance on disk, in processor seconds: the first, which has everything to learn; some without news;
and those that ask for each asset of what is new. Then runs that succeed, fail, and are cancelled: what is asked for again.

    python benchmarks/declarative_automation.py                                  # 20,000 and 100: half an hour, most of it preparation
    python benchmarks/declarative_automation.py --materialised 1000 --new 20
    python benchmarks/history.py --decided 20000 --open 100 --jobs 0             # the same of our sensors
"""

import argparse
import logging
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import dagster as dg
from measuring import machine, show, span

from qhybrid_pipelines.dagster_home import instance_ref
from qhybrid_pipelines.defs.partitions import BACKEND_PARTITIONS, EXECUTIONS, EXPERIMENT_PARTITIONS, EXPERIMENTS
from qhybrid_pipelines.defs.partitions import execution_key as execution

BACKEND = "local:auto"
CHAIN = ("prepared", "executed", "decided")
SENSOR = "automation"
#: Partitions of experiments whose runs end otherwise than well.
FAILS, CANCELLED = "ends-failed", "ends-cancelled"
#: Ticks after such an end in which something could be asked for again.
LATER_TICKS = 5

Condition = dg.AutomationCondition
CONDITIONS: Mapping[str, Any] = {
    "eager": Condition.eager(),
    "on_missing": Condition.on_missing(),
    # What asks again for as long as something is missing, as `due_stages` does; it knows no number of attempts.
    "missing, nothing in progress": Condition.missing() & ~Condition.any_deps_missing() & ~Condition.in_progress(),
    "the same, last run not failed": Condition.missing()
    & ~Condition.any_deps_missing()
    & ~Condition.in_progress()
    & ~Condition.execution_failed(),
}


class Automation:
    """The chain under one condition, with the sensor that evaluates it."""

    def __init__(self, instance: dg.DagsterInstance, condition: Any, *, as_backfills: bool = False) -> None:
        self._instance, self._cursor = instance, None
        assets = _chain(condition)
        sensor = dg.AutomationConditionSensorDefinition(
            SENSOR, target=dg.AssetSelection.assets(*CHAIN), use_user_code_server=True, emit_backfills=as_backfills
        )
        self._definitions = dg.Definitions(assets=assets, sensors=[sensor], executor=dg.in_process_executor)
        self._repository = self._definitions.get_repository_def()

    def tick(self) -> tuple[float, Sequence[dg.RunRequest]]:
        """Let the sensor tick once; return processor seconds, and what it asks for."""
        with dg.build_sensor_context(
            instance=self._instance, repository_def=self._repository, cursor=self._cursor, sensor_name=SENSOR
        ) as context:
            sensor, started = self._repository.get_sensor_def(SENSOR), time.process_time()
            data = sensor.evaluate_tick(context)
            seconds = time.process_time() - started
        self._cursor = data.cursor
        return seconds, data.run_requests or ()

    @property
    def cursor_kilobytes(self) -> float:
        return len(self._cursor or "") / 1e3

    def run(self, requests: Sequence[dg.RunRequest]) -> None:
        """Run what was asked for, whatever becomes of it."""
        for request in requests:
            job = self._definitions.resolve_implicit_global_asset_job_def()
            job.execute_in_process(
                instance=self._instance,
                partition_key=request.partition_key,
                asset_selection=request.asset_selection,
                tags=request.tags,
                raise_on_error=False,
                run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            )


def _chain(condition: Any) -> list[dg.AssetsDefinition]:
    found: list[dg.AssetsDefinition] = []
    for name in CHAIN:
        partitions = EXPERIMENTS if name == CHAIN[0] else EXECUTIONS
        found.append(_asset(name, [asset.key for asset in found[-1:]], partitions, condition))
    return found


def _asset(name: str, deps: list[dg.AssetKey], partitions: Any, condition: Any) -> dg.AssetsDefinition:
    @dg.asset(
        name=name,
        deps=deps,
        partitions_def=partitions,
        automation_condition=condition,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def empty(context: dg.AssetExecutionContext) -> None:
        if context.partition_key == FAILS:
            raise ValueError("this one fails")
        if context.partition_key == CANCELLED:
            run = context.instance.get_run_by_id(context.run.run_id)
            assert run is not None
            context.instance.report_run_canceling(run)
            raise KeyboardInterrupt  # what the signal of a termination becomes

    return empty


@contextmanager
def opened(folder: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.from_ref(instance_ref(folder)) as instance:
        yield instance


def add(instance: dg.DagsterInstance, experiments: Sequence[str]) -> None:
    instance.add_dynamic_partitions(EXPERIMENT_PARTITIONS, list(experiments))
    instance.add_dynamic_partitions(BACKEND_PARTITIONS, [BACKEND])


def materialise(instance: dg.DagsterInstance, name: str, experiments: Sequence[str]) -> None:
    for experiment in experiments:
        partition = experiment if name == CHAIN[0] else execution(BACKEND, experiment)
        instance.report_runless_asset_event(dg.AssetMaterialization(asset_key=name, partition=partition))


def measure_ticks(materialised: int, new: int, rounds: int, conditions: Sequence[str]) -> list[dict[str, Any]]:
    rows = []
    with tempfile.TemporaryDirectory(prefix="automation-") as folder, opened(Path(folder)) as instance:
        old = [f"old-{number:06}" for number in range(materialised)]
        add(instance, old)
        for name in CHAIN:
            materialise(instance, name, old)
        for condition in conditions:
            automation = Automation(instance, CONDITIONS[condition])
            rows.append(_row(condition, "first", [automation.tick()], automation))
            rows.append(_row(condition, "nothing new", [automation.tick() for _ in range(rounds)], automation))
            some = [f"new-{list(CONDITIONS).index(condition)}-{number:06}" for number in range(new)]
            add(instance, some)
            rows.append(_row(condition, f"{new} new experiments", [automation.tick()], automation))
            materialise(instance, CHAIN[0], some)
            rows.append(_row(condition, "their first asset is there", [automation.tick()], automation))
            for name in CHAIN[1:]:  # asked for together, because they have the same partitions
                materialise(instance, name, some)
            rows.append(_row(condition, "all done", [automation.tick() for _ in range(rounds)], automation))
    return rows


def _row(
    condition: str, tick: str, ticks: Sequence[tuple[float, Sequence[dg.RunRequest]]], automation: Automation
) -> dict[str, Any]:
    return {
        "condition": condition,
        "tick": tick,
        "processor s (median)": float(median(seconds for seconds, _ in ticks)),
        "lowest to highest": span(seconds for seconds, _ in ticks),
        "runs asked for": len(ticks[-1][1]),
        "cursor kB": automation.cursor_kilobytes,
    }


def measure_batches(new: int) -> list[dict[str, Any]]:
    """Tell how what is new is put together: runs of one partition, or a backfill that Dagster's daemon runs."""
    rows = []
    for as_backfills in (False, True):
        with tempfile.TemporaryDirectory(prefix="automation-") as folder, opened(Path(folder)) as instance:
            automation = Automation(instance, CONDITIONS["eager"], as_backfills=as_backfills)
            automation.tick()
            add(instance, [f"new-{number:06}" for number in range(new)])
            _, requests = automation.tick()
            backfills = [request for request in requests if request.asset_graph_subset is not None]
            rows.append(
                {
                    "emit_backfills": as_backfills,
                    "partitions": new,
                    "runs asked for": len(requests) - len(backfills),
                    "backfills asked for": len(backfills),
                }
            )
    return rows


def measure_ends() -> list[dict[str, Any]]:
    """Tell what is asked for again in later ticks after a run that failed, and one that was cancelled."""
    rows = []
    for condition, what in CONDITIONS.items():
        with tempfile.TemporaryDirectory(prefix="automation-") as folder, opened(Path(folder)) as instance:
            automation = Automation(instance, what)
            automation.tick()
            add(instance, [FAILS, CANCELLED])
            _, requests = automation.tick()
            assert {request.partition_key for request in requests} == {FAILS, CANCELLED}, requests
            automation.run(requests)
            states = {run.tags["dagster/partition"]: run.status.value for run in instance.get_runs()}
            assert states == {FAILS: "FAILURE", CANCELLED: "CANCELED"}, states
            again = {FAILS: 0, CANCELLED: 0}
            for _ in range(LATER_TICKS):
                _, requests = automation.tick()
                for request in requests:
                    again[request.partition_key or ""] += 1
                automation.run(requests)
            rows.append(
                {
                    "condition": condition,
                    f"asked again after a failure, {LATER_TICKS} ticks": again[FAILS],
                    "after a cancellation": again[CANCELLED],
                    "asked for though missing before the first tick": _asked_at_first(what),
                }
            )
    return rows


def _asked_at_first(condition: Any) -> bool:
    """Tell whether what was there before the condition, and is missing, is ever asked for."""
    with tempfile.TemporaryDirectory(prefix="automation-") as folder, opened(Path(folder)) as instance:
        automation = Automation(instance, condition)
        add(instance, ["there"])
        return any(requests for _, requests in (automation.tick() for _ in range(LATER_TICKS)))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--materialised", type=int, default=20_000)
    arguments.add_argument("--new", type=int, default=100)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--conditions", nargs="+", choices=list(CONDITIONS), default=["eager", "on_missing"])
    options = arguments.parse_args()
    logging.disable(logging.WARNING)
    about = machine("dagster", "sqlalchemy")
    show("What is asked for again", measure_ends(), about)
    show("How it is put together", measure_batches(options.new), about)
    title = f"Ticks of the automation sensor, {len(CHAIN)} assets, {options.new} new among {options.materialised} materialised experiments"
    show(title, measure_ticks(options.materialised, options.new, options.rounds, options.conditions), about)


if __name__ == "__main__":
    main()
