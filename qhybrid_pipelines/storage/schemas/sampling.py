"""Tables of sampling experiments: circuits with what should come out, baselines, scores and verdicts.

Batches, submissions, counts and provenance of a series are in the tables that optimisations have; ``point`` is there the number of
the circuit in its series.
"""

from __future__ import annotations

import pyarrow as pa

from qhybrid_pipelines.storage.schemas.descriptions import (
    BACKEND,
    BYTES,
    EXPERIMENT,
    F64,
    I32,
    I64,
    TEXT,
    U64,
    Table,
    column,
)

_POINT = column("point", I32, "Number of the circuit in its series, from 0", minimum=0)
_CIRCUIT = column("circuit", TEXT, "Name of the circuit in its series")
_SCORE = column("score", TEXT, "Name of the score")
_LOW = column("low", F64, "Lower bound of its 95 % interval", nullable=True)
_HIGH = column("high", F64, "Upper bound of its 95 % interval", nullable=True)

SAMPLING_CIRCUITS = Table(
    name="sampling_circuits",
    meaning="The circuits of a series, and where what should come out of each is known from",
    key=("experiment", "point"),
    columns=(
        EXPERIMENT,
        _POINT,
        _CIRCUIT,
        column("family", TEXT, "Family of circuits, or file"),
        column("n_qubits", I32, "Width, ancillas included", "qubits", minimum=1),
        column("measured", I32, "Qubits that count; those above are ancillas, summed out", "qubits", minimum=1),
        column("layers", I32, "Depth in the family's own words; null for a file", nullable=True),
        column("depth", I32, "Depth before compilation", "layers of gates"),
        column("two_qubit_gates", I32, "Two-qubit gates before compilation", "gates"),
        column("template_id", TEXT, "SHA-256 of the template's text"),
        column("template", TEXT, "The circuit, OpenQASM 3, its numbers taken out"),
        column("parameters", pa.list_(TEXT), "Names of its inputs"),
        column("binding", pa.list_(F64), "Numbers of its inputs", "rad"),
        column(
            "reference",
            TEXT,
            "Where the reference is from: computed, known of the family, a file, or an outcome that was named",
            words=("exact", "known", "file", "outcome"),
        ),
        column("reference_outcomes", I64, "Outcomes that the reference has", minimum=1),
        column("expected", TEXT, "The one right outcome, bit 0 rightmost; null where there are several", nullable=True),
        column("reference_seconds", F64, "Time in which the reference was made", "s", measured=True),
    ),
)

SAMPLING_REFERENCES = Table(
    name="sampling_references",
    meaning="What should come out of each circuit of a series: its distribution, without what is zero",
    key=("experiment", "point", "bits", "high_bits"),
    columns=(
        EXPERIMENT,
        _POINT,
        column("bits", U64, "Outcome as a packed integer, bit 0 least significant"),
        column("high_bits", BYTES, "Bits above 63, little-endian; null for widths up to 64", nullable=True),
        column("probability", F64, "That it should have"),
    ),
)

SAMPLING_BASELINES = Table(
    name="sampling_baselines",
    meaning="What outcomes without a quantum computer score against the same reference",
    key=("experiment", "point", "baseline", "score"),
    columns=(
        EXPERIMENT,
        _POINT,
        _CIRCUIT,
        column(
            "baseline",
            TEXT,
            "uniform outcomes; independent bits with the reference's means; or the same shots drawn from the computed state",
            words=("uniform", "product_of_marginals", "classical_sampler"),
        ),
        _SCORE,
        column("value", F64, "The score"),
        _LOW,
        _HIGH,
        column("seconds", F64, "Time of all shots; null where nothing is drawn", "s", nullable=True, measured=True),
    ),
)

SAMPLING_SCORES = Table(
    name="sampling_scores",
    meaning="How near the measured outcomes of each circuit are to its reference",
    key=("experiment", "backend", "point", "score"),
    columns=(
        EXPERIMENT,
        BACKEND,
        _POINT,
        _CIRCUIT,
        column("n_qubits", I32, "Width, ancillas included", "qubits"),
        _SCORE,
        column("value", F64, "Of the measured frequencies"),
        column("low", F64, "Lower bound of its 95 % interval"),
        column("high", F64, "Upper bound of its 95 % interval"),
        column("uniform", F64, "The same score of uniform outcomes"),
        column("product_of_marginals", F64, "The same score of independent bits with the reference's means"),
        column("shots", I64, "Shots over all repetitions", "shots"),
        column(
            "effective_shots",
            F64,
            "Shots that count as independent: fewer where runs differ by more than chance",
            "shots",
        ),
    ),
)

SAMPLING_VERDICTS = Table(
    name="sampling_verdicts",
    meaning="Whether a circuit's outcomes are better than uniform ones, one row per circuit and backend",
    key=("experiment", "backend", "point"),
    columns=(
        EXPERIMENT,
        BACKEND,
        _POINT,
        _CIRCUIT,
        column("n_qubits", I32, "Width, ancillas included", "qubits"),
        column("depth", I32, "Depth before compilation", "layers of gates"),
        column(
            "verdict",
            TEXT,
            "In one word",
            words=("better_than_uniform", "no_better_than_uniform", "inconclusive"),
        ),
        column("reason", TEXT, "In a sentence"),
        column(
            "fidelity", F64, "Hellinger fidelity with the reference; null where nothing was measured", nullable=True
        ),
        column("fidelity_low", F64, "Lower bound of its 95 % interval", nullable=True),
        column("fidelity_high", F64, "Upper bound of its 95 % interval", nullable=True),
        column("polarisation", F64, "What is left of the reference; null where it is uniform", nullable=True),
        column("polarisation_low", F64, "Lower bound of its 95 % interval", nullable=True),
        column("polarisation_high", F64, "Upper bound of its 95 % interval", nullable=True),
        column("margin", F64, "Polarisation up to which outcomes are no better than uniform ones"),
        column("shots", I64, "Shots over all repetitions; 0 where a deadline passed", "shots"),
        column(
            "sampler_seconds", F64, "Time of the classical sampler for as many shots", "s", nullable=True, measured=True
        ),
    ),
)

SAMPLING_TABLES: tuple[Table, ...] = (
    SAMPLING_CIRCUITS,
    SAMPLING_REFERENCES,
    SAMPLING_BASELINES,
    SAMPLING_SCORES,
    SAMPLING_VERDICTS,
)
