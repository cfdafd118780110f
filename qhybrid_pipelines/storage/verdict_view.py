"""The view `verdicts`: what came out of every experiment, of whichever kind, in one table."""

from __future__ import annotations

from types import MappingProxyType

from qhybrid_pipelines.core.vocabulary.units import NEGATED
from qhybrid_pipelines.storage.view import View

#: Instances with their units as the source means them, and the sign that turns stored objectives into those.
STATED_INSTANCES = f"""
    SELECT experiment, instance, replace(unit, '{NEGATED}', '') AS unit,
           CASE WHEN ends_with(unit, '{NEGATED}') THEN -1 ELSE 1 END AS sign
    FROM problem_instances
"""  # noqa: S608  our own words

VERDICTS = View(
    name="verdicts",
    meaning="What came out, one row per optimisation and backend, and one per circuit, backend and shots of a learning "
    "experiment, and one per circuit and backend of a sampling experiment: who won, by how much, what was decided, what it cost",
    columns=MappingProxyType(
        {
            "experiment": "Key of the experiment",
            "kind": "optimisation, learning or sampling",
            "backend": "Backend as provider:backend; null for exact expectations in learning",
            "model": "The circuit that learnt, or that was sampled; null for an optimisation",
            "shots": "Shots per point and repetition; per test row in learning, null for exact expectations [shots]",
            "instance": "Name of the problem instance, of the data set, or where the circuits come from",
            "name": "Name the author gave",
            "owner": "Who it belongs to; null where nobody was named",
            "tags": "Its tags, separated by commas; null without any",
            "tier": "How urgent it is",
            "family": "Problem family; qml for a learning experiment, sampling for circuits without a problem",
            "root": "First round of this line of experiments",
            "round": "Which round this is, from 1",
            "created_at": "When it was registered; null where a release took it in that did not say it",
            "decided_at": "When the result was recorded; null where a release recorded it that did not say it",
            "sense": "max or min: which objective is better, as the source means it",
            "stored_sign": "-1 where the source is to be maximised and tables hold its negative: objectives here are that times those of "
            "`baseline_comparisons` and `decisions`; else 1; null for learning and sampling",
            "unit": "Unit of the objective; for learning the metric, for sampling hellinger_fidelity",
            "n_variables": "Variables of the instance; null for learning and sampling [variables]",
            "n_qubits": "Variables of the reduced model, width of a sampled circuit; null for learning [qubits]",
            "verdict": "Who won, in one word",
            "reason": "The verdict in one sentence",
            "best_quantum": "Best feasible objective over all quantum runs; the circuit's mean score over folds; "
            "the fidelity of a sampled circuit",
            "best_classical": "Best feasible objective over all baselines; the best baseline's mean score over folds; "
            "the fidelity of uniform outcomes",
            "best_solver": "The best baseline",
            "reference": "What ratios refer to: optimum, else best known, else best seen; null for learning",
            "ratio": "Best quantum against reference, 1 is best; null for learning",
            "mean_ratio": "Mean over runs of that ratio; null for learning",
            "vs_random": "(quantum - random) / (reference - random), means over runs: 0 is random, 1 the reference; "
            "for sampling the polarisation; null for learning",
            "vs_random_low": "Lower 95 % bound of it; null for a single run, and for learning",
            "vs_random_high": "Upper 95 % bound of it",
            "noise_like": "No point of the sweep beat random samples, or a sampled circuit is no better than uniform outcomes; "
            "null for learning",
            "p_optimum": "Share of raw shots at the reduced model's optimum; null for learning",
            "p_optimum_low": "Lower 95 % Wilson bound of it",
            "p_optimum_high": "Upper 95 % Wilson bound of it",
            "random_p_optimum": "The same of uniform random shots; null for learning",
            "gain": "Mean paired gain of quantum over the best baseline, positive is better",
            "gain_low": "Lower 95 % bound of the gain",
            "gain_high": "Upper 95 % bound of the gain",
            "decision": "accept, continue or fall_back; null while undecided, and for learning",
            "next_experiment": "Key of the next round, when continued",
            "final_source": "Where the current answer comes from; null for learning",
            "final_objective": "Objective of the current answer; null for learning",
            "cost_usd": "Sum of `job_costs.cost_usd` over its jobs; what training a circuit on a backend cost is shared "
            "by the verdicts about it [USD]",
            "quantum_seconds": "Time to the counts, all runs; null for learning [s]",
            "classical_seconds": "Mean time of the best baseline per run; null for learning [s]",
        }
    ),
    # Sums run in a fixed order, so that the last bit says nothing about the way in which rows were read.
    sql="""
WITH stated AS (@STATED@),
labelled AS (
    SELECT experiment, max(label) FILTER (kind = 'owner') AS owner,
           string_agg(label, ', ' ORDER BY label) FILTER (kind = 'tag') AS tags
    FROM labels GROUP BY ALL
),
spent AS (
    SELECT experiment, requested_backend AS backend, sum(cost_usd ORDER BY job_id) AS cost_usd
    FROM job_costs WHERE NOT canary GROUP BY ALL
),
shared AS (
    SELECT s.experiment, s.backend, s.model, s.shots, s.job_id, count(*) OVER (PARTITION BY s.job_id) AS n
    FROM (SELECT DISTINCT experiment, backend, model, shots, job_id FROM qml_submissions) s
),
spent_on_models AS (
    SELECT s.experiment, s.backend, s.model, s.shots, sum(c.cost_usd / s.n ORDER BY job_id) AS cost_usd
    FROM shared s JOIN job_costs c USING (job_id) GROUP BY ALL
),
spent_on_training AS (
    SELECT s.experiment, s.model, sum(c.cost_usd ORDER BY job_id) AS cost_usd
    FROM (SELECT DISTINCT experiment, model, unnest(job_ids) AS job_id FROM qml_training_steps) s JOIN job_costs c USING (job_id) GROUP BY ALL
),
spent_on_circuits AS (
    SELECT s.experiment, s.backend, s.first_point AS point, sum(c.cost_usd ORDER BY job_id) AS cost_usd
    FROM qpu_submissions s JOIN job_costs c USING (job_id) GROUP BY ALL
)
SELECT c.experiment, 'optimisation' AS kind, c.backend, NULL::VARCHAR AS model, e.shots, c.instance, e.name, l.owner, l.tags,
       e.tier, c.family, e.root, e.round, e.created_at, p.recorded_at AS decided_at, CASE WHEN i.sign < 0 THEN 'max' ELSE c.sense END AS sense, i.sign AS stored_sign, i.unit,
       c.n_variables, c.n_qubits, c.verdict, c.reason, i.sign * c.best_quantum + 0 AS best_quantum,
       i.sign * c.best_classical + 0 AS best_classical, c.best_solver,
       i.sign * c.reference + 0 AS reference, c.ratio, c.mean_ratio, c.random_corrected_ratio AS vs_random,
       c.random_corrected_low AS vs_random_low, c.random_corrected_high AS vs_random_high, c.noise_like,
       c.p_optimum, c.p_optimum_low, c.p_optimum_high, c.random_p_optimum, c.gain, c.gain_low, c.gain_high,
       d.decision, d.next_experiment, d.final_source, i.sign * d.final_objective + 0 AS final_objective,
       coalesce(s.cost_usd, 0) AS cost_usd, c.quantum_seconds, c.classical_seconds
FROM baseline_comparisons c
JOIN experiments e USING (experiment)
JOIN stated i USING (experiment, instance)
LEFT JOIN decisions d USING (experiment, backend, instance)
LEFT JOIN provenance p USING (experiment, backend)
LEFT JOIN spent s USING (experiment, backend)
LEFT JOIN labelled l USING (experiment)
UNION ALL
SELECT q.experiment, 'learning', q.backend, q.model, q.shots, d.dataset, e.name, l.owner, l.tags,
       e.tier, e.family, e.root, e.round, e.created_at, q.recorded_at, CASE WHEN q.metric IN ('log_loss', 'brier') THEN 'min' ELSE 'max' END,
       NULL, q.metric, NULL, NULL, q.verdict, q.reason, q.model_mean, q.baseline_mean, q.baseline,
       NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, q.gain, q.low, q.high, NULL, NULL, NULL, NULL,
       coalesce(s.cost_usd, 0) + coalesce(t.cost_usd, 0) / count(*) OVER (PARTITION BY q.experiment, q.model), NULL, NULL
FROM qml_verdicts q
JOIN experiments e USING (experiment)
JOIN qml_datasets d USING (experiment)
LEFT JOIN spent_on_training t USING (experiment, model)
LEFT JOIN spent_on_models s
       ON s.experiment = q.experiment AND s.backend = q.backend AND s.model = q.model AND s.shots = q.shots
LEFT JOIN labelled l ON l.experiment = q.experiment
WHERE q.scope = 'all'
UNION ALL
SELECT v.experiment, 'sampling', v.backend, v.circuit, e.shots, e.source, e.name, l.owner, l.tags,
       e.tier, e.family, e.root, e.round, e.created_at, p.recorded_at, 'max', NULL, 'hellinger_fidelity',
       NULL, v.n_qubits, v.verdict, v.reason, v.fidelity, u.value, 'uniform',
       NULL, NULL, NULL, v.polarisation, v.polarisation_low, v.polarisation_high, v.verdict = 'no_better_than_uniform',
       NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
       coalesce(s.cost_usd, 0), NULL, v.sampler_seconds
FROM sampling_verdicts v
JOIN experiments e USING (experiment)
LEFT JOIN provenance p USING (experiment, backend)
LEFT JOIN sampling_baselines u
       ON u.experiment = v.experiment AND u.point = v.point AND u.baseline = 'uniform' AND u.score = 'hellinger_fidelity'
LEFT JOIN spent_on_circuits s ON s.experiment = v.experiment AND s.backend = v.backend AND s.point = v.point
LEFT JOIN labelled l ON l.experiment = v.experiment
""".replace("@STATED@", STATED_INSTANCES),
)
