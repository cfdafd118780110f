"""Tables of a lake on objects in a backup: files there, as those of a lake in a folder are, and objects again where they come back.

So a backup is the same whatever the lake lay on, and a home may be restored into a folder from objects, and the other way round.
"""

from __future__ import annotations

import os
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from qhybrid_pipelines.core.canonical import sha256_hex
from qhybrid_pipelines.core.errors import CorruptFile
from qhybrid_pipelines.core.system.files import write_bytes
from qhybrid_pipelines.steps.on_demand.backup_manifest import ANOTHER, Manifest, open_plain_file
from qhybrid_pipelines.storage.layout import Home

if TYPE_CHECKING:
    from qhybrid_pipelines.storage.lake_objects import ObjectStore


def copy_tables(store: ObjectStore, built: Home) -> dict[str, str]:
    """Copy all partitions, as they are in the newest version, into the folder of a backup; return their SHA-256 by place.

    Objects stay for at least a day after another one took their place, so nothing that writes or collects meanwhile removes one.

    Raises:
        CorruptFile: an object is missing, or has other bytes than its name says.
        EnvironmentFailure: store or catalogue do not answer.
    """
    held = store.at(store.catalogue.version())
    copied = {}
    for partition in held.all():
        file = built.path / partition.place
        with held.open(partition.place) as source:
            content = source.read()
        write_bytes(file, content)
        written_ns = int(partition.written_at * 1e9)
        os.utime(file, ns=(written_ns, written_ns))
        copied[partition.place] = sha256_hex(content)
    return copied


def is_table(name: str, home: Home) -> bool:
    """Tell whether a file of a backup is a table of the lake."""
    return PurePosixPath(name).parts[0] == home.lake.name


def restore_table(store: ObjectStore, backup: Home, name: str, manifest: Manifest) -> None:
    """Put a table of a backup into a lake on objects.

    Raises:
        CorruptFile: the file has other bytes than were backed up.
        EnvironmentFailure: store or catalogue do not answer.
    """
    with open_plain_file(backup.path / name) as source:
        content = source.read()
    if sha256_hex(content) != manifest.files[name]:
        raise CorruptFile(str(backup.path / name), "the file has changed while it was being restored", remedy=ANOTHER)
    store.write(name, content)
