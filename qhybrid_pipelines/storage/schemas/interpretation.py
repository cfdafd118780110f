"""Tables of the stage INTERPRET, from scores to the records of a run: one partition per backend and experiment."""

from __future__ import annotations

from qhybrid_pipelines.core.vocabulary.verdicts import DecisionKind, Verdict
from qhybrid_pipelines.storage.schemas.descriptions import (
    BACKEND,
    BOOL,
    BYTES,
    EXPERIMENT,
    F64,
    I32,
    I64,
    INSTANCE,
    POINT,
    REPETITION,
    TEXT,
    TIME,
    U64,
    Table,
    column,
)

POINT_SCORES = Table(
    name="point_scores",
    meaning="Summary per point and repetition, so that dashboards never scan counts",
    key=("experiment", "backend", "point", "repetition"),
    columns=(
        EXPERIMENT,
        BACKEND,
        INSTANCE,
        POINT,
        REPETITION,
        column("shots", I64, "Shots", "shots"),
        column("distinct_outcomes", I32, "Distinct outcomes"),
        column("mean_energy", F64, "Mean energy of the reduced model over shots"),
        column("min_energy", F64, "Lowest energy seen"),
        column("argmin_bits", U64, "Outcome of the lowest energy; the smallest one if several"),
        column("argmin_high_bits", BYTES, "Its bits above 63, little-endian; null for widths up to 64", nullable=True),
        column("p_feasible", F64, "Share of shots that are feasible in the instance as measured"),
        column("mean_objective", F64, "Mean objective over feasible shots", nullable=True),
        column("best_objective", F64, "Best objective of a feasible shot as measured", nullable=True),
        column(
            "p_reduced_model_optimum",
            F64,
            "Share of shots at the reduced model's lowest energy; where that is not proved, at or below the lowest that was known before",
        ),
        column(
            "noise_like",
            BOOL,
            "The mean energy does not beat the 99.9 % quantile of means of random samples; or all shots gave one outcome, not the optimum",
        ),
    ),
)

SCORED_SOLUTIONS = Table(
    name="scored_solutions",
    meaning="Scored assignments of the instance: the best of every run, and the best over all runs",
    key=("experiment", "backend", "instance", "source", "repetition", "rank"),
    columns=(
        EXPERIMENT,
        BACKEND,
        INSTANCE,
        column("source", TEXT, "quantum, quantum+repair or quantum+local_search: what was done after measuring"),
        REPETITION,
        column("rank", I32, "1 is the best of this run and source", minimum=1),
        column("point", I32, "Point at which it was measured"),
        column("bits", U64, "Outcome of the reduced model as measured"),
        column("high_bits", BYTES, "Its bits above 63, little-endian; null for widths up to 64", nullable=True),
        column("count", I64, "How often that outcome was measured in this run", "shots"),
        column("objective", F64, "Objective in the family's own units, recomputed on the original instance"),
        column("feasible", BOOL, "All constraints of the original instance hold"),
        column("violation", TEXT, "First violated constraint, empty when feasible"),
        column("assignment", TEXT, "0 and 1 in the instance's own variable order, first variable first"),
        column("improves_incumbent", BOOL, "Feasible and better than the assignment known before"),
    ),
)

BASELINE_COMPARISONS = Table(
    name="baseline_comparisons",
    meaning="The verdict of an experiment on a backend against its baselines",
    key=("experiment", "backend", "instance"),
    columns=(
        EXPERIMENT,
        BACKEND,
        INSTANCE,
        column("family", TEXT, "Problem family"),
        column("sense", TEXT, "Better is more or less, of the objectives in this table", words=("max", "min")),
        column(
            "source_sense",
            TEXT,
            "The same of the source. Where that is max and `sense` is min, objectives here are the negative of what a person is shown; "
            "null from a release that did not note it",
            words=("max", "min"),
            nullable=True,
        ),
        column("n_variables", I32, "Variables of the instance", "variables"),
        column("n_qubits", I32, "Variables of the reduced model", "qubits"),
        column("verdict", TEXT, "Who won, in one word", words=tuple(Verdict)),
        column("reason", TEXT, "The verdict in one sentence"),
        column(
            "best_quantum", F64, "Best feasible objective over all runs, after the same post-processing", nullable=True
        ),
        column("best_quantum_raw", F64, "Best feasible objective as measured", nullable=True),
        column("best_classical", F64, "Best feasible objective over all baselines", nullable=True),
        column(
            "best_solver",
            TEXT,
            "Baseline with the best mean over runs, named first in a tie by speed order",
            nullable=True,
        ),
        column("optimum", F64, "Proved optimum, where a solver proved it", nullable=True),
        column("best_known", F64, "Best known objective, where the source states one", nullable=True),
        column("reference", F64, "What ratios refer to: optimum, else best known, else best seen", nullable=True),
        column(
            "ratio",
            F64,
            "Best quantum against reference, 1 is best; null where the reference is 0 or signs differ",
            nullable=True,
        ),
        column("mean_ratio", F64, "Mean over runs of that ratio", nullable=True),
        column(
            "random_corrected_ratio", F64, "(quantum - random) / (reference - random), means over runs", nullable=True
        ),
        column(
            "random_corrected_low",
            F64,
            "Lower 95 % bound of it, bootstrap over runs with random's mean as known; null for a single run",
            nullable=True,
        ),
        column("random_corrected_high", F64, "Upper 95 % bound of it", nullable=True),
        column("sample_ratio", F64, "Mean objective of raw shots at the best point against reference", nullable=True),
        column("random_sample_ratio", F64, "The same of uniform random shots", nullable=True),
        column("gain", F64, "Mean paired gain of quantum over the best baseline, positive is better", nullable=True),
        column("gain_low", F64, "Lower 95 % bound of the gain, paired bootstrap over runs", nullable=True),
        column("gain_high", F64, "Upper 95 % bound of the gain", nullable=True),
        column("margin", F64, "Gain that counts as better, in units of the objective"),
        column("runs", I32, "Paired runs"),
        column("success_runs", I32, "Quantum runs that reached the reference"),
        column("success_low", F64, "Lower 95 % Wilson bound of the success probability per run"),
        column("success_high", F64, "Upper 95 % Wilson bound (rule of three where no run succeeded)"),
        column(
            "shots_to_target_99",
            F64,
            "Shots to reach the reference once with 99 %; a lower bound if never reached; null for a hybrid solver, which has no shots",
            "shots",
            nullable=True,
        ),
        column("target_reached", BOOL, "Some shot reached the reference"),
        column("p_feasible", F64, "Share of raw shots that are feasible", nullable=True),
        column(
            "p_optimum",
            F64,
            "Share of raw shots at the reduced model's lowest energy, all points; null for a hybrid solver",
            nullable=True,
        ),
        column("p_optimum_low", F64, "Lower 95 % Wilson bound of it, over all shots", nullable=True),
        column(
            "p_optimum_high",
            F64,
            "Upper 95 % Wilson bound of it (rule of three where no shot was there)",
            nullable=True,
        ),
        column("random_p_optimum", F64, "The same of uniform random shots, exact", nullable=True),
        column(
            "optimised_expectation",
            F64,
            "Exact mean energy of the reduced model at the optimised angles of this depth, without noise; null where none "
            "were optimised",
            nullable=True,
        ),
        column("depth_reason", TEXT, "Why this depth, where it was chosen by the backend's gate errors", nullable=True),
        column(
            "reached_expectation", F64, "Lowest mean energy of the raw shots of a point, over all runs", nullable=True
        ),
        column(
            "random_shots_to_target_99",
            F64,
            "Uniform random shots to reach the reference once with 99 %; null where no shot of the circuit reached it",
            "shots",
            nullable=True,
        ),
        column("noise_like", BOOL, "No point beat random samples, or all shots of each gave one outcome"),
        column(
            "reduced_model_optimum_reached",
            BOOL,
            "The quantum runs found the reduced model's exact optimum; null where it is not proved",
            nullable=True,
        ),
        column("incumbent_objective", F64, "Objective known before anything quantum"),
        column("reduced_model_optimum", F64, "The ceiling of this reduced model"),
        column("quantum_seconds", F64, "Time to the counts, all runs", "s", nullable=True, measured=True),
        column(
            "seconds_to_target_99",
            F64,
            "Execution time to reach the reference once with 99 %; a lower bound if never reached",
            "s",
            nullable=True,
            measured=True,
        ),
        column("classical_seconds", F64, "Mean time of the best baseline per run", "s", nullable=True, measured=True),
    ),
)

DECISIONS = Table(
    name="decisions",
    meaning="What was decided after a verdict, and the current answer",
    key=("experiment", "backend", "instance"),
    columns=(
        EXPERIMENT,
        BACKEND,
        INSTANCE,
        column("decision", TEXT, "What happens next", words=tuple(DecisionKind)),
        column("reason", TEXT, "Why, in one sentence"),
        column("round", I32, "Round that was decided on"),
        column("next_experiment", TEXT, "Key of the next round, when continued", nullable=True),
        column("next_specification", TEXT, "Specification of the next round as canonical JSON", nullable=True),
        column("adjusted", TEXT, "What the next round changes, one sentence", nullable=True),
        column("final_source", TEXT, "Where the current answer comes from"),
        column("final_objective", F64, "Objective of the current answer", nullable=True),
        column("final_feasible", BOOL, "It satisfies all constraints"),
        column("final_assignment", TEXT, "0 and 1 in the instance's own variable order, first variable first"),
    ),
)

TRACKING_RUNS = Table(
    name="tracking_runs",
    meaning="Where an execution's reproducibility record is in MLflow",
    key=("experiment", "backend"),
    columns=(
        EXPERIMENT,
        BACKEND,
        column("tracking_key", TEXT, "Deterministic look-up key, tag qhybrid.key of the run"),
        column("mlflow_experiment", TEXT, "Name of the MLflow experiment"),
        column("mlflow_run_id", TEXT, "MLflow's id; null while the record is spooled", nullable=True, measured=True),
        column("spooled", BOOL, "The store was unavailable; the record waits in the spool", measured=True),
        column("dagster_run_id", TEXT, "Dagster run that wrote the record", measured=True),
    ),
)

PROVENANCE = Table(
    name="provenance",
    meaning="Everything that is needed to say why a number changed",
    key=("experiment", "backend"),
    columns=(
        EXPERIMENT,
        BACKEND,
        column("job_id", TEXT, "Our id of the job, of the first one where there were several", nullable=True),
        column("jobs", I32, "Jobs that the batch was split into"),
        column("provider", TEXT, "Provider"),
        column("ran_on", TEXT, "Backends that ran it, where it was rerouted others than asked for", nullable=True),
        column("engine", TEXT, "Simulator engine or device that ran it", nullable=True),
        column("engine_version", TEXT, "Its version", nullable=True, measured=True),
        column("template_id", TEXT, "SHA-256 of the template", nullable=True),
        column("payload_sha256", TEXT, "Hash of all that decides the result", nullable=True),
        column(
            "compiled_sha256",
            TEXT,
            "SHA-256 of the circuit as compiled, where it was before the hand-over",
            nullable=True,
        ),
        column("compiled_depth", I32, "Depth of the compiled circuit", "layers of gates", nullable=True),
        column("compiled_two_qubit_gates", I32, "Two-qubit gates of the compiled circuit", "gates", nullable=True),
        column(
            "result_sha256",
            TEXT,
            "SHA-256 of the raw result as received; of all of them in order where there were several jobs",
            nullable=True,
            measured=True,
        ),
        column("instance_sha256", TEXT, "Content hash of the instance"),
        column("calibration_id", TEXT, "Calibration of the device; null for ideal simulators", nullable=True),
        column("calibrated_at", TIME, "When that calibration was measured; of several, the oldest", nullable=True),
        column("shots", I32, "Shots per point and repetition", "shots", nullable=True),
        column("seed", I64, "Root of every random choice"),
        column(
            "git_revision", TEXT, "Revision of this code, where it runs from a checkout", nullable=True, measured=True
        ),
        column("git_dirty", BOOL, "The checkout had uncommitted changes", nullable=True, measured=True),
        column("packages", TEXT, "Versions of the packages that decide results, as JSON", measured=True),
        column("packages_sha256", TEXT, "Hash of all installed packages with versions", measured=True),
        column("python", TEXT, "Version of Python", measured=True),
        column("platform", TEXT, "Operating system and processor", measured=True),
        column(
            "queue_seconds",
            F64,
            "Time in the provider's queue; the longest of its jobs",
            "s",
            nullable=True,
            measured=True,
        ),
        column(
            "execute_seconds", F64, "Time on the device or simulator, over its jobs", "s", nullable=True, measured=True
        ),
        column("recorded_at", TIME, "When this row was written", measured=True),
    ),
)
