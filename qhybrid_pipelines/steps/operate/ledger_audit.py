"""Whether the ledger is what was written: its events, its rows, its triggers, and what was noted about it elsewhere.

An audit goes on from the last one that found nothing, its check point: the link of the chain up to which everything was
compared. Everything from the first event on is compared where there is no check point, or when somebody asks for it.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from qhybrid_pipelines.control.ledger.chain import chain_anchor
from qhybrid_pipelines.control.ledger.chain.event_chain import ChainHead
from qhybrid_pipelines.control.ledger.port import Ledger
from qhybrid_pipelines.core.errors import CorruptFile, InvalidInput
from qhybrid_pipelines.steps.operate.lake_audit import compare_lake, compare_raw_results
from qhybrid_pipelines.storage.analyst import query
from qhybrid_pipelines.storage.layout import Home


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerAudit:
    """What an audit found; each list has one sentence per finding.

    Attributes:
        start: link up to which the audit before had found nothing; position 0 where everything was compared.
        head: last link of the chain.
        chain: about the events.
        rows: about rows that are not what the events say.
        guards: triggers that are not in force.
        notes: about links that were noted outside the ledger.
        lake: about tables and kept results that contradict the ledger.
    """

    start: ChainHead
    head: ChainHead
    chain: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()
    guards: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    lake: tuple[str, ...] = ()

    @property
    def findings(self) -> tuple[str, ...]:
        """All of them, the gravest first."""
        missing = tuple(f"the trigger {name} is not in force" for name in self.guards)
        return (*self.notes, *self.chain, *self.rows, *missing, *self.lake)


def audit_ledger(home: Home, ledger: Ledger, *, full: bool = False) -> LedgerAudit:
    """Compare what has changed since the last check point, or everything, and set a new one if nothing was found.

    Args:
        home: where notes and lake are.
        ledger: of that home.
        full: compare everything.
    """
    head = ledger.head()
    notes = []
    start = ChainHead()
    if not full:
        try:
            start = chain_anchor.read_link(home.ledger_checked) or start
        except CorruptFile as error:
            notes.append(str(error))
    notes += _compare_notes(home, ledger, head)
    chain = ledger.verify_chain(start=start)
    lake = compare_lake(home, ledger, after=start.position)
    if full:
        lake += compare_raw_results(home, ledger)
    audit = LedgerAudit(
        start=start,
        head=head,
        chain=() if chain.is_intact else (str(chain.problem),),
        rows=tuple(ledger.audit_rows(after=start.position)),
        guards=tuple(ledger.missing_guards()),
        notes=tuple(notes),
        lake=tuple(lake),
    )
    if not audit.findings and head != start:
        with suppress(OSError):  # a home that may only be read is looked at all the same
            chain_anchor.write_link(home.ledger_checked, head, now=datetime.now(UTC))
    return audit


def _compare_notes(home: Home, ledger: Ledger, head: ChainHead) -> list[str]:
    """Return what is wrong with the links that the last publication left: in its note, and in the snapshot."""
    findings = []
    try:
        noted = chain_anchor.read_link(home.ledger_anchor)
        if noted is not None and not ledger.contains(noted):
            findings.append(chain_anchor.explain_missing(noted, head))
    except CorruptFile as error:
        findings.append(str(error))
    with suppress(FileNotFoundError, InvalidInput, CorruptFile):  # there is no snapshot that says anything
        (seen,) = query(home, "SELECT ledger_position, ledger_hash FROM snapshot").to_pylist()
        published = ChainHead(position=seen["ledger_position"], hash=seen["ledger_hash"])
        if published.position and not ledger.contains(published):
            findings.append(
                f"the warehouse shows a ledger that went further: {chain_anchor.explain_missing(published, head)}"
            )
    return findings
