"""Every place under the home folder, named once.

All state of an installation lives under one folder, the home. Nothing here creates or reads a file; who writes does
so through `core.system.files`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from qhybrid_pipelines.core.system.files import make_folder

#: Of the tables in the lake. Grows when a file of an older release needs more than a null in a new column to be read.
SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class Home:
    """The home folder. ``path`` is made absolute, so that a later change of the working directory moves nothing."""

    path: Path

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", Path(self.path).expanduser().absolute())

    @property
    def lake(self) -> Path:
        """Private Parquet store of the pipeline: one file per asset and partition."""
        return self.path / "lake"

    @property
    def lake_catalogue(self) -> Path:
        """Which object is which partition of the lake, SQLite; there only where the lake is on objects and the ledger is here."""
        return self.path / "lake.db"

    @property
    def lake_note(self) -> Path:
        """At which address the lake is; there only where it is on objects."""
        return self.path / "lake.json"

    @property
    def ledger(self) -> Path:
        """The job ledger, SQLite."""
        return self.path / "ledger.db"

    @property
    def ledger_anchor(self) -> Path:
        """The ledger's last event as the last publication saw it, noted outside its database."""
        return self.path / "ledger.anchor.json"

    @property
    def ledger_checked(self) -> Path:
        """The event of the ledger up to which the last audit found nothing."""
        return self.path / "ledger.checked.json"

    @property
    def requests(self) -> Path:
        """The requests that the HTTP service has accepted, SQLite; there only where it was started."""
        return self.path / "service.db"

    @property
    def service_settings(self) -> Path:
        """What whoever keeps the HTTP service says about its callers; there only where somebody wrote it."""
        return self.path / "service.yaml"

    @property
    def service_keys(self) -> Path:
        """The keys of the HTTP service, as keyed hashes; there only where some were made."""
        return self.path / "service.keys.json"

    @property
    def service_pepper(self) -> Path:
        """What the hashes of these keys are keyed by, unless it is kept elsewhere."""
        return self.path / "service.pepper"

    @property
    def webhooks(self) -> Path:
        """Where the HTTP service sends events, and how far each receiver has got, SQLite; there only where some are."""
        return self.path / "webhooks.db"

    @property
    def service_decisions(self) -> Path:
        """What the decision service has decided, SQLite."""
        return self.path / "decisions.db"

    @property
    def uploads(self) -> Path:
        """Files that callers of the HTTP service have sent ahead of their requests, by whose they are and by hash."""
        return self.path / "uploads"

    @property
    def requesters(self) -> Path:
        """Who sent an experiment through the HTTP service, one file each."""
        return self.path / "requesters"

    @property
    def note(self) -> Path:
        """What the home says about itself outside its database: format, id, and how often it was opened to send."""
        return self.path / "home.json"

    @property
    def question(self) -> Path:
        """What waits for a person's decision about the whole home; nothing is sent as long as it is there."""
        return self.path / "home.question.json"

    @property
    def decisions(self) -> Path:
        """What persons have decided about a home that may be a copy."""
        return self.path / "home.decisions.jsonl"

    @property
    def backup_manifest(self) -> Path:
        """In a backup of a home: what it holds, with size and SHA-256 of each file, and of which moment it is."""
        return self.path / "backup.json"

    @property
    def warehouse(self) -> Path:
        """The snapshot that analysts open, DuckDB."""
        return self.path / "warehouse.duckdb"

    @property
    def warehouse_checksum(self) -> Path:
        """Size and CRC-32 of the snapshot, as it was published."""
        return self.path / "warehouse.crc32"

    @property
    def warehouse_object(self) -> Path:
        """Which object the snapshot here is, by its SHA-256; there only where the lake is on objects."""
        return self.path / "warehouse.sha256"

    @property
    def removals(self) -> Path:
        """What was removed because its time was over, SQLite; there once something was."""
        return self.path / "removals.db"

    @property
    def retention(self) -> Path:
        """Receipts of removals, one file each."""
        return self.path / "retention"

    @property
    def verdict_history(self) -> Path:
        """What each publication said of each verdict that had changed, one line of JSON each; only ever added to."""
        return self.path / "verdict_history.jsonl"

    @property
    def dagster(self) -> Path:
        """Dagster's own storage."""
        return self.path / "dagster"

    @property
    def mlflow(self) -> Path:
        """MLflow's database and artefacts."""
        return self.path / "mlflow"

    @property
    def inbox(self) -> Path:
        """Where people drop specifications."""
        return self.path / "inbox"

    @property
    def quarantine(self) -> Path:
        """Where wrong files from the inbox go, each beside its ``.error.json``."""
        return self.path / "quarantine"

    @property
    def specifications(self) -> Path:
        """Registered experiments, one canonical JSON file each."""
        return self.path / "specifications"

    @property
    def labels(self) -> Path:
        """Owner and tags of experiments, one file each."""
        return self.path / "labels"

    @property
    def scheduled(self) -> Path:
        """Pages that run on a schedule; people may put some there."""
        return self.path / "scheduled"

    @property
    def stops(self) -> Path:
        """Notes about experiments that a person stopped, one file each."""
        return self.path / "stops"

    @property
    def blobs(self) -> Path:
        """Problem files that were registered, by their SHA-256."""
        return self.path / "blobs"

    @property
    def angles(self) -> Path:
        """Angles that were optimised, by the content of what they are for; they can be removed at any time."""
        return self.path / "angles"

    @property
    def raw(self) -> Path:
        """Vendors' answers as received, by their SHA-256."""
        return self.path / "raw"

    @property
    def providers(self) -> Path:
        """What providers keep on this machine, one folder each; for the simulators, their results."""
        return self.path / "providers"

    @property
    def checkpoints(self) -> Path:
        """Where trainings that were not finished go on from, one folder per experiment."""
        return self.path / "checkpoints"

    @property
    def emulator(self) -> Path:
        """State of the emulated cloud that the demonstration starts; a vendor's place, nothing of ours reads it."""
        return self.path / "emulator"

    @property
    def settled(self) -> Path:
        """Which experiments are settled, SQLite; it can be removed at any time."""
        return self.path / "settled.db"

    @property
    def spool(self) -> Path:
        """Tracking records that wait for their store."""
        return self.path / "spool"

    @property
    def spans(self) -> Path:
        """Up to which event of the ledger spans were sent to a collector; there only where one is."""
        return self.path / "spans.position"

    @property
    def job_seconds(self) -> Path:
        """How long jobs took, counted up to an event of the ledger; it can be removed at any time."""
        return self.path / "job_seconds.json"

    @property
    def tmp(self) -> Path:
        """Unfinished files, on the same file system as everything else so that a rename is atomic."""
        return self.path / "tmp"

    @property
    def unfinished(self) -> tuple[Path, ...]:
        """Folders in which a killed process may leave an unfinished file: small notes are written beside their place."""
        return (self.tmp, self.path)

    @property
    def locks(self) -> Path:
        """Lock files."""
        return self.path / "locks"

    @property
    def folders(self) -> tuple[Path, ...]:
        """All folders."""
        return (
            self.lake,
            self.dagster,
            self.mlflow,
            self.inbox,
            self.quarantine,
            self.specifications,
            self.stops,
            self.blobs,
            self.raw,
            self.providers,
            self.spool,
            self.tmp,
            self.locks,
        )

    def make(self) -> Home:
        """Create the folders that are missing, durably, and return the home itself."""
        for folder in self.folders:
            make_folder(folder)
        return self
