"""What an operator sees beside each asset: numbers and text first, small tables, pictures last. Pictures are `defs.plots`."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc
import yaml

from qhybrid_pipelines.defs import plots
from qhybrid_pipelines.quantum.qasm import draw
from qhybrid_pipelines.storage.tracking import Tracker
from qhybrid_pipelines.storage.warehouse import Published

Metadata = dict[str, Any]
MAX_ROWS = 30
#: A wider drawing cannot be read in a browser.
MAX_DRAWN_QUBITS = 20


def experiments(table: pa.Table) -> Metadata:
    """Show the specification as its author would write it."""
    first = json.loads(table.column("specification")[0].as_py()) if table.num_rows else {}
    return {
        "experiments": table.num_rows,
        "overview": _table(table, ["experiment", "family", "source", "sweep", "layers", "shots", "round"]),
        "specification": _fenced(yaml.safe_dump(first, sort_keys=False), "yaml"),
    }


def instances(table: pa.Table) -> Metadata:
    """Show size, sense and best known value."""
    return {
        "overview": _table(
            table, ["experiment", "instance", "family", "n_variables", "n_terms", "sense", "unit", "best_known"]
        ),
        "n_variables": _sum(table, "n_variables"),
    }


def features(table: pa.Table) -> Metadata:
    """Show the features themselves."""
    return {"features": _table(table, ["experiment", "feature", "value"])}


def kernels(table: pa.Table) -> Metadata:
    """Show the reduction ladder and the ceiling of the kernel."""
    rungs = [
        {"experiment": row["experiment"], **rung, "seconds": round(seconds, 4)}
        for row in table.select(["experiment", "rungs", "rung_seconds"]).to_pylist()
        for rung, seconds in zip(row["rungs"], row["rung_seconds"], strict=True)
    ]
    return {
        "overview": _table(
            table,
            ["experiment", "n_qubits", "exact", "solved_by_reduction", "incumbent_objective", "kernel_optimum"],
        ),
        "ladder": _records(rungs),
        "n_qubits": _sum(table, "n_qubits"),
        "reduce_seconds": _sum(table, "reduce_seconds"),
    }


def sweeps(table: pa.Table) -> Metadata:
    """Show where the angles come from, and the first points."""
    sources = sorted(set(table.column("angle_source").to_pylist()))
    return {
        "points": table.num_rows,
        "angle_source": "; ".join(sources) or "nothing left to sweep",
        "first_points": _table(table, ["experiment", "point", "gammas", "betas"], limit=8),
    }


def baselines(table: pa.Table) -> Metadata:
    """Show the best and the mean of every solver."""
    grouped = table.group_by(["experiment", "solver"]).aggregate(
        [("objective", "min"), ("objective", "mean"), ("objective", "max"), ("optimal", "max"), ("seconds", "mean")]
    )
    return {"runs": table.num_rows, "solvers": _table(grouped.sort_by("experiment"), grouped.column_names, limit=60)}


def batches(table: pa.Table) -> Metadata:
    """Show size and drawing of the circuit."""
    shown: Metadata = {
        "overview": _table(
            table,
            ["experiment", "backend", "n_qubits", "depth", "two_qubit_gates", "points", "repetitions", "shots"],
        ),
        "circuits": sum(r["points"] * r["repetitions"] for r in table.select(["points", "repetitions"]).to_pylist()),
    }
    if table.num_rows and table.column("n_qubits")[0].as_py() <= MAX_DRAWN_QUBITS:
        template = table.column("template")[0].as_py()
        shown["circuit"] = _fenced(_head(draw(template), 60), "text")
        shown["openqasm"] = _fenced(_head(template, 60), "text")
    return shown


def submissions(table: pa.Table) -> Metadata:
    """Show jobs, shots and the quoted cost."""
    return {
        "jobs": _table(table, ["experiment", "backend", "job_id", "provider_job_id", "shots_total", "cost_quoted_usd"]),
        "cost_quoted_usd": float(_sum(table, "cost_quoted_usd")),
        "shots": _sum(table, "shots_total"),
    }


def results(table: pa.Table) -> Metadata:
    """Show how many outcomes came back."""
    return {"outcomes": table.num_rows, "shots": _sum(table, "count")}


def point_scores(table: pa.Table) -> Metadata:
    """Show the best points by mean energy."""
    best = table.sort_by([("mean_energy", "ascending")]).slice(0, 10)
    shown: Metadata = {
        "noise_like_points": int(pc.sum(table.column("noise_like")).as_py() or 0),
        "best_points": _table(
            best, ["experiment", "point", "repetition", "mean_energy", "p_feasible", "p_kernel_optimum"]
        ),
    }
    if table.num_rows:
        shown["picture"] = plots.points(table)
    return shown


def solutions(table: pa.Table) -> Metadata:
    """Show the best solutions of every source."""
    best = table.filter(pc.and_(pc.equal(table.column("rank"), 1), pc.equal(table.column("repetition"), 0)))
    return {
        "solutions": table.num_rows,
        "first_run": _table(best, ["experiment", "source", "point", "objective", "feasible", "assignment"]),
    }


def comparisons(table: pa.Table, solved: pa.Table, runs: pa.Table) -> Metadata:
    """Show the verdict, why, and where every solver stands."""
    shown: Metadata = {
        "verdict": ", ".join(table.column("verdict").to_pylist()),
        "reason": dg.MetadataValue.md("\n\n".join(table.column("reason").to_pylist())),
        "overview": _table(
            table,
            [
                "experiment",
                "backend",
                "n_variables",
                "n_qubits",
                "best_quantum",
                "best_classical",
                "best_solver",
                "ratio",
                "verdict",
            ],
        ),
    }
    for name in ("ratio", "random_corrected_ratio", "gain_low", "gain_high", "p_feasible"):
        value = table.column(name)[0].as_py() if table.num_rows == 1 else None
        if value is not None:
            shown[name] = float(value)
    if table.num_rows == 1 and solved.num_rows:
        shown["picture"] = plots.solvers(table.to_pylist()[0], solved, runs)
    return shown


def decisions(table: pa.Table) -> Metadata:
    """Show what was decided, and the answer that stands."""
    return {
        "decision": ", ".join(table.column("decision").to_pylist()),
        "reason": dg.MetadataValue.md("\n\n".join(table.column("reason").to_pylist())),
        "answers": _table(
            table, ["experiment", "backend", "final_objective", "final_source", "next_experiment", "final_assignment"]
        ),
    }


def provenance(table: pa.Table) -> Metadata:
    """Show the record."""
    return {
        "record": _table(
            table, ["experiment", "backend", "engine", "engine_version", "git_revision", "python", "execute_seconds"]
        )
    }


def tracking(table: pa.Table, tracker: Tracker) -> Metadata:
    """Show where the MLflow runs are."""
    return {
        "runs": _table(table, ["experiment", "backend", "mlflow_experiment", "mlflow_run_id", "spooled"]),
        "open_mlflow": _fenced(tracker.ui_command, "text"),
    }


def capabilities(table: pa.Table) -> Metadata:
    """Show the matrix."""
    return {"matrix": _table(table, table.column_names)}


def published(snapshot: Published) -> Metadata:
    """Show the rows of every table of the snapshot."""
    return {
        "path": dg.MetadataValue.path(str(snapshot.path)),
        "rows": snapshot.rows,
        "bytes": snapshot.bytes,
        "seconds": snapshot.seconds,
        "tables": _records([{"table": name, "rows": rows} for name, rows in snapshot.tables.items()]),
    }


def _sum(table: pa.Table, column: str) -> Any:
    return pc.sum(table.column(column)).as_py() or 0


def _table(table: pa.Table, columns: Sequence[str], limit: int = MAX_ROWS) -> Any:
    return _records(table.select(list(columns)).slice(0, limit).to_pylist(), columns)


def _records(rows: Sequence[Mapping[str, Any]], columns: Sequence[str] | None = None) -> Any:
    names = list(columns or (rows[0] if rows else []))
    if not rows:
        return dg.MetadataValue.text("no rows")
    return dg.MetadataValue.table(
        records=[dg.TableRecord({name: _cell(row[name]) for name in names}) for row in rows[: 2 * MAX_ROWS]],
        schema=dg.TableSchema(columns=[dg.TableColumn(name, type="string") for name in names]),
    )


def _cell(value: Any) -> str | int | float | bool:
    if isinstance(value, list):
        return ", ".join(f"{v:.4g}" if isinstance(v, float) else str(v) for v in value)
    if value is None:
        return ""
    return float(f"{value:.6g}") if isinstance(value, float) else value


def _fenced(text: str, language: str) -> Any:
    return dg.MetadataValue.md(f"```{language}\n{text.rstrip()}\n```")


def _head(text: str, lines: int) -> str:
    kept = text.rstrip().splitlines()
    return "\n".join(kept[:lines] + ([f"... {len(kept) - lines} more lines"] if len(kept) > lines else []))
