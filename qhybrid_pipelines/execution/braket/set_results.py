"""Results of program sets: each circuit has its outcomes, or a reason why it has none.

A result holds everything, or names further objects of its folder by relative paths: one for each program, and in these one for each
executable. Where programs have inputs, ``inputsIndex`` says which of their numbers an executable had.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from qhybrid_pipelines.core.errors import CorruptResult, Unavailable
from qhybrid_pipelines.core.text.redaction import vendor_text

RESULT = "braket.task_result.program_set_task_result"
RESULT_FILE = "results.json"
_FILE = f"/{RESULT_FILE}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Executables:
    """What became of the circuits of a program set, by their number in it.

    Attributes:
        metadata: what is said of the task.
        results: the outcomes of those that ran.
        failed: why the others did not.
    """

    metadata: Mapping[str, Any]
    results: Mapping[int, dict[str, Any]]
    failed: Mapping[int, str]


def gather(result: bytes, *, bucket: str, folder: str, load: Callable[[str], bytes]) -> dict[str, bytes]:
    """Return the objects that a result names, by path below its folder; none where it holds everything.

    Args:
        result: as it was received.
        bucket: where the task leaves its results.
        folder: of this task in it.
        load: returns the object with a key.

    Raises:
        Unavailable: it names something outside of the task's folder.
        ProviderError: what ``load`` raises.
    """
    try:
        said = json.loads(result)
        if not said.get("s3Location"):
            return {}
        named_bucket, prefix = said["s3Location"]
        programs, metadata = said["programResults"], said["taskMetadata"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}  # whoever decodes it says what is wrong
    prefix = str(prefix).strip("/")
    if named_bucket != bucket or not f"{prefix}/".startswith(f"{folder}/"):
        raise Unavailable(
            f"the result of the task lies in {named_bucket}/{prefix}, not in its folder {bucket}/{folder}"
        )
    found = {path: load(f"{prefix}/{path}") for path in _paths([*programs, metadata])}
    for path in _paths(programs):
        inner = _entries(found[path], "executableResults")
        base = path.removesuffix(_FILE)
        found |= {f"{base}/{name}": load(f"{prefix}/{base}/{name}") for name in _paths(inner)}
    return found


def read_executables(result: Mapping[str, Any], objects: Mapping[str, Any]) -> Executables:
    """Return what became of each circuit.

    Args:
        result: of the task.
        objects: those that it names, by path.

    Raises:
        CorruptResult: cut off, or not in the published form.
    """
    try:
        metadata = _resolve(result["taskMetadata"], objects, "")
        programs = result["programResults"]
        results: dict[int, dict[str, Any]] = {}
        failed: dict[int, str] = {}
        for place, given in enumerate(programs):
            program = _resolve(given, objects, "")
            base = given.removesuffix(_FILE) if isinstance(given, str) else ""
            for one in (_resolve(entry, objects, base) for entry in program["executableResults"]):
                number = _number(one["inputsIndex"], place, len(programs))
                if number in results or number in failed:
                    raise CorruptResult(f"the result has circuit {number} twice")
                if "failureMetadata" in one:
                    failed[number] = _why(one["failureMetadata"])
                else:
                    results[number] = one
        for number in _cancelled(metadata):
            if number not in results:
                failed.setdefault(number, "cancelled")
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise CorruptResult(f"the result is not that of a program set: {type(error).__name__} {error}") from None
    return Executables(metadata=metadata, results=results, failed=failed)


def _number(inputs_index: Any, place: int, programs: int) -> int:
    """Return the number of an executable: of its inputs where one program has them, of its program where each has one."""
    if type(inputs_index) is not int or inputs_index < 0 or (programs > 1 and inputs_index):
        raise CorruptResult(f"the result has inputs {str(inputs_index)[:40]!r}, which were not asked for")
    return place if programs > 1 else inputs_index


def _cancelled(metadata: Mapping[str, Any]) -> Iterator[int]:
    programs = metadata["programMetadata"]
    for place, program in enumerate(programs):
        for index, executable in enumerate(program["executables"]):
            if executable.get("status") == "CANCELLED":
                yield _number(index, place, len(programs))


def _why(failure: Mapping[str, Any]) -> str:
    said = vendor_text(str(failure.get("failureReason") or "no reason is given"), max_characters=200)
    return f"{said} ({str(failure.get('category') or 'no category')[:20].lower()})"


def _resolve(given: Any, objects: Mapping[str, Any], base: str) -> dict[str, Any]:
    """Return an object that is there, or that a path names."""
    found = objects[f"{base}/{given}" if base else given] if isinstance(given, str) else given
    if not isinstance(found, dict):
        raise CorruptResult(f"a part of the result is {str(found)[:40]!r}, not an object")
    return found


def _paths(entries: Any) -> list[str]:
    """Return the relative paths among the entries of a list. Raises `Unavailable` for one that leads elsewhere."""
    paths = [entry for entry in entries if isinstance(entry, str)] if isinstance(entries, list) else []
    for path in paths:
        if not all(step.strip(".") for step in path.split("/")):
            raise Unavailable(f"the result names {path[:100]!r}, which is not a path below it")
    return paths


def _entries(content: bytes, field: str) -> Any:
    try:
        return json.loads(content)[field]
    except (ValueError, KeyError, TypeError, RecursionError):
        return []
