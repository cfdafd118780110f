"""Experiments that a person stopped: no sensor and no schedule goes on with them until a person asks again.

One small file per experiment under the home, written before anything else happens after the person's word. It says who
asked, when and how. `qhybrid run KEY` removes it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from qhybrid_pipelines.core.specifications.experiment_key import check_key
from qhybrid_pipelines.core.system.files import write_bytes
from qhybrid_pipelines.storage.layout import Home


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """A person's word about one experiment.

    Attributes:
        principal: who said it.
        at: when, ISO 8601 in UTC.
        reason: how: ``Ctrl-C``, ``SIGTERM``, ``qhybrid cancel``.
    """

    principal: str
    at: str
    reason: str


@dataclass(frozen=True, slots=True)
class Stops:
    """The experiments of a home that a person stopped."""

    home: Home

    def add(self, experiments: Iterable[str], *, principal: str, now: datetime, reason: str) -> None:
        """Note that experiments are to rest; an older note is replaced."""
        content = json.dumps(asdict(Stop(principal=principal, at=now.isoformat(), reason=reason))).encode()
        for experiment in experiments:
            write_bytes(self._path(experiment), content, tmp=self.home.tmp)

    def remove(self, experiments: Iterable[str]) -> None:
        """Let experiments go on; those that were not stopped stay as they are."""
        for experiment in experiments:
            self._path(experiment).unlink(missing_ok=True)

    def get(self, experiment: str) -> Stop | None:
        """Return the note about an experiment; None where nobody stopped it. One that cannot be read still stops it."""
        try:
            content = self._path(experiment).read_bytes()
        except FileNotFoundError:
            return None
        try:
            return Stop(**json.loads(content))
        except (ValueError, TypeError):
            return Stop(principal="unknown", at="", reason=f"the note {self._path(experiment)} cannot be read")

    def __contains__(self, experiment: str) -> bool:
        return self._path(experiment).exists()

    def __iter__(self) -> Iterator[str]:
        """Yield the keys of stopped experiments, sorted."""
        return iter(sorted(path.stem for path in self.home.stops.glob("*.json")))

    def _path(self, experiment: str) -> Path:
        check_key(experiment)
        return self.home.stops / f"{experiment}.json"
