"""Several experiments side by side: what differs in what was asked, then what came out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from qhybrid_pipelines.reports.blocks import Chapter, Section, records_table
from qhybrid_pipelines.reports.content import (
    ExecutionContent,
    ExperimentContent,
    LearningContent,
    OptimisationContent,
    SamplingContent,
)
from qhybrid_pipelines.reports.figures.comparison import comparison
from qhybrid_pipelines.reports.optimisation_chapter import best_point_facts
from qhybrid_pipelines.reports.words import count, show, show_interval, show_usd, with_interval

#: Say the same as the key, or differ without a meaning for the result.
_LEFT_OUT = frozenset({"name", "lineage.incumbent"})


def comparison_chapter(contents: Sequence[ExperimentContent]) -> Chapter:
    """Return the chapter that comes first where a report is about several experiments."""
    optimisations = [content for content in contents if isinstance(content, OptimisationContent)]
    learning = [content for content in contents if isinstance(content, LearningContent)]
    sampled = [content for content in contents if isinstance(content, SamplingContent)]
    sections = [_differences(contents), _optimisations(optimisations), _learning(learning), _sampled(sampled)]
    return Chapter(
        name="comparison",
        heading=f"{len(contents)} experiments side by side",
        subtitle=", ".join(f"`{content.key}`" for content in contents),
        question=_question(optimisations),
        sections=tuple(section for section in sections if section is not None),
    )


def _question(contents: Sequence[OptimisationContent]) -> str:
    instances = {content.instance["content_sha256"] for content in contents if content.instance is not None}
    if len(instances) == 1 and len(contents) > 1:
        return "They solve the same instance, so that every number can be compared with the others."
    if len(instances) > 1:
        return (
            f"They solve {len(instances)} different instances: objectives are not comparable between them, the place between "
            "random and reference and the verdicts are."
        )
    return ""


def differing_fields(specifications: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the dotted names of the fields in which specifications differ, in the order of the specification."""
    flat = [dict(_flatten(specification)) for specification in specifications]
    names = list(dict.fromkeys(name for fields in flat for name in fields))
    return [name for name in names if name not in _LEFT_OUT and len({repr(fields.get(name)) for fields in flat}) > 1]


def _flatten(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, inner in value.items():
        if isinstance(inner, Mapping):
            yield from _flatten(inner, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", inner


def _differences(contents: Sequence[ExperimentContent]) -> Section:
    fields = differing_fields([content.specification for content in contents])
    records = []
    for content in contents:
        flat = dict(_flatten(content.specification))
        values = {name: _short(name, flat[name]) for name in fields if flat.get(name) is not None}
        records.append({"experiment": content.key, "name": content.name, **values})
    columns = [("experiment", "Experiment"), ("name", "Name"), *((name, name) for name in fields)]
    sentence = (
        f"Their specifications differ in {count(len(fields), 'field')}; all others are the same."
        if fields
        else "Their specifications differ in their names only."
    )
    return Section(
        name="differences",
        heading="What differs",
        paragraphs=(sentence,),
        tables=(records_table("differences", "Fields that differ", columns, records),),
    )


def _short(name: str, value: Any) -> str:
    """Return a value of a specification as text; of a hash its beginning."""
    return str(value)[:12] if name.endswith("sha256") else str(value) if isinstance(value, int | float) else show(value)


def _optimisations(contents: Sequence[OptimisationContent]) -> Section | None:
    pairs = [(content, execution) for content in contents for execution in content.executions]
    if not pairs:
        return None
    columns = (
        ("experiment", "Experiment"),
        ("backend", "Backend"),
        ("verdict", "Verdict"),
        ("above_random", "Above random (95 % interval)"),
        ("optimum_share", "Optimum per shot (95 % interval)"),
        ("best_quantum_raw", "Best as measured"),
        ("best_quantum", "After post-processing"),
        ("best_classical", "Best classical"),
        ("gain", "Mean gain (95 % interval)"),
        ("charged_usd", "Charged"),
    )
    with_best = [(_label(content, one), one.best) for content, one in pairs if one.best is not None]
    return Section(
        name="side-by-side",
        heading="What came out",
        drawings=(comparison([(label, best) for label, best in with_best if best is not None]),) if with_best else (),
        tables=(records_table("comparison", "Results side by side", columns, [_record(c, one) for c, one in pairs]),),
    )


def _label(content: OptimisationContent, execution: ExecutionContent) -> str:
    return f"{content.key}\n{execution.backend}" if len(content.executions) > 1 else content.key


def _record(content: OptimisationContent, execution: ExecutionContent) -> dict[str, Any]:
    found = execution.comparison
    charged = [
        job.cost["reconciled_usd"]
        for job in content.jobs
        if job.row["requested_backend"] == execution.backend and job.cost["reconciled_usd"] is not None
    ]
    record: dict[str, Any] = {
        "experiment": content.key,
        "backend": execution.backend,
        "verdict": "not decided" if found is None else found["verdict"].replace("_", " "),
        "charged_usd": show_usd(sum(charged)) if charged else None,
    }
    if found is not None:
        record |= {name: found[name] for name in ("best_quantum_raw", "best_quantum", "best_classical")}
        if found["noise_like"]:
            record["verdict"] += ", noise"
        if found["gain"] is not None:
            record["gain"] = with_interval(show(found["gain"]), show(found["gain_low"]), show(found["gain_high"]))
    return record | best_point_facts(execution)


def _sampled(contents: Sequence[SamplingContent]) -> Section | None:
    """Return the verdicts of all series, circuits of one name below each other."""
    if not contents:
        return None
    records = [
        {
            "circuit": row["circuit"],
            "experiment": content.key,
            "backend": row["backend"],
            "verdict": row["verdict"].replace("_", " "),
            **{name: row[name] for name in ("fidelity", "polarisation")},
            **{
                f"{name}_interval": show_interval(row[f"{name}_low"], row[f"{name}_high"])
                for name in ("fidelity", "polarisation")
                if row[name] is not None
            },
        }
        for content in contents
        for row in content.verdicts
    ]
    columns = (
        ("circuit", "Circuit"),
        ("experiment", "Experiment"),
        ("backend", "Backend"),
        ("verdict", "Verdict"),
        ("fidelity", "Fidelity"),
        ("fidelity_interval", "its 95 % interval"),
        ("polarisation", "Polarisation"),
        ("polarisation_interval", "its 95 % interval"),
    )
    records.sort(key=lambda record: record["circuit"])
    return Section(
        name="sampling-side-by-side",
        heading="How near circuits came",
        tables=(records_table("sampling", "Circuits side by side", columns, records),),
    )


def _learning(contents: Sequence[LearningContent]) -> Section | None:
    if not contents:
        return None
    records: list[dict[str, Any]] = []
    for content in contents:
        rows: Sequence[Mapping[str, Any]] = content.verdicts or [{}]
        for row in rows:
            verdict = row.get("verdict", "not decided").replace("_", " ")
            interval = show_interval(row.get("low"), row.get("high")) if row.get("low") is not None else None
            records.append(
                {
                    "experiment": content.key,
                    "model": row.get("model"),
                    "scope": row.get("scope"),
                    "backend": row.get("backend"),
                    "shots": row.get("shots"),
                    "verdict": verdict,
                    "metric": content.metric.replace("_", " "),
                    "model_mean": row.get("model_mean"),
                    "baseline": row.get("baseline"),
                    "baseline_mean": row.get("baseline_mean"),
                    "gain": row.get("gain"),
                    "gain_interval": interval,
                }
            )
    columns = (
        ("experiment", "Experiment"),
        ("model", "Circuit"),
        ("scope", "Features of baselines"),
        ("backend", "Backend"),
        ("shots", "Shots"),
        ("verdict", "Verdict"),
        ("metric", "Metric"),
        ("model_mean", "Circuit's mean"),
        ("baseline", "Best baseline"),
        ("baseline_mean", "its mean"),
        ("gain", "Mean gain"),
        ("gain_interval", "95 % interval"),
    )
    return Section(
        name="learning-side-by-side",
        heading="What circuits learnt",
        tables=(records_table("learning", "Verdicts side by side", columns, records),),
    )
