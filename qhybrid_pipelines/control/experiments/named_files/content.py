"""The content of a file that a specification names, whether by its path or by what it was registered under."""

from __future__ import annotations

from pathlib import Path

from qhybrid_pipelines.core.canonical import sha256_hex
from qhybrid_pipelines.core.specifications.experiment_specification import FileSource
from qhybrid_pipelines.problems.sources import ReadBytes, ReadFile


def read_content(
    named: str | FileSource, folder: Path, read_bytes: ReadBytes, read_named: ReadFile, *, field: str
) -> tuple[FileSource, bytes, bytes | None]:
    """Return name and hash of a file, its content, and the content to keep: None where it was registered earlier.

    Args:
        named: by the specification.
        folder: where a relative path starts.
        read_bytes: gives the content of files registered earlier.
        read_named: gives the file of a path.
        field: that names it.

    Raises:
        InvalidInput: there is no such file; at ``field``.
    """
    if isinstance(named, FileSource):
        return named, read_bytes(named), None
    name, content = read_named(named, folder, field=field)
    return FileSource(file=name, sha256=sha256_hex(content)), content, content
