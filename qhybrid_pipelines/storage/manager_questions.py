"""Questions about many experiments at once, as SQL: what was best, what waited, what was for nothing, what is new.

They are on docs/questions.md after those about single results (`storage.analyst_questions`).
"""

from __future__ import annotations

from qhybrid_pipelines.storage.question import Question

MANAGER_QUESTIONS: tuple[Question, ...] = (
    Question(
        title="What changed since the run before?",
        sql="""
SELECT c.experiment, c.backend, c.previous_experiment, c.cause, c.fact, c.before, c.after,
       old.mean_ratio AS ratio_before, new.mean_ratio AS ratio_after, old.vs_random AS vs_random_before, new.vs_random AS vs_random_after
FROM changes c
LEFT JOIN verdicts new ON new.experiment = c.experiment AND new.backend = c.backend AND new.kind = 'optimisation'
LEFT JOIN verdicts old ON old.experiment = c.previous_experiment AND old.backend = c.previous_backend AND old.kind = 'optimisation'
ORDER BY c.experiment, c.backend, c.cause, c.fact
""",
        reading="An experiment is compared with the one registered last before it under the same slug, which is the key without its "
        "hash. A cause of `shots` or `seed` changes only what chance gives. Whether the counts differ beyond shot noise says "
        "`qhybrid compare`.",
    ),
    Question(
        title="What is the best value so far?",
        sql="""
SELECT family, instance, sense, unit, best_quantum, experiment, backend, model, vs_random, best_classical, best_solver,
       reference, verdict, decided_at
FROM verdicts
WHERE kind <> 'sampling'
QUALIFY row_number() OVER (
    PARTITION BY family, instance, unit
    ORDER BY CASE sense WHEN 'max' THEN -best_quantum ELSE best_quantum END NULLS LAST, decided_at, experiment, backend, model
) = 1
ORDER BY family, instance, unit
""",
        reading="One row per instance, by its name: the best that any quantum run has reached, after the same post-processing as the "
        "baselines, and which experiment was the first to reach it. `vs_random` near 0 says that the circuit had no part in it.",
    ),
    Question(
        title="At which hour is the queue short?",
        sql="""
SELECT backend, hour(make_timestamp(epoch_us(created_at))) AS utc_hour, count(*) AS jobs,
       quantile_cont(queue_seconds, 0.5) AS p50_queue_seconds, quantile_cont(queue_seconds, 0.95) AS p95_queue_seconds,
       max(queue_seconds) AS max_queue_seconds
FROM operations_log
WHERE queue_seconds IS NOT NULL
GROUP BY ALL
ORDER BY backend, utc_hour
""",
        reading="By the hour in which a job was planned, in UTC whatever the reader's zone; the checks of the bit order wait in the "
        "same queues and count too. An hour without a row had no job.",
    ),
    Question(
        title="What was never better than random?",
        sql="""
SELECT v.family, v.instance, e.ansatz, e.layers, v.backend, count(*) AS executions, max(v.vs_random) AS best_vs_random,
       max(v.p_optimum / nullif(v.random_p_optimum, 0)) AS best_lift_of_p_optimum, sum(v.cost_usd) AS cost_usd,
       list(v.experiment ORDER BY v.experiment) AS experiments
FROM verdicts v JOIN experiments e USING (experiment)
WHERE v.kind = 'optimisation'
GROUP BY v.family, v.instance, e.ansatz, e.layers, v.backend
HAVING bool_and(v.noise_like OR coalesce(v.vs_random <= 0, false))
ORDER BY sum(v.cost_usd) DESC, v.family, v.instance, e.ansatz, e.layers, v.backend
""",
        reading="Circuits that in all their executions on a backend were noise, or on average no better than random outcomes. Such a "
        "circuit can have a verdict of `tie` all the same: local search found the answer.",
    ),
    Question(
        title="Last week against this week?",
        sql="""
WITH then_said AS (
    SELECT h.* FROM verdict_history h, snapshot n
    WHERE h.published_at <= n.published_at - INTERVAL 7 DAY
    QUALIFY row_number() OVER (PARTITION BY h.experiment, h.backend, h.model, h.shots ORDER BY h.published_at DESC) = 1
),
now_said AS (
    FROM verdict_history
    QUALIFY row_number() OVER (PARTITION BY experiment, backend, model, shots ORDER BY published_at DESC) = 1
),
both_said AS (
    SELECT e.family, n.experiment, t.verdict AS verdict_then, n.verdict AS verdict_now, t.mean_ratio AS ratio_then,
           n.mean_ratio AS ratio_now, t.vs_random AS vs_random_then, n.vs_random AS vs_random_now,
           coalesce(t.cost_usd, 0) AS usd_then, coalesce(n.cost_usd, 0) AS usd_now
    FROM now_said n
    LEFT JOIN then_said t ON t.experiment = n.experiment AND t.backend IS NOT DISTINCT FROM n.backend
         AND t.model IS NOT DISTINCT FROM n.model AND t.shots IS NOT DISTINCT FROM n.shots
    LEFT JOIN experiments e ON e.experiment = n.experiment
)
SELECT family, count(verdict_then) AS decided_then, count(verdict_now) AS decided_now,
       count(*) FILTER (verdict_then = 'quantum_better') AS better_then, count(*) FILTER (verdict_now = 'quantum_better') AS better_now,
       avg(ratio_then) AS ratio_then, avg(ratio_now) AS ratio_now, avg(vs_random_then) AS vs_random_then,
       avg(vs_random_now) AS vs_random_now, sum(usd_now) - sum(usd_then) AS spent_usd,
       coalesce(list(DISTINCT experiment ORDER BY experiment) FILTER (verdict_then IS DISTINCT FROM verdict_now), []) AS new_or_changed
FROM both_said
GROUP BY family
ORDER BY family
""",
        reading="What the warehouse said seven days before its last publication, next to what it says now. Every publication notes the "
        "verdicts that are new or say something else in `verdict_history`; what was decided before there was one counts as new "
        "in its first week. Without a family is what has left the lake.",
    ),
    Question(
        title="Which dollars were wasted?",
        sql="""
WITH outcome AS (
    SELECT experiment, backend, bool_and(coalesce(noise_like, false)) AS noise, bool_and(verdict = 'inconclusive') AS inconclusive
    FROM verdicts GROUP BY ALL
)
SELECT m.backend, CASE WHEN m.canary THEN 'check of the bit order'
            WHEN j.state IN ('REJECTED', 'FAILED', 'CANCELLED', 'EXPIRED', 'REROUTED') THEN 'wasted: ended without a result'
            WHEN o.noise THEN 'wasted: nothing but noise'
            WHEN o.inconclusive THEN 'wasted: inconclusive'
            WHEN o.noise IS NULL THEN 'no verdict yet'
            ELSE 'useful' END AS spent_on,
       count(*) AS jobs, sum(m.cost_usd) AS cost_usd, count(DISTINCT m.experiment) AS experiments
FROM job_costs m
LEFT JOIN jobs j USING (job_id)
LEFT JOIN outcome o ON o.experiment = m.experiment AND o.backend = m.requested_backend
GROUP BY ALL
ORDER BY cost_usd DESC, m.backend, spent_on
""",
        reading="Every job once, so that the rows add up to all that was spent. Wasted is what ended without a result, and what "
        "measured nothing that decides; `useful` says nothing about who won.",
    ),
)
