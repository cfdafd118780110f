"""One job per address and backend that is known to have been accepted: the test of a listing that comes back empty."""

from __future__ import annotations

import json
import os
import uuid
from pathlib import Path

from qhybrid_pipelines.core.canonical import canonical_json, sha256_hex


class Witness:
    """The last accepted job of each backend, in a file each; losing one loses no job."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def remember(self, url: str, backend: str, job_id: str) -> None:
        """Note that the service at ``url`` has accepted a job."""
        self._folder.mkdir(parents=True, exist_ok=True)
        temporary = self._folder / f".{os.getpid()}.{uuid.uuid4().hex}.tmp"
        temporary.write_text(canonical_json({"job": job_id}), encoding="utf-8")
        temporary.replace(self._path(url, backend))

    def known(self, url: str, backend: str) -> str | None:
        """Return the job noted last, None if there is none."""
        try:
            job = json.loads(self._path(url, backend).read_text(encoding="utf-8"))["job"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return job if isinstance(job, str) else None

    def _path(self, url: str, backend: str) -> Path:
        return self._folder / f"{sha256_hex(f'{url}|{backend}')[:32]}.json"
