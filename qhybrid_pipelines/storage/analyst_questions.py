"""Questions that analysts ask, as SQL: the one source of docs/questions.md and notebooks/analyst_questions.ipynb.

python -m qhybrid_pipelines.storage.analyst_questions         writes both
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from qhybrid_pipelines.storage.manager_questions import MANAGER_QUESTIONS
from qhybrid_pipelines.storage.question import Question

PAGE = Path("docs/questions.md")
NOTEBOOK = Path("notebooks/analyst_questions.ipynb")


QUESTIONS: tuple[Question, ...] = (
    Question(
        title="Why did a number change?",
        sql="""
WITH facts AS (
    UNPIVOT (
        SELECT experiment, backend, instance_sha256, recorded_at, coalesce(COLUMNS(* EXCLUDE (
                   experiment, backend, instance_sha256, recorded_at, job_id, queue_seconds, execute_seconds,
                   packages, packages_sha256
               ))::VARCHAR, 'none')
        FROM provenance
        JOIN (SELECT experiment, ansatz, layers, sweep, points, repetitions, round FROM experiments) USING (experiment)
    ) ON * EXCLUDE (experiment, backend, instance_sha256, recorded_at) INTO NAME fact VALUE value
    UNION ALL
    SELECT experiment, backend, instance_sha256, recorded_at, 'package ' || package,
           json_extract_string(packages, '$."' || package || '"')
    FROM (SELECT *, unnest(json_keys(packages)) AS package FROM provenance)
),
pairs AS (
    SELECT *, lag(experiment) OVER earlier AS before, lag(value) OVER earlier AS value_before
    FROM facts
    WINDOW earlier AS (PARTITION BY instance_sha256, backend, fact ORDER BY recorded_at, experiment)
)
SELECT new.instance, p.backend, p.before, p.experiment AS after, old.mean_ratio AS ratio_before,
       new.mean_ratio AS ratio_after, p.fact, p.value_before, p.value AS value_after
FROM pairs p
JOIN baseline_comparisons old ON old.experiment = p.before AND old.backend = p.backend
JOIN baseline_comparisons new ON new.experiment = p.experiment AND new.backend = p.backend
WHERE p.value <> p.value_before
ORDER BY new.instance, p.backend, p.experiment, p.fact
""",
        reading="Every execution is compared with the one before it on the same instance and backend; a row is one fact "
        "that differs. A new `calibration_id` with the same `template_id` points to the hardware, a new `layers` or "
        "`sweep` to the algorithm, a new `engine_version` or `package …` to the software. The same `payload_sha256` with "
        "another `result_sha256` was asked for twice and answered differently.",
    ),
    Question(
        title="Who won, per family?",
        sql="""
SELECT family, verdict, count(*) AS executions, round(avg(mean_ratio), 4) AS mean_ratio,
       string_agg(DISTINCT best_solver, ', ' ORDER BY best_solver) AS best_solvers
FROM verdicts
WHERE kind <> 'sampling'
GROUP BY family, verdict
ORDER BY family, executions DESC, verdict
""",
        reading="`quantum_better` needs the lower 95 % bound of the paired gain above the margin against the best baseline. "
        "`solved_by_reduction`, `no_headroom` and `reduced_model_ceiling` say that nothing was left to be won.",
    ),
    Question(
        title="What did it cost?",
        sql="""
SELECT c.experiment, c.backend, count(*) AS jobs, sum(j.shots)::BIGINT AS shots,
       sum(c.quoted_usd) AS quoted_usd, sum(c.reported_usd) AS reported_usd, sum(c.reconciled_usd) AS reconciled_usd,
       max(c.budget_usd) AS budget_usd,
       1000 * sum(coalesce(c.reconciled_usd, c.reported_usd)) / sum(j.shots) AS usd_per_1000_shots,
       sum(m.cost_usd) AS cost_usd,
       any_value(v.said) AS verdict
FROM costs c
JOIN jobs j USING (job_id)
JOIN (SELECT job_id, cost_usd FROM job_costs) m USING (job_id)
LEFT JOIN (
    SELECT experiment, backend, string_agg(DISTINCT verdict, ', ' ORDER BY verdict) AS said FROM verdicts GROUP BY ALL
) v ON v.experiment = c.experiment AND v.backend = c.backend
GROUP BY c.experiment, c.backend
ORDER BY quoted_usd DESC, any_value(v.said) IS NULL, c.experiment, c.backend
""",
        reading="Quoted is what was reserved before submission, reported what the provider said, reconciled what the bill said. "
        "Without a verdict are experiments that are still on their way. What the checks of each backend's bit order cost is in "
        "`canary_jobs`.",
    ),
    Question(
        title="Where did the time go?",
        sql="""
SELECT backend, component, jobs, p50_seconds, p95_seconds, total_seconds, round(100 * share, 1) AS percent
FROM latency_by_backend
ORDER BY backend, total_seconds DESC, component
""",
        reading="`queue` and `execute` are the provider's time, everything else is ours; `network` is what passed from the request to "
        "the plan of the job, the start of the run included. Per job: table `latency`.",
    ),
    Question(
        title="Which parameter points are best?",
        sql="""
SELECT experiment, backend, point, sum(s.mean_energy * s.shots) / sum(s.shots) AS energy,
       min(s.min_energy) AS lowest, avg(s.p_reduced_model_optimum) AS p_optimum, avg(s.p_feasible) AS p_allowed,
       any_value(coalesce(o.optimiser, p.angle_source)) AS angle_source, any_value(p.gammas) AS gammas,
       any_value(p.betas) AS betas, any_value(coalesce(o.angles, p.angles)) AS angles
FROM point_scores s
LEFT JOIN optimiser_steps o USING (experiment, backend, point)
LEFT JOIN parameter_sweeps p USING (experiment, point)
GROUP BY experiment, backend, point
QUALIFY row_number() OVER (PARTITION BY experiment, backend ORDER BY energy, point) <= 3
ORDER BY experiment, backend, energy, point
""",
        reading="The three lowest mean energies of each execution, over all repetitions. Angles are in radians, of QAOA "
        "all gammas first; an ansatz without gammas and betas, and the steps of a loop through a backend, have them in `angles`.",
    ),
    Question(
        title="What did mitigation change?",
        sql="""
SELECT m.experiment, m.backend, m.point, m.observable, m.method, r.expectation AS as_measured,
       r.standard_error AS error_as_measured, m.expectation AS mitigated, m.standard_error AS error_mitigated,
       m.expectation - r.expectation AS moved, m.standard_error / nullif(r.standard_error, 0) AS error_grew_by,
       m.overhead_shots, m.quoted_usd, m.calibration_id
FROM estimates m
JOIN estimates r USING (experiment, backend, point, observable)
WHERE r.method = 'none' AND m.method <> 'none'
ORDER BY m.experiment, m.backend, m.point, m.observable, m.method
""",
        reading="One row for each expectation value with and without mitigation, from the same shots where `overhead_shots` is 0. What is moved less "
        "than a few standard errors may be chance. `mitigated` is empty where the backend's calibration did not say what is needed. Verdicts are "
        "those of the samples, whatever stands here.",
    ),
    Question(
        title="Is it noise?",
        sql="""
SELECT s.experiment, s.backend, count(*) AS n, count(*) FILTER (s.noise_like) AS n_noise_like,
       avg(s.distinct_outcomes / s.shots) AS new_outcome_per_shot, max(s.p_reduced_model_optimum) AS best_p_optimum,
       any_value(0.5 ** k.n_qubits) AS p_of_one_outcome_by_chance, any_value(c.noise_like) AS nothing_but_noise,
       any_value(p.calibration_id) AS calibration_id
FROM point_scores s
JOIN reduced_models k USING (experiment, instance)
LEFT JOIN baseline_comparisons c USING (experiment, backend, instance)
LEFT JOIN provenance p USING (experiment, backend)
GROUP BY s.experiment, s.backend
ORDER BY n_noise_like / n DESC, s.experiment, s.backend
""",
        reading="`n` counts points and repetitions. One is noise-like when its mean energy does not beat the 99.9 % quantile of means of random samples. "
        "`nothing_but_noise` means that no point did.",
    ),
    Question(
        title="Did the reduced model's ceiling limit us?",
        sql="""
SELECT c.experiment, c.backend, c.instance, c.n_variables, c.n_qubits, k.exact, k.incumbent_objective,
       k.reduced_model_optimum AS ceiling, c.reference, c.best_quantum_raw, c.best_classical,
       CASE WHEN k.solved_by_reduction THEN 'reduction solved it'
            WHEN k.n_qubits = 0 THEN 'no window has headroom'
            WHEN abs(k.reduced_model_optimum - c.reference) > 1e-9 * greatest(1, abs(c.reference))
                 AND (k.reduced_model_optimum < c.reference) = (c.sense = 'max') THEN 'the ceiling is below the reference'
            WHEN c.reduced_model_optimum_reached THEN 'the ceiling was reached'
            ELSE 'the ceiling was not reached' END AS finding,
       (SELECT string_agg(r.step_name || ' -' || r.variables_fixed, ', ' ORDER BY r.step) FROM reduction_steps r
        WHERE r.experiment = c.experiment AND r.instance = c.instance) AS steps
FROM baseline_comparisons c
JOIN reduced_models k USING (experiment, instance)
ORDER BY finding, c.experiment, c.backend
""",
        reading="The ceiling is the exact optimum of what was sent to the backend, expanded to the instance: no circuit could do "
        "better. Only `the ceiling was not reached` says something about the quantum side.",
    ),
    Question(
        title="Was anything paid twice?",
        sql="""
WITH every_job AS (
    FROM (FROM jobs UNION ALL BY NAME FROM canary_jobs) JOIN (SELECT job_id, cost_usd FROM job_costs) USING (job_id)
)
SELECT 'payload in two jobs that cost something' AS finding, count(*) AS checked, count(*) FILTER (n > 1) AS found
FROM (SELECT payload_sha256, backend, count(*) FILTER (cost_usd > 0) AS n FROM every_job GROUP BY ALL)
UNION ALL
SELECT 'vendor job behind two of ours', count(*), count(*) FILTER (n > 1)
FROM (SELECT provider, provider_job_id, count(*) AS n FROM every_job WHERE provider_job_id IS NOT NULL GROUP BY ALL)
UNION ALL
SELECT 'job accepted more often than attempted', count(*), count(*) FILTER (n > attempt)
FROM (
    SELECT job_id, any_value(attempt) AS attempt, count(*) FILTER (event = 'JobSubmitted') AS n
    FROM every_job LEFT JOIN job_events USING (job_id) GROUP BY job_id
)
UNION ALL
SELECT 'job sent again because its provider did not list it', count(*), count(*) FILTER (n > 0)
FROM (
    SELECT job_id, count(*) FILTER (event = 'JobConfirmedAbsent') AS n
    FROM every_job LEFT JOIN job_events USING (job_id) GROUP BY job_id
)
ORDER BY finding
""",
        reading="Every `found` should be 0, except that jobs may have been sent again. Those are the only ones that can have been paid twice "
        "without our knowing, by a provider that merges no tokens and accepted the first request later than its adapter allows for: compare them with its invoice.",
    ),
    Question(
        title="Did anything drift between rounds?",
        sql="""
SELECT v.root, v.backend, v.round, v.experiment, v.verdict, v.best_quantum, v.mean_ratio,
       v.mean_ratio - lag(v.mean_ratio) OVER earlier AS change,
       p.calibration_id IS DISTINCT FROM lag(p.calibration_id) OVER earlier AND v.round > 1 AS new_calibration,
       p.packages_sha256 IS DISTINCT FROM lag(p.packages_sha256) OVER earlier AND v.round > 1 AS new_packages,
       lag(d.adjusted) OVER earlier AS adjusted
FROM verdicts v
JOIN provenance p USING (experiment, backend)
LEFT JOIN decisions d USING (experiment, backend, instance)
WHERE v.kind = 'optimisation'
WINDOW earlier AS (PARTITION BY v.root, v.backend ORDER BY v.round, v.experiment)
QUALIFY count(*) OVER (PARTITION BY v.root, v.backend) > 1
ORDER BY v.root, v.backend, v.round, v.experiment
""",
        reading="Every line of more than one round. `adjusted` is what the round was meant to change. A change with a new calibration or new packages cannot be put "
        "down to the parameters alone.",
    ),
    Question(
        title="How do I reproduce a solution?",
        sql="""
SELECT s.experiment, s.backend, s.source, s.objective, s.feasible, s.assignment,
       right(s.bits::BIT::VARCHAR, b.n_qubits) AS bitstring, s.repetition, s.point,
       b.parameters, b.bindings[s.point + 1] AS binding, b.seeds[s.point + 1][s.repetition + 1] AS seed, b.shots,
       b.template_id, b.payload_sha256, p.engine, p.engine_version, p.git_revision, e.specification
FROM scored_solutions s
JOIN problem_instances i USING (experiment, instance)
JOIN experiments e USING (experiment)
JOIN provenance p USING (experiment, backend)
LEFT JOIN circuit_batches b USING (experiment, backend)
QUALIFY row_number() OVER (
    PARTITION BY s.experiment, s.backend
    ORDER BY s.feasible DESC, CASE i.sense WHEN 'max' THEN -s.objective ELSE s.objective END, s.source, s.repetition, s.rank
) = 1
ORDER BY s.experiment, s.backend
""",
        reading="The best solution of each execution with all that made it. Save `specification` to a file and `qhybrid run` it: the "
        "same specification has the same key, payload and, on a simulator, the same counts. A single run is the template "
        "(`circuit_batches.template`) with `binding`, `shots` and `seed`.",
    ),
    Question(
        title="Why did this job wait?",
        sql="""
WITH stretches AS (
    SELECT e.job_id, e.sequence, e.to_state AS state, e.event AS since_event, e.occurred_at AS since, e.raw_status,
           coalesce(lead(e.occurred_at) OVER one_job,
                    CASE WHEN e.to_state IN ('COMPLETED', 'VERIFIED', 'FAILED', 'REJECTED', 'CANCELLED', 'EXPIRED', 'REROUTED')
                         THEN e.occurred_at ELSE n.published_at END) AS until,
           coalesce(json_extract_string(e.detail, '$.reason'), json_extract_string(e.detail, '$.message'),
                    json_extract_string(e.detail, '$.route')) AS because
    FROM job_events e CROSS JOIN snapshot n
    WINDOW one_job AS (PARTITION BY e.job_id ORDER BY e.sequence)
)
SELECT j.experiment, j.requested_backend, j.backend, j.job_id, j.tier, j.priority, s.state, s.since_event, s.since,
       greatest(0, epoch(s.until) - epoch(s.since)) AS seconds, s.raw_status, s.because, j.deadline_at
FROM stretches s
JOIN jobs j USING (job_id)
QUALIFY row_number() OVER (PARTITION BY s.job_id ORDER BY seconds DESC, s.sequence) <= 3
ORDER BY j.experiment, j.job_id, seconds DESC, s.sequence
""",
        reading="The three longest stretches in the life of each job, and in which state they were spent: `AWAITING_APPROVAL` is a "
        "person, `APPROVED` our own waiting for the provider, `QUEUED` the provider's queue, `COMPLETED` our fetching. A job that "
        "is still under way counts to the moment of the snapshot.",
    ),
    Question(
        title="Which calibration was it?",
        sql="""
SELECT p.experiment, p.backend, p.ran_on, v.verdict, v.mean_ratio, p.calibration_id, c.measured_at,
       round((epoch(j.created_at) - epoch(c.measured_at)) / 3600, 2) AS age_hours,
       c.two_qubit_error, c.two_qubit_error / c.before_two_qubit_error - 1 AS two_qubit_change,
       c.readout_error, c.readout_error / c.before_readout_error - 1 AS readout_change, c.t1_us, c.t2_us
FROM provenance p
JOIN jobs j ON j.job_id = p.job_id
LEFT JOIN (
    SELECT *, lag(two_qubit_error) OVER earlier AS before_two_qubit_error, lag(readout_error) OVER earlier AS before_readout_error
    FROM backend_calibrations WINDOW earlier AS (PARTITION BY backend ORDER BY measured_at, calibration_id)
) c ON c.backend = j.backend AND c.calibration_id = p.calibration_id
LEFT JOIN verdicts v ON v.experiment = p.experiment AND v.backend = p.backend
WHERE p.calibration_id IS NOT NULL
ORDER BY p.experiment, p.backend
""",
        reading="The calibration that was in force when the job was submitted, how old it was when the job was planned, and by how "
        "much its medians differ from the calibration before it (0.1 is ten percent worse). Ideal simulators have none.",
    ),
    Question(
        title="What is the answer, in words?",
        sql="""
SELECT experiment, backend, a.source, objective, feasible, count(*) AS variables,
       list(variable ORDER BY position) FILTER (value = 1) AS ones, any_value(one_means) AS one_means
FROM answers a JOIN problem_instances USING (experiment, instance) JOIN families USING (family)
GROUP BY ALL
ORDER BY experiment, backend
""",
        reading="`ones` are the variables that are 1; `one_means` says what that says of `{name}`. One row per variable: "
        "`FROM answers`. The same on the command line: `qhybrid answer KEY`.",
    ),
    Question(
        title="What does a useful result cost?",
        sql="""
SELECT backend, jobs, verified_jobs, shots, quoted_usd, reported_usd, reconciled_usd, cost_usd, useful_results,
       usd_per_useful_result, usd_per_1000_shots
FROM cost_by_backend
ORDER BY cost_usd DESC, backend
""",
        reading="A result is useful when its execution has a verdict other than `inconclusive`; for a learning experiment that of any "
        "circuit measured on the backend. Jobs that were rejected, expired or "
        "rerouted count with what they cost. A quote far above `reconciled_usd` reserves budget that nobody uses.",
    ),
    *MANAGER_QUESTIONS,
)

_INTRODUCTION = """# Questions to the warehouse

Each query runs as it is: `qhybrid sql "..."`, `query(Home("data"), "...")` from `qhybrid_pipelines.storage.analyst`, or
any DuckDB client that opens `data/warehouse.duckdb` read-only. In Python, DuckDB hands out times only where the package `pytz` is installed
beside it. A connection keeps the snapshot that it opened; open again to see what was published since. What tables and columns
mean: [data-dictionary.md](data-dictionary.md). Programs that do not open DuckDB get all of it as files by `qhybrid export parquet DIR` or `qhybrid export csv DIR`, with a manifest of rows and checksums; what jobs cost
by owner, tag, backend, provider, experiment or month is one command, `qhybrid costs --by owner`."""

_SETUP = '''import os
from pathlib import Path

from qhybrid_pipelines.storage.analyst import query
from qhybrid_pipelines.storage.layout import Home

home = Home(Path(os.environ.get("QHYBRID_HOME", "../data")))


def ask(sql):
    """Return the answer from the newest snapshot as a data frame."""
    return query(home, sql).to_pandas()


ask("SELECT published_at, release FROM snapshot")'''


def page() -> str:
    """Return the questions as a page of Markdown."""
    sections = [
        f"## {number}. {q.title}\n\n```sql\n{q.sql.strip()}\n```\n\n{q.reading}"
        for number, q in enumerate(QUESTIONS, start=1)
    ]
    return "\n\n".join([_INTRODUCTION, *sections]) + "\n"


def notebook() -> str:
    """Return the questions as a notebook without outputs, in the format of nbformat 4.5."""
    cells = [
        _cell("markdown", "# Questions to the warehouse\n\nThe same as in docs/questions.md, ready to be changed."),
        _cell("code", _SETUP),
    ]
    for number, q in enumerate(QUESTIONS, start=1):
        cells.append(_cell("markdown", f"## {number}. {q.title}\n\n{q.reading}"))
        cells.append(_cell("code", f'ask("""\n{q.sql.strip()}\n""")'))
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    whole = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(whole, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _cell(kind: str, source: str) -> dict[str, Any]:
    cell: dict[str, Any] = {"cell_type": kind, "metadata": {}, "source": source.splitlines(keepends=True)}
    return cell | {"execution_count": None, "outputs": []} if kind == "code" else cell


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    NOTEBOOK.write_text(notebook(), encoding="utf-8")
