"""What two executions did differently, sorted by what can move a result: the first question when a number changed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Cause(StrEnum):
    """Where a change comes from.

    Shots and seed change what chance gives, never the distribution: a difference beyond shot noise is not made of them.
    """

    SPECIFICATION = "specification"
    BACKEND = "backend"
    CALIBRATION = "calibration"
    CODE_OR_COMPILER = "code or compiler"
    SHOTS = "shots"
    SEED = "seed"

    @property
    def moves_the_distribution(self) -> bool:
        """Whether counts can differ beyond shot noise because of it."""
        return self not in (Cause.SHOTS, Cause.SEED)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedFact:
    """One recorded fact that differs.

    Attributes:
        cause: what it belongs to.
        fact: dotted name of a field, or name of a record.
        before: as text, "none" where there was none.
        after: the same of the other execution.
    """

    cause: Cause
    fact: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.fact}: {self.before} -> {self.after}"


#: Fields that say who asks and what may be spent, and nothing about the result; those of other causes are listed on their own.
_LEFT_OUT = ("name", "tier", "budget", "data_class", "lineage", "backends", "rounds", "baselines")
_SHOTS = ("shots", "repetitions")
_RECORDED: Mapping[str, Cause] = {
    "backend": Cause.BACKEND,
    "ran_on": Cause.BACKEND,
    "engine": Cause.BACKEND,
    "calibration_id": Cause.CALIBRATION,
    "engine_version": Cause.CODE_OR_COMPILER,
    "git_revision": Cause.CODE_OR_COMPILER,
    "git_dirty": Cause.CODE_OR_COMPILER,
    "python": Cause.CODE_OR_COMPILER,
    "platform": Cause.CODE_OR_COMPILER,
}
#: Characters of a hash that is shown.
_HASH_DIGITS = 12


def changed_facts(before: Mapping[str, Any], after: Mapping[str, Any], *, angles_differ: bool) -> list[ChangedFact]:
    """Return what differs between two executions, fields of the specification first.

    Args:
        before: ``specification`` as plain data, ``backend``, and the row of `provenance` as ``provenance`` (None without one).
        after: the same of the other execution.
        angles_differ: the circuits were run at other angles; said only where no field of the specification says why.
    """
    found = list(_changed_fields(before["specification"], after["specification"]))
    if angles_differ and not any(fact.cause is Cause.SPECIFICATION for fact in found):
        found.append(ChangedFact(cause=Cause.SPECIFICATION, fact="angles", before="one list", after="another"))
    found += _changed_records(_records(before), _records(after))
    return found


def _changed_fields(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[ChangedFact]:
    old, new = dict(_flat(before)), dict(_flat(after))
    for name in [*old, *(name for name in new if name not in old)]:
        top = name.partition(".")[0]
        if top in _LEFT_OUT or old.get(name) == new.get(name):
            continue
        cause = Cause.SHOTS if top in _SHOTS else Cause.SEED if top == "seed" else Cause.SPECIFICATION
        yield ChangedFact(cause=cause, fact=name, before=_text(name, old.get(name)), after=_text(name, new.get(name)))


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}" if name else str(key))
    else:
        yield name, value


def _records(execution: Mapping[str, Any]) -> dict[str, Any]:
    provenance = execution["provenance"] or {}
    return {"backend": execution["backend"], **provenance}


def _changed_records(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[ChangedFact]:
    for name, cause in _RECORDED.items():
        if before.get(name) != after.get(name):
            yield ChangedFact(
                cause=cause, fact=name, before=_text(name, before.get(name)), after=_text(name, after.get(name))
            )
    old, new = (json.loads(record.get("packages") or "{}") for record in (before, after))
    for package in sorted({*old, *new}):
        if old.get(package) != new.get(package):
            yield ChangedFact(
                cause=Cause.CODE_OR_COMPILER,
                fact=f"package {package}",
                before=_text(package, old.get(package)),
                after=_text(package, new.get(package)),
            )
    # The same circuit for the same machine as it was calibrated: what differs is how it was compiled.
    same = ("template_id", "backend", "calibration_id")
    if before.get("compiled_sha256") != after.get("compiled_sha256") and all(
        before.get(n) == after.get(n) for n in same
    ):
        yield ChangedFact(
            cause=Cause.CODE_OR_COMPILER,
            fact="compiled circuit",
            before=_compiled(before),
            after=_compiled(after),
        )


def _compiled(record: Mapping[str, Any]) -> str:
    if record.get("compiled_sha256") is None:
        return "none"
    return f"{record.get('compiled_two_qubit_gates')} two-qubit gates, depth {record.get('compiled_depth')}"


def _text(name: str, value: Any) -> str:
    if value is None:
        return "none"
    text = value if isinstance(value, str) else json.dumps(value)
    return text[:_HASH_DIGITS] if name.endswith(("sha256", "_id", "revision")) else text


def describe_difference(
    changes: Sequence[ChangedFact], *, beyond_shot_noise: bool, identical: bool, p_value: float
) -> str:
    """Return the conclusion as one sentence: within shot noise, or what the difference is made of."""
    causes = list(dict.fromkeys(change.cause for change in changes if change.cause.moves_the_distribution))
    named = " and ".join(causes) if len(causes) < 3 else f"{', '.join(causes[:-1])} and {causes[-1]}"
    if identical:
        return "The counts are the same, every one."
    chance = f"p = {p_value:.2g}"
    if not beyond_shot_noise:
        changed = f", although {named} changed" if causes else ""
        return f"The counts agree within shot noise ({chance}){changed}."
    beyond = f"The counts differ beyond shot noise ({chance})"
    if not causes:
        return f"{beyond}; not attributable: nothing that is recorded and moves a distribution changed."
    if len(causes) == 1:
        return f"{beyond}. What changed: {named}."
    return f"{beyond}. {named[0].upper()}{named[1:]} changed at once; two runs cannot tell them apart."
