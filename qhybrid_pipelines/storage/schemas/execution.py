"""Tables of the stage EXECUTE, from circuits to counts: one partition per backend and experiment."""

from __future__ import annotations

import pyarrow as pa

from qhybrid_pipelines.storage.schemas.descriptions import (
    BACKEND,
    BOOL,
    BYTES,
    EXPERIMENT,
    F64,
    I32,
    I64,
    JOB_ID,
    POINT,
    REPETITION,
    TEXT,
    U64,
    Table,
    column,
)

CIRCUIT_BATCHES = Table(
    name="circuit_batches",
    meaning="Template x bindings x shots x seeds for one backend; of a series of circuits or a loop, a row for each circuit or step",
    key=("experiment", "backend", "first_point"),
    columns=(
        EXPERIMENT,
        BACKEND,
        column(
            "first_point",
            I32,
            "Number in its series of the batch's circuit, or of the first point of a step of a loop, as in other tables; null for the one batch of another optimisation",
            nullable=True,
            minimum=0,
        ),
        column(
            "template_id",
            TEXT,
            "SHA-256 of the template's text; of the embedding where a model is annealed, of model and time limit for a hybrid solver",
        ),
        column("template", TEXT, "Parameterised circuit, OpenQASM 3; empty where a model is annealed"),
        column("parameters", pa.list_(TEXT), "Input names in the order of the columns of a binding"),
        column("ansatz", TEXT, "Kind of circuit, or annealing, or hybrid"),
        column("mixer", TEXT, "x, xy or warm_start; empty for other ansaetze"),
        column("n_qubits", I32, "Width of an outcome; an embedding uses more qubits", "qubits"),
        column(
            "depth", I32, "Depth of the template before compilation; 0 where a model is annealed", "layers of gates"
        ),
        column("two_qubit_gates", I32, "Two-qubit gates of the template before compilation", "gates"),
        column("points", I32, "Parameter points"),
        column("repetitions", I32, "Independent runs"),
        column("shots", I32, "Shots per point and repetition", "shots", minimum=1),
        column("bindings", pa.list_(pa.list_(F64)), "One row of parameter values per point", "rad"),
        column("seeds", pa.list_(pa.list_(U64)), "One sampling seed per point and repetition"),
        column("structure", TEXT, "QAOA structure as canonical JSON, for engines that exploit it", nullable=True),
        column("compile_points", BOOL, "Every point is compiled with its numbers, as a job of its own"),
        column(
            "annealing",
            TEXT,
            "What is annealed as canonical JSON: model, embedding with its graph_id, annealing_times in us, chain_strengths, gauges, gauge_seed; for a hybrid solver model and time_limit_seconds; null for circuits",
            nullable=True,
        ),
        column(
            "suppression",
            pa.list_(TEXT),
            "Switches of the vendor against errors that are set, as switch:value; null where there are none",
            nullable=True,
        ),
        column("payload_sha256", TEXT, "Hash of all that decides the result"),
    ),
)

OPTIMISER_STEPS = Table(
    name="optimiser_steps",
    meaning="The trace of a loop that optimises angles through a backend, one row per point; no row for other sweeps",
    key=("experiment", "backend", "point"),
    order=("experiment", "backend", "point"),
    columns=(
        EXPERIMENT,
        BACKEND,
        column("step", I32, "Step of the loop, from 0; its points are one batch of circuits", minimum=0),
        column("point", I32, "Point in all tables of the execution, counted over all steps", minimum=0),
        column("optimiser", TEXT, "Who asked for it", words=("cobyla", "spsa", "bayesian")),
        column("angles", pa.list_(F64), "All angles of the ansatz; of QAOA gammas first", "rad"),
        column(
            "value",
            F64,
            "What is minimised, in cost units: the mean energy of the best fraction of the shots, all runs together; null "
            "where it was not measured yet",
            nullable=True,
        ),
        column("standard_error", F64, "Of the value, from its shots", nullable=True),
        column("best_value", F64, "Lowest value up to this point", nullable=True),
        column("shots", I64, "Shots of the point, all runs", "shots", minimum=1),
        column("stop_reason", TEXT, "Why the loop ended; in every row, null while it goes on", nullable=True),
    ),
)

PARAMETER_SENSITIVITY = Table(
    name="parameter_sensitivity",
    meaning="What each angle of the first point does to the mean energy, exact, and what gate errors take; QAOA only",
    key=("experiment", "backend", "number"),
    columns=(
        EXPERIMENT,
        BACKEND,
        column("number", I32, "Place of the angle among all of the point, from 0", minimum=0),
        column("angle", TEXT, "Its name: gamma or beta, and the layer from 1"),
        column("value", F64, "The angle", "rad"),
        column("gradient", F64, "Derivative of the mean energy by the angle, in cost units per radian"),
        column("curvature", F64, "Second derivative, in cost units per square radian"),
        column("step", F64, "How far the neighbour is that is to be told from the point", "rad"),
        column("difference", F64, "Mean energy of the neighbour less that of the point, in cost units"),
        column(
            "shots_to_tell",
            I64,
            "Shots of each that tell them apart in 80 % of cases, two-sided at 5 %; null where none would",
            "shots",
            nullable=True,
        ),
        column("shots", I64, "Shots that are planned for the point, all runs", "shots"),
        column("expectation", F64, "Exact mean energy of the point without noise, in cost units"),
        column("deviation", F64, "Standard deviation of one shot without noise, in cost units"),
        column("random_expectation", F64, "Mean energy of random outcomes that the mixer reaches, in cost units"),
        column("two_qubit_gates", I32, "Two-qubit gates of the circuit before compilation", "gates"),
        column(
            "two_qubit_error",
            F64,
            "Median error of the backend's two-qubit gates then; null where it has none",
            nullable=True,
            measured=True,
        ),
        column("survival", F64, "Share of the shots without an error of such a gate", nullable=True, measured=True),
        column(
            "expectation_with_errors",
            F64,
            "Mean energy if all shots with an error are random, in cost units",
            nullable=True,
            measured=True,
        ),
    ),
)

QPU_SUBMISSIONS = Table(
    name="qpu_submissions",
    meaning="What was submitted for a partition: one row per sub-batch, with the job that it was first submitted as. "
    "Written once; what became of the job since, a retry or a reroute included, is in `jobs`",
    key=("experiment", "backend", "sub_batch"),
    columns=(
        EXPERIMENT,
        BACKEND,
        column("sub_batch", I32, "Which sub-batch, from 0; a batch that fits into one job is one", minimum=0),
        column("first_point", I32, "Point of the sweep that is the sub-batch's first", minimum=0),
        column("first_repetition", I32, "Repetition that is the sub-batch's first", minimum=0),
        column("points", I32, "Points of the sub-batch", minimum=1),
        column("repetitions", I32, "Repetitions of the sub-batch", minimum=1),
        JOB_ID,
        column("token", TEXT, "Idempotency key that the provider was given"),
        column("provider_job_id", TEXT, "The provider's id of the job", nullable=True, measured=True),
        column("payload_sha256", TEXT, "Hash of all that decides the sub-batch's result"),
        column("shots_total", I64, "Shots over all points and repetitions of the sub-batch", "shots"),
        column("cost_quoted_usd", F64, "Highest quoted cost", "USD", minimum=0),
    ),
)

QPU_RESULT_SETS = Table(
    name="qpu_result_sets",
    meaning="Measurement counts in long form, one row per distinct outcome of a point and repetition",
    key=("experiment", "backend", "point", "repetition", "bits", "high_bits"),
    columns=(
        EXPERIMENT,
        BACKEND,
        JOB_ID,
        POINT,
        REPETITION,
        column("bits", U64, "Outcome as a packed integer, bit 0 = reduced-model variable 0 = least significant"),
        column("high_bits", BYTES, "Bits above 63, little-endian; null for widths up to 64", nullable=True),
        column("count", I64, "How often it was measured", "shots", minimum=1),
    ),
)

CHAINS = Table(
    name="chains",
    meaning="How whole the chains of an annealed model were, one row per setting and run; no row for circuits and hybrid solvers",
    key=("experiment", "backend", "point", "repetition"),
    columns=(
        EXPERIMENT,
        BACKEND,
        POINT,
        REPETITION,
        JOB_ID,
        column("annealing_time_us", F64, "Time of one anneal", "us"),
        column("chain_strength", F64, "As a factor of Ocean's default, uniform torque compensation"),
        column("chain_strength_units", F64, "In cost units of the reduced model"),
        column("gauge", I32, "Number of the gauge; 0 turns no variable upside down", minimum=0),
        column("reads", I32, "Reads", "shots", minimum=1),
        column("broken_fraction", F64, "Share of broken chains over all reads and variables"),
        column("most_broken", F64, "The same of the variable whose chain broke most often"),
        column("method", TEXT, "How chains became variables", words=("majority_vote",)),
        column("qubits", I32, "Qubits that the embedding uses", "qubits", minimum=1),
        column("longest_chain", I32, "Qubits of its longest chain", "qubits", minimum=1),
        column("graph_id", TEXT, "Qubit graph that it is for, by the vendor's name"),
        column("embedding_sha256", TEXT, "Hash of the embedding"),
    ),
)
