"""The upgrades of decisions in the order in which they were stored: what streams and webhooks tell of.

A row is written in the transaction of its upgrade and never changed, so that whoever remembers the last number misses none, and a
repetition is the same byte for byte. There is at most one of a decision.
"""

from __future__ import annotations

import json
import sqlite3
from datetime import datetime, timedelta
from typing import Any

from qhybrid_pipelines.core.vocabulary.decision_words import DECISION_UPGRADED
from qhybrid_pipelines.service.decisions.decision_records import AnswerRecord, DecisionRecord
from qhybrid_pipelines.service.decisions.decision_states import Moment


def write_upgrade(connection: sqlite3.Connection, before: DecisionRecord, answer: AnswerRecord, now: Moment) -> None:
    """Write down that an answer has become the current one.

    Args:
        connection: in the transaction of the upgrade.
        before: the decision before it.
        answer: the new current answer.
        now: the present; the machine was not restarted since the decision was made, because otherwise it was over.
    """
    left = timedelta(seconds=before.status.deadline.seconds - now.seconds)
    data = {
        "subject": before.subject,
        "family": before.family,
        "version": answer.version,
        "source": answer.source,
        "objective": before.turned(answer.objective),
        "previous_objective": before.turned(before.answer.objective),
        "gain": answer.gain,
    }
    connection.execute(
        "INSERT INTO upgrade (decision, principal, at, data) VALUES (?, ?, ?, ?)",
        (before.id, before.principal, (datetime.fromisoformat(before.expires_at) - left).isoformat(), json.dumps(data)),
    )


def read_upgrades(
    connection: sqlite3.Connection, *, after: int, principal: str | None, limit: int
) -> tuple[list[dict[str, Any]], int]:
    """Return upgrades as the interface shows them, and the number up to which all were looked through.

    Args:
        connection: to the decisions.
        after: number of the last one that is known.
        principal: whose; None is everybody's.
        limit: at most so many.
    """
    last = last_number(connection)
    rows = connection.execute(
        "SELECT number, decision, at, data FROM upgrade WHERE number > ? AND number <= ? AND (? IS NULL OR principal = ?) "
        "ORDER BY number LIMIT ?",
        (after, last, principal, principal, limit),
    ).fetchall()
    items = [
        {
            "number": row["number"],
            "type": DECISION_UPGRADED,
            "decision": row["decision"],
            "at": row["at"],
            **json.loads(row["data"]),
            "href": f"/v1/decisions/{row['decision']}",
        }
        for row in rows
    ]
    return items, items[-1]["number"] if len(items) == limit else max(after, last)


def last_number(connection: sqlite3.Connection) -> int:
    """Return the number of the last upgrade; 0 before the first."""
    return int(connection.execute("SELECT coalesce(max(number), 0) FROM upgrade").fetchone()[0])
