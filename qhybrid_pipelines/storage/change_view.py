"""The view `changes`: what an experiment does otherwise than the one before it under the same name.

The same facts and causes as `problems.execution_differences`, which compares any two executions and also says whether their
counts differ; a test holds the two together.
"""

from __future__ import annotations

from types import MappingProxyType

from qhybrid_pipelines.storage.view import View

CHANGES = View(
    name="changes",
    meaning="What differs between an experiment and its predecessor, the one registered last before it under the same slug, "
    "one row per fact; without rows, nothing that is recorded does",
    columns=MappingProxyType(
        {
            "experiment": "Key of the experiment",
            "previous_experiment": "Key of its predecessor",
            "backend": "Backend as provider:backend; null for a learning experiment",
            "previous_backend": "Backend of the predecessor: the same where it ran there, else its first one",
            "cause": "What the fact belongs to: specification, backend, calibration, code or compiler, shots, seed. "
            "Shots and seed change what chance gives, never the distribution",
            "fact": "Field of the specification, or record of the execution",
            "before": "What the predecessor has; none where it has none",
            "after": "What the experiment has",
        }
    ),
    sql="""
WITH RECURSIVE fields AS (
    SELECT experiment, '' AS field, specification::JSON AS value FROM experiments
    UNION ALL
    SELECT experiment, CASE field WHEN '' THEN inner_name ELSE field || '.' || inner_name END,
           json_extract(value, '$."' || inner_name || '"')
    FROM (SELECT *, unnest(json_keys(value)) AS inner_name FROM fields WHERE json_type(value) = 'OBJECT')
),
executions AS (
    SELECT experiment, backend, list_position(e.backends, backend) AS place FROM provenance JOIN experiments e USING (experiment)
    UNION ALL
    SELECT DISTINCT experiment, NULL, 1 FROM qml_verdicts
),
decided AS (
    SELECT experiment, lag(experiment) OVER (PARTITION BY slug ORDER BY created_at NULLS FIRST, round, experiment) AS previous
    FROM (
        SELECT experiment, created_at, round, regexp_replace(experiment, '-[0-9a-f]+$', '') AS slug
        FROM experiments SEMI JOIN executions USING (experiment)
    )
),
pairs AS (
    SELECT d.experiment, d.previous, a.backend, b.backend AS previous_backend
    FROM decided d JOIN executions a ON a.experiment = d.experiment JOIN executions b ON b.experiment = d.previous
    QUALIFY a.backend IS NOT DISTINCT FROM b.backend
         OR (NOT bool_or(a.backend IS NOT DISTINCT FROM b.backend) OVER (PARTITION BY d.experiment)
             AND row_number() OVER (PARTITION BY d.experiment ORDER BY a.place, b.place, a.backend, b.backend) = 1)
),
facts AS (
    SELECT experiment, backend, field AS fact, value ->> '$' AS value,
           CASE regexp_extract(field, '^[^.]*') WHEN 'shots' THEN 'shots' WHEN 'repetitions' THEN 'shots'
                WHEN 'seed' THEN 'seed' ELSE 'specification' END AS cause
    FROM fields JOIN executions USING (experiment)
    WHERE json_type(value) <> 'OBJECT' AND regexp_extract(field, '^[^.]*') NOT IN
          ('name', 'tier', 'budget', 'data_class', 'lineage', 'backends', 'rounds', 'baselines')
    UNION ALL
    SELECT experiment, backend, fact, value,
           CASE WHEN fact = 'calibration_id' THEN 'calibration' WHEN fact IN ('backend', 'ran_on', 'engine') THEN 'backend'
                ELSE 'code or compiler' END
    FROM (
        SELECT experiment, backend, unnest([
                   {'fact': 'backend', 'value': backend}, {'fact': 'ran_on', 'value': ran_on},
                   {'fact': 'engine', 'value': engine}, {'fact': 'calibration_id', 'value': calibration_id},
                   {'fact': 'engine_version', 'value': engine_version}, {'fact': 'git_revision', 'value': git_revision},
                   {'fact': 'git_dirty', 'value': git_dirty::VARCHAR}, {'fact': 'python', 'value': python},
                   {'fact': 'platform', 'value': platform}
               ], recursive := true)
        FROM provenance
    )
    UNION ALL
    SELECT experiment, backend, 'package ' || package, json_extract_string(packages, '$."' || package || '"'), 'code or compiler'
    FROM (SELECT experiment, backend, packages, unnest(json_keys(packages)) AS package FROM provenance)
),
compared AS (
    SELECT experiment, previous, backend, previous_backend, any_value(cause) AS cause, fact,
           max(value) FILTER (NOT earlier) AS after, max(value) FILTER (earlier) AS before
    FROM (
        SELECT p.*, f.fact, f.cause, f.value, false AS earlier
        FROM pairs p JOIN facts f ON f.experiment = p.experiment AND f.backend IS NOT DISTINCT FROM p.backend
        UNION ALL
        SELECT p.*, f.fact, f.cause, f.value, true
        FROM pairs p JOIN facts f ON f.experiment = p.previous AND f.backend IS NOT DISTINCT FROM p.previous_backend
    )
    GROUP BY experiment, previous, backend, previous_backend, fact
    HAVING after IS DISTINCT FROM before
),
circuits AS (
    SELECT p.experiment, p.backend, p.template_id, p.calibration_id, p.compiled_sha256, b.angles,
           CASE WHEN p.compiled_sha256 IS NULL THEN 'none'
                ELSE concat(p.compiled_two_qubit_gates, ' two-qubit gates, depth ', p.compiled_depth) END AS size
    FROM provenance p LEFT JOIN (
        SELECT experiment, backend, string_agg(to_json(bindings)::VARCHAR, ' ' ORDER BY first_point) AS angles
        FROM circuit_batches GROUP BY ALL
    ) b USING (experiment, backend)
),
circuit_pairs AS (
    SELECT p.*, b.size AS size_before, a.size AS size_after, a.angles IS DISTINCT FROM b.angles AS other_angles,
           a.compiled_sha256 IS DISTINCT FROM b.compiled_sha256 AND a.template_id IS NOT DISTINCT FROM b.template_id
           AND a.calibration_id IS NOT DISTINCT FROM b.calibration_id AND p.backend = p.previous_backend AS compiled_otherwise
    FROM pairs p
    JOIN circuits a ON a.experiment = p.experiment AND a.backend = p.backend
    JOIN circuits b ON b.experiment = p.previous AND b.backend = p.previous_backend
)
SELECT experiment, previous AS previous_experiment, backend, previous_backend, cause, fact,
       CASE WHEN regexp_matches(fact, '(sha256|_id|revision)$') THEN left(coalesce(before, 'none'), 12)
            ELSE coalesce(before, 'none') END AS before,
       CASE WHEN regexp_matches(fact, '(sha256|_id|revision)$') THEN left(coalesce(after, 'none'), 12)
            ELSE coalesce(after, 'none') END AS after
FROM compared
UNION ALL
SELECT experiment, previous, backend, previous_backend, 'specification', 'angles', 'one list', 'another'
FROM circuit_pairs c
WHERE other_angles AND NOT EXISTS (
    FROM compared o WHERE o.experiment = c.experiment AND o.backend = c.backend AND o.cause = 'specification'
)
UNION ALL
SELECT experiment, previous, backend, previous_backend, 'code or compiler', 'compiled circuit', size_before, size_after
FROM circuit_pairs WHERE compiled_otherwise
""",
)
