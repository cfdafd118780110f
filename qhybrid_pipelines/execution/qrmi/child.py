"""Program that calls QRMI: what to call comes on standard input, what came of it goes to standard output, both as JSON.

A process of its own, because QRMI waits for an answer without end, and nothing but the end of the process stops it. The alarm ends it
even where its caller has died.

It is run by its path and imports nothing of this package.
"""

from __future__ import annotations

import json
import signal
import sys
from importlib import import_module
from typing import Any


def main() -> None:
    """Answer with ``{"unopened": error}`` where no call was made, else with ``{"answers": [...]}``, one for each call that was made.

    With ``stops`` none is made after one that failed.
    """
    given = json.load(sys.stdin)
    # Without a handler the alarm ends the process, wherever it waits.
    signal.setitimer(signal.ITIMER_REAL, given["seconds"])
    try:
        qrmi: Any = import_module("qrmi")
        resource = qrmi.QuantumResource(given["name"], getattr(qrmi.ResourceType, given["kind"]))
    except Exception as error:  # noqa: BLE001  of QRMI's own kinds, and of an installation that is broken
        said: dict[str, Any] = {"unopened": _error(error)}
    else:
        answers: list[dict[str, Any]] = []
        for call in given["calls"]:
            if not (given["stops"] and answers and "error" in answers[-1]):
                answers.append(_answer(qrmi, resource, *call))
        said = {"answers": answers}
    json.dump(said, sys.stdout)


def _answer(qrmi: Any, resource: Any, method: str, *arguments: str) -> dict[str, Any]:
    try:
        if method == "task_start":
            arguments = (qrmi.Payload.QiskitPrimitive(input=arguments[0], program_id="sampler"),)
        found = getattr(resource, method)(*arguments)
        if method == "task_status":
            found = str(found).rpartition(".")[2]
        elif method == "status":
            found = found.to_dict()
        return {"value": getattr(found, "value", found)}
    except Exception as error:  # noqa: BLE001  of QRMI's own kinds; which one it is, the caller reads
        return {"error": _error(error)}


def _error(error: Exception) -> list[str]:
    return [type(error).__name__, str(error)]


if __name__ == "__main__":
    main()
