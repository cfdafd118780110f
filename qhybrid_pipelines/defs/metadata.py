"""What an operator sees next to each asset: numbers and text first, small tables, pictures last. Pictures are `defs.plots`."""

import json
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc
import yaml

from qhybrid_pipelines.core.specifications.labels import Labels
from qhybrid_pipelines.core.text.printable import printable
from qhybrid_pipelines.core.vocabulary.loop_words import loop_sentence
from qhybrid_pipelines.core.vocabulary.sensitivity_words import sensitivity_sentence
from qhybrid_pipelines.defs import plots
from qhybrid_pipelines.problems.instance import Instance
from qhybrid_pipelines.problems.named_answer import NamedAnswer, name_answer
from qhybrid_pipelines.quantum.qasm import draw_circuit
from qhybrid_pipelines.steps.execute.qpu_completions import CompletedExecution
from qhybrid_pipelines.steps.operate.backend_calibrations import FIGURES
from qhybrid_pipelines.steps.stated_objectives import stated_objectives, stated_rows
from qhybrid_pipelines.storage.tracking import Tracker
from qhybrid_pipelines.storage.warehouse import PublishReport

Metadata = dict[str, Any]
MAX_ROWS = 30
#: Characters that fit beside the names at the usual width of a window.
WRAP_AT = 56
PARTITION_COLUMNS = ("experiment", "backend")
#: Variables of an answer that are named; `qhybrid answer KEY` names all.
MAX_NAMES = 30
#: A wider drawing cannot be read in a browser.
MAX_DRAWN_QUBITS = 20
#: What begins a link, a picture or HTML in markdown.
_MARKUP = re.compile(r"[\\\[<]")


def experiments(table: pa.Table, labels: Sequence[Labels] = ()) -> Metadata:
    """Show whose it is, and the specification as its author would write it."""
    owners = sorted({found.owner for found in labels if found.owner is not None})
    tags = sorted({tag for found in labels for tag in found.tags})
    first = json.loads(table.column("specification")[0].as_py()) if table.num_rows else {}
    return {
        **({"owner": ", ".join(owners)} if owners else {}),
        **({"tags": ", ".join(tags)} if tags else {}),
        **row_metadata(table, ["family", "source", "sweep", "points", "layers", "shots", "repetitions", "round"]),
        "specification": code_block(yaml.safe_dump(first, sort_keys=False), "yaml"),
    }


def instances(table: pa.Table) -> Metadata:
    """Show size, sense and best known value."""
    return row_metadata(stated_rows(table), ["instance", "n_variables", "n_terms", "sense", "unit", "best_known"])


def features(table: pa.Table) -> Metadata:
    """Show the features themselves."""
    return {"features": table_metadata(table, ["experiment", "feature", "value"])}


def reduced_models(table: pa.Table, problem_instances: pa.Table) -> Metadata:
    """Show how large the reduced model is, what it can be worth at best, and the steps that led to it."""
    reduction_steps = [
        {
            "experiment": row["experiment"],
            "step": step["step_name"],
            "exact": step["exact"],
            "fixed": step["variables_fixed"],
            "left": step["variables_left"],
            "seconds": round(seconds, 4),
            "note": step["note"],
        }
        for row in table.select(["experiment", "reduction_steps", "step_seconds"]).to_pylist()
        for step, seconds in zip(row["reduction_steps"], row["step_seconds"], strict=True)
    ]
    columns = [
        "n_qubits",
        "exact",
        "solved_by_reduction",
        "incumbent_objective",
        "reduced_model_optimum",
        "windows_tried",
        "windows_without_headroom",
        "reduction_seconds",
    ]
    stated = stated_objectives(table, problem_instances)
    return {**row_metadata(stated, columns), "reduction_steps": _records(reduction_steps)}


def sweeps(table: pa.Table) -> Metadata:
    """Show where the angles come from, and the first points."""
    sources = sorted(set(table.column("angle_source").to_pylist()))
    return {
        "points": table.num_rows,
        "angle_source": "; ".join(sources) or "nothing left to sweep",
        "first_points": table_metadata(table, ["experiment", "point", "gammas", "betas"], limit=8),
    }


def optimiser_steps(table: pa.Table) -> Metadata:
    """Show how far each loop came, its last points, and a picture of the first one."""
    if not table.num_rows:
        return {"loop": "the angles are not optimised through the backend"}
    rows = table.to_pylist()
    loops: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        loops.setdefault((row["backend"], row["experiment"]), []).append(row)
    columns = ["experiment", "backend", "step", "point", "value", "standard_error", "best_value"]
    latest = table.slice(max(0, table.num_rows - 8))
    said = [f"{experiment} on {backend}: {loop_sentence(found)}" for (backend, experiment), found in loops.items()]
    found: Metadata = {"loop": "; ".join(said), "latest_points": table_metadata(latest, columns, limit=8)}
    if any(row["value"] is not None for row in rows):
        found["trace"] = plots.loop_plot(next(iter(loops.values())))
    return found


def sensitivity(table: pa.Table) -> Metadata:
    """Show what every angle does, in a sentence and in figures."""
    if not table.num_rows:
        return {"sensitivity": "only of QAOA it is known what an angle does"}
    rows = [row for row in table.to_pylist() if row["backend"] == table.column("backend")[0].as_py()]
    first = [row for row in rows if row["experiment"] == rows[0]["experiment"]]
    columns = ["experiment", "backend", "angle", "value", "gradient", "curvature", "shots_to_tell"]
    return {"sensitivity": sensitivity_sentence(first), "angles": table_metadata(table, columns, limit=8)}


def baselines(table: pa.Table, problem_instances: pa.Table) -> Metadata:
    """Show the range, the mean and the seconds of every solver."""
    grouped = (
        stated_objectives(table, problem_instances)
        .group_by(["experiment", "solver"])
        .aggregate(
            [("objective", "min"), ("objective", "mean"), ("objective", "max"), ("optimal", "max"), ("seconds", "mean")]
        )
    )
    shorter = {name: name.removeprefix("objective_") for name in grouped.column_names}
    shorter |= {"optimal_max": "proved", "seconds_mean": "seconds"}
    grouped = grouped.sort_by([("experiment", "ascending"), ("solver", "ascending")]).rename_columns(shorter)
    return {"runs": table.num_rows, "solvers": table_metadata(grouped, grouped.column_names, limit=2 * MAX_ROWS)}


def batches(table: pa.Table) -> Metadata:
    """Show size and drawing of the circuit."""
    metadata = row_metadata(table, ["n_qubits", "depth", "two_qubit_gates", "points", "repetitions", "shots"])
    metadata["circuits"] = sum(
        r["points"] * r["repetitions"] for r in table.select(["points", "repetitions"]).to_pylist()
    )
    template = table.column("template")[0].as_py() if table.num_rows else ""
    if template and table.column("n_qubits")[0].as_py() <= MAX_DRAWN_QUBITS:
        metadata["circuit"] = code_block(_first_lines(draw_circuit(template), 60), "text")
        metadata["openqasm"] = code_block(_first_lines(template, 60), "text")
    return metadata


def chains(table: pa.Table) -> Metadata:
    """Show how many chains broke at each strength."""
    if not table.num_rows:
        return {"problems": 0}
    by_strength = table.group_by("chain_strength").aggregate([("broken_fraction", "mean")]).sort_by("chain_strength")
    broken = {f"{row['chain_strength']:g}": round(row["broken_fraction_mean"], 4) for row in by_strength.to_pylist()}
    return {"problems": table.num_rows, "broken_chains_by_strength": broken}


def submissions(table: pa.Table) -> Metadata:
    """Show jobs, shots and the quoted cost."""
    return {
        "jobs": table.num_rows,
        "shots": _sum(table, "shots_total"),
        "cost_quoted_usd": float(_sum(table, "cost_quoted_usd")),
        "references": table_metadata(table, ["experiment", "backend", "sub_batch", "job_id", "provider_job_id"]),
    }


def completion(completed: CompletedExecution) -> Metadata:
    """Show how the jobs of an execution ended, what they cost and how long they took."""
    spent = completed.spent
    metadata = {
        "jobs": len(completed.jobs),
        "states": ", ".join(f"{count} {state}" for state, count in completed.states.items()) or "nothing to run",
        "cost_usd": completed.cost_usd,
        "queue_seconds": spent.queue_seconds,
        "execute_seconds": spent.execute_seconds,
        "ran_on": ", ".join(dict.fromkeys(job.backend for job in completed.jobs)),
    }
    return {name: value for name, value in metadata.items() if value not in (None, "")}


def results(table: pa.Table) -> Metadata:
    """Show how many outcomes came back."""
    return {"outcomes": table.num_rows, "shots": _sum(table, "count")}


def point_scores(table: pa.Table) -> Metadata:
    """Show the best points by mean energy."""
    best = table.sort_by([("mean_energy", "ascending")]).slice(0, 10)
    metadata: Metadata = {
        "noise_like_points": int(pc.sum(table.column("noise_like")).as_py() or 0),
        "best_points": table_metadata(
            best, ["experiment", "point", "repetition", "mean_energy", "p_feasible", "p_reduced_model_optimum"]
        ),
    }
    return metadata


def solutions(table: pa.Table, problem_instances: pa.Table) -> Metadata:
    """Show the best solution of every source in the first run."""
    table = stated_objectives(table, problem_instances)
    best = table.filter(pc.and_(pc.equal(table.column("rank"), 1), pc.equal(table.column("repetition"), 0)))
    return {
        "solutions": table.num_rows,
        "first_run": table_metadata(best, ["experiment", "source", "point", "objective", "feasible", "assignment"]),
    }


def comparisons(table: pa.Table) -> Metadata:
    """Show the verdict, its reason and the results of both sides; the figure of all solvers is drawn in the report."""
    metadata: Metadata = {
        "verdict": ", ".join(table.column("verdict").to_pylist()),
        "reason": markdown_paragraphs(table.column("reason")),
        **row_metadata(
            stated_rows(table),
            [
                "best_quantum",
                "best_classical",
                "best_solver",
                "ratio",
                "random_corrected_ratio",
                "gain_low",
                "gain_high",
                "p_feasible",
                "n_variables",
                "n_qubits",
            ],
        ),
    }
    return metadata


def decisions(table: pa.Table, problem_instances: pa.Table) -> Metadata:
    """Show what was decided, and the current answer, in the words of its family."""
    instances = {row["experiment"]: Instance.from_row(row) for row in problem_instances.to_pylist()}
    answers = [name_answer(instances[row["experiment"]], row) for row in table.to_pylist()]
    return {
        "decision": ", ".join(table.column("decision").to_pylist()),
        "reason": markdown_paragraphs(table.column("reason")),
        **row_metadata(
            stated_objectives(table, problem_instances), ["final_objective", "final_source", "next_experiment"]
        ),
        "answer": dg.MetadataValue.md("\n".join(line for answer in answers for line in _answer_lines(answer))),
        "report": code_block(
            f"qhybrid report {' '.join(dict.fromkeys(table.column('experiment').to_pylist()))}", "text"
        ),
    }


def _answer_lines(answer: NamedAnswer) -> Iterator[str]:
    if answer.description:
        yield f"- {answer.description}"
    for words, names in answer.groups:
        more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
        listed = ", ".join(f"`{name}`" for name in names[:MAX_NAMES])
        yield f"- {words} ({len(names)}): {listed}{more}"


def provenance(table: pa.Table) -> Metadata:
    """Show the record."""
    return row_metadata(table, ["engine", "engine_version", "git_revision", "python", "execute_seconds"])


def tracking(table: pa.Table, tracker: Tracker) -> Metadata:
    """Show where the MLflow runs are."""
    return {
        **row_metadata(table, ["mlflow_experiment", "mlflow_run_id", "spooled"]),
        "open_mlflow": code_block(tracker.ui_command, "text"),
    }


def capabilities(table: pa.Table) -> Metadata:
    """Show the matrix in four parts that fit a page: what each backend is, its limits, how one chooses it and lives with it."""
    reachable = table.filter(table.column("reachable"))
    away = table.filter(pc.invert(table.column("reachable")))
    metadata: Metadata = {
        "backends": table.num_rows,
        "what_it_is": table_metadata(
            reachable, ["backend", "mode", "noisy", "immediate", "online", "queued_jobs", "queue_seconds", "queue"]
        ),
        "limits": table_metadata(
            reachable,
            ["backend", "max_qubits", "min_shots", "max_shots", "max_circuits_per_job", "max_executions_per_job"],
        ),
        "choosing_it": table_metadata(
            reachable,
            ["backend", "vendor", "plane", "price_model", "region", "data_classes", "calibrated_at", "evidence"],
        ),
        "living_with_it": table_metadata(
            reachable, ["backend", "dedupe", "sdks", "observability", "security", "integration"]
        ),
    }
    return metadata | ({"unreachable": table_metadata(away, ["backend", "problem"])} if away.num_rows else {})


def calibrations(table: pa.Table, problems: Sequence[str]) -> Metadata:
    """Show the newest medians of every device, what changed since the one before, and the drift over all that is kept."""
    newest = table.sort_by([("backend", "ascending"), ("measured_at", "descending"), ("fetched_at", "descending")])
    seen: dict[str, Mapping[str, Any]] = {}
    for row in newest.select(["backend", "calibration_id", "measured_at", *FIGURES]).to_pylist():
        seen.setdefault(row["backend"], {**row, "calibration_id": row["calibration_id"][:12]})
    metadata: Metadata = {"calibrations": table.num_rows, "newest": _records(list(seen.values()))}
    if problems:
        metadata["not_reached"] = markdown_paragraphs(pa.chunked_array([pa.array(problems, pa.string())]))
    # One calibration of each device says nothing about drift, and every publication would pay for its picture.
    drifting = table.num_rows > len(seen)
    return metadata | ({"drift": plots.drift_plot(table)} if drifting else {})


def warehouse(snapshot: PublishReport) -> Metadata:
    """Show the rows of every table of the snapshot."""
    return {
        "state": f"{len(snapshot.unreadable)} files cannot be read" if snapshot.unreadable else "all files are in it",
        **({"unreadable": "\n".join(snapshot.unreadable[:20])} if snapshot.unreadable else {}),
        "rows": snapshot.rows,
        "tables": _records([{"table": name, "rows": rows} for name, rows in snapshot.tables.items()]),
        "seconds": cell(snapshot.seconds),
        "path": dg.MetadataValue.path(str(snapshot.path)),
        "bytes": snapshot.bytes,
    }


def _sum(table: pa.Table, column: str) -> Any:
    return pc.sum(table.column(column)).as_py() or 0


def row_metadata(table: pa.Table, columns: Sequence[str]) -> Metadata:
    """Return the columns of a single row one by one, which fits any page; of several rows one table, ``overview``."""
    if table.num_rows != 1:
        return {
            "overview": table_metadata(table, [*(n for n in PARTITION_COLUMNS if n in table.column_names), *columns])
        }
    row = table.select(list(columns)).to_pylist()[0]
    return {name: cell(value) for name, value in row.items() if value is not None}


def table_metadata(table: pa.Table, columns: Sequence[str], limit: int = MAX_ROWS) -> Any:
    """Return some columns of the first rows as a table."""
    return _records(table.select(list(columns)).slice(0, limit).to_pylist())


def _records(rows: Sequence[Mapping[str, Any]]) -> Any:
    """Return a table; a partition column that says the same in every row is left out, the page's title says it."""
    if not rows:
        return dg.MetadataValue.text("no rows")
    names = [n for n in rows[0] if n not in PARTITION_COLUMNS or len({row[n] for row in rows}) > 1]
    return dg.MetadataValue.table(
        records=[dg.TableRecord({name: cell(row[name]) for name in names}) for row in rows[: 2 * MAX_ROWS]],
        schema=dg.TableSchema(columns=[dg.TableColumn(name, type="string") for name in names]),
    )


def cell(value: Any) -> str | int | float | bool:
    """Return a value as a cell of a table, or as an entry of its own: six digits, no seconds, nothing that steers a terminal."""
    if isinstance(value, list):
        return ", ".join(f"{v:.4g}" if isinstance(v, float) else printable(str(v)) for v in value)
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, str):
        return printable(value)
    return float(f"{value:.6g}") if isinstance(value, float) else value


def markdown_paragraphs(column: pa.ChunkedArray, *, width: int = WRAP_AT) -> Any:
    """Return sentences with hard line breaks: a long path further down widens the page's column and would cut them off.

    A name in them is not markdown: no link, no picture from elsewhere, no HTML.
    """
    paragraphs = [textwrap.wrap(printable(text), width) for text in column.to_pylist()]
    return dg.MetadataValue.md(_MARKUP.sub(r"\\\g<0>", "\n\n".join("  \n".join(lines) for lines in paragraphs)))


def code_block(text: str, language: str) -> Any:
    """Return text in a fixed-width block, which nothing in the text can end."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return dg.MetadataValue.md(f"{fence}{language}\n{printable(text.rstrip())}\n{fence}")


def _first_lines(text: str, lines: int) -> str:
    all_lines = text.rstrip().splitlines()
    return "\n".join(
        all_lines[:lines] + ([f"... {len(all_lines) - lines} more lines"] if len(all_lines) > lines else [])
    )
