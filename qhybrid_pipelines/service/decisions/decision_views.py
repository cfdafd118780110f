"""Decisions as the interface shows them."""

from __future__ import annotations

import dataclasses
from typing import Any

from qhybrid_pipelines.problems.anytime.error_gate import Gate
from qhybrid_pipelines.problems.registry import family_named
from qhybrid_pipelines.service.decisions.decision_records import AnswerRecord, DecisionRecord

_HIDDEN = ("low_gain", "high_gain")


def decision_fields(record: DecisionRecord) -> dict[str, Any]:
    """Return a decision as the interface shows it."""
    answer, status = record.answer, record.status
    chosen = [name for name, value in zip(record.variables, answer.assignment, strict=True) if value == "1"]
    return {
        "decision": record.id,
        "subject": record.subject,
        "family": record.family,
        "state": str(status.state),
        "reason": status.reason,
        "version": status.version,
        "source": answer.source,
        "objective": record.turned(answer.objective),
        "sense": "max" if record.negated else family_named(record.family).sense,
        "feasible": answer.feasible,
        "proved": answer.proved,
        "assignment": answer.assignment if answer.feasible else None,
        "chosen": chosen if answer.feasible else None,
        "opened_at": record.opened_at,
        "expires_at": record.expires_at,
        "answer_ms": round(1000 * record.answer_seconds, 3),
        "used_version": status.used_version,
        "quantum": record.quantum,
        "quantum_detail": record.quantum_detail,
        "experiment": None if record.experiment is None else f"/v1/experiments/{record.experiment}",
        "supersedes": record.supersedes,
        "outcome": record.outcome,
        "answers": [answer_fields(record, one) for one in record.answers],
        "href": f"/v1/decisions/{record.id}",
    }


def answer_fields(record: DecisionRecord, answer: AnswerRecord) -> dict[str, Any]:
    """Return an answer to a decision as the interface shows it."""
    fields = {name: value for name, value in dataclasses.asdict(answer).items() if name not in _HIDDEN}
    outcome = None if answer.outcome is None else str(answer.outcome)
    return fields | {
        "assignment": answer.assignment if answer.feasible else None,
        "objective": record.turned(answer.objective),
        "realised": record.turned(answer.realised),
        "outcome": outcome,
        "jobs": list(answer.jobs),
    }


def entity_tag(record: DecisionRecord) -> str:
    """Return what changes with every change of a decision, and when its deadline passes."""
    return f'"{record.revision}-{record.status.state}"'


def gate_fields(subject: str, gate: Gate) -> dict[str, Any]:
    """Return a gate as the interface shows it."""
    return {
        "subject": subject,
        "closed": gate.closed,
        "evidence": min(gate.evidence, 1e12),
        "judged": gate.judged,
        "low": gate.low,
        "outside": gate.outside,
        "upgrades": gate.upgrades,
        "worse": gate.worse,
    }
