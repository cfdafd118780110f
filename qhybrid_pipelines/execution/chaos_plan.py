"""The plan of the provider `chaos`: which calls go wrong, how, and how often. The seed decides, so a plan can be repeated.

A plan is a JSON file::

    {"seed": 7, "faults": [{"on": "submit", "fault": "after", "share": 0.3, "times": 1}, ...]}

``on`` is a method of the port and ``fault`` one of the words below. ``share`` is the part of all subjects (tokens or
jobs) that are hit, chosen by their hash; ``times`` is how often a subject is hit in one process, without end if left out;
``seconds`` is for ``slow``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from qhybrid_pipelines.core.errors import InvalidInput

PortMethod = Literal["submit", "find", "poll", "fetch", "cancel", "estimate"]

#: What can go wrong where.
FAULTS: Mapping[str, frozenset[str]] = {
    "before": frozenset({"submit"}),  # in doubt, and nothing was accepted
    "after": frozenset({"submit"}),  # in doubt, and it was accepted
    "throttle": frozenset({"submit", "find", "poll", "fetch", "cancel", "estimate"}),
    "unavailable": frozenset({"find", "poll", "fetch", "cancel", "estimate"}),
    "slow": frozenset({"submit", "find", "poll", "fetch", "cancel", "estimate"}),
    "lost": frozenset({"poll"}),  # the provider does not know the job any more
    "corrupt": frozenset({"fetch"}),  # one byte of the result is another
}


class Fault(BaseModel):
    """One rule of a plan."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    on: PortMethod
    fault: Literal["before", "after", "throttle", "unavailable", "slow", "lost", "corrupt"]
    share: Annotated[float, Field(ge=0, le=1)] = 1.0
    times: Annotated[int, Field(ge=1)] | None = None
    seconds: Annotated[float, Field(gt=0, le=3600)] = 1.0

    @model_validator(mode="after")
    def _check_combination(self) -> Self:
        if self.on not in FAULTS[self.fault]:
            raise ValueError(f"'{self.fault}' happens on {', '.join(sorted(FAULTS[self.fault]))}, not on '{self.on}'")
        return self


class FaultPlan(BaseModel):
    """A whole plan."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int = 0
    faults: tuple[Fault, ...] = ()


def read_plan(file: Path) -> FaultPlan:
    """Return the plan in a file.

    Raises:
        InvalidInput: it is not a plan; names the field.
    """
    remedy = 'Write for example {"seed": 7, "faults": [{"on": "submit", "fault": "after", "share": 0.3}]}.'
    try:
        return FaultPlan.model_validate(json.loads(file.read_text(encoding="utf-8")))
    except ValidationError as error:
        first: Any = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or None
        raise InvalidInput(first["msg"], remedy=remedy, file=file.name, field=field) from None
    except ValueError as error:
        raise InvalidInput(f"the plan is not JSON ({error})", remedy=remedy, file=file.name) from None


def is_hit(seed: int, rule: int, subject: str, share: float) -> bool:
    """Tell whether a subject is among the share that a rule hits."""
    digest = hashlib.sha256(f"chaos|{seed}|{rule}|{subject}".encode()).digest()
    return int.from_bytes(digest[:8]) < share * 2**64
