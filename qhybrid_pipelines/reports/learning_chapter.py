"""A learning experiment as a chapter of the page."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence

from qhybrid_pipelines.core.vocabulary.verdicts import Verdict as VerdictWord
from qhybrid_pipelines.reports.blocks import Chapter, CodeBlock, Section, Verdict, facts_table, records_table
from qhybrid_pipelines.reports.common_sections import build_chapter, how_to_reproduce, money_and_time
from qhybrid_pipelines.reports.content import LearningContent, Row
from qhybrid_pipelines.reports.figures.model_scores import model_scores, summary_name
from qhybrid_pipelines.reports.figures.training import training
from qhybrid_pipelines.reports.optimisation_chapter import TONES
from qhybrid_pipelines.reports.words import count, show, show_interval, show_percent, show_seconds, with_interval


def learning_chapter(content: LearningContent) -> Chapter:
    """Return the chapter of a learning experiment, with the parts that are there."""
    sections = [
        _verdicts(content),
        _scores(content),
        _training(content),
        _dataset(content),
        _circuits(content),
        money_and_time(content),
        how_to_reproduce(content),
    ]
    return build_chapter(
        content,
        question=_question(content),
        verdicts=(_verdict(row, content.metric) for row in content.verdicts if _is_main(row)),
        sections=sections,
    )


def _question(content: LearningContent) -> str:
    if content.dataset is None:
        return "Does a trained circuit classify better than classical models do? The data has not been read yet."
    data = content.dataset
    return (
        f"Does a trained circuit classify the {count(data['n_rows'], 'row')} and {data['n_classes']} classes of "
        f"`{data['dataset']}` better than the best classical model on the same folds? Scores are "
        f"{content.metric.replace('_', ' ')}; naming the largest class alone is right for {show_percent(data['majority_share'])}."
    )


def _is_main(row: Row) -> bool:
    """Tell whether a verdict answers the question; the others are in a table."""
    return bool(row["side"] == "quantum" and row["scope"] == "all")


def _verdicts(content: LearningContent) -> Section | None:
    if not content.verdicts:
        return None
    records = [
        {
            "model": row["model"].replace("_", " "),
            "backend": row["backend"] or "exact",
            "shots": row["shots"],
            "scope": row["scope"],
            "verdict": row["verdict"].replace("_", " "),
            "model_mean": row["model_mean"],
            "baseline": row["baseline"] and row["baseline"].replace("_", " "),
            "baseline_mean": row["baseline_mean"],
            "gain": None
            if row["gain"] is None
            else with_interval(show(row["gain"]), show(row["low"]), show(row["high"])),
            "p_adjusted": row["p_adjusted"],
        }
        for row in sorted(content.verdicts, key=lambda row: row["side"] != "quantum")
    ]
    columns = (
        ("model", "Circuit"),
        ("backend", "Measured on"),
        ("shots", "Shots"),
        ("scope", "Features of baselines"),
        ("verdict", "Verdict"),
        ("model_mean", "Mean"),
        ("baseline", "Best baseline"),
        ("baseline_mean", "its mean"),
        ("gain", "Mean gain (95 % interval)"),
        ("p_adjusted", "p, adjusted"),
    )
    return Section(
        name="verdicts",
        heading="Every circuit against the best baseline",
        paragraphs=(
            (
                "A circuit without entanglement is the control: what it reaches is not owed to entanglement. The best baseline is the "
                "one that did best on validation rows. p is one-sided, of a gain no larger than the margin, "
                f"adjusted for the circuits that were compared, each counted once. {_rule_sentence(content)}"
            ),
        ),
        tables=(records_table("verdicts", f"Verdicts by {content.metric.replace('_', ' ')}", columns, records),),
    )


def _rule_sentence(content: LearningContent) -> str:
    rules = sorted({row["rule"] or "1" for row in content.verdicts})
    return f"Rule of the verdicts: {', '.join(rules)}."


def _verdict(row: Row, metric: str) -> Verdict:
    where = f" on {row['backend']}, {row['shots']:,} shots" if row["backend"] else ""
    features = "all features" if row["scope"] == "all" else "the same features"
    interval = ""
    if row["gain"] is not None:
        interval = (
            f"Mean gain in {metric.replace('_', ' ')} over `{row['baseline']}`: {show(row['gain'])} (95 % interval "
            f"{show_interval(row['low'], row['high'])}, {count(row['folds'], 'test fold')}; more than {show(row['margin'])} counts as "
            "better)."
        )
    return Verdict(
        place=f"{row['model']}{where}, against baselines on {features}",
        word=row["verdict"].replace("_", " "),
        tone=TONES[VerdictWord(row["verdict"])],
        sentence=row["reason"],
        interval=interval,
    )


def _scores(content: LearningContent) -> Section | None:
    if not content.summaries:
        return None
    records = [
        {
            "model": summary_name(row).replace("\n", ", "),
            "side": row["side"].replace("_", " "),
            "mean": row["mean"],
            "interval": None if row["low"] is None else show_interval(row["low"], row["high"]),
            "folds": row["folds"],
        }
        for row in content.summaries
    ]
    columns = (
        ("model", "Model"),
        ("side", "Kind"),
        ("mean", "Mean"),
        ("interval", "95 % interval"),
        ("folds", "Test folds"),
    )
    caption = f"{content.metric.replace('_', ' ').capitalize()} on test folds"
    return Section(
        name="scores",
        heading="Every model on the same folds",
        drawings=(model_scores(content.summaries, metric=content.metric),),
        tables=(records_table("summaries", caption, columns, records),),
    )


def _training(content: LearningContent) -> Section | None:
    if not content.models:
        if content.on_backend is None:
            return None
        return Section(name="training", heading="Training", paragraphs=(content.on_backend,))
    fits: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in content.models:
        if row["purpose"] == "comparison":
            fits[row["model"], row["inputs"]].append(row)
    records = [
        {
            "model": f"{model.replace('_', ' ')}{', all features' if inputs == 'all' else ''}",
            "trainings": len(rows),
            "converged": sum(row["converged"] for row in rows),
            "trials": max(row["trials"] for row in rows),
            "gradient_variance": _mean(row["gradient_variance"] for row in rows),
            "kernel_alignment": _mean(row["kernel_alignment"] for row in rows),
            "fit_seconds": show_seconds(sum(row["fit_seconds"] for row in rows) / len(rows)),
            "tuning_seconds": show_seconds(sum(row["tuning_seconds"] for row in rows) / len(rows)),
        }
        for (model, inputs), rows in fits.items()
    ]
    columns = (
        ("model", "Model"),
        ("trainings", "Trainings"),
        ("converged", "Ended by their rule"),
        ("trials", "Settings tried"),
        ("gradient_variance", "Gradient variance"),
        ("kernel_alignment", "Kernel alignment"),
        ("fit_seconds", "Mean time of a fit"),
        ("tuning_seconds", "of tuning"),
    )
    return Section(
        name="training",
        heading="Training",
        paragraphs=(
            *([] if content.on_backend is None else [content.on_backend]),
            *_diagnostics_sentences(records),
            *content.kernels,
        ),
        drawings=(training(content.losses),) if content.losses else (),
        tables=(records_table("models", "Trainings, one per fold", columns, records),),
    )


def _diagnostics_sentences(records: Sequence[Row]) -> list[str]:
    """Return what the numbers about circuits and kernels mean, where there are any."""
    said = []
    if any(record["gradient_variance"] is not None for record in records):
        said.append(
            "Gradient variance: how much a slope of the loss varies over random weights, in the mean over weights and folds. Its root "
            "is the size of slope that shots have to show; where it vanishes, training on a backend goes nowhere."
        )
    if any(record["kernel_alignment"] is not None for record in records):
        said.append(
            "Kernel alignment: 1 for a kernel that knows nothing but the classes of the training rows, 0 for one that has nothing to do with them."
        )
    return said


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _dataset(content: LearningContent) -> Section | None:
    if content.dataset is None:
        return None
    data = content.dataset
    classes = ", ".join(f"{name} ({show(number)})" for name, number in json.loads(data["classes"]).items())
    return Section(
        name="dataset",
        heading="The data",
        paragraphs=tuple(json.loads(data["limits"])),
        tables=(
            facts_table(
                "dataset",
                "Data set",
                [
                    ("dataset", "Name", data["dataset"]),
                    ("n_rows", "Rows", data["n_rows"]),
                    ("n_columns", "Features", data["n_columns"]),
                    ("classes", "Classes", classes),
                    ("duplicate_rows", "Duplicate rows", data["duplicate_rows"]),
                    ("source", "Source", data["source"]),
                    ("licence", "Licence", data["licence"]),
                    ("digest", "SHA-256", data["digest"][:12]),
                ],
            ),
        ),
    )


def _circuits(content: LearningContent) -> Section | None:
    if not content.circuits:
        return None
    return Section(
        name="circuit",
        heading="The circuits",
        codes=tuple(
            CodeBlock(name=f"circuit-{model}", caption=model, text=text) for model, text in content.circuits.items()
        ),
    )
