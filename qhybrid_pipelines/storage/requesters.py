"""Who sent an experiment through the HTTP service: written when it is registered, and read by whatever starts its runs.

The first one stays. An experiment that came another way has none: then whoever runs it asks for it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from qhybrid_pipelines.core.canonical import canonical_json
from qhybrid_pipelines.core.errors import CorruptFile
from qhybrid_pipelines.core.specifications.experiment_key import check_key
from qhybrid_pipelines.core.system.files import make_folder, write_once
from qhybrid_pipelines.storage.layout import Home

if TYPE_CHECKING:
    from pathlib import Path

    from qhybrid_pipelines.core.specifications.sampling_specification import AnySpec


def write_requester(home: Home, key: str, principal: str) -> None:
    """Note who sent an experiment; a note that is there stays as it is."""
    make_folder(home.requesters)
    write_once(home.requesters / f"{check_key(key)}.json", canonical_json({"principal": principal}).encode() + b"\n")


def read_requester(home: Home, key: str) -> str | None:
    """Return who sent an experiment; None where it came another way.

    Raises:
        CorruptFile: the note cannot be read. Nobody else may be taken for the sender: the policy would ask about another.
    """
    path = home.requesters / f"{check_key(key)}.json"
    try:
        principal = json.loads(path.read_bytes())["principal"]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CorruptFile(
            str(path), "who sent this experiment cannot be read", remedy="Restore the file from a backup."
        ) from error
    return str(principal)


def first_rounds_requester(home: Home, key: str, spec: AnySpec) -> str | None:
    """Return who sent an experiment, or its first round, which is whose the later ones are. Raises as `read_requester`."""
    return read_requester(home, _first_round(key, spec))


def requester_file(home: Home, key: str, spec: AnySpec) -> Path:
    """Return the file that says who sent an experiment, or its first round; most experiments have none."""
    return home.requesters / f"{check_key(_first_round(key, spec))}.json"


def _first_round(key: str, spec: AnySpec) -> str:
    lineage = getattr(spec, "lineage", None)  # learning experiments have no rounds
    return (lineage.root if lineage is not None else None) or key
