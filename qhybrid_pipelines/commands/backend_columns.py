"""The capability matrix for people: short cells, and the order in which a narrow window gives columns up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from qhybrid_pipelines.commands.job_page import duration

#: Columns of the matrix, with their meanings.
COLUMNS: Mapping[str, str] = {
    "backend": "full name, as `backends` of a specification takes it",
    "plane": "kind of work: `gate` (circuits), `annealing` (Ising models on qubits) or `hybrid` (Ising models, by a solver that is classical except for a part that D-Wave does not disclose)",
    "vendor": "whose it is",
    "mode": "what kind of machine it is: hardware, simulator, local-testing or emulator",
    "price": "`free`, or what is billed; how, says the price model below",
    "qubits": "widest circuit",
    "repeats": "how a repeated submission is recognised: `token` (merged), `tag_lookup` (found by listing) or `none`",
    "calibrated": "age of the newest calibration in the ledger",
    "queue": "jobs that wait, or the wait of a new job, where it says so",
    "region": "where jobs are processed; `?` where nobody says so",
    "data": "classes of data that the policy lets go there",
    "state": "`ready`, `offline`, or what is missing",
}
#: The same with a specification: what it would take there.
CHOICE_COLUMNS: Mapping[str, str] = {
    "backend": COLUMNS["backend"],
    "takes": "`yes`, `with approval` of a person, `when it is back`, or `no`",
    "high_usd": "highest quote for all jobs that are not in the ledger yet, US dollars",
    "jobs": "jobs it would be split into there",
    "shots": "over all circuits",
    **{name: COLUMNS[name] for name in ("mode", "qubits", "calibrated", "queue", "region", "data")},
    "why": "each reason why not, with what to do about it",
}
#: Columns that a narrow window does without, the first of these first.
GIVEN_UP = ("plane", "vendor", "data", "repeats", "calibrated", "queue", "region", "price", "qubits", "mode")
CHOICE_GIVEN_UP = ("data", "calibrated", "qubits", "queue", "region", "mode", "shots", "jobs")


def matrix_cells(row: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Return the cells of `COLUMNS`, and those of `CHOICE_COLUMNS` where the row is the answer to a specification.

    Args:
        row: of the matrix, also with what it says to a specification.
        now: the present, in UTC.
    """
    free = row.get("price_model") == "free"
    cells = {
        "backend": row["backend"],
        "plane": row.get("plane"),
        "vendor": row.get("vendor"),
        "mode": row.get("mode"),
        "price": "free" if free else row.get("price_model"),
        "qubits": row.get("max_qubits"),
        "repeats": row.get("dedupe"),
        "calibrated": _age(row.get("calibrated_at"), now),
        "queue": _queue(row),
        "region": row.get("region") or "?",
        "data": ", ".join(row.get("data_classes") or ()),
        "state": row["problem"] or ("offline" if row.get("online") is False else "ready"),
    }
    if "takes" not in row:
        return cells
    choice = {name: row[name] for name in ("takes", "high_usd", "jobs", "shots")} | {"why": "; ".join(row["reasons"])}
    return {name: (cells | choice)[name] for name in CHOICE_COLUMNS}


def fold_unreachable(rows: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the rows with one line for all backends of a provider that cannot be asked for the same reason.

    A key that is missing is then said once. Fields in which the backends differ, and ages of calibrations, are left out of that line.
    """
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        answer = [row.get(name) for name in ("takes", "high_usd", "jobs", "shots")]
        same = (row["provider"], row["problem"], *answer, *(row.get("reasons") or ()))
        groups.setdefault((row["backend"],) if row["problem"] is None else same, []).append(row)
    return [_fold(group) for group in groups.values()]


def _fold(rows: list[Mapping[str, Any]]) -> Mapping[str, Any]:
    first, *others = rows
    if not others:
        return first
    shared = {name: value for name, value in first.items() if all(other.get(name) == value for other in others)}
    return shared | {"backend": f"{first['provider']}:* ({len(rows)} backends)", "calibrated_at": None}


def _age(at: datetime | None, now: datetime) -> str:
    """Return how old a calibration is; an emulator's clock may be ahead of ours."""
    return "" if at is None else duration(max(0.0, (now - at).total_seconds()))


def _queue(row: Mapping[str, Any]) -> str:
    jobs, seconds = row.get("queued_jobs"), row.get("queue_seconds")
    if row.get("immediate"):
        return "none"
    said = ([f"{jobs} jobs"] if jobs is not None else []) + ([duration(seconds)] if seconds is not None else [])
    return ", ".join(said)
