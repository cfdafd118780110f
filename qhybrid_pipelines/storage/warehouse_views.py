"""The views of the warehouse: SQL over the snapshot itself, so that it can never disagree with the tables it comes from."""

from __future__ import annotations

from types import MappingProxyType

from qhybrid_pipelines.storage.change_view import CHANGES
from qhybrid_pipelines.storage.service_decisions import REGRET
from qhybrid_pipelines.storage.verdict_view import STATED_INSTANCES, VERDICTS
from qhybrid_pipelines.storage.view import View

JOB_COSTS = View(
    name="job_costs",
    meaning="What each job was quoted, reported, reconciled at and costs, canaries included: the one source of every `cost_usd`",
    columns=MappingProxyType(
        {
            "job_id": "Our id of the job",
            "canary": "It only proves the bit order of its backend (table `canary_jobs`)",
            "experiment": "Key of the experiment",
            "backend": "Backend that it runs on, as provider:backend",
            "requested_backend": "Backend that was asked for",
            "quoted_usd": "Highest quote, before submission [USD]",
            "reported_usd": "What the provider reported [USD]",
            "reconciled_usd": "What the budget was charged when the job ended [USD]",
            "cost_usd": "Reconciled, else reported, else quoted; 0 for a job that no provider has accepted [USD]",
        }
    ),
    sql="""
SELECT job_id, canary, experiment, backend, requested_backend, quoted_usd, reported_usd, reconciled_usd,
       coalesce(reconciled_usd, reported_usd, CASE WHEN provider_job_id IS NULL THEN 0 ELSE quoted_usd END) AS cost_usd
FROM (
    SELECT j.job_id, false AS canary, j.experiment, j.backend, j.requested_backend, j.provider_job_id,
           c.quoted_usd, c.reported_usd, c.reconciled_usd
    FROM jobs j JOIN costs c USING (job_id)
    UNION ALL
    SELECT job_id, true, experiment, backend, requested_backend, provider_job_id, quoted_usd, reported_usd, reconciled_usd
    FROM canary_jobs
)
""",
)

ANSWERS = View(
    name="answers",
    meaning="The current answer, one row per variable of the instance, in the words of its family",
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
            "objective": "Objective of the whole answer, as the source means it",
        }
    ),
    sql="""
SELECT experiment, backend, instance, source, position::INTEGER AS position, variable, value,
       replace(CASE value WHEN 1 THEN one_means ELSE zero_means END, '{name}', variable) AS meaning, feasible, objective
FROM (
    SELECT d.experiment, d.backend, d.instance, i.family, d.final_source AS source, d.final_feasible AS feasible,
           s.sign * d.final_objective + 0 AS objective, unnest(i.variables) AS variable, unnest(range(1, len(i.variables) + 1)) AS position,
           unnest(string_split(d.final_assignment, ''))::TINYINT AS value
    FROM decisions d JOIN problem_instances i USING (experiment, instance) JOIN (@STATED@) s USING (experiment, instance)
)
JOIN families USING (family)
""".replace("@STATED@", STATED_INSTANCES),
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
            "cost_usd": "Reconciled, else reported, else quoted; 0 for a job that no provider has accepted [USD]",
            "result_sha256": "SHA-256 of the raw result as received",
            "outcomes": "Distinct outcomes of the whole execution; null until its results are scored, and for learning experiments",
            "error": "What went wrong, when something did",
        }
    ),
    sql="""
WITH every_job AS (
    SELECT job_id, false AS canary, j.experiment, provider, j.backend, requested_backend, principal, provider_job_id, state,
           attempt, payload_sha256, engine, created_at, updated_at, shots, l.queue_seconds, l.execute_seconds,
           result_sha256, error
    FROM jobs j LEFT JOIN latency l USING (job_id)
    UNION ALL
    SELECT job_id, true, experiment, provider, backend, requested_backend, principal, provider_job_id, state,
           attempt, payload_sha256, engine, created_at, updated_at, shots, queue_seconds, execute_seconds,
           result_sha256, error
    FROM canary_jobs
)
SELECT j.job_id, j.canary, j.experiment, j.provider, j.backend, j.requested_backend, j.principal, j.provider_job_id,
       j.state, j.attempt,
       coalesce(p.template_id, t.template) AS circuit_version, j.payload_sha256, p.packages AS sdk_versions,
       coalesce(j.engine, p.engine) AS engine, coalesce(r.engine_version, p.engine_version) AS engine_version,
       coalesce(r.calibration_id, p.calibration_id) AS calibration_id, j.created_at, j.updated_at, j.shots,
       e.seed, j.queue_seconds, j.execute_seconds, m.cost_usd,
       j.result_sha256, n.outcomes, j.error
FROM every_job j
LEFT JOIN (SELECT job_id, cost_usd FROM job_costs) m USING (job_id)
LEFT JOIN experiments e USING (experiment)
LEFT JOIN provenance p ON p.experiment = j.experiment AND p.backend = j.requested_backend
LEFT JOIN (
    SELECT s.job_id, any_value(q.template) AS template
    FROM qml_submissions s JOIN qml_models q USING (experiment, model) GROUP BY s.job_id
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
            "cost_usd": "Reconciled, else reported, else quoted; 0 for jobs that no provider has accepted [USD]",
            "useful_results": "Executions on the backend with a verdict other than inconclusive; one of a learning or sampling experiment "
            "counts once, when some circuit measured there has one",
            "usd_per_useful_result": "Cost of all jobs, wasted ones included, per such execution [USD]",
            "usd_per_1000_shots": "Cost per 1000 shots of verified jobs [USD]",
        }
    ),
    sql="""
WITH spent AS (
    SELECT j.*, c.quoted_usd, c.reported_usd, c.reconciled_usd, c.cost_usd
    FROM jobs j JOIN job_costs c USING (job_id)
),
decided AS (
    SELECT experiment, backend FROM baseline_comparisons WHERE verdict <> 'inconclusive'
    UNION
    SELECT experiment, backend FROM qml_verdicts WHERE verdict <> 'inconclusive'  -- no backend: nothing was measured
    UNION
    SELECT experiment, backend FROM sampling_verdicts WHERE verdict <> 'inconclusive'
),
useful AS (
    SELECT s.backend, count(DISTINCT (s.experiment, s.requested_backend)) AS n
    FROM spent s
    JOIN decided d ON d.experiment = s.experiment AND d.backend = s.requested_backend
    WHERE s.state = 'VERIFIED' GROUP BY s.backend
)
SELECT backend, count(*) AS jobs, count(*) FILTER (state = 'VERIFIED') AS verified_jobs, sum(shots)::BIGINT AS shots,
       sum(quoted_usd) AS quoted_usd, sum(reported_usd) AS reported_usd, sum(reconciled_usd) AS reconciled_usd,
       sum(cost_usd) AS cost_usd, coalesce(any_value(n), 0) AS useful_results,
       sum(cost_usd) / nullif(any_value(n), 0) AS usd_per_useful_result,
       1000 * sum(cost_usd) FILTER (state = 'VERIFIED') / nullif(sum(shots) FILTER (state = 'VERIFIED'), 0) AS usd_per_1000_shots
FROM spent LEFT JOIN useful USING (backend) GROUP BY backend
""",
)

#: In the order in which they can be made: some read others.
VIEWS: tuple[View, ...] = (
    JOB_COSTS,
    VERDICTS,
    ANSWERS,
    CHANGES,
    OPERATIONS_LOG,
    LATENCY_BY_BACKEND,
    COST_BY_BACKEND,
    REGRET,
)
