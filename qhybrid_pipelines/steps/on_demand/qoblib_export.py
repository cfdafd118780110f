"""Experiments as submissions to QOBLIB, read from the lake."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from qhybrid_pipelines.core.errors import InvalidInput, MissingUpstream
from qhybrid_pipelines.core.specifications.experiment_specification import ExperimentSpec
from qhybrid_pipelines.core.system.files import promote, scratch_folder
from qhybrid_pipelines.problems import qoblib
from qhybrid_pipelines.problems.instance import Instance
from qhybrid_pipelines.steps.values_from_rows import Row
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.lake import Lake, PartitionKey
from qhybrid_pipelines.storage.specifications import Specifications

_SOURCES = {"quantum+repair": "repair of broken constraints", "quantum+local_search": "local search"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """One row of a submission, and the solution that it speaks of.

    Attributes:
        instance: of the library.
        name: what the library calls it.
        folder: of the library, for the class.
        experiment: key.
        backend: that it ran on.
        row: of the summary.
        solution: text of the solution file.
    """

    instance: Instance
    name: str
    folder: str
    experiment: str
    backend: str
    row: dict[str, str]
    solution: str


def export_qoblib(
    keys: Sequence[str],
    folder: Path,
    specifications: Specifications,
    lake: Lake,
    *,
    submitter: str,
    reference: str | None = None,
) -> list[Submitted]:
    """Write a submission of some experiments into a folder, whole or not at all; return its rows.

    There is a folder per instance, with a summary, a row per experiment and backend, and the solutions. The objective and the solution are
    the best of the quantum runs, post-processing included, never those of a baseline.

    Args:
        keys: of decided experiments on instances of the library.
        folder: new or empty.
        specifications: the register.
        lake: holds the results.
        submitter: name and affiliation.
        reference: of a paper or repository; by default this program, its version and the experiment.

    Raises:
        InvalidInput: an experiment is not about an instance of the library, or found no solution; two are of different classes; the folder is
            not empty, or nobody is named.
        MissingUpstream: one is not decided yet.
    """
    if not submitter.strip():
        raise InvalidInput("no submitter is named", remedy="Give a name and an affiliation.", field="--submitter")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InvalidInput(
            f"{folder} is not an empty folder",
            remedy="Name a new one: a submission never mixes with older files.",
            field="--output",
        )
    found = [one for key in dict.fromkeys(keys) for one in _submitted(key, specifications, lake, submitter, reference)]
    if len(classes := sorted({one.folder for one in found})) > 1:
        raise InvalidInput(
            f"the experiments are of {len(classes)} classes, {' and '.join(classes)}, and the library takes a submission for each",
            remedy="Export those of each class into a folder of their own.",
            field="KEY",
        )
    by_instance: dict[str, list[Submitted]] = defaultdict(list)
    for one in found:
        by_instance[one.name].append(one)
        if one.instance.payload != by_instance[one.name][0].instance.payload:
            raise InvalidInput(
                f"two different instances are called {one.name}",
                remedy="Export them into two folders, and see which of them is the library's.",
                field="KEY",
            )
    target = folder.absolute()
    with scratch_folder(target.parent) as scratch:
        built = scratch / "submission"
        built.mkdir()
        for name, rows in sorted(by_instance.items()):
            _write(built / name, name, rows)
        if target.exists():
            target.rmdir()
        promote(built, target)
    return found


def _write(folder: Path, name: str, found: list[Submitted]) -> None:
    """Write what the library asks for: a summary, and one solution file or a folder of them numbered from 0."""
    folder.mkdir()
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, qoblib.COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(one.row for one in found)
    (folder / f"{name}_summary.csv").write_text(text.getvalue(), encoding="utf-8")
    if len(found) == 1:
        (folder / f"{name}_solution.sol").write_text(found[0].solution, encoding="utf-8")
        return
    (folder / "solutions").mkdir()
    for number, one in enumerate(found):
        path = folder / "solutions" / f"{name}_solution_{number}.sol"
        path.write_text(one.solution, encoding="utf-8")


def _submitted(
    key: str, specifications: Specifications, lake: Lake, submitter: str, reference: str | None
) -> Iterator[Submitted]:
    spec, whole = specifications.load(key), PartitionKey(experiment=key)
    decided = [b for b in spec.backends if lake.exists(schemas.DECISIONS, PartitionKey(experiment=key, backend=b))]
    if not decided:
        raise MissingUpstream(schemas.DECISIONS.name, key)
    [instance_row] = lake.read(schemas.PROBLEM_INSTANCES, whole).to_pylist()
    [model] = lake.read(schemas.REDUCED_MODELS, whole).to_pylist()
    instance = Instance.from_row(instance_row)
    kind = qoblib.problem_class(instance)
    name = kind.library_name(instance)
    for backend in decided:
        execution = PartitionKey(experiment=key, backend=backend)
        [comparison] = lake.read(schemas.BASELINE_COMPARISONS, execution).to_pylist()
        [provenance] = lake.read(schemas.PROVENANCE, execution).to_pylist()
        solutions = lake.read(schemas.SCORED_SOLUTIONS, execution).to_pylist()
        if model["solved_by_reduction"]:
            solutions = [
                {
                    "repetition": 0,
                    "source": "reduction",
                    "objective": model["reduced_model_optimum"],
                    "assignment": model["reduced_model_optimum_assignment"],
                }
            ]
        best = _best_by_run(solutions, kind, instance, sense=instance_row["sense"])
        answers = [row for row in best.values() if row is not None]
        if not answers:
            raise InvalidInput(
                f"no run of {key} on {backend} found a solution of {name} by the rules of {kind.folder}",
                remedy="Export experiments that found one; the library lists solutions only.",
                field="KEY",
            )
        sign = 1 if instance_row["sense"] == "max" else -1
        answer = max(answers, key=lambda row: sign * row["objective"])
        facts = {
            "Problem": name,
            "Submitter": submitter,
            "Date": f"{provenance['recorded_at']:%Y-%m-%d}",
            "Reference": reference or f"qhybrid-pipelines {version('qhybrid-pipelines')}, experiment {key}",
            "Best Objective Value": f"{answer['objective']:g}",
            "Optimality Bound": f"{answer['objective']:g}" if model["solved_by_reduction"] else None,
            "# Decision Variables": model["n_qubits"],
            "# Binary Variables": model["n_qubits"],
            "# Integer Variables": 0,
            "# Continuous Variables": 0,
            **qoblib.model_columns(model["model"]),
            "Workflow": _workflow(spec, model, solutions, backend),
            "Algorithm Type": "Deterministic" if model["solved_by_reduction"] else "Stochastic",
            **qoblib.run_columns(
                {run: None if row is None else row["objective"] for run, row in best.items()},
                sense=instance_row["sense"],
            ),
            "Hardware Specifications": _hardware(provenance, backend),
            **_runtimes(model, provenance, comparison, is_device=_is_device(backend, lake)),
            "Remarks": f"experiment {key} on {backend}; {instance.size} variables before reduction; best answer from {answer['source']}"
            f"; verdict against classical baselines: {comparison['verdict']}; seed {provenance['seed']}",
        }
        yield Submitted(
            instance=instance,
            name=name,
            folder=kind.folder,
            experiment=key,
            backend=backend,
            row=qoblib.summary_row(facts),
            solution=kind.solution_text(instance, answer["assignment"]),
        )


def _best_by_run(
    solutions: list[Row], kind: qoblib.ProblemClass, instance: Instance, *, sense: str
) -> dict[int, Row | None]:
    """Return the best solution of each run by the rules of the class, None where a run has none."""
    sign = 1 if sense == "max" else -1
    best: dict[int, Row | None] = {row["repetition"]: None for row in solutions}
    for row in solutions:
        known = best[row["repetition"]]
        better = known is None or sign * row["objective"] > sign * known["objective"]
        if better and kind.is_solution(instance, row["assignment"]):
            best[row["repetition"]] = row
    return best


def _workflow(spec: ExperimentSpec, model: Row, solutions: list[Row], backend: str) -> str:
    steps = [step for step in model["reduction_steps"] if step["variables_fixed"]]
    names = ", ".join(dict.fromkeys(step["step_name"] for step in steps))
    parts = [f"Reduction ({names}) to {model['n_qubits']} variables" if names else "No variable was reduced away"]
    if model["solved_by_reduction"]:
        return f"{parts[0]}, which solves the instance"
    circuit = (
        "circuit of a file"
        if spec.problem.circuit is not None
        else f"{spec.ansatz.kind} of {spec.ansatz.layers} layers"
    )
    parts.append(
        f"{circuit}, sweep {spec.sweep.strategy} over {spec.sweep.points} points of {spec.shots} shots on {backend}"
    )
    parts += [_SOURCES[source] for source in _SOURCES if any(row["source"] == source for row in solutions)]
    return "; ".join(parts)


def _hardware(provenance: Row, backend: str) -> str:
    engine = provenance["engine"] or "no circuit was run"
    return f"{backend} ({engine}); {provenance['platform']}; Python {provenance['python']}"


def _is_device(backend: str, lake: Lake) -> bool:
    if not lake.exists(schemas.BACKEND_CAPABILITIES, PartitionKey()):
        return False
    rows = lake.read(schemas.BACKEND_CAPABILITIES, PartitionKey()).to_pylist()
    return any(row["backend"] == backend and row["simulator"] is False for row in rows)


def _runtimes(model: Row, provenance: Row, comparison: Row, *, is_device: bool) -> dict[str, Any]:
    """Return average seconds per run, without queues: the reduction, and the run's share of the execution."""
    prepared = model["reduction_seconds"]
    if model["solved_by_reduction"]:
        return {"Total Runtime": f"{prepared:.6g}", "CPU Runtime": f"{prepared:.6g}"}
    if provenance["execute_seconds"] is None:
        return {}
    executed = provenance["execute_seconds"] / max(comparison["runs"], 1)
    on_cpu, on_device = (prepared, executed) if is_device else (prepared + executed, None)
    return {
        "Total Runtime": f"{prepared + executed:.6g}",
        "CPU Runtime": f"{on_cpu:.6g}",
        "QPU Runtime": None if on_device is None else f"{on_device:.6g}",
    }
