"""One file that holds an experiment with all that its verdict rests on: a zip with a manifest of sizes and hashes."""

from __future__ import annotations

import io
import json
import re
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qhybrid_pipelines.core.canonical import canonical_json, sha256_hex
from qhybrid_pipelines.core.errors import CorruptFile, InvalidInput

ENDING = ".qhybrid"
MANIFEST, SPECIFICATION = "manifest.json", "specification.json"
FORMAT = 1
#: A bundle comes from elsewhere: nothing larger than this is unpacked, together.
MAX_BYTES = 2 * 2**30
MAX_MANIFEST_BYTES = 64 * 2**20
#: The same bytes make the same file, whenever they are packed.
_PACKED_AT = (1980, 1, 1, 0, 0, 0)
_NAME = re.compile(r"specification\.json|(?:blobs|raw)/[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """What a bundle holds.

    Attributes:
        facts: what the manifest says, but for format and files.
        files: content by name: `SPECIFICATION`, ``blobs/SHA256`` and ``raw/SHA256``.
    """

    facts: Mapping[str, Any]
    files: Mapping[str, bytes]

    def pack(self) -> bytes:
        """Return the bytes of the file."""
        digests = {name: sha256_hex(content) for name, content in self.files.items()}
        manifest = canonical_json({"format": FORMAT, "files": digests, **self.facts}).encode()
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for name, content in ((MANIFEST, manifest), *sorted(self.files.items())):
                entry = zipfile.ZipInfo(name, date_time=_PACKED_AT)
                archive.writestr(entry, content, compress_type=zipfile.ZIP_DEFLATED)
        return packed.getvalue()


def read_bundle(path: Path) -> Bundle:
    """Return what a bundle holds, every byte compared with its manifest; nothing is written.

    Raises:
        InvalidInput: there is no such file, it is not a bundle, or a newer release made it.
        CorruptFile: a part is missing or is not what was packed.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            manifest = _manifest(archive, path)
            facts = {name: value for name, value in manifest.items() if name not in ("format", "files")}
            return Bundle(facts=facts, files=_files(archive, manifest["files"], path))
    except OSError as error:
        raise InvalidInput(
            f"the bundle cannot be read: {error.strerror}", remedy="Check the path.", file=str(path)
        ) from None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise _no_bundle(path, str(error)) from None


def _manifest(archive: zipfile.ZipFile, path: Path) -> dict[str, Any]:
    try:
        entry = archive.getinfo(MANIFEST)
        if entry.file_size > MAX_MANIFEST_BYTES:
            raise _no_bundle(path, "its manifest is too large")
        manifest = json.loads(archive.read(entry))
        found, files = int(manifest["format"]), manifest["files"]
    except (KeyError, TypeError, ValueError):
        raise _no_bundle(path, "it has no manifest") from None
    if found > FORMAT:
        raise InvalidInput(
            f"the bundle has format {found}, and this release knows formats up to {FORMAT}",
            remedy="Install the release that made it, or a newer one.",
            file=str(path),
        )
    if not isinstance(files, dict) or SPECIFICATION not in files or not all(map(_NAME.fullmatch, files)):
        raise _no_bundle(path, "its manifest names other files than a bundle has")
    return dict(manifest)


def _files(archive: zipfile.ZipFile, digests: Mapping[str, str], path: Path) -> dict[str, bytes]:
    there = {entry.filename: entry for entry in archive.infolist()}
    if sum(entry.file_size for entry in there.values()) > MAX_BYTES:
        raise _no_bundle(path, f"it unpacks to more than {MAX_BYTES // 2**30} GiB")
    files = {}
    for name, digest in digests.items():
        try:
            content = archive.read(there[name])
        except (KeyError, zipfile.BadZipFile, zlib.error):
            content = None
        if content is None or sha256_hex(content) != digest:
            raise CorruptFile(f"{path}: {name}", "it is missing or not what was packed", remedy="Get the bundle again.")
        files[name] = content
    return files


def _no_bundle(path: Path, why: str) -> InvalidInput:
    return InvalidInput(f"this is not a bundle: {why}", remedy="Make one with `qhybrid bundle KEY`.", file=str(path))
