"""What is remembered of accepted jobs, so that "the provider has no such job" can be told from "this is another account".

A key of another project sees none of our jobs. Read naively, that would fail every open job, and send jobs again that
were accepted. So the project is noted for each token before it is sent and for each job when it is accepted. A note is
on the disk before the request goes out. Losing one loses no job: without it, absence is just not believed, and a person
has to settle what became of the job.
"""

from __future__ import annotations

import json
from pathlib import Path

from qhybrid_pipelines.core.canonical import canonical_json, sha256_hex
from qhybrid_pipelines.core.files import remove_leftovers, write_bytes


class AccountRegistry:
    """Notes in one folder, a small file each, by the service's address."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        remove_leftovers(folder)

    def record_accepted(self, url: str, backend: str, job_id: str) -> None:
        """Note a job as the last one that the service has accepted for a backend."""
        self._write(url, f"backend {backend}", job_id)

    def last_accepted(self, url: str, backend: str) -> str | None:
        """Return the job noted last for a backend, None if there is none."""
        return self._read(url, f"backend {backend}")

    def record_project(self, url: str, name: str, project: str) -> None:
        """Note the project under which a token is sent, or a job was accepted."""
        self._write(url, f"project of {name}", project)

    def get_project(self, url: str, name: str) -> str | None:
        """Return the project noted for a token or job, None if there is none."""
        return self._read(url, f"project of {name}")

    def _write(self, url: str, name: str, value: str) -> None:
        write_bytes(self._path(url, name), canonical_json({"value": value}).encode())

    def _read(self, url: str, name: str) -> str | None:
        try:
            value = json.loads(self._path(url, name).read_text(encoding="utf-8"))["value"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return value if isinstance(value, str) else None

    def _path(self, url: str, name: str) -> Path:
        return self._folder / f"{sha256_hex(f'{url}|{name}')[:32]}.json"
