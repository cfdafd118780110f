"""The process in which a foreign circuit is parsed: started for one file, with little memory, time, and no files.

A parser may crash its process, panic, or never end. Here that ends this process only. It reads one text from its
standard input and writes one JSON object: the canonical circuit, or what is wrong.
"""

from __future__ import annotations

import dataclasses
import json
import resource
import sys
import tempfile
from pathlib import Path

from qhybrid_pipelines.core.system.address_space import limit_address_space

#: Address space; reading the largest circuit that passes the first check takes 0.4 GB.
MAX_MEMORY_BYTES = 2 << 30
#: Reading the largest circuit takes about ten seconds.
MAX_CPU_SECONDS = 60
#: Frames of Python that the deepest brackets of the first check need.
RECURSION_LIMIT = 20_000


def limit_resources() -> None:
    """Give up memory, time, and the right to write files; none of it can be taken back."""
    limit_address_space(MAX_MEMORY_BYTES)
    for kind, most in (
        (resource.RLIMIT_CPU, MAX_CPU_SECONDS),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (most, most))
    sys.setrecursionlimit(RECURSION_LIMIT)
    # Libraries ask for a folder for temporary files when they are imported; asking tries to write one.
    tempfile.tempdir = str(Path.cwd())


def main() -> None:
    """Answer one text; arguments are the variables of its outcomes."""
    limit_resources()
    text = sys.stdin.buffer.read().decode()
    order = [int(word) for word in sys.argv[1:]]
    from qhybrid_pipelines.core.errors import InvalidInput
    from qhybrid_pipelines.quantum.user_circuits.canonical import to_canonical
    from qhybrid_pipelines.quantum.user_circuits.precheck import check_circuit

    try:
        answer = dataclasses.asdict(to_canonical(check_circuit(text), order))
    except InvalidInput as error:
        answer = {"problem": error.problem, "remedy": error.remedy, "line": error.line}
    except BaseException as error:  # noqa: BLE001  a parser's panic is not an Exception
        words = " ".join(str(error).split())[:200]
        answer = {
            "problem": f"the circuit cannot be read: {type(error).__name__}{': ' if words else ''}{words}",
            "remedy": "Check it with the tool that wrote it.",
            "line": None,
        }
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main()
