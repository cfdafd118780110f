"""Every table once: columns, types, units, nullability, meaning.

The lake's writer, the asset checks, the warehouse's comments and the data dictionary all come from here. A column
marked ``measured`` holds a time, a host fact or an id of the run that made it, and may differ between two runs of the
same experiment; every other column is bit-identical. Building tables from these descriptions is `storage.tables`.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from qhybrid_pipelines.core.jobs import JobState
from qhybrid_pipelines.core.verdicts import DecisionKind, Verdict

#: Grows when a file of an older release needs more than a null in a new column to be read.
SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a table.

    Attributes:
        words: the only texts it may hold; empty where any text will do.
        minimum: smallest value it may hold.
    """

    name: str
    type: pa.DataType
    meaning: str
    unit: str | None = None
    nullable: bool = False
    measured: bool = False
    words: tuple[str, ...] = ()
    minimum: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table: ``asset`` names the lake folder it is kept in, ``name`` what analysts call it.

    Attributes:
        key: columns that together are unique.
        order: columns that rows are sorted by before writing.
    """

    name: str
    asset: str
    meaning: str
    key: tuple[str, ...]
    order: tuple[str, ...]
    columns: tuple[Column, ...]

    @property
    def partition_columns(self) -> tuple[str, ...]:
        """Columns that tell a row's partition in the lake: none, the experiment, or experiment and backend."""
        if "experiment" not in self.key:
            return ()
        return ("experiment", "backend") if BACKEND in self.columns else ("experiment",)

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema, with the meaning of each column in its field metadata."""
        return pa.schema(
            [pa.field(c.name, c.type, nullable=c.nullable, metadata={"comment": comment(c)}) for c in self.columns]
        )


def comment(column: Column) -> str:
    """Return what a column means, with its unit."""
    return f"{column.meaning} [{column.unit}]" if column.unit else column.meaning


TEXT, I32, I64, F64, BOOL = pa.string(), pa.int32(), pa.int64(), pa.float64(), pa.bool_()
U64, BYTES, TIME = pa.uint64(), pa.binary(), pa.timestamp("us", tz="UTC")


def _c(
    name: str,
    type_: pa.DataType,
    meaning: str,
    unit: str | None = None,
    *,
    nullable: bool = False,
    measured: bool = False,
    words: tuple[str, ...] = (),
    minimum: int | None = None,
) -> Column:
    return Column(
        name=name,
        type=type_,
        meaning=meaning,
        unit=unit,
        nullable=nullable,
        measured=measured,
        words=words,
        minimum=minimum,
    )


EXPERIMENT = _c("experiment", TEXT, "Key of the experiment: slug and eight digits of its content hash")
BACKEND = _c("backend", TEXT, "Backend as provider:backend")
INSTANCE = _c("instance", TEXT, "Name of the problem instance")
POINT = _c("point", I32, "Index of the parameter point, from 0", minimum=0)
REPETITION = _c("repetition", I32, "Independent run, from 0; paired over all solvers", minimum=0)
TIER = _c("tier", TEXT, "How urgent it is", words=("interactive", "batch", "scheduled"))
JOB_ID = _c("job_id", TEXT, "Our id of the job, the same for the same payload")

EXPERIMENTS = Table(
    name="experiments",
    asset="experiments",
    meaning="One row per experiment: what was asked, and where it came from",
    key=("experiment",),
    order=("experiment",),
    columns=(
        EXPERIMENT,
        _c("name", TEXT, "Name the author gave"),
        TIER,
        _c("family", TEXT, "Problem family; qml for a learning experiment"),
        _c("source", TEXT, "networkx:NAME, file:NAME, generator:NAME or sklearn:NAME"),
        _c("ansatz", TEXT, "Kind of circuit: qaoa, hardware_efficient or file; for learning the models"),
        _c("layers", I32, "Depth p of the ansatz; 0 for a circuit from a file"),
        _c("sweep", TEXT, "Strategy of the parameter sweep; training for a learning experiment"),
        _c("points", I32, "Parameter points asked for; settings tried per model for learning"),
        _c("shots", I32, "Shots per point and repetition; the most of several, 0 if all is exact", "shots", minimum=0),
        _c("repetitions", I32, "Independent runs; test folds for learning"),
        _c("seed", I64, "Root of every random choice"),
        _c("backends", pa.list_(TEXT), "Backends asked for"),
        _c("budget_usd", F64, "What the experiment may spend", "USD"),
        _c("round", I32, "Which round this is, from 1"),
        _c("rounds_max", I32, "Rounds in all that a decision may use"),
        _c("parent", TEXT, "Experiment that this one continues", nullable=True),
        _c("root", TEXT, "First round of this line of experiments"),
        _c("specification", TEXT, "The whole specification as canonical JSON"),
    ),
)

INSTANCES = Table(
    name="instances",
    asset="problem_instances",
    meaning="One row per problem instance: parsed, validated, content-hashed",
    key=("experiment", "instance"),
    order=("experiment", "instance"),
    columns=(
        EXPERIMENT,
        INSTANCE,
        _c("family", TEXT, "Problem family"),
        _c("n_variables", I32, "Binary decision variables", "variables"),
        _c("n_terms", I64, "Non-zero quadratic terms or constraint coefficients"),
        _c("sense", TEXT, "Better is more or less, of the objective in the family's own units", words=("max", "min")),
        _c("unit", TEXT, "Unit of the objective"),
        _c("best_known", F64, "Best known objective, where the source states one", nullable=True),
        _c("source", TEXT, "networkx:NAME, file:NAME or generator:NAME"),
        _c("content_sha256", TEXT, "SHA-256 of the canonical payload"),
        _c("variables", pa.list_(TEXT), "Names of the variables in the order of every assignment"),
        _c("payload", TEXT, "The instance as canonical JSON; everything needed to rebuild it"),
    ),
)

FEATURES = Table(
    name="features",
    asset="features",
    meaning="Deterministic numbers computed from an instance, one row per feature",
    key=("experiment", "instance", "feature"),
    order=("experiment", "instance", "feature"),
    columns=(
        EXPERIMENT,
        INSTANCE,
        _c("feature", TEXT, "Name of the feature"),
        _c("value", F64, "Its value"),
    ),
)

RUNG = pa.struct(
    [
        pa.field("step", I32),
        pa.field("rung", TEXT),
        pa.field("exact", BOOL),
        pa.field("variables_fixed", I32),
        pa.field("variables_left", I32),
        pa.field("note", TEXT),
    ]
)

KERNELS = Table(
    name="kernels",
    asset="kernels",
    meaning="What reduction left to be solved, and what the best of it would be worth",
    key=("experiment", "instance"),
    order=("experiment", "instance"),
    columns=(
        EXPERIMENT,
        INSTANCE,
        _c("n_qubits", I32, "Kernel variables; 0 where reduction solved the instance", "qubits", minimum=0),
        _c("exact", BOOL, "Solving the kernel solves the instance: no step was heuristic"),
        _c("solved_by_reduction", BOOL, "Nothing was left to be sent to a QPU, and the answer is proved"),
        _c("cardinality", I32, "Kernel variables that must be 1", nullable=True),
        _c("incumbent", TEXT, "Best assignment before anything quantum, first variable first"),
        _c("incumbent_source", TEXT, "greedy, annealing, parent round or reduction"),
        _c("incumbent_objective", F64, "Objective of the incumbent, in the family's unit"),
        _c("kernel_optimum", F64, "Objective of the kernel's exact optimum expanded to the instance: the ceiling"),
        _c("kernel_optimum_assignment", TEXT, "Assignment of that optimum, first variable first"),
        _c("kernel_minimum_energy", F64, "Lowest energy of the kernel's Ising model"),
        _c("penalty_weight", F64, "Weight of the constraint penalty in the model; 0 without constraints"),
        _c("model", TEXT, "Ising model of the kernel as canonical JSON: linear, pairs, couplings, offset"),
        _c("root", pa.list_(I32), "Per instance variable: kernel variable it copies, -1 for a constant"),
        _c("value", pa.list_(I32), "Per instance variable: the constant, or 1 where the copy is negated"),
        _c("rungs", pa.list_(RUNG), "The reduction ladder, step by step"),
        _c("rung_seconds", pa.list_(F64), "Time of each step of the ladder", "s", measured=True),
        _c("reduce_seconds", F64, "Time of the whole ladder", "s", measured=True),
    ),
)

SWEEP_POINTS = Table(
    name="sweep_points",
    asset="parameter_sweeps",
    meaning="One row per parameter point of the sweep",
    key=("experiment", "point"),
    order=("experiment", "point"),
    columns=(
        EXPERIMENT,
        POINT,
        _c("strategy", TEXT, "Strategy that made the point"),
        _c("angle_source", TEXT, "Where the angles come from: table, ramp, grid, random, parent round"),
        _c("gammas", pa.list_(F64), "Cost angles per layer; empty for other ansaetze", "rad"),
        _c("betas", pa.list_(F64), "Mixer angles per layer; empty for other ansaetze", "rad"),
        _c("angles", pa.list_(F64), "All angles of the ansatz in template-independent order", "rad"),
    ),
)

CIRCUIT_BATCHES = Table(
    name="circuit_batches",
    asset="circuit_batches",
    meaning="Template x bindings x shots x seeds for one backend",
    key=("experiment", "backend"),
    order=("experiment", "backend"),
    columns=(
        EXPERIMENT,
        BACKEND,
        _c("template_id", TEXT, "SHA-256 of the template's text"),
        _c("template", TEXT, "Parameterised circuit, OpenQASM 3"),
        _c("parameters", pa.list_(TEXT), "Input names in the order of the columns of a binding"),
        _c("ansatz", TEXT, "Kind of circuit"),
        _c("mixer", TEXT, "x or xy; empty for other ansaetze"),
        _c("n_qubits", I32, "Width", "qubits"),
        _c("depth", I32, "Depth of the template before compilation", "layers of gates"),
        _c("two_qubit_gates", I32, "Two-qubit gates of the template before compilation", "gates"),
        _c("points", I32, "Parameter points"),
        _c("repetitions", I32, "Independent runs"),
        _c("shots", I32, "Shots per point and repetition", "shots", minimum=1),
        _c("bindings", pa.list_(pa.list_(F64)), "One row of parameter values per point", "rad"),
        _c("seeds", pa.list_(pa.list_(U64)), "One sampling seed per point and repetition"),
        _c("structure", TEXT, "QAOA structure as canonical JSON, for engines that exploit it", nullable=True),
        _c("compile_points", BOOL, "Every point is compiled with its numbers, as a job of its own"),
        _c("payload_sha256", TEXT, "Hash of all that decides the result"),
    ),
)

SUBMISSIONS = Table(
    name="submissions",
    asset="qpu_submissions",
    meaning="The jobs that stand in the ledger for an execution, one row per part of its batch",
    key=("experiment", "backend", "part"),
    order=("experiment", "backend", "part"),
    columns=(
        EXPERIMENT,
        BACKEND,
        _c("part", I32, "Which part of the batch, from 0; a batch that fits into one job is one part", minimum=0),
        _c("first_point", I32, "Point of the sweep that is the part's first", minimum=0),
        _c("first_repetition", I32, "Repetition that is the part's first", minimum=0),
        _c("points", I32, "Points of the part", minimum=1),
        _c("repetitions", I32, "Repetitions of the part", minimum=1),
        JOB_ID,
        _c("token", TEXT, "Idempotency key that the provider was given"),
        _c("provider_job_id", TEXT, "The provider's id of the job", nullable=True, measured=True),
        _c("payload_sha256", TEXT, "Hash of all that decides the part's result"),
        _c("shots_total", I64, "Shots over all points and repetitions of the part", "shots"),
        _c("cost_quoted_usd", F64, "Highest quoted cost", "USD", minimum=0),
    ),
)

COUNTS = Table(
    name="counts",
    asset="qpu_result_sets",
    meaning="Measurement counts in long form, one row per distinct outcome of a point and repetition",
    key=("experiment", "backend", "point", "repetition", "bits", "high_bits"),
    order=("experiment", "backend", "point", "repetition", "bits", "high_bits"),
    columns=(
        EXPERIMENT,
        BACKEND,
        JOB_ID,
        POINT,
        REPETITION,
        _c("bits", U64, "Outcome as a packed integer, bit 0 = kernel variable 0 = least significant"),
        _c("high_bits", BYTES, "Bits above 63, little-endian; null for widths up to 64", nullable=True),
        _c("count", I64, "How often it was measured", "shots", minimum=1),
    ),
)

POINT_SCORES = Table(
    name="point_scores",
    asset="point_scores",
    meaning="Summary per point and repetition, so that dashboards never scan counts",
    key=("experiment", "backend", "point", "repetition"),
    order=("experiment", "backend", "point", "repetition"),
    columns=(
        EXPERIMENT,
        BACKEND,
        INSTANCE,
        POINT,
        REPETITION,
        _c("shots", I64, "Shots", "shots"),
        _c("distinct", I32, "Distinct outcomes"),
        _c("mean_energy", F64, "Mean energy of the kernel's model over shots"),
        _c("min_energy", F64, "Lowest energy seen"),
        _c("argmin_bits", U64, "Outcome of the lowest energy; the smallest one if several"),
        _c("p_feasible", F64, "Share of shots that are feasible in the instance as measured"),
        _c("mean_objective", F64, "Mean objective over feasible shots", nullable=True),
        _c("best_objective", F64, "Best objective of a feasible shot as measured", nullable=True),
        _c("p_kernel_optimum", F64, "Share of shots at the kernel's lowest energy"),
        _c("noise_like", BOOL, "The mean energy does not beat the 99.9 % quantile of means of random samples"),
    ),
)

SOLUTIONS = Table(
    name="solutions",
    asset="scored_solutions",
    meaning="Scored assignments of the instance: the best of every run, and the best over all runs",
    key=("experiment", "backend", "instance", "source", "repetition", "rank"),
    order=("experiment", "backend", "instance", "source", "repetition", "rank"),
    columns=(
        EXPERIMENT,
        BACKEND,
        INSTANCE,
        _c("source", TEXT, "quantum, quantum+repair or quantum+local_search: what was done after measuring"),
        REPETITION,
        _c("rank", I32, "1 is the best of this run and source", minimum=1),
        _c("point", I32, "Point at which it was measured"),
        _c("bits", U64, "Kernel outcome as measured"),
        _c("count", I64, "How often that outcome was measured in this run", "shots"),
        _c("objective", F64, "Objective in the family's own units, recomputed on the original instance"),
        _c("feasible", BOOL, "All constraints of the original instance hold"),
        _c("violation", TEXT, "First violated constraint, empty when feasible"),
        _c("assignment", TEXT, "0 and 1 in the instance's own variable order, first variable first"),
        _c("improves_incumbent", BOOL, "Feasible and better than the assignment known before"),
    ),
)

BASELINES = Table(
    name="baselines",
    asset="baselines",
    meaning="One row per classical solver and run: same instance, objective, feasibility and post-processing",
    key=("experiment", "instance", "solver", "seed"),
    order=("experiment", "instance", "solver", "repetition"),
    columns=(
        EXPERIMENT,
        INSTANCE,
        _c("solver", TEXT, "Name of the solver"),
        REPETITION,
        _c("seed", I64, "Seed of this run"),
        _c("objective", F64, "Best feasible objective; of the best infeasible one if there is none", nullable=True),
        _c("feasible", BOOL, "All constraints hold"),
        _c("assignment", TEXT, "0 and 1 in the instance's own variable order, first variable first"),
        _c("optimal", BOOL, "The solver proved this value optimal"),
        _c("bound", F64, "Proved bound on the objective, where the solver gives one", nullable=True),
        _c("evaluations", I64, "Assignments sampled or sweeps done, as the solver counts", nullable=True),
        _c("mean_objective", F64, "Mean objective over feasible samples, for samplers", nullable=True),
        _c("seconds", F64, "Wall time of this run", "s", measured=True),
    ),
)

COMPARISONS = Table(
    name="comparisons",
    asset="baseline_comparisons",
    meaning="The verdict of an experiment on a backend against its baselines",
    key=("experiment", "backend", "instance"),
    order=("experiment", "backend", "instance"),
    columns=(
        EXPERIMENT,
        BACKEND,
        INSTANCE,
        _c("family", TEXT, "Problem family"),
        _c("sense", TEXT, "Better is more or less", words=("max", "min")),
        _c("n_variables", I32, "Variables of the instance", "variables"),
        _c("n_qubits", I32, "Variables of the kernel", "qubits"),
        _c("verdict", TEXT, "Who won, in one word", words=tuple(Verdict)),
        _c("reason", TEXT, "The verdict in one sentence"),
        _c("best_quantum", F64, "Best feasible objective over all runs, after the same post-processing", nullable=True),
        _c("best_quantum_raw", F64, "Best feasible objective as measured", nullable=True),
        _c("best_classical", F64, "Best feasible objective over all baselines", nullable=True),
        _c(
            "best_solver",
            TEXT,
            "Baseline with the best mean over runs, named first in a tie by speed order",
            nullable=True,
        ),
        _c("optimum", F64, "Proved optimum, where a solver proved it", nullable=True),
        _c("best_known", F64, "Best known objective, where the source states one", nullable=True),
        _c("reference", F64, "What ratios refer to: optimum, else best known, else best seen", nullable=True),
        _c(
            "ratio",
            F64,
            "Best quantum against reference, 1 is best; null where the reference is 0 or signs differ",
            nullable=True,
        ),
        _c("mean_ratio", F64, "Mean over runs of that ratio", nullable=True),
        _c("random_corrected_ratio", F64, "(quantum - random) / (reference - random), means over runs", nullable=True),
        _c("sample_ratio", F64, "Mean objective of raw shots at the best point against reference", nullable=True),
        _c("gain", F64, "Mean paired gain of quantum over the best baseline, positive is better", nullable=True),
        _c("gain_low", F64, "Lower 95 % bound of the gain, paired bootstrap over runs", nullable=True),
        _c("gain_high", F64, "Upper 95 % bound of the gain", nullable=True),
        _c("margin", F64, "Gain that counts as better, in units of the objective"),
        _c("runs", I32, "Paired runs"),
        _c("success_runs", I32, "Quantum runs that reached the reference"),
        _c("success_low", F64, "Lower 95 % Wilson bound of the success probability per run"),
        _c("success_high", F64, "Upper 95 % Wilson bound (rule of three where no run succeeded)"),
        _c(
            "shots_to_target_99",
            F64,
            "Shots to reach the reference once with 99 %; a lower bound if never reached",
            "shots",
            nullable=True,
        ),
        _c("target_reached", BOOL, "Some shot reached the reference"),
        _c("p_feasible", F64, "Share of raw shots that are feasible", nullable=True),
        _c("noise_like", BOOL, "No point beat random samples"),
        _c("kernel_optimum_reached", BOOL, "The quantum runs found the kernel's exact optimum"),
        _c("incumbent_objective", F64, "Objective known before anything quantum"),
        _c("kernel_optimum", F64, "The ceiling of this kernel"),
        _c("quantum_seconds", F64, "Time to the counts, all runs", "s", nullable=True, measured=True),
        _c(
            "seconds_to_target_99",
            F64,
            "Execution time to reach the reference once with 99 %; a lower bound if never reached",
            "s",
            nullable=True,
            measured=True,
        ),
        _c("classical_seconds", F64, "Mean time of the best baseline per run", "s", nullable=True, measured=True),
    ),
)

DECISIONS = Table(
    name="decisions",
    asset="decisions",
    meaning="What was decided after a verdict, and the answer that stands",
    key=("experiment", "backend", "instance"),
    order=("experiment", "backend", "instance"),
    columns=(
        EXPERIMENT,
        BACKEND,
        INSTANCE,
        _c("decision", TEXT, "What happens next", words=tuple(DecisionKind)),
        _c("reason", TEXT, "Why, in one sentence"),
        _c("round", I32, "Round that was decided on"),
        _c("next_experiment", TEXT, "Key of the next round, when continued", nullable=True),
        _c("next_specification", TEXT, "Specification of the next round as canonical JSON", nullable=True),
        _c("adjusted", TEXT, "What the next round changes, one sentence", nullable=True),
        _c("final_source", TEXT, "Where the standing answer comes from"),
        _c("final_objective", F64, "Objective of the standing answer", nullable=True),
        _c("final_feasible", BOOL, "It satisfies all constraints"),
        _c("final_assignment", TEXT, "0 and 1 in the instance's own variable order, first variable first"),
    ),
)

TRACKING_RUNS = Table(
    name="tracking_runs",
    asset="tracking_runs",
    meaning="Where the reproducibility record of an execution stands in MLflow",
    key=("experiment", "backend"),
    order=("experiment", "backend"),
    columns=(
        EXPERIMENT,
        BACKEND,
        _c("tracking_key", TEXT, "Deterministic look-up key, tag qhybrid.key of the run"),
        _c("mlflow_experiment", TEXT, "Name of the MLflow experiment"),
        _c("mlflow_run_id", TEXT, "MLflow's id; null while the record is spooled", nullable=True, measured=True),
        _c("spooled", BOOL, "The store was unavailable; the record waits in the spool", measured=True),
        _c("dagster_run_id", TEXT, "Dagster run that wrote the record", measured=True),
    ),
)

PROVENANCE = Table(
    name="provenance",
    asset="provenance",
    meaning="Everything that is needed to say why a number changed",
    key=("experiment", "backend"),
    order=("experiment", "backend"),
    columns=(
        EXPERIMENT,
        BACKEND,
        _c("job_id", TEXT, "Our id of the job, of the first one where there were several", nullable=True),
        _c("jobs", I32, "Jobs that the batch was split into"),
        _c("provider", TEXT, "Provider"),
        _c("ran_on", TEXT, "Backends that ran it, where it was rerouted others than asked for", nullable=True),
        _c("engine", TEXT, "Simulator engine or device that ran it", nullable=True),
        _c("engine_version", TEXT, "Its version", nullable=True, measured=True),
        _c("template_id", TEXT, "SHA-256 of the template", nullable=True),
        _c("payload_sha256", TEXT, "Hash of all that decides the result", nullable=True),
        _c(
            "compiled_sha256",
            TEXT,
            "SHA-256 of the circuit as compiled, where it was before the hand-over",
            nullable=True,
        ),
        _c("compiled_depth", I32, "Depth of the compiled circuit", "layers of gates", nullable=True),
        _c("compiled_two_qubit_gates", I32, "Two-qubit gates of the compiled circuit", "gates", nullable=True),
        _c(
            "result_sha256",
            TEXT,
            "SHA-256 of the raw result as received; of all of them in order where there were several jobs",
            nullable=True,
            measured=True,
        ),
        _c("instance_sha256", TEXT, "Content hash of the instance"),
        _c("calibration_id", TEXT, "Calibration of the device; null for ideal simulators", nullable=True),
        _c("calibrated_at", TIME, "When that calibration was measured; of several, the oldest", nullable=True),
        _c("shots", I32, "Shots per point and repetition", "shots", nullable=True),
        _c("seed", I64, "Root of every random choice"),
        _c("git_revision", TEXT, "Revision of this code, where it runs from a checkout", nullable=True, measured=True),
        _c("git_dirty", BOOL, "The checkout had uncommitted changes", nullable=True, measured=True),
        _c("packages", TEXT, "Versions of the packages that decide results, as JSON", measured=True),
        _c("packages_sha256", TEXT, "Hash of all installed packages with versions", measured=True),
        _c("python", TEXT, "Version of Python", measured=True),
        _c("platform", TEXT, "Operating system and processor", measured=True),
        _c(
            "queue_seconds",
            F64,
            "Time in the provider's queue; the longest of its jobs",
            "s",
            nullable=True,
            measured=True,
        ),
        _c("execute_seconds", F64, "Time on the device or simulator, over its jobs", "s", nullable=True, measured=True),
        _c("recorded_at", TIME, "When this row was written", measured=True),
    ),
)

CAPABILITIES = Table(
    name="capabilities",
    asset="backend_capabilities",
    meaning="What each backend can do, read from its provider: the matrix to compare backends by",
    key=("backend",),
    order=("backend",),
    columns=(
        BACKEND,
        _c("provider", TEXT, "Provider"),
        _c("reachable", BOOL, "The provider answered; if not, most of this row is null", measured=True),
        _c("problem", TEXT, "Why it could not be reached", nullable=True, measured=True),
        _c(
            "mode",
            TEXT,
            "What stands behind the name",
            nullable=True,
            words=("hardware", "simulator", "local-testing", "emulator"),
        ),
        _c("simulator", BOOL, "A simulator, not a device", nullable=True),
        _c("noisy", BOOL, "Results carry noise", nullable=True),
        _c("immediate", BOOL, "A job is done when it is acknowledged; otherwise it is collected later", nullable=True),
        _c("max_qubits", I32, "Widest circuit", "qubits", nullable=True),
        _c("min_shots", I64, "Fewest shots per point and repetition", "shots", nullable=True),
        _c("max_shots", I64, "Most shots per point and repetition", "shots", nullable=True),
        _c("max_circuits_per_job", I32, "Most bound circuits in one job", nullable=True),
        _c("max_executions_per_job", I64, "Most circuits x shots in one job; null without such a limit", nullable=True),
        _c("native_gates", pa.list_(TEXT), "Gates that need no decomposition", nullable=True),
        _c("parametric", BOOL, "Takes a template and bindings; otherwise every circuit in full", nullable=True),
        _c(
            "dedupe",
            TEXT,
            "How a repeated submission is recognised",
            nullable=True,
            words=("token", "tag_lookup", "none"),
        ),
        _c(
            "listing_lag_seconds", F64, "How late an accepted job may appear in the provider's list", "s", nullable=True
        ),
        _c("states", pa.list_(TEXT), "States of our life cycle that it reports", nullable=True),
        _c("engines", pa.list_(TEXT), "Engines behind it, in order of preference", nullable=True),
        _c("sdks", TEXT, "Ways to reach it", nullable=True),
        _c("queue", TEXT, "How its queue behaves", nullable=True),
        _c("observability", TEXT, "What it tells about a job's life", nullable=True),
        _c("security", TEXT, "How callers are authenticated", nullable=True),
        _c("integration", TEXT, "What it takes to use it", nullable=True),
        _c("online", BOOL, "It took jobs when it was looked at", nullable=True, measured=True),
        _c("queued_jobs", I64, "Jobs that waited then, where it says so", nullable=True, measured=True),
        _c("queue_seconds", F64, "How long a new job would have waited then", "s", nullable=True, measured=True),
    ),
)

CALIBRATIONS = Table(
    name="calibrations",
    asset="backend_calibrations",
    meaning="Every calibration that was seen, one row each: how good a device was, and when",
    key=("backend", "calibration_id"),
    order=("backend", "measured_at", "calibration_id"),
    columns=(
        BACKEND,
        _c("calibration_id", TEXT, "The provider's id of it, or one made of its content"),
        _c("measured_at", TIME, "When the device was measured", measured=True),
        _c("fetched_at", TIME, "When we first saw it", measured=True),
        _c("qubits", I32, "Qubits of the device that it describes", "qubits", nullable=True),
        _c("t1_us", F64, "Median relaxation time T1", "us", nullable=True, measured=True),
        _c("t2_us", F64, "Median dephasing time T2", "us", nullable=True, measured=True),
        _c("one_qubit_error", F64, "Median error of one-qubit gates", nullable=True, measured=True),
        _c("two_qubit_error", F64, "Median error of two-qubit gates", nullable=True, measured=True),
        _c("readout_error", F64, "Median error of preparing and reading a qubit", nullable=True, measured=True),
        _c("payload", TEXT, "All that the provider says about it, as JSON", measured=True),
    ),
)

JOBS = Table(
    name="jobs",
    asset="ledger",
    meaning="Every job in the ledger, paid or free",
    key=("job_id",),
    order=("experiment", "backend", "job_id"),
    columns=(
        JOB_ID,
        EXPERIMENT,
        _c("backend", TEXT, "Backend that it runs on, as provider:backend"),
        _c("requested_backend", TEXT, "Backend that was asked for; another one where the work was rerouted"),
        _c("provider", TEXT, "Provider"),
        _c("provider_job_id", TEXT, "The provider's id", nullable=True, measured=True),
        _c("token", TEXT, "Idempotency key of the last attempt"),
        _c("state", TEXT, "State in our life cycle", words=tuple(JobState)),
        _c("attempt", I32, "Attempts to submit, from 1"),
        TIER,
        _c("priority", I32, "0 is normal, higher goes first"),
        _c("principal", TEXT, "Who asked for it", measured=True),
        _c("approved_by", TEXT, "The person who agreed, where one had to", nullable=True, measured=True),
        _c("environment", TEXT, "dev, test or prod", measured=True),
        _c("data_class", TEXT, "How sensitive the data behind the circuits is, in the policy's words"),
        _c("correlation_id", TEXT, "What all jobs and log lines of one execution share"),
        _c("engine", TEXT, "Engine or device that ran it", nullable=True),
        _c("payload_sha256", TEXT, "Hash of all that decides the result"),
        _c("circuits", I64, "Bound circuits: points x repetitions"),
        _c("shots", I64, "Shots over all points and repetitions", "shots"),
        _c("cost_quoted_usd", F64, "Highest quoted cost", "USD", minimum=0),
        _c("cost_usd", F64, "Cost that the provider reported", "USD", nullable=True),
        _c("result_sha256", TEXT, "SHA-256 of the raw result as received", nullable=True, measured=True),
        _c("created_at", TIME, "When the intent was written", measured=True),
        _c("updated_at", TIME, "Last change", measured=True),
        _c("deadline_at", TIME, "When its result is no longer waited for", nullable=True, measured=True),
        _c("rerouted_to", TEXT, "Job that took its work over on another backend", nullable=True),
        _c("error", TEXT, "What went wrong, when something did", nullable=True),
    ),
)

JOB_EVENTS = Table(
    name="job_events",
    asset="ledger",
    meaning="The life of every job, one row per event; append-only and hash-chained in the ledger",
    key=("job_id", "sequence"),
    order=("job_id", "sequence"),
    columns=(
        JOB_ID,
        _c("sequence", I64, "Order of the events of one job, from 1", minimum=1),
        _c("event", TEXT, "JobPlanned, JobSubmitted, JobQueued, JobStarted, JobCompleted, JobFetched, JobFailed, ..."),
        _c("from_state", TEXT, "State before", nullable=True),
        _c("to_state", TEXT, "State after"),
        _c("at", TIME, "The provider's timestamp where there is one, otherwise when we saw it", measured=True),
        _c("observed_at", TIME, "When we saw it", measured=True),
        _c("clock", TEXT, "Whose clock `at` is", words=("vendor", "observed")),
        _c("raw_status", TEXT, "The provider's own word", nullable=True),
        _c("detail", TEXT, "Further facts as JSON", nullable=True, measured=True),
    ),
)

LATENCY = Table(
    name="latency",
    asset="ledger",
    meaning="Where the time of a job went: the five components, from event timestamps",
    key=("job_id",),
    order=("job_id",),
    columns=(
        JOB_ID,
        _c(
            "network_seconds",
            F64,
            "Client to orchestrator: request seen until the intent was written, without compilation",
            "s",
            nullable=True,
            measured=True,
        ),
        _c(
            "orchestration_seconds",
            F64,
            "Intent written until handed to the provider, without compilation",
            "s",
            nullable=True,
            measured=True,
        ),
        _c(
            "compile_seconds",
            F64,
            "Compilation, before the hand-over or within the run",
            "s",
            nullable=True,
            measured=True,
        ),
        _c("queue_seconds", F64, "Provider's queue", "s", nullable=True, measured=True),
        _c("execute_seconds", F64, "On the device or simulator", "s", nullable=True, measured=True),
        _c("fetch_seconds", F64, "Completion until the result was stored", "s", nullable=True, measured=True),
        _c(
            "application_seconds",
            F64,
            "Our share: network, orchestration, compilation, fetch",
            "s",
            nullable=True,
            measured=True,
        ),
        _c("provider_seconds", F64, "The provider's share: queue and execution", "s", nullable=True, measured=True),
    ),
)

COSTS = Table(
    name="costs",
    asset="ledger",
    meaning="What each job was quoted, reported and reconciled at",
    key=("job_id",),
    order=("job_id",),
    columns=(
        JOB_ID,
        EXPERIMENT,
        BACKEND,
        _c("quoted_usd", F64, "Highest quoted cost, before submission", "USD", minimum=0),
        _c("reported_usd", F64, "Cost that the provider reported", "USD", nullable=True),
        _c("reconciled_usd", F64, "Cost after reconciliation", "USD", nullable=True),
        _c("budget_usd", F64, "What the experiment may spend", "USD"),
        _c("price_source", TEXT, "Where the quote comes from"),
    ),
)

_MODEL = _c("model", TEXT, "Name of the model: a circuit, a classical baseline or a control")
_SIDE = _c("side", TEXT, "What kind of model it is", words=("quantum", "twin", "baseline", "control"))
_INPUTS = _c("inputs", TEXT, "Features it was given", words=("reduced", "all"))
_REPEAT = _c("repeat", I32, "Repeat of the cross-validation, from 0", minimum=0)
_FOLD = _c("fold", I32, "Fold of the repeat, from 0", minimum=0)
_PURPOSE = _c("purpose", TEXT, "What the training is for", words=("comparison", "learning_curve"))
_TRAIN_ROWS = _c("train_rows", I32, "Rows of the final fit", "rows", minimum=1)
_DATA_ROW = _c("row", I32, "Number of the row in the data set, from 0", minimum=0)
_TRUTH = _c("truth", I32, "Its class index", minimum=0)
_PREDICTED = _c("predicted", I32, "The class index that the model says", minimum=0)
_DECISION = _c("decision", F64, "Score that grows with class 1; null for more than two classes", nullable=True)
_MEASURED_ON = _c(
    "backend", TEXT, "Backend of measured circuits; null for exact expectations and classical models", nullable=True
)
_SHOTS_PER_ROW = _c(
    "shots", I32, "Shots per test row; null for exact expectations and classical models", "shots", nullable=True
)
_METRIC = _c("metric", TEXT, "What is measured", words=("accuracy", "balanced_accuracy", "roc_auc", "log_loss"))

QML_DATASETS = Table(
    name="qml_datasets",
    asset="qml_datasets",
    meaning="The data set of a learning experiment: its content hash and its card",
    key=("experiment",),
    order=("experiment",),
    columns=(
        EXPERIMENT,
        _c("dataset", TEXT, "sklearn:NAME or the file's name"),
        _c("digest", TEXT, "SHA-256 over names, values and labels, the same for CSV and Parquet"),
        _c("rows", I32, "Rows that are used", "rows"),
        _c("columns", I32, "Feature columns", "columns"),
        _c("n_classes", I32, "Classes"),
        _c("classes", TEXT, "JSON: class name and its rows, in the order of the class indices"),
        _c("majority_share", F64, "Share of rows in the largest class"),
        _c("duplicate_rows", I32, "Rows whose features stand in an earlier row too", "rows"),
        _c("ranges", TEXT, "JSON: per column its name, minimum, maximum, mean and deviation"),
        _c("source", TEXT, "Where the rows come from"),
        _c("licence", TEXT, "Under which terms"),
        _c("notes", TEXT, "JSON: what was done on the way in"),
        _c("limits", TEXT, "JSON: what the data cannot tell"),
    ),
)

QML_FOLDS = Table(
    name="qml_folds",
    asset="qml_features",
    meaning="The fold indices, the same for every model: which row does what in which fold",
    key=("experiment", "repeat", "fold", "row"),
    order=("experiment", "repeat", "fold", "row"),
    columns=(
        EXPERIMENT,
        _REPEAT,
        _FOLD,
        _DATA_ROW,
        _c("role", TEXT, "What the row does in this fold", words=("train", "validation", "test")),
    ),
)

_ONE_TRAINING = ("experiment", "model", "inputs", "repeat", "fold", "purpose", "train_rows")

QML_RUNS = Table(
    name="qml_runs",
    asset="qml_training",
    meaning="One row per trained model: its settings, how they were found, and the model itself",
    key=_ONE_TRAINING,
    order=_ONE_TRAINING,
    columns=(
        EXPERIMENT,
        _MODEL,
        _SIDE,
        _INPUTS,
        _REPEAT,
        _FOLD,
        _PURPOSE,
        _TRAIN_ROWS,
        _c("test_rows", I32, "Rows of the test fold", "rows"),
        _c("seed", I64, "Seed of the final fit"),
        _c("settings", TEXT, "JSON: the settings that won"),
        _c("trials", I32, "Settings tried, the same number for every model that has any"),
        _c("trial_scores", TEXT, "JSON: per trial its settings and validation score; null where training failed"),
        _c("validation_score", F64, "Of the settings that won, larger is better; null without tuning", nullable=True),
        _c("converged", BOOL, "The final fit ended by its own rule, not by its limit of steps"),
        _c("iterations", I32, "Steps of the final fit, where it counts them", nullable=True),
        _c("reduction", TEXT, "JSON: the feature chain, fitted on the training rows of this fold"),
        _c("template", TEXT, "Id of the circuit's template; null for classical models and kernels", nullable=True),
        _c("saved_model", TEXT, "JSON: the fitted model, to be loaded back; null for classical models", nullable=True),
        _c("fit_seconds", F64, "Time of the final fit", "s", measured=True),
        _c("tuning_seconds", F64, "Time of all trials", "s", measured=True),
    ),
)

QML_ITERATIONS = Table(
    name="qml_iterations",
    asset="qml_iterations",
    meaning="One row per step of every final training of a circuit",
    key=("experiment", "model", "inputs", "repeat", "fold", "iteration"),
    order=("experiment", "model", "inputs", "repeat", "fold", "iteration"),
    columns=(
        EXPERIMENT,
        _MODEL,
        _INPUTS,
        _REPEAT,
        _FOLD,
        _c("iteration", I32, "Step, from 1", minimum=1),
        _c("epoch", I32, "Pass over the training rows, from 0", minimum=0),
        _c("loss", F64, "Mean cross-entropy of the step's rows, before the step", "nats"),
        _c("gradient_norm", F64, "Euclidean norm of its gradient"),
        _c("seconds", F64, "Time of the step", "s", measured=True),
    ),
)

QML_PREDICTIONS = Table(
    name="qml_predictions",
    asset="qml_predictions",
    meaning="What every model says about every row of its test folds; circuits by their exact expectations",
    key=(*_ONE_TRAINING, "row"),
    order=(*_ONE_TRAINING, "row"),
    columns=(
        EXPERIMENT,
        _MODEL,
        _SIDE,
        _INPUTS,
        _REPEAT,
        _FOLD,
        _PURPOSE,
        _TRAIN_ROWS,
        _DATA_ROW,
        _TRUTH,
        _PREDICTED,
        _c("probabilities", pa.list_(F64), "Per class; null where the model gives none", nullable=True),
        _DECISION,
    ),
)

QML_SUBMISSIONS = Table(
    name="qml_submissions",
    asset="qml_submissions",
    meaning="The jobs in the ledger that measure trained circuits on the test rows, one row per part of a batch",
    key=("experiment", "backend", "model", "shots", "part"),
    order=("experiment", "backend", "model", "shots", "part"),
    columns=(
        EXPERIMENT,
        BACKEND,
        _MODEL,
        _c("shots", I32, "Shots per circuit", "shots", minimum=1),
        *SUBMISSIONS.columns[2:],
    ),
)

QML_MEASUREMENTS = Table(
    name="qml_measurements",
    asset="qml_measurements",
    meaning="What trained circuits measured on a backend, one row per test row",
    key=("experiment", "backend", "model", "shots", "repeat", "fold", "row"),
    order=("experiment", "backend", "model", "shots", "repeat", "fold", "row"),
    columns=(
        EXPERIMENT,
        BACKEND,
        _MODEL,
        _c("shots", I32, "Shots per test row", "shots", minimum=1),
        _REPEAT,
        _FOLD,
        _DATA_ROW,
        _TRUTH,
        _PREDICTED,
        _c("probabilities", pa.list_(F64), "Per class"),
        _DECISION,
        _c("expectations", pa.list_(F64), "Measured <Z> of every qubit"),
    ),
)

QML_GRADIENTS = Table(
    name="qml_gradients",
    asset="qml_gradients",
    meaning="The gradient of the loss on training rows of the first fold, by parameter shift on a backend, and exactly",
    key=("experiment", "backend", "model", "shots", "parameter"),
    order=("experiment", "backend", "model", "shots", "parameter"),
    columns=(
        EXPERIMENT,
        BACKEND,
        _MODEL,
        _c("shots", I32, "Shots per circuit", "shots", minimum=1),
        _c("parameter", I32, "Index of the parameter: weights, readout, bias", minimum=0),
        _c("rows", I32, "Training rows that the loss is a mean over", "rows", minimum=1),
        _c("measured", F64, "Slope that the backend measured"),
        _c("exact", F64, "Slope computed exactly"),
    ),
)

_ONE_SCORE = (
    "experiment",
    "side",
    "model",
    "inputs",
    "backend",
    "shots",
    "purpose",
    "train_rows",
    "repeat",
    "fold",
    "metric",
)

QML_SCORES = Table(
    name="qml_scores",
    asset="qml_scores",
    meaning="One metric of one model on one test fold, exact or measured",
    key=_ONE_SCORE,
    order=_ONE_SCORE,
    columns=(
        EXPERIMENT,
        _MODEL,
        _SIDE,
        _INPUTS,
        _MEASURED_ON,
        _SHOTS_PER_ROW,
        _REPEAT,
        _FOLD,
        _PURPOSE,
        _TRAIN_ROWS,
        _c("test_rows", I32, "Rows of the test fold", "rows"),
        _METRIC,
        _c("value", F64, "Its value; null where the model gives no such score", nullable=True),
    ),
)

QML_SUMMARIES = Table(
    name="qml_summaries",
    asset="qml_summaries",
    meaning="Mean of one metric over all test folds, with an interval that knows that folds share rows",
    key=("experiment", "side", "model", "inputs", "backend", "shots", "metric"),
    order=("experiment", "side", "model", "inputs", "backend", "shots", "metric"),
    columns=(
        EXPERIMENT,
        _MODEL,
        _SIDE,
        _INPUTS,
        _MEASURED_ON,
        _SHOTS_PER_ROW,
        _METRIC,
        _c("folds", I32, "Test folds in all repeats"),
        _c("mean", F64, "Mean over the folds"),
        _c("low", F64, "Lower 95 % bound of the mean, corrected after Nadeau and Bengio", nullable=True),
        _c("high", F64, "Upper 95 % bound", nullable=True),
    ),
)

QML_VERDICTS = Table(
    name="qml_verdicts",
    asset="qml_evaluation",
    meaning="One circuit against the best classical baseline on the same folds",
    key=("experiment", "model", "backend", "shots", "scope"),
    order=("experiment", "model", "backend", "shots", "scope"),
    columns=(
        EXPERIMENT,
        _MODEL,
        _SIDE,
        _MEASURED_ON,
        _SHOTS_PER_ROW,
        _METRIC,
        _c("scope", TEXT, "Against baselines on all features too, or on the same ones only", words=("all", "reduced")),
        _c("baseline", TEXT, "The best baseline by mean score", nullable=True),
        _c("baseline_inputs", TEXT, "Features that it was given", nullable=True),
        _c("folds", I32, "Test folds in all repeats"),
        _c("model_mean", F64, "Mean score of the circuit", nullable=True),
        _c("baseline_mean", F64, "Mean score of the baseline", nullable=True),
        _c("gain", F64, "Mean paired gain over the baseline, positive is good also for log_loss", nullable=True),
        _c("low", F64, "Lower 95 % bound of the gain, corrected after Nadeau and Bengio", nullable=True),
        _c("high", F64, "Upper 95 % bound of the gain", nullable=True),
        _c("margin", F64, "Gain that counts as better"),
        _c("p_value", F64, "One-sided, of a gain no larger than the margin", nullable=True),
        _c("p_adjusted", F64, "The same after Holm, over all circuits, backends and shots of a scope", nullable=True),
        _c("twin_gain", F64, "Gain over the twin without entanglement, measured alike", nullable=True),
        _c("twin_low", F64, "Lower 95 % bound of that", nullable=True),
        _c("twin_high", F64, "Upper 95 % bound of that", nullable=True),
        _c("verdict", TEXT, "Who won, in one word", words=tuple(Verdict)),
        _c("reason", TEXT, "The verdict in a sentence or two"),
    ),
)

QML_TRACKING = Table(
    name="qml_tracking",
    asset="qml_tracking",
    meaning="Where the records of a learning experiment stand in MLflow: the experiment, and each model, fold and seed",
    key=("experiment", "tracking_key"),
    order=("experiment", "tracking_key"),
    columns=(
        EXPERIMENT,
        _c("tracking_key", TEXT, "Deterministic look-up key, tag qhybrid.key of the run"),
        _c("model", TEXT, "Name of the model; null for the experiment's own run", nullable=True),
        _c("inputs", TEXT, "Features it was given", nullable=True),
        _c("repeat", I32, "Repeat of the cross-validation", nullable=True),
        _c("fold", I32, "Fold of the repeat", nullable=True),
        *TRACKING_RUNS.columns[3:],
    ),
)

#: Tables of learning experiments, in the order of the data's way.
LEARNING_TABLES: tuple[Table, ...] = (
    QML_DATASETS,
    QML_FOLDS,
    QML_RUNS,
    QML_ITERATIONS,
    QML_PREDICTIONS,
    QML_SUBMISSIONS,
    QML_MEASUREMENTS,
    QML_GRADIENTS,
    QML_SCORES,
    QML_SUMMARIES,
    QML_VERDICTS,
    QML_TRACKING,
)

#: Tables that Dagster assets write into the lake.
LAKE_TABLES: tuple[Table, ...] = (
    EXPERIMENTS,
    INSTANCES,
    FEATURES,
    KERNELS,
    SWEEP_POINTS,
    CIRCUIT_BATCHES,
    SUBMISSIONS,
    COUNTS,
    POINT_SCORES,
    SOLUTIONS,
    BASELINES,
    COMPARISONS,
    DECISIONS,
    TRACKING_RUNS,
    PROVENANCE,
    CAPABILITIES,
    CALIBRATIONS,
    *LEARNING_TABLES,
)

#: Tables that the ledger exports when the warehouse is built.
LEDGER_TABLES: tuple[Table, ...] = (JOBS, JOB_EVENTS, LATENCY, COSTS)

#: Everything an analyst finds in the warehouse, in the order of the data's way.
TABLES: tuple[Table, ...] = (
    *LAKE_TABLES[:7],
    *LEDGER_TABLES,
    *LAKE_TABLES[7:],
)

BY_ASSET = {table.asset: table for table in LAKE_TABLES}
