"""What persons have decided about a home that may be a copy: who, when, and what was known then; one line each, never changed."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from qhybrid_pipelines.core.canonical import canonical_json
from qhybrid_pipelines.core.errors import CorruptFile
from qhybrid_pipelines.core.system.files import append
from qhybrid_pipelines.storage.layout import Home


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeDecision:
    """One decision.

    Attributes:
        at: when, in UTC, ISO 8601.
        by: who, as the deployment names whoever works here.
        decision: ``continue`` or ``separate``.
        home_id: of the home before.
        new_home_id: of the home since.
        problems: what was to be decided, one sentence each.
    """

    at: str
    by: str
    decision: str
    home_id: str
    new_home_id: str
    problems: tuple[str, ...] = ()


def add_decision(home: Home, decision: HomeDecision) -> None:
    """Note a decision durably."""
    append(home.decisions, canonical_json(asdict(decision)).encode() + b"\n")


def read_decisions(home: Home) -> tuple[HomeDecision, ...]:
    """Return all decisions, oldest first.

    Raises:
        CorruptFile: a line cannot be read.
    """
    try:
        lines = home.decisions.read_text("utf-8").splitlines()
    except FileNotFoundError:
        return ()
    decisions = []
    for number, line in enumerate(lines, start=1):
        try:
            values = json.loads(line)
            decisions.append(HomeDecision(**values | {"problems": tuple(values["problems"])}))
        except (ValueError, TypeError, KeyError) as error:
            raise CorruptFile(
                str(home.decisions),
                f"line {number} is not a decision",
                remedy="Nothing depends on this file; move it away.",
            ) from error
    return tuple(decisions)
