"""The snapshot for analysts beside a lake on objects: an immutable object for each publication, and one row that points to the newest.

A folder that shares no disk with the home, but its object store and its Postgres, gets the snapshot from there when somebody asks.
"""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock, Timeout

from qhybrid_pipelines.core.system.files import make_folder, promote, scratch_folder, write_bytes
from qhybrid_pipelines.storage.checksum import checksum
from qhybrid_pipelines.storage.lake_store import object_store
from qhybrid_pipelines.storage.layout import Home

PLACE = "published/warehouse/warehouse.duckdb"


def put_snapshot(home: Home, built: Path) -> None:
    """Put a snapshot that was built where others get it, and point to it; nothing where the lake is a folder.

    Raises:
        EnvironmentFailure: the store or the catalogue cannot be used; what was published before stays.
    """
    if (store := object_store(home)) is not None:
        digest = store.write_file(PLACE, built)
        write_bytes(home.warehouse_object, digest.encode(), tmp=home.tmp)


def fetch_snapshot(home: Home) -> None:
    """Bring the newest snapshot into the home, unless it is there; nothing where the lake is a folder.

    While this machine publishes, what is there is left as it is.

    Raises:
        CorruptFile: the object has other bytes than were put.
        EnvironmentFailure: the store or the catalogue cannot be used.
    """
    store = object_store(home) if home.path.is_dir() else None
    if store is None:
        return
    if (newest := store.digest(PLACE)) is None or newest == _present(home):
        return
    make_folder(home.locks)
    try:
        with FileLock(home.locks / "warehouse.lock", timeout=0 if home.warehouse.is_file() else -1):
            if newest == _present(home):
                return
            make_folder(home.tmp)
            with scratch_folder(home.tmp) as folder:
                built = folder / home.warehouse.name
                digest = store.read_file(PLACE, built)
                built.chmod(0o444)
                write_bytes(home.warehouse_checksum, checksum(built).encode(), tmp=home.tmp)
                promote(built, home.warehouse)
                write_bytes(home.warehouse_object, digest.encode(), tmp=home.tmp)
    except Timeout:
        return


def _present(home: Home) -> str | None:
    """Return the hash of the snapshot that is here, None where there is none."""
    try:
        return home.warehouse_object.read_text(errors="replace") if home.warehouse.is_file() else None
    except FileNotFoundError:
        return None
