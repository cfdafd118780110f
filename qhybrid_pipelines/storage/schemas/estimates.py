"""The table of expectation values, as they were measured and with errors of the device taken out."""

from __future__ import annotations

from qhybrid_pipelines.storage.schemas.descriptions import (
    BACKEND,
    EXPERIMENT,
    F64,
    I32,
    I64,
    TEXT,
    TIME,
    Table,
    column,
)

ESTIMATES = Table(
    name="estimates",
    meaning="Expectation values of each point or circuit, plain and mitigated, one row per method; verdicts come from samples and never from these",
    key=("experiment", "backend", "point", "observable", "method"),
    columns=(
        EXPERIMENT,
        BACKEND,
        column("point", I32, "Index of the parameter point, or number of the circuit in its series, from 0", minimum=0),
        column(
            "observable",
            TEXT,
            "What the expectation is of: energy, the cost of the reduced model; of a sampling experiment a product such as Z0 Z1",
        ),
        column(
            "method",
            TEXT,
            "none, the mean over shots as measured; two_body, readout errors taken out of every term, of one or two qubits in a cost, of all its qubits in a product; "
            "zne, carried on from several strengths of the noise to none",
            words=("none", "two_body", "zne"),
        ),
        column(
            "expectation",
            F64,
            "Mean over the shots of all runs, energies in cost units; null where readout errors are not known, or too large to be taken out",
            nullable=True,
        ),
        column("standard_error", F64, "Of the expectation, from its shots alone", nullable=True),
        column("low", F64, "Lower bound of its 95 % interval", nullable=True),
        column("high", F64, "Upper bound of its 95 % interval", nullable=True),
        column("shots", I64, "Shots over all repetitions", "shots", minimum=1),
        column(
            "effective_shots",
            F64,
            "Shots that count as independent: fewer where runs differ by more than chance",
            "shots",
            nullable=True,
        ),
        column(
            "calibration_id",
            TEXT,
            "Calibration whose readout errors were taken out; several, with commas, where jobs ran under different ones",
            nullable=True,
            measured=True,
        ),
        column(
            "calibration_measured_at",
            TIME,
            "When that was measured, the oldest of several",
            nullable=True,
            measured=True,
        ),
        column(
            "counts_point",
            I32,
            "Point of the counts in `qpu_result_sets`: of a circuit that is measured in another basis its own",
            minimum=0,
        ),
        column(
            "exact",
            F64,
            "What the circuit's state has without errors; null where it was not computed: of energies, and above 20 qubits",
            nullable=True,
        ),
        column(
            "parameters",
            TEXT,
            "Of zne as canonical JSON: extrapolation, and the expectation at each noise factor",
            nullable=True,
        ),
        column(
            "overhead_shots",
            I64,
            "Shots that only this method needed; observables of one basis share them",
            "shots",
            minimum=0,
        ),
        column("quoted_usd", F64, "Highest quote of those shots", "USD", minimum=0),
    ),
)
