"""A sampling experiment as a chapter of the page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from qhybrid_pipelines.core.vocabulary.verdicts import SamplingVerdict
from qhybrid_pipelines.reports.blocks import Chapter, CodeBlock, Section, Verdict, records_table
from qhybrid_pipelines.reports.common_sections import build_chapter, how_to_reproduce, money_and_time
from qhybrid_pipelines.reports.content import Row, SamplingContent
from qhybrid_pipelines.reports.expectation_sections import estimates_section
from qhybrid_pipelines.reports.figures.series_scores import series_scores
from qhybrid_pipelines.reports.words import count, show, show_interval, show_seconds, with_interval

TONES = {
    SamplingVerdict.BETTER_THAN_UNIFORM: "good",
    SamplingVerdict.NO_BETTER_THAN_UNIFORM: "bad",
    SamplingVerdict.INCONCLUSIVE: "open",
}


def sampling_chapter(content: SamplingContent) -> Chapter:
    """Return the chapter of a sampling experiment, with the parts that are there."""
    sections = [
        _verdict_table(content),
        _scores(content),
        estimates_section(content.estimates),
        _circuits(content),
        money_and_time(content),
        how_to_reproduce(content),
    ]
    return build_chapter(
        content,
        question=(
            f"Do the outcomes of {count(len(content.circuits), 'circuit')} agree with what should come out, more than "
            "uniform outcomes do? And how nearly?"
            if content.circuits
            else "Do the outcomes of these circuits agree with what should come out? They have not been built yet."
        ),
        verdicts=_verdicts(content),
        sections=sections,
    )


def _verdicts(content: SamplingContent) -> Iterator[Verdict]:
    """Yield one verdict per backend and word; the sentence of a circuit alone, else how many there are."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in content.verdicts:
        groups.setdefault((row["backend"], row["verdict"]), []).append(row)
    totals = Counter(row["backend"] for row in content.verdicts)
    for (backend, word), rows in groups.items():
        names = ", ".join(f"`{row['circuit']}`" for row in rows[:6]) + (" and more" if len(rows) > 6 else "")
        sentence = rows[0]["reason"]
        if len(rows) > 1:
            low = min(rows, key=lambda row: 2.0 if row["fidelity"] is None else row["fidelity"])
            sentence = f"{len(rows)} of {totals[backend]} circuits: {names}. The least near is `{low['circuit']}`: {low['reason']}"
        yield Verdict(place=backend, word=word.replace("_", " "), tone=TONES[SamplingVerdict(word)], sentence=sentence)


def _verdict_table(content: SamplingContent) -> Section | None:
    if not content.verdicts:
        return None
    records = [
        {
            "circuit": row["circuit"],
            "backend": row["backend"],
            "n_qubits": row["n_qubits"],
            "depth": row["depth"],
            "fidelity": _with_bounds(row, "fidelity"),
            "polarisation": _with_bounds(row, "polarisation"),
            "verdict": row["verdict"].replace("_", " "),
            "sampler": None if row["sampler_seconds"] is None else show_seconds(row["sampler_seconds"]),
        }
        for row in content.verdicts
    ]
    columns = (
        ("circuit", "Circuit"),
        ("backend", "Backend"),
        ("n_qubits", "Qubits"),
        ("depth", "Depth"),
        ("fidelity", "Fidelity (95 % interval)"),
        ("polarisation", "Polarisation (95 % interval)"),
        ("verdict", "Verdict"),
        ("sampler", "Classical sampler, as many shots"),
    )
    return Section(
        name="verdicts",
        heading="Every circuit against uniform outcomes",
        paragraphs=(
            (
                "The verdict rests on the polarisation: 0 for uniform outcomes, 1 for the reference. Fidelity is that of the measured "
                "frequencies; of few shots it is too low, and its interval reaches to where the true one lies."
            ),
        ),
        tables=(records_table("verdicts", "Verdicts", columns, records),),
    )


def _scores(content: SamplingContent) -> Section | None:
    if not content.scores:
        return None
    names = list(dict.fromkeys(row["score"] for row in content.scores))
    records = [
        {
            "circuit": row["circuit"],
            "backend": row["backend"],
            "score": row["score"].replace("_", " "),
            "value": with_interval(show(row["value"]), show(row["low"]), show(row["high"])),
            "uniform": row["uniform"],
            "product": row["product_of_marginals"],
            "effective": row["effective_shots"] / row["shots"],
        }
        for row in content.scores
    ]
    columns = (
        ("circuit", "Circuit"),
        ("backend", "Backend"),
        ("score", "Score"),
        ("value", "Value (95 % interval)"),
        ("uniform", "Uniform"),
        ("product", "Independent bits"),
        ("effective", "Share of independent shots"),
    )
    return Section(
        name="scores",
        heading="Every score along the series",
        drawings=tuple(series_scores(content.scores, score=name) for name in names),
        tables=(records_table("scores", "Scores", columns, records),),
    )


def _circuits(content: SamplingContent) -> Section | None:
    if not content.circuits:
        return None
    columns = (
        ("circuit", "Circuit"),
        ("n_qubits", "Qubits"),
        ("measured", "of them measured"),
        ("depth", "Depth"),
        ("two_qubit_gates", "Two-qubit gates"),
        ("reference", "Reference"),
        ("reference_outcomes", "its outcomes"),
        ("expected", "Expected outcome"),
    )
    records = [{name: row[name] for name, _ in columns} for row in content.circuits]
    name = content.circuits[0]["circuit"]
    return Section(
        name="circuits",
        heading="The circuits",
        codes=(CodeBlock(name="circuit", caption=name, text=content.drawing),) if content.drawing else (),
        tables=(records_table("circuits", "Circuits of the series, before compilation", columns, records),),
    )


def _with_bounds(row: Row, name: str) -> str | None:
    if row[name] is None:
        return None
    return f"{show(row[name])} ({show_interval(row[f'{name}_low'], row[f'{name}_high'])})"
