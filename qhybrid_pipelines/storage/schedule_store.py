"""The pages that run on a schedule, in one folder, and what is known about their runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock

from qhybrid_pipelines.core.canonical import canonical_json
from qhybrid_pipelines.core.errors import CorruptFile
from qhybrid_pipelines.core.system.files import make_folder, write_bytes
from qhybrid_pipelines.storage.layout import Home

ENDINGS = (".yaml", ".yml", ".json")


@dataclass(frozen=True, slots=True)
class ScheduleStore:
    """The folder ``scheduled`` of a home: pages that people or commands put there, and a hidden file of ours."""

    home: Home

    def pages(self) -> tuple[Path, ...]:
        """Return the pages, by name."""
        try:
            found = sorted(self.home.scheduled.iterdir())
        except FileNotFoundError:
            return ()
        return tuple(p for p in found if p.suffix.lower() in ENDINGS and not p.name.startswith(".") and p.is_file())

    def keep(self, slug: str, page: Mapping[str, Any]) -> Path:
        """Write the page of a slug; one that says the same already stays as it is, its time included."""
        path, content = (
            self.home.scheduled / f"{slug}.json",
            json.dumps(page, indent=2, sort_keys=True).encode() + b"\n",
        )
        make_folder(self.home.scheduled)
        if not path.is_file() or path.read_bytes() != content:
            write_bytes(path, content, tmp=self.home.tmp)
        return path

    def remove(self, slug: str) -> None:
        """Remove the page of a slug, if there is one."""
        (self.home.scheduled / f"{slug}.json").unlink(missing_ok=True)

    def handled(self, page: Path) -> datetime | None:
        """Return the time for which a page was run last, or passed over, UTC; None if it never was."""
        found = self._read()["handled"].get(page.name)
        return None if found is None else datetime.fromisoformat(found)

    def note_handled(self, page: Path, due: datetime) -> None:
        """Note that the time of a page needs nothing more."""
        self._change("handled", page.name, due.astimezone(UTC).isoformat())

    def limit_usd(self, slug: str) -> float | None:
        """Return what the scheduled runs of a slug may spend in a month; None where there is no limit.

        Raises:
            CorruptFile: the notes cannot be read, so that nobody can say.
        """
        found = self._read()["limits"].get(slug)
        return None if found is None else float(found)

    def note_limit(self, slug: str, usd: float | None) -> None:
        """Note what the scheduled runs of a slug may spend in a month, before the first of them is registered."""
        self._change("limits", slug, usd)

    @property
    def _notes(self) -> Path:
        return self.home.scheduled / ".notes.json"

    def _read(self) -> dict[str, dict[str, Any]]:
        try:
            notes = json.loads(self._notes.read_bytes())
            return {"handled": dict(notes["handled"]), "limits": dict(notes["limits"])}
        except FileNotFoundError:
            return {"handled": {}, "limits": {}}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CorruptFile(
                str(self._notes),
                "the notes about scheduled runs cannot be read",
                remedy="Remove the file; the time that was due last may then run once more, as the same experiment.",
            ) from error

    def _change(self, kind: str, name: str, value: object) -> None:
        make_folder(self.home.scheduled)
        make_folder(self.home.locks)
        with FileLock(self.home.locks / "scheduled.lock"):
            notes = self._read()
            if notes[kind].get(name) != value:
                notes[kind][name] = value
                write_bytes(self._notes, canonical_json(notes).encode() + b"\n", tmp=self.home.tmp)
