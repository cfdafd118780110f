"""The labels of experiments, one small file each; an experiment without any has none."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from filelock import FileLock

from qhybrid_pipelines.core.canonical import canonical_json
from qhybrid_pipelines.core.errors import CorruptFile
from qhybrid_pipelines.core.specifications.experiment_key import check_key
from qhybrid_pipelines.core.specifications.labels import Labels
from qhybrid_pipelines.core.system.files import make_folder, write_bytes
from qhybrid_pipelines.storage.layout import Home


@dataclass(frozen=True, slots=True)
class LabelStore:
    """The labels of a home's experiments."""

    home: Home

    def read(self, key: str) -> Labels:
        """Return the labels of an experiment.

        Raises:
            CorruptFile: the file cannot be read.
        """
        path = self._path(key)
        try:
            fields = json.loads(path.read_bytes())
            return Labels(
                owner=fields["owner"], tags=tuple(map(str, fields["tags"])), archived=bool(fields["archived"])
            )
        except FileNotFoundError:
            return Labels()
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CorruptFile(
                str(path),
                "the labels of an experiment cannot be read",
                remedy="Remove the file, and register the page again.",
            ) from error

    def change(self, key: str, **fields: Any) -> Labels:
        """Change some labels of an experiment, and return all of them; what is not named stays as it is."""
        if not fields:
            return self.read(key)
        make_folder(self.home.locks)
        with FileLock(self.home.locks / "labels.lock"):
            before = self.read(key)
            after = replace(before, **fields)
            if after != before:
                content = asdict(after) | {"tags": list(after.tags)}
                write_bytes(self._path(key), canonical_json(content).encode() + b"\n", tmp=self.home.tmp)
        return after

    def labelled(self) -> tuple[str, ...]:
        """Return the keys of the experiments that have labels, sorted."""
        return tuple(sorted(path.stem for path in self.home.labels.glob("*.json")))

    def changed_ns(self) -> int:
        """Return when a label changed last, in nanoseconds of the file system's clock; 0 where there never was one."""
        try:
            return self.home.labels.stat().st_mtime_ns
        except FileNotFoundError:
            return 0

    def _path(self, key: str) -> Path:
        return self.home.labels / f"{check_key(key)}.json"


def read_labels(home: Home, key: str) -> Labels:
    """Return the labels of an experiment, none where they cannot be read: they never hold up work."""
    try:
        return LabelStore(home).read(key)
    except CorruptFile:
        return Labels()
