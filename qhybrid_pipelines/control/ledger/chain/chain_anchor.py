"""Links of the chain of events that are noted outside the ledger's database, one small file each.

Whoever may write to the database can cut the chain's end off, or empty all tables, and leave something whole behind. A
link that was noted elsewhere tells: the ledger must still contain it.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

from filelock import FileLock

from qhybrid_pipelines.control.ledger.chain.event_chain import ChainHead
from qhybrid_pipelines.control.ledger.port import Ledger
from qhybrid_pipelines.core.canonical import canonical_json
from qhybrid_pipelines.core.errors import CorruptFile
from qhybrid_pipelines.core.system.files import write_bytes


def read_link(path: Path) -> ChainHead | None:
    """Return a link that was noted, or None where there is no note.

    Raises:
        CorruptFile: the note cannot be read.
    """
    try:
        note = json.loads(path.read_text())
        return ChainHead(position=int(note["position"]), hash=str(note["hash"]))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptFile(
            str(path),
            "the note about the ledger's chain of events cannot be read",
            remedy="Restore it from a backup. Without one, run `qhybrid doctor --full`, and remove it if all else is well.",
        ) from error


def write_link(path: Path, link: ChainHead, *, now: datetime) -> None:
    """Note a link, durably, in place of the one before."""
    note = {"position": link.position, "hash": link.hash, "noted_at": now.isoformat()}
    write_bytes(path, canonical_json(note).encode() + b"\n")


def advance(path: Path, ledger: Ledger, *, now: datetime) -> bool:
    """Note the last link of a ledger, if it still contains the link that was noted before.

    Otherwise the older note stays, as the only thing that still says how far the ledger once was.

    Returns:
        Whether the note is the ledger's last link now.

    Raises:
        CorruptFile: the note cannot be read; it stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f"{path.name}.lock")):
        noted, head = read_link(path), ledger.head()
        if noted is not None and not ledger.contains(noted):
            return False
        # Another publication may have seen a later head than this one.
        if head != noted and (noted is None or head.position > noted.position):
            write_link(path, head, now=now)
    return True


def explain_missing(link: ChainHead, head: ChainHead) -> str:
    """Return what it means that a ledger does not contain a link that was noted, one sentence."""
    problem = f"event {link.position} ({link.hash[:12]}) was noted outside the ledger and is not in it"
    if head.position < link.position:
        return f"{problem}: the ledger ends at event {head.position}, so its end was cut off, or it is an older copy or another ledger"
    return f"{problem}: events were replaced, or it is another ledger"
