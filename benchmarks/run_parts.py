"""What `qhybrid run` of a toy costs beside its work and beside Dagster, in processor seconds, children and kernel included.

Contenders take turns, each as a process of its own in a home that was used before:

- ours: `qhybrid run`;
- empty: the same graph in Dagster, that is the same assets with their inputs, outputs and checks, the same three runs, partitions, tags and
  stores, with bodies that do nothing and an IO manager that keeps nothing;
- plain: the functions of the stages and of the publication in the same order, without Dagster, with the tables they write;
- imports: what both empty and plain import. It is in both of them, so it is added again.

All end at once as a command does, and collect garbage as rarely.

    python benchmarks/run_parts.py --rounds 5
"""

from __future__ import annotations

import argparse
import compileall
import gc
import json
import os
import sys
import tempfile
import uuid
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).resolve().parents[1]
BACKEND = "local:auto"
JOBS = ("prepare", "execute", "publish")
#: As `python -c`: the name of a contender, then its words.
CONTENDER = "from run_parts import contend; contend()"


def describe_graph(home: Path) -> list[dict[str, Any]]:
    """Return what each step of the code location reads, writes and checks; what no step writes has no outputs."""
    from dagster import AssetsDefinition

    from qhybrid_pipelines.definitions import build_definitions
    from qhybrid_pipelines.settings import Settings

    steps: list[dict[str, Any]] = []
    for asset in build_definitions(Settings(home=home)).assets or ():
        kind = type(asset.partitions_def).__name__ if asset.partitions_def else ""
        partitions = {"Dynamic": "experiments", "MultiPa": "executions"}.get(kind[:7], "none")
        if not isinstance(asset, AssetsDefinition):
            steps.append({"name": asset.key.path[-1], "outputs": [], "partitions": partitions})
            continue
        written = {name: key.path[-1] for name, key in asset.keys_by_output_name.items()}
        ins = {name: asset.op.input_def_named(name).dagster_type.is_nothing for name in asset.keys_by_input_name}
        steps.append(
            {
                "name": asset.op.name,
                "outputs": [
                    {"asset": key, "is_table": not asset.op.output_def_named(name).dagster_type.is_nothing}
                    for name, key in written.items()
                ],
                "reads": [asset.keys_by_input_name[name].path[-1] for name, nothing in ins.items() if not nothing],
                "follows": [asset.keys_by_input_name[name].path[-1] for name, nothing in ins.items() if nothing],
                "checks": [[spec.asset_key.path[-1], spec.name, spec.blocking] for spec in asset.check_specs],
                "partitions": partitions,
            }
        )
    return steps


def empty(home: str, graph: str, key: str) -> None:
    """Run the three jobs of a graph of steps that do nothing."""
    import dagster as dg

    from qhybrid_pipelines.dagster_home import instance_ref, make_dagster_storage
    from qhybrid_pipelines.storage.layout import Home

    class Nothing(dg.IOManager):
        def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
            pass

        def load_input(self, context: dg.InputContext) -> None:
            pass

    experiments, backends = (dg.DynamicPartitionsDefinition(name=name) for name in ("experiments", "backends"))
    executions = dg.MultiPartitionsDefinition({"backend": backends, "experiment": experiments})
    partitions = {"none": None, "experiments": experiments, "executions": executions}
    described = json.loads(Path(graph).read_text())
    assets = [_empty_step(step, partitions[step["partitions"]], dg) for step in described["steps"]]
    jobs = [
        dg.define_asset_job(name, dg.AssetSelection.assets(*written)) for name, written in described["jobs"].items()
    ]
    definitions = dg.Definitions(
        assets=assets, jobs=jobs, resources={"nothing": Nothing()}, executor=dg.in_process_executor
    )
    place = Home(Path(home)).make()
    make_dagster_storage(place)
    instance = dg.DagsterInstance.from_ref(instance_ref(place.dagster))
    parts = {"prepare": key, "execute": dg.MultiPartitionKey({"backend": BACKEND, "experiment": key}), "publish": None}
    for job, name in zip(JOBS, described["jobs"], strict=True):
        instance.add_dynamic_partitions("experiments", [key])
        instance.add_dynamic_partitions("backends", [BACKEND])
        ran = definitions.resolve_job_def(name).execute_in_process(
            instance=instance,
            partition_key=parts[job],
            tags={f"benchmark/{number}": "as many as a run of ours has" for number in range(8)},
            raise_on_error=False,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
        assert ran.success


def _empty_step(step: dict[str, Any], partitions: Any, dg: Any) -> Any:
    if not step["outputs"]:
        return dg.AssetSpec(step["name"], partitions_def=partitions)

    def body(context, **_inputs):  # type: ignore[no-untyped-def]  # Dagster reads the annotation
        del context
        for output in step["outputs"]:
            yield dg.Output(None, output_name=output["asset"])
        for asset, name, _ in step["checks"]:
            yield dg.AssetCheckResult(asset_key=asset, check_name=name, passed=True)

    body.__name__ = step["name"]
    return dg.multi_asset(
        name=step["name"],
        outs={
            output["asset"]: dg.AssetOut(io_manager_key="nothing")
            if output["is_table"]
            else dg.AssetOut(dagster_type=dg.Nothing)
            for output in step["outputs"]
        },
        ins={name: dg.AssetIn(name, input_manager_key="nothing") for name in step["reads"]},
        deps=step["follows"],
        check_specs=[
            dg.AssetCheckSpec(name, asset=asset, blocking=blocking) for asset, name, blocking in step["checks"]
        ],
        partitions_def=partitions,
    )(body)


def plain(home: str, specification: str) -> None:
    """Run the stages of an experiment and the publication as functions."""
    from qhybrid_pipelines.control.experiments.due_stages import Stage
    from qhybrid_pipelines.steps.operate import audits, backend_calibrations, backend_capabilities, warehouse
    from qhybrid_pipelines.steps.plain_stages import PlainStages
    from qhybrid_pipelines.steps.workspace import Workspace
    from qhybrid_pipelines.storage import schemas
    from qhybrid_pipelines.storage.lake import PartitionKey
    from qhybrid_pipelines.storage.layout import Home

    workspace = Workspace(Home(Path(home)).make())
    [registered] = workspace.registration.register_files(Path(specification))
    for stage in (Stage(experiment=registered.key), Stage(experiment=registered.key, backend=BACKEND, job="execute")):
        for _ in PlainStages(workspace).run(
            stage, principal="benchmark", requested_at=datetime.now(UTC), run_id=str(uuid.uuid4())
        ):
            pass
    control_plane = workspace.control_plane
    lake = workspace.lake
    lake.write(
        schemas.BY_NAME["backend_capabilities"],
        PartitionKey(),
        backend_capabilities.backend_capabilities(control_plane),
    )
    lake.write(
        schemas.BY_NAME["backend_calibrations"],
        PartitionKey(),
        backend_calibrations.backend_calibrations(control_plane)[0],
    )
    audits.bit_order(control_plane)
    warehouse.publish(workspace.home, control_plane.ledger)


def imports(*files: str) -> None:
    """Import what all of some processes had imported, in the order of the first."""
    first, *others = (json.loads(Path(file).read_text()) for file in files)
    for name in first:
        if all(name in other for other in others):
            with suppress(Exception):  # what only its package can import
                import_module(name)


def contend() -> None:
    """Be one contender."""
    from qhybrid_pipelines.cli import ALLOCATIONS_PER_COLLECTION
    from qhybrid_pipelines.commands.process_end import ending_at_once

    gc.set_threshold(ALLOCATIONS_PER_COLLECTION)
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    contenders: dict[str, Callable[..., None]] = {"empty": empty, "plain": plain, "imports": imports}
    with ending_at_once():
        contenders[sys.argv[1]](*sys.argv[2:])
        if note := os.environ.get("BENCHMARK_MODULES"):
            Path(note).write_text(json.dumps([name for name in sys.modules if not name.startswith("__")]))


def main() -> None:
    from commands import MAIN, TOY, processor_seconds
    from measuring import machine, show, span

    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=5)
    chosen = options.parse_args()
    about = machine("dagster", "pyarrow", "sqlalchemy", "qiskit")
    compileall.compile_dir(HERE / "qhybrid_pipelines", quiet=2)
    found: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        graph = folder / "graph.json"
        from qhybrid_pipelines.defs.jobs import STAGE_JOBS

        jobs = {STAGE_JOBS[job].name: list(STAGE_JOBS[job].assets) for job in JOBS}
        graph.write_text(json.dumps({"steps": describe_graph(folder / "described"), "jobs": jobs}))
        for number in range(chosen.rounds + 1):  # the first one makes homes, and compiles
            toy = folder / f"toy{number}.yaml"
            toy.write_text(TOY.format(number=number))
            words: dict[str, tuple[str, tuple[str | Path, ...]]] = {
                "ours": (MAIN, ("run", toy, "--home", folder / "ours")),
                "empty": (CONTENDER, ("empty", folder / "empty", graph, f"toy-{number}")),
                "plain": (CONTENDER, ("plain", folder / "plain", toy)),
                "imports": (CONTENDER, ("imports", folder / "empty.json", folder / "plain.json")),
            }
            seconds = {}
            for contender, (program, said) in words.items():
                noted = {"BENCHMARK_MODULES": str(folder / f"{contender}.json")} if number == 0 else {}
                seconds[contender] = processor_seconds(HERE, folder, *said, program=program, environment=noted)
            found += [seconds] if number else []
    rests = [each["ours"] - each["empty"] - each["plain"] + each["imports"] for each in found]
    columns = {name: [each[name] for each in found] for name in found[0]} | {"rest": rests}
    rows: list[dict[str, object]] = [
        {"what": name, "processor seconds": median(every), "lowest to highest": span(every)}
        for name, every in columns.items()
    ]
    show("run_parts", rows, about | {"load_average_after": round(os.getloadavg()[0], 1)})


if __name__ == "__main__":
    main()
