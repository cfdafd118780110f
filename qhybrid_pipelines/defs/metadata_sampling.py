"""What an operator sees next to the assets of the group `sample`."""

from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from qhybrid_pipelines.defs.metadata import Metadata, markdown_paragraphs, table_metadata


def circuits(table: pa.Table) -> Metadata:
    """Show the series."""
    columns = [
        "circuit",
        "n_qubits",
        "measured",
        "depth",
        "two_qubit_gates",
        "reference",
        "reference_outcomes",
        "expected",
    ]
    return {
        "circuits": table.num_rows,
        "reference_seconds": float(pc.sum(table["reference_seconds"]).as_py() or 0.0),
        "series": table_metadata(table, columns),
    }


def baselines(table: pa.Table) -> Metadata:
    """Show what the baselines score."""
    return {"scores": table_metadata(table, ["circuit", "baseline", "score", "value", "low", "high", "seconds"])}


def scores(table: pa.Table) -> Metadata:
    """Show every score with its interval."""
    columns = ["backend", "circuit", "score", "value", "low", "high", "uniform", "product_of_marginals"]
    return {
        "effective_share": float(pc.mean(pc.divide(table["effective_shots"], table["shots"])).as_py() or 0.0),
        "scores": table_metadata(table, columns),
    }


def verdicts(table: pa.Table) -> Metadata:
    """Show the verdicts, with their reasons."""
    counted = pc.value_counts(table["verdict"]).to_pylist()
    return {
        "verdicts": ", ".join(f"{each['counts']} {each['values']}" for each in counted) or "none",
        "series": table_metadata(
            table, ["backend", "circuit", "verdict", "fidelity", "polarisation", "sampler_seconds"]
        ),
        "reasons": reasons_by_circuit(table),
    }


def reasons_by_circuit(verdicts: pa.Table, **layout: int) -> dg.MetadataValue[Any]:
    """Return the reason of each verdict after the name of its circuit.

    Args:
        verdicts: table sampling_verdicts.
        layout: of `markdown_paragraphs`.
    """
    named = pc.binary_join_element_wise(verdicts["circuit"], verdicts["reason"], ": ")
    return markdown_paragraphs(named, **layout) if verdicts.num_rows else dg.MetadataValue.text("")
