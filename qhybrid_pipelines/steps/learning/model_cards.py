"""Cards in plain words: what a data set and a model are, how they were compared, and what they cannot tell."""

from __future__ import annotations

import json
from collections.abc import Sequence

from qhybrid_pipelines.core.specifications.learning_specification import LearningSpec
from qhybrid_pipelines.learning.models.registry import all_models
from qhybrid_pipelines.steps.prepare.experiments import describe_source
from qhybrid_pipelines.steps.values_from_rows import Row


def dataset_card(card: Row) -> str:
    """Return the card of a data set as Markdown, from its row of `qml_datasets`."""
    classes = json.loads(card["classes"])
    lines = [
        f"# Data set {card['dataset']}",
        "",
        f"{card['source']}. {card['licence']}",
        "",
        f"{card['n_rows']} rows, {card['n_columns']} feature columns. Classes: "
        + ", ".join(f"{name} ({count})" for name, count in classes.items())
        + f". SHA-256 of names, values and labels: `{card['digest']}`.",
        "",
        *(f"- {note}" for note in json.loads(card["notes"])),
        "",
        "## Limits",
        "",
        *(f"- {limit}" for limit in json.loads(card["limits"])),
    ]
    return "\n".join(lines) + "\n"


def model_card(model: str, spec: LearningSpec, card: Row, summaries: Sequence[Row], verdicts: Sequence[Row]) -> str:
    """Return the card of a circuit as Markdown.

    Args:
        model: name of the circuit.
        spec: of the experiment.
        card: its row of `qml_datasets`.
        summaries: its rows of `qml_summaries`.
        verdicts: its rows of `qml_verdicts`.
    """
    metric = spec.evaluation.metric
    mine = [row for row in summaries if row["model"] == model and row["metric"] == metric]
    lines = [
        f"# Model {model}",
        "",
        all_models()[model].description,
        "",
        _training_sentence(model, spec, card),
        "",
        "## How it was compared",
        "",
        _comparison_sentence(spec),
        "",
        f"| where | shots | mean {metric} | 95 % interval |",
        "|---|---|---|---|",
        *(
            f"| {row['backend'] or 'exact'} | {row['shots'] or ''} | {row['mean']:.4f} | {_interval(row)} |"
            for row in mine
        ),
        "",
        *(_verdict_line(row) for row in verdicts if row["model"] == model),
        "",
        "## Limits",
        "",
        "- Each fold has a model of its own; none was trained on all rows.",
        *(f"- {limit}" for limit in json.loads(card["limits"])),
    ]
    return "\n".join(lines) + "\n"


def _interval(row: Row) -> str:
    return "" if row["low"] is None else f"{row['low']:.4f} to {row['high']:.4f}"


def _training_sentence(model: str, spec: LearningSpec, card: Row) -> str:
    features = "all columns" if spec.features.pca is None else f"{spec.features.pca} principal components"
    return (
        f"Trained on {card['dataset']} ({card['n_rows']} rows, {card['n_classes']} classes, `{card['digest'][:12]}`), "
        f"{features} as angles, fitted inside each fold; {_circuit_clause(model, spec)}, {_length_of_training(spec)}."
    )


def _circuit_clause(model: str, spec: LearningSpec) -> str:
    if spec.circuit is None or not all_models()[model].needs_circuit:
        encoding = "" if spec.features.encoding is None else f"encoding {spec.features.encoding}, "
        return f"{encoding}{spec.training.layers} layers"
    named = describe_source(spec.circuit.file)
    trained = "all other inputs" if spec.circuit.weights is None else ", ".join(spec.circuit.weights)
    return f"the circuit {named} with the features {', '.join(spec.circuit.data)} and the weights {trained}"


def _length_of_training(spec: LearningSpec) -> str:
    training = spec.training
    if training.backend is None:
        slopes = ", slopes along random directions (spsa)" if training.optimiser == "spsa" else ""
        return f"at most {training.epochs} epochs{slopes}"
    return (
        f"{training.iterations} iterations of {training.batch_size} rows with {training.shots} shots per circuit on "
        f"{training.backend} ({training.optimiser}, the stated settings: none were searched for)"
    )


def _comparison_sentence(spec: LearningSpec) -> str:
    folds = f"{spec.folds.k} folds, {spec.folds.repeats} repeats, {spec.folds.k * spec.folds.repeats} test folds in all"
    if spec.dataset.time is not None:
        folds = f"{spec.folds.k} folds in the order of {spec.dataset.time}, each tested on later rows than it was trained on"
    return (
        f"{folds}, the same for every model; "
        f"{spec.tuning.trials} settings tried per model and fold on inner validation rows; intervals corrected after "
        f"Nadeau and Bengio; margin {spec.evaluation.margin:g}."
    )


def _verdict_line(verdict: Row) -> str:
    where = f"{verdict['backend']}, {verdict['shots']} shots" if verdict["backend"] else "exact"
    against = "all features too" if verdict["scope"] == "all" else "the same features"
    return f"- {where}, against baselines on {against}: **{verdict['verdict']}**. {verdict['reason']}"
