"""The views of the warehouse: SQL over the snapshot itself, so that it can never disagree with the tables it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A view: its name, what it means, what its columns mean, and its query."""

    name: str
    meaning: str
    columns: MappingProxyType[str, str]
    sql: str


VERDICTS = View(
    name="verdicts",
    meaning="One row per experiment and backend: who won, by how much, what was decided, what it cost",
    columns=MappingProxyType(
        {
            "experiment": "Key of the experiment",
            "backend": "Backend as provider:backend",
            "instance": "Name of the problem instance",
            "name": "Name the author gave",
            "owner": "Who it belongs to; null where nobody was named",
            "tags": "Its tags, separated by commas; null without any",
            "tier": "How urgent it is",
            "family": "Problem family",
            "root": "First round of this line of experiments",
            "round": "Which round this is, from 1",
            "sense": "max or min",
            "unit": "Unit of the objective",
            "n_variables": "Variables of the instance [variables]",
            "n_qubits": "Variables of the reduced model [qubits]",
            "verdict": "Who won, in one word",
            "reason": "The verdict in one sentence",
            "best_quantum": "Best feasible objective over all quantum runs",
            "best_classical": "Best feasible objective over all baselines",
            "best_solver": "The best baseline",
            "reference": "What ratios refer to: optimum, else best known, else best seen",
            "ratio": "Best quantum against reference, 1 is best",
            "mean_ratio": "Mean over runs of that ratio",
            "gain": "Mean paired gain of quantum over the best baseline, positive is better",
            "gain_low": "Lower 95 % bound of the gain",
            "gain_high": "Upper 95 % bound of the gain",
            "decision": "accept, continue or fall_back; null while undecided",
            "next_experiment": "Key of the next round, when continued",
            "final_source": "Where the standing answer comes from",
            "final_objective": "Objective of the standing answer",
            "cost_usd": "Cost of the jobs, reconciled, else reported, else quoted [USD]",
            "quantum_seconds": "Time to the counts, all runs [s]",
            "classical_seconds": "Mean time of the best baseline per run [s]",
        }
    ),
    sql="""
SELECT c.experiment, c.backend, c.instance, e.name, l.owner, l.tags, e.tier, c.family, e.root, e.round, c.sense, i.unit,
       c.n_variables, c.n_qubits, c.verdict, c.reason, c.best_quantum, c.best_classical, c.best_solver,
       c.reference, c.ratio, c.mean_ratio, c.gain, c.gain_low, c.gain_high,
       d.decision, d.next_experiment, d.final_source, d.final_objective,
       coalesce(p.usd, 0) AS cost_usd, c.quantum_seconds, c.classical_seconds
FROM baseline_comparisons c
JOIN experiments e USING (experiment)
JOIN problem_instances i USING (experiment, instance)
LEFT JOIN decisions d USING (experiment, backend, instance)
LEFT JOIN (
    SELECT j.experiment, j.requested_backend AS backend, sum(coalesce(reconciled_usd, reported_usd, quoted_usd)) AS usd
    FROM costs JOIN jobs j USING (job_id) GROUP BY ALL
) p USING (experiment, backend)
LEFT JOIN (
    SELECT experiment, max(label) FILTER (kind = 'owner') AS owner,
           string_agg(label, ', ' ORDER BY label) FILTER (kind = 'tag') AS tags
    FROM labels GROUP BY ALL
) l USING (experiment)
""",
)

ANSWERS = View(
    name="answers",
    meaning="The answer that stands, one row per variable of the instance, in the words of its family",
    columns=MappingProxyType(
        {
            "experiment": "Key of the experiment",
            "backend": "Backend as provider:backend",
            "instance": "Name of the problem instance",
            "source": "Who found the answer: a measured source, or a classical solver",
            "position": "Place of the variable in the instance, from 1",
            "variable": "Name of the variable",
            "value": "0 or 1",
            "meaning": "What that says",
            "feasible": "The whole answer satisfies all constraints",
            "objective": "Objective of the whole answer",
        }
    ),
    sql="""
SELECT experiment, backend, instance, source, position::INTEGER AS position, variable, value,
       replace(CASE value WHEN 1 THEN one_means ELSE zero_means END, '{name}', variable) AS meaning, feasible, objective
FROM (
    SELECT d.experiment, d.backend, d.instance, i.family, d.final_source AS source, d.final_feasible AS feasible,
           d.final_objective AS objective, unnest(i.variables) AS variable, unnest(range(1, len(i.variables) + 1)) AS position,
           unnest(string_split(d.final_assignment, ''))::TINYINT AS value
    FROM decisions d JOIN problem_instances i USING (experiment, instance)
)
JOIN families USING (family)
""",
)

OPERATIONS_LOG = View(
    name="operations_log",
    meaning="One row per job, canaries included: what ran where, when, with which versions, seeds and shots, and how long it took",
    columns=MappingProxyType(
        {
            "job_id": "Our id of the job",
            "canary": "It only proves the bit order of its backend (table `canary_jobs`)",
            "experiment": "Key of the experiment",
            "provider": "Provider",
            "backend": "Backend that it runs on, as provider:backend",
            "requested_backend": "Backend that was asked for",
            "principal": "Who asked for it",
            "provider_job_id": "The provider's id",
            "state": "State in our life cycle",
            "attempt": "Attempts to submit",
            "circuit_version": "SHA-256 of the circuit template; null for canaries and jobs whose work no table takes a result from",
            "payload_sha256": "Hash of all that decides the result",
            "sdk_versions": "Versions of the packages that decide results, as JSON; null for canaries and for learning experiments, "
            "whose MLflow records say them",
            "engine": "Engine or device that ran it",
            "engine_version": "Its version; null until the result is verified, and where the provider does not say it",
            "calibration_id": "Calibration of the device; null for ideal simulators",
            "created_at": "When the intent was written",
            "updated_at": "Last change",
            "shots": "Shots over all points and repetitions [shots]",
            "seed": "Root of every random choice",
            "queue_seconds": "Provider's queue [s]",
            "execute_seconds": "On the device or simulator [s]",
            "cost_usd": "Cost, reconciled, else reported, else quoted [USD]",
            "result_sha256": "SHA-256 of the raw result as received",
            "outcomes": "Distinct outcomes of the whole execution; null until its results are scored, and for learning experiments",
            "error": "What went wrong, when something did",
        }
    ),
    sql="""
WITH every_job AS (
    SELECT job_id, false AS canary, j.experiment, provider, j.backend, requested_backend, principal, provider_job_id, state,
           attempt, payload_sha256, engine, created_at, updated_at, shots, l.queue_seconds, l.execute_seconds,
           coalesce(c.reconciled_usd, c.reported_usd, c.quoted_usd, j.cost_usd, j.cost_quoted_usd) AS cost_usd,
           result_sha256, error
    FROM jobs j LEFT JOIN latency l USING (job_id) LEFT JOIN costs c USING (job_id)
    UNION ALL
    SELECT job_id, true, experiment, provider, backend, requested_backend, principal, provider_job_id, state,
           attempt, payload_sha256, engine, created_at, updated_at, shots, queue_seconds, execute_seconds,
           coalesce(reconciled_usd, cost_usd, cost_quoted_usd),
           result_sha256, error
    FROM canary_jobs
)
SELECT j.job_id, j.canary, j.experiment, j.provider, j.backend, j.requested_backend, j.principal, j.provider_job_id,
       j.state, j.attempt,
       coalesce(p.template_id, t.template) AS circuit_version, j.payload_sha256, p.packages AS sdk_versions,
       coalesce(j.engine, p.engine) AS engine, coalesce(r.engine_version, p.engine_version) AS engine_version,
       coalesce(r.calibration_id, p.calibration_id) AS calibration_id, j.created_at, j.updated_at, j.shots,
       e.seed, j.queue_seconds, j.execute_seconds, j.cost_usd,
       j.result_sha256, n.outcomes, j.error
FROM every_job j
LEFT JOIN experiments e USING (experiment)
LEFT JOIN provenance p ON p.experiment = j.experiment AND p.backend = j.requested_backend
LEFT JOIN (
    SELECT s.job_id, any_value(m.template) AS template
    FROM qml_submissions s JOIN qml_models m USING (experiment, model) GROUP BY s.job_id
) t ON t.job_id = j.job_id
LEFT JOIN (
    SELECT job_id, arg_max(detail ->> 'engine_version', sequence) AS engine_version,
           arg_max(detail ->> 'calibration_id', sequence) AS calibration_id
    FROM job_events WHERE event IN ('JobPlanned', 'JobSubmitting', 'JobVerified') GROUP BY job_id
) r ON r.job_id = j.job_id
LEFT JOIN (SELECT experiment, backend, sum(distinct_outcomes)::BIGINT AS outcomes FROM point_scores GROUP BY ALL) n
       ON n.experiment = j.experiment AND n.backend = j.requested_backend
""",
)

LATENCY_BY_BACKEND = View(
    name="latency_by_backend",
    meaning="Where the time of the jobs goes, per backend and component; those in `jobs`, so without canaries",
    columns=MappingProxyType(
        {
            "backend": "Backend as provider:backend",
            "component": "network, orchestration, compile, queue, execute or fetch",
            "side": "application for our share, provider for queue and execute",
            "jobs": "Jobs for which the component is known",
            "p50_seconds": "Median [s]",
            "p95_seconds": "95 % of the jobs take at most this [s]",
            "total_seconds": "Sum over the jobs [s]",
            "share": "Part of the backend's whole time",
        }
    ),
    sql="""
WITH parts AS (
    UNPIVOT (
        SELECT j.backend, l.network_seconds AS network, l.orchestration_seconds AS orchestration,
               l.compile_seconds AS compile, l.queue_seconds AS queue, l.execute_seconds AS execute,
               l.fetch_seconds AS "fetch"
        FROM latency l JOIN jobs j USING (job_id)
    ) ON network, orchestration, compile, queue, execute, "fetch" INTO NAME component VALUE seconds
)
SELECT backend, component, CASE WHEN component IN ('queue', 'execute') THEN 'provider' ELSE 'application' END AS side,
       count(*) AS jobs, quantile_cont(seconds, 0.5) AS p50_seconds,
       quantile_cont(seconds, 0.95) AS p95_seconds, sum(seconds) AS total_seconds,
       sum(seconds) / nullif(sum(sum(seconds)) OVER (PARTITION BY backend), 0) AS share
FROM parts GROUP BY backend, component
""",
)

COST_BY_BACKEND = View(
    name="cost_by_backend",
    meaning="What the jobs cost per backend, and what a result that decides something cost; those in `jobs`, so without canaries",
    columns=MappingProxyType(
        {
            "backend": "Backend that the jobs ran on, as provider:backend",
            "jobs": "Jobs, also those without a result",
            "verified_jobs": "Jobs with a verified result",
            "shots": "Shots over all jobs [shots]",
            "quoted_usd": "Highest quotes, before submission [USD]",
            "reported_usd": "What the provider reported [USD]",
            "reconciled_usd": "What budgets were charged when the jobs ended [USD]",
            "usd": "Reconciled, else reported, else quoted [USD]",
            "useful_results": "Executions on the backend with a verdict other than inconclusive; one of a learning experiment counts "
            "once, when some circuit measured there has one",
            "usd_per_useful_result": "Cost of all jobs, wasted ones included, per such execution [USD]",
            "usd_per_1000_shots": "Cost per 1000 shots of verified jobs [USD]",
        }
    ),
    sql="""
WITH spent AS (
    SELECT j.*, c.quoted_usd, c.reported_usd, c.reconciled_usd,
           coalesce(c.reconciled_usd, c.reported_usd, c.quoted_usd) AS usd
    FROM jobs j JOIN costs c USING (job_id)
),
decided AS (
    SELECT experiment, backend FROM baseline_comparisons WHERE verdict <> 'inconclusive'
    UNION
    SELECT experiment, backend FROM qml_verdicts WHERE verdict <> 'inconclusive'  -- no backend: nothing was measured
),
useful AS (
    SELECT s.backend, count(DISTINCT (s.experiment, s.requested_backend)) AS n
    FROM spent s
    JOIN decided d ON d.experiment = s.experiment AND d.backend = s.requested_backend
    WHERE s.state = 'VERIFIED' GROUP BY s.backend
)
SELECT backend, count(*) AS jobs, count(*) FILTER (state = 'VERIFIED') AS verified_jobs, sum(shots)::BIGINT AS shots,
       sum(quoted_usd) AS quoted_usd, sum(reported_usd) AS reported_usd, sum(reconciled_usd) AS reconciled_usd,
       sum(usd) AS usd, coalesce(any_value(n), 0) AS useful_results,
       sum(usd) / nullif(any_value(n), 0) AS usd_per_useful_result,
       1000 * sum(usd) FILTER (state = 'VERIFIED') / nullif(sum(shots) FILTER (state = 'VERIFIED'), 0) AS usd_per_1000_shots
FROM spent LEFT JOIN useful USING (backend) GROUP BY backend
""",
)

VIEWS: tuple[View, ...] = (VERDICTS, ANSWERS, OPERATIONS_LOG, LATENCY_BY_BACKEND, COST_BY_BACKEND)
