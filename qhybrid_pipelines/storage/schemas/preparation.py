"""Tables of the stage PREPARE: one partition per experiment."""

from __future__ import annotations

import pyarrow as pa

from qhybrid_pipelines.storage.schemas.descriptions import (
    BOOL,
    EXPERIMENT,
    F64,
    I32,
    I64,
    INSTANCE,
    POINT,
    REPETITION,
    TEXT,
    TIER,
    TIME,
    Table,
    column,
)

EXPERIMENTS = Table(
    name="experiments",
    meaning="One row per experiment: what was asked, and where it came from",
    key=("experiment",),
    columns=(
        EXPERIMENT,
        column("name", TEXT, "Name the author gave"),
        TIER,
        column("family", TEXT, "Problem family; qml for a learning experiment"),
        column("source", TEXT, "networkx:NAME, file:NAME, generator:NAME or sklearn:NAME"),
        column("ansatz", TEXT, "Kind of circuit: qaoa, hardware_efficient or file; for learning the models"),
        column(
            "layers",
            I32,
            "Depth p of the ansatz; 0 for a circuit from a file, and where parameter_sweeps.depth_reason tells it",
        ),
        column("sweep", TEXT, "Strategy of the parameter sweep; training for a learning experiment"),
        column("points", I32, "Parameter points asked for; settings tried per model for learning"),
        column(
            "shots", I32, "Shots per point and repetition; the most of several, 0 if all is exact", "shots", minimum=0
        ),
        column("repetitions", I32, "Independent runs; test folds for learning"),
        column("seed", I64, "Root of every random choice"),
        column("backends", pa.list_(TEXT), "Backends asked for"),
        column("budget_usd", F64, "What the experiment may spend", "USD"),
        column("round", I32, "Which round this is, from 1"),
        column("rounds_max", I32, "Rounds in all that a decision may use"),
        column("parent", TEXT, "Experiment that this one continues", nullable=True),
        column("root", TEXT, "First round of this line of experiments"),
        column(
            "created_at",
            TIME,
            "When it was registered; null where a release wrote the row that did not say it",
            nullable=True,
            measured=True,
        ),
        column("specification", TEXT, "The whole specification as canonical JSON"),
    ),
)

PROBLEM_INSTANCES = Table(
    name="problem_instances",
    meaning="One row per problem instance: parsed, validated, content-hashed",
    key=("experiment", "instance"),
    columns=(
        EXPERIMENT,
        INSTANCE,
        column("family", TEXT, "Problem family"),
        column("n_variables", I32, "Binary decision variables", "variables"),
        column("n_terms", I64, "Non-zero quadratic terms or constraint coefficients"),
        column(
            "sense", TEXT, "Better is more or less, of the objective in the family's own units", words=("max", "min")
        ),
        column("unit", TEXT, "Unit of the objective"),
        column("best_known", F64, "Best known objective, where the source states one", nullable=True),
        column("source", TEXT, "networkx:NAME, file:NAME or generator:NAME"),
        column("content_sha256", TEXT, "SHA-256 of the canonical payload"),
        column("variables", pa.list_(TEXT), "Names of the variables in the order of every assignment"),
        column("payload", TEXT, "The instance as canonical JSON; everything needed to rebuild it"),
    ),
)

FEATURES = Table(
    name="features",
    meaning="Deterministic numbers computed from an instance, one row per feature",
    key=("experiment", "instance", "feature"),
    columns=(
        EXPERIMENT,
        INSTANCE,
        column("feature", TEXT, "Name of the feature"),
        column("value", F64, "Its value"),
    ),
)

REDUCTION_STEP = pa.struct(
    [
        pa.field("step", I32),
        pa.field("step_name", TEXT),
        pa.field("exact", BOOL),
        pa.field("variables_fixed", I32),
        pa.field("variables_left", I32),
        pa.field("note", TEXT),
    ]
)

REDUCED_MODELS = Table(
    name="reduced_models",
    meaning="What reduction left to be solved, and what the best of it would be worth",
    key=("experiment", "instance"),
    columns=(
        EXPERIMENT,
        INSTANCE,
        column(
            "n_qubits",
            I32,
            "Variables of the reduced model; 0 where reduction solved the instance, and where no window has headroom",
            "qubits",
            minimum=0,
        ),
        column("exact", BOOL, "Solving the reduced model solves the instance: no step was heuristic"),
        column("solved_by_reduction", BOOL, "Nothing was left to be sent to a QPU, and the answer is proved"),
        column("cardinality", I32, "Variables of the reduced model that must be 1", nullable=True),
        column("incumbent", TEXT, "Best assignment before anything quantum, first variable first"),
        column("incumbent_source", TEXT, "greedy, annealing, parent round or reduction"),
        column("incumbent_objective", F64, "Objective of the incumbent, in the family's unit"),
        column(
            "reduced_model_optimum",
            F64,
            "Objective of the reduced model's exact optimum expanded to the instance: the ceiling; of the best outcome found, "
            "where it is too wide to look at all of them",
        ),
        column("reduced_model_optimum_assignment", TEXT, "Assignment of that optimum, first variable first"),
        column(
            "reduced_model_minimum_energy",
            F64,
            "Lowest energy of the reduced model's Ising model; where it is not proved, an upper bound of it",
        ),
        column(
            "reduced_model_optimum_proved",
            BOOL,
            "Optimum and lowest energy are exact; false where they are the best that annealing found, null in tables of older releases",
            nullable=True,
        ),
        column("penalty_weight", F64, "Weight of the constraint penalty in the model; 0 without constraints"),
        column("windows_tried", I32, "Windows that were looked at; null where everything fitted", nullable=True),
        column(
            "windows_without_headroom",
            I32,
            "Of those, how many hold nothing better than the incumbent, by their exact optima",
            nullable=True,
        ),
        column(
            "model",
            TEXT,
            "The Ising model as canonical JSON: linear, pairs, couplings, offset; products of more spins where it has any",
        ),
        column("root", pa.list_(I32), "Per instance variable: reduced-model variable it copies, -1 for a constant"),
        column("value", pa.list_(I32), "Per instance variable: the constant, or 1 where the copy is negated"),
        column("reduction_steps", pa.list_(REDUCTION_STEP), "What each step of the reduction did"),
        column("step_seconds", pa.list_(F64), "Time of each step", "s", measured=True),
        column("reduction_seconds", F64, "Time of all steps", "s", measured=True),
    ),
)

PARAMETER_SWEEPS = Table(
    name="parameter_sweeps",
    meaning="One row per parameter point of the sweep",
    key=("experiment", "point"),
    columns=(
        EXPERIMENT,
        POINT,
        column("strategy", TEXT, "Strategy that made the point"),
        column(
            "angle_source",
            TEXT,
            "Where the angles come from: optimised, given, table, ramp, grid, random, parent round; of an annealing experiment the setting",
        ),
        column("gammas", pa.list_(F64), "Cost angles per layer; empty for other ansaetze", "rad"),
        column("betas", pa.list_(F64), "Mixer angles per layer; empty for other ansaetze", "rad"),
        column("angles", pa.list_(F64), "All angles of the ansatz in template-independent order", "rad"),
        column(
            "optimised_expectation",
            F64,
            "Exact mean energy of the reduced model at the optimised angles of this depth, without noise; null where none "
            "were optimised",
            nullable=True,
        ),
        column("depth_reason", TEXT, "Why this depth, where it was chosen by the backend's gate errors", nullable=True),
    ),
)

BASELINES = Table(
    name="baselines",
    meaning="One row per classical solver and run: same instance, objective, feasibility and post-processing",
    key=("experiment", "instance", "solver", "seed"),
    order=("experiment", "instance", "solver", "repetition"),
    columns=(
        EXPERIMENT,
        INSTANCE,
        column("solver", TEXT, "Name of the solver"),
        REPETITION,
        column("seed", I64, "Seed of this run"),
        column("objective", F64, "Best feasible objective; of the best infeasible one if there is none", nullable=True),
        column("feasible", BOOL, "All constraints hold"),
        column("assignment", TEXT, "0 and 1 in the instance's own variable order, first variable first"),
        column("optimal", BOOL, "The solver proved this value optimal"),
        column("bound", F64, "Proved bound on the objective, where the solver gives one", nullable=True),
        column("evaluations", I64, "Assignments sampled or sweeps done, as the solver counts", nullable=True),
        column("mean_objective", F64, "Mean objective over feasible samples, for samplers", nullable=True),
        column("seconds", F64, "Wall time of this run", "s", measured=True),
    ),
)
