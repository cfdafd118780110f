"""What the assets `report`, `qml_report` and `sampling_report` say: what came out, what it cost, and where its page is.

Nothing is drawn here. The page is made when somebody opens it, from the same tables.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
import pyarrow as pa

from qhybrid_pipelines.defs.metadata import (
    Metadata,
    cell,
    code_block,
    markdown_paragraphs,
    row_metadata,
    table_metadata,
)
from qhybrid_pipelines.defs.metadata_sampling import reasons_by_circuit
from qhybrid_pipelines.reports.words import show_interval
from qhybrid_pipelines.steps.on_demand.run_table import with_interval
from qhybrid_pipelines.steps.stated_objectives import stated_decision, stated_rows

ADDRESS_VARIABLE = "QHYBRID_REPORTS_URL"
#: Where `qhybrid report --serve` listens unless it is told otherwise.
DEFAULT_ADDRESS = "http://127.0.0.1:8801"
#: Characters that fit beside a link, which has a column of its own.
NARROW = 42


def report(comparisons: pa.Table, decisions: pa.Table, charged: Mapping[tuple[str, str], float]) -> Metadata:
    """Return verdict, state and dollars, what the circuit did compared with random outcomes, the answer, and the way to the page.

    Args:
        comparisons: table baseline_comparisons.
        decisions: table decisions of the same executions.
        charged: US dollars by (experiment, backend).
    """
    stated = stated_rows(comparisons)
    executions = [
        (row["experiment"], row["backend"]) for row in comparisons.select(["experiment", "backend"]).to_pylist()
    ]
    metadata: Metadata = {
        "verdict": ", ".join(comparisons["verdict"].to_pylist()),
        "state": ", ".join(f"decided: {decision}" for decision in decisions["decision"].to_pylist()),
        "cost_usd": float(sum(charged.get(execution, 0.0) for execution in executions)),
        "reason": markdown_paragraphs(comparisons["reason"], width=NARROW),
        **_way_to_the_page([experiment for experiment, _ in executions]),
    }
    if comparisons.num_rows == 1:
        metadata |= _one_comparison(stated.to_pylist()[0])
    else:
        metadata |= row_metadata(stated, ["best_quantum_raw", "random_corrected_ratio", "best_classical"])
    if decisions.num_rows == 1:
        metadata |= row_metadata(
            stated_decision(decisions, comparisons), ["final_objective", "final_source", "next_experiment"]
        )
    return metadata


def learning_report(verdicts: pa.Table, keys: Sequence[str], charged: Mapping[tuple[str, str], float]) -> Metadata:
    """Return the verdicts about the circuits of a learning experiment, what they cost, and the way to the page.

    Args:
        verdicts: table qml_verdicts.
        keys: the experiments.
        charged: US dollars by (experiment, backend).
    """
    columns = ["experiment", "model", "backend", "verdict", "gain", "low", "high", "baseline"]
    return {
        "verdict": ", ".join(sorted(set(verdicts["verdict"].to_pylist()))),
        "state": "decided",
        "cost_usd": float(sum(charged.values())),
        "reason": markdown_paragraphs(verdicts["reason"], width=NARROW),
        **_way_to_the_page(keys),
        "verdicts": table_metadata(verdicts, columns),
    }


def sampling_report(
    verdicts: pa.Table, executions: Sequence[tuple[str, str]], charged: Mapping[tuple[str, str], float]
) -> Metadata:
    """Return the verdicts about the circuits of a series, what they cost, and the way to the page.

    Args:
        verdicts: table sampling_verdicts.
        executions: (backend, experiment) of each partition.
        charged: US dollars by (experiment, backend).
    """
    rows = [
        {
            "backend": row["backend"],
            "circuit": row["circuit"],
            "verdict": row["verdict"],
            **{
                name: ""
                if row[name] is None
                else f"{row[name]:.3f} [{row[f'{name}_low']:.3f}, {row[f'{name}_high']:.3f}]"
                for name in ("fidelity", "polarisation")
            },
        }
        for row in verdicts.to_pylist()
    ]
    counted = Counter(row["verdict"] for row in rows)
    return {
        "verdict": ", ".join(f"{number} {verdict}" for verdict, number in counted.most_common()) or "none",
        "state": "decided",
        "cost_usd": float(sum(charged.get((experiment, backend), 0.0) for backend, experiment in executions)),
        "reason": reasons_by_circuit(verdicts, width=NARROW),
        **_way_to_the_page([experiment for _, experiment in executions]),
        "circuits": table_metadata(pa.Table.from_pylist(rows), list(rows[0])) if rows else 0,
    }


def page_address(key: str) -> str:
    """Return the address of an experiment's page."""
    return f"{os.environ.get(ADDRESS_VARIABLE, DEFAULT_ADDRESS).rstrip('/')}/{key}"


def _one_comparison(row: Mapping[str, Any]) -> Metadata:
    shown = {
        "as_measured": row["best_quantum_raw"],
        "vs_random": with_interval(
            row["random_corrected_ratio"], row["random_corrected_low"], row["random_corrected_high"]
        ),
        "p_optimum": with_interval(row["p_optimum"], row["p_optimum_low"], row["p_optimum_high"]),
        "p_optimum_of_random": row["random_p_optimum"],
        "gain_95_percent": show_interval(row["gain_low"], row["gain_high"]) if row["gain"] is not None else None,
        "shots_to_99_percent": row["shots_to_target_99"],
        "shots_of_random": row["random_shots_to_target_99"],
        "noise": "no better than random samples" if row["noise_like"] else None,
        "best_classical": row["best_classical"],
        "best_solver": row["best_solver"],
    }
    return {name: cell(value) for name, value in shown.items() if value not in (None, "")}


def _way_to_the_page(keys: Sequence[str]) -> Metadata:
    each = list(dict.fromkeys(keys))
    return {
        **{
            ("page" if len(each) == 1 else f"page of {key}"): dg.MetadataValue.url(page_address(key))
            for key in each[:10]
        },
        "served_by": code_block("qhybrid report --serve", "text"),
        "as_a_file": code_block(f"qhybrid report {' '.join(each)}", "text"),
    }
