"""Sections about mean values: how a loop lowered them, and what they are once errors of the device are taken out."""

from __future__ import annotations

from collections.abc import Iterable

from qhybrid_pipelines.core.vocabulary.loop_words import loop_sentence
from qhybrid_pipelines.reports.blocks import Section, records_table
from qhybrid_pipelines.reports.content import OptimisationContent, Row
from qhybrid_pipelines.reports.figures.loop import loop_trace
from qhybrid_pipelines.reports.words import NOTHING, count, show, with_interval

#: Points that are shown of each backend; the table `estimates` has all.
MAX_POINTS = 12
#: What each method is called at the head of its column.
METHODS = {
    "none": "As measured (95 % interval)",
    "two_body": "Readout errors taken out (95 % interval)",
    "zne": "Carried on to no noise (95 % interval)",
}


def loop_section(content: OptimisationContent) -> Section | None:
    """Return how each loop through a backend went; None where the angles were not optimised like that."""
    traces = {one.backend: one.loop for one in content.executions if one.loop}
    if not traces:
        return None
    measured = any(row["value"] is not None for rows in traces.values() for row in rows)
    return Section(
        name="loop",
        heading="The loop",
        paragraphs=tuple(f"{backend}: {loop_sentence(rows)}." for backend, rows in traces.items()),
        drawings=(loop_trace(traces),) if measured else (),
    )


def estimates_section(estimates: Iterable[Row]) -> Section | None:
    """Return expectation values with and without mitigation, side by side; None where there are plain energies only.

    Args:
        estimates: rows of the table `estimates`.
    """
    by_place: dict[tuple[str, int, str], dict[str, Row]] = {}
    for row in estimates:
        by_place.setdefault((row["backend"], row["point"], row["observable"]), {})[row["method"]] = row
    methods = [name for name in METHODS if any(name in found for found in by_place.values())]
    if methods in ([], ["none"]) and all(observable == "energy" for _, _, observable in by_place):
        return None
    records = [
        {
            "backend": backend,
            "point": point,
            "observable": observable,
            **{name: _value(found.get(name)) for name in methods},
            "exact": next(iter(found.values()))["exact"],
        }
        for (backend, point, observable), found in by_place.items()
        if point < MAX_POINTS
    ]
    left_out = len(by_place) - len(records)
    more = f" The table `estimates` has {count(left_out, 'row')} more." if left_out else ""
    columns = [
        ("backend", "Backend"),
        ("point", "Point"),
        ("observable", "Expectation of"),
        *((name, METHODS[name]) for name in methods),
        *([("exact", "Exact")] if any(record["exact"] is not None for record in records) else []),
    ]
    return Section(
        name="estimates",
        heading="Expectation values",
        paragraphs=(
            (
                "They stand beside the samples: counts, answers and verdicts are those that were measured. The intervals are of the shots "
                f"alone; a calibration is taken as it is.{more}"
            ),
        ),
        tables=(
            records_table(
                "estimates",
                "Mean over all shots of a point or circuit; energies in cost units of the model",
                columns,
                records,
            ),
        ),
    )


def _value(row: Row | None) -> str:
    if row is None or row["expectation"] is None:
        return NOTHING
    return with_interval(show(row["expectation"]), show(row["low"]), show(row["high"]))
