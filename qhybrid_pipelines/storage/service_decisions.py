"""What the warehouse shows of the decision service: every answer of every decision, and what was missed."""

from __future__ import annotations

from types import MappingProxyType

import pyarrow as pa

from qhybrid_pipelines.core.vocabulary.decision_words import CandidateOutcome, DecisionState
from qhybrid_pipelines.storage.schemas.descriptions import BOOL, F64, I32, TEXT, TIME, Column, Table, column
from qhybrid_pipelines.storage.view import View

SERVICE_DECISIONS = Table(
    name="service_decisions",
    meaning="What the decision service answered, one row per answer: what solution methods found before the first answer, and every candidate after it",
    key=("decision", "place"),
    order=("decision", "place"),
    columns=(
        column("decision", TEXT, "Id of the decision"),
        column("place", I32, "Order of its answers, from 0"),
        column("principal", TEXT, "Who asked"),
        column("subject", TEXT, "What it is about, in the client's words"),
        column("family", TEXT, "Problem family"),
        column("instance_sha256", TEXT, "Content hash of the instance"),
        column("experiment", TEXT, "Experiment that seeks a quantum answer", nullable=True),
        column("opened_at", TIME, "When it was asked", measured=True),
        column("expires_at", TIME, "When the answer became final", measured=True),
        column("state", TEXT, "State of the decision", words=tuple(DecisionState)),
        column("reason", TEXT, "Why the first answer was retained", nullable=True),
        column("final_version", I32, "Version of the current answer"),
        column("used_version", I32, "Version that the client acted on; null where it did not say", nullable=True),
        column("quantum", TEXT, "What was done about a quantum answer"),
        column("min_gain", F64, "Least gain of an upgrade, as a share of the objective"),
        column("confidence", F64, "Least probability that an upgrade is better"),
        column("deadline_seconds", F64, "From the request to the deadline", "s"),
        column("answer_seconds", F64, "From the request to the first answer", "s", measured=True),
        column("source", TEXT, "Who found it: a solution method, an earlier decision (known), or a backend"),
        column("assignment", TEXT, "0 and 1 in the instance's own variable order, first variable first"),
        column("objective", F64, "Objective in the family's own units, as its source means it", nullable=True),
        column("feasible", BOOL, "All constraints hold"),
        column("proved", BOOL, "Nothing is better"),
        column("seconds", F64, "That finding it took", "s", nullable=True, measured=True),
        column("after_seconds", F64, "From the request to this answer", "s", measured=True),
        column("version", I32, "Which version it is; null where it never stood", nullable=True),
        Column(
            name="outcome",
            type=TEXT,
            meaning="What became of a candidate; null for what came before the first answer",
            nullable=True,
            words=tuple(CandidateOutcome),
        ),
        column("gain", F64, "Over the first answer, by the coefficients as stated; positive is better", nullable=True),
        column("wins", I32, "Scenarios in which it is better", nullable=True),
        column("scenarios", I32, "Number of scenarios", nullable=True),
        column("confidence_low", F64, "Lower 95 % bound of the probability that it is better", nullable=True),
        column("low_gain", F64, "5 % quantile of its gain over the scenarios", nullable=True),
        column("high_gain", F64, "95 % quantile of its gain over the scenarios", nullable=True),
        column("realised", F64, "What it turned out to be worth", nullable=True),
        column("jobs", pa.list_(pa.string()), "Jobs that measured it"),
        column("cost_usd", F64, "What these jobs cost", "USD", nullable=True),
        column("reported_value", F64, "What the version that was used turned out to be worth", nullable=True),
        column(
            "stored_sign",
            I32,
            "-1 where the source is to be maximised, although the family minimises: larger objectives are better; else 1",
        ),
    ),
)

REGRET = View(
    name="regret",
    meaning="What decisions turned out to be worth compared with the best answer that was known, late ones included; those whose outcome was reported",
    columns=MappingProxyType(
        {
            "decision": "Id of the decision",
            "principal": "Who asked",
            "subject": "What it is about",
            "family": "Problem family",
            "opened_at": "When it was asked",
            "version": "Version that was used; the one that stood where nobody said it",
            "source": "Who found that answer",
            "value": "What it turned out to be worth",
            "fallback_value": "What the first answer turned out to be worth",
            "gain": "Value over that of the first answer; positive is better",
            "upgraded_for_the_worse": "An upgrade was used that turned out worse than the first answer",
            "best_source": "Who found the answer that turned out best",
            "best_value": "What that was worth",
            "regret": "What was missed: best value over that of the answer that was used; 0 is nothing",
        }
    ),
    sql="""
WITH told AS (
    SELECT s.*, CASE WHEN f.sense = 'max' OR s.stored_sign < 0 THEN 1 ELSE -1 END AS sign
    FROM service_decisions s JOIN families f USING (family)
    WHERE s.feasible AND s.realised IS NOT NULL
),
best AS (
    SELECT decision, first(source ORDER BY sign * realised DESC, place) AS source,
           first(realised ORDER BY sign * realised DESC, place) AS realised
    FROM told GROUP BY decision
)
SELECT u.decision, u.principal, u.subject, u.family, u.opened_at, u.version, u.source, u.realised AS value,
       f.realised AS fallback_value, u.sign * (u.realised - f.realised) AS gain,
       u.version > 1 AND u.sign * (u.realised - f.realised) < 0 AS upgraded_for_the_worse,
       b.source AS best_source, b.realised AS best_value, u.sign * (b.realised - u.realised) AS regret
FROM told u
JOIN best b USING (decision)
LEFT JOIN told f ON f.decision = u.decision AND f.version = 1
WHERE u.version = coalesce(u.used_version, u.final_version)
""",
)
