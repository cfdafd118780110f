"""Locks by name: one byte of a file each, how long they are waited for, and what is told where they cannot be had."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from qhybrid_pipelines.control.ledger.databases import file_locks
from qhybrid_pipelines.control.ledger.databases.file_locks import LockBusy, LockFileUnusable, hold_lock, lock_key

TRY = """
import fcntl, os, sys
file = os.open(sys.argv[1], os.O_RDWR)
for byte in map(int, sys.argv[2:]):
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, byte)
        print("free")
    except OSError:
        print("held")
"""


def seen_elsewhere(path: Path, *bytes_: int) -> list[str]:
    """Return which bytes of a lock file another process finds held."""
    run = subprocess.run(
        [sys.executable, "-c", TRY, str(path), *map(str, bytes_)], capture_output=True, text=True, check=True
    )
    return run.stdout.split()


class FakeTime:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now, self.sleeps = 100.0, []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += seconds


@pytest.fixture
def fake_time(monkeypatch) -> FakeTime:
    made = FakeTime()
    monkeypatch.setattr(file_locks, "time", made)
    return made


def test_a_name_is_its_byte_of_the_file(tmp_path) -> None:
    path, byte = tmp_path / "locks", lock_key("job")
    assert byte == int(hashlib.sha256(b"job").hexdigest()[:16], 16) // 4 < 2**62
    with hold_lock(path, "job", timeout_seconds=0.0):
        assert seen_elsewhere(path, byte - 1, byte, byte + 1) == ["free", "held", "free"]
        with hold_lock(path, "another", timeout_seconds=0.0):
            assert seen_elsewhere(path, byte, lock_key("another")) == ["held", "held"]
        assert seen_elsewhere(path, byte, lock_key("another")) == ["held", "free"]
    assert seen_elsewhere(path, byte) == ["free"]


def test_an_error_within_gives_it_back(tmp_path) -> None:
    with pytest.raises(ValueError, match="within"), hold_lock(tmp_path / "locks", "job", timeout_seconds=0.0):
        raise ValueError("within")
    with hold_lock(tmp_path / "locks", "job", timeout_seconds=0.0):
        pass


def test_it_is_waited_for_ever_longer_and_then_told(tmp_path, fake_time) -> None:
    path = tmp_path / "locks"
    with hold_lock(path, "job", timeout_seconds=0.0):
        with pytest.raises(LockBusy) as busy, hold_lock(path, "job", timeout_seconds=0.5):
            pass
        assert str(busy.value) == (
            "'job' has been locked by another process for more than 0.5 s. Try again later, or end the process that holds "
            "it; nothing was changed."
        )
        assert busy.value.exit_code == 3
        assert fake_time.sleeps[:8] == pytest.approx([0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.05, 0.05])
        assert 0.5 <= sum(fake_time.sleeps) < 0.55
        fake_time.sleeps.clear()
        with pytest.raises(LockBusy, match="more than 0 s"), hold_lock(path, "job", timeout_seconds=0.0):
            pass
        assert fake_time.sleeps == []


@pytest.mark.parametrize("error", [BlockingIOError(), PermissionError()])
def test_what_another_process_holds_is_waited_for_too(tmp_path, fake_time, monkeypatch, error) -> None:
    lockf, refused = file_locks.fcntl.lockf, []

    def busy(*args):
        if len(refused) < 2 and args[1] & file_locks.fcntl.LOCK_NB:
            refused.append(args)
            raise error
        return lockf(*args)

    monkeypatch.setattr(file_locks.fcntl, "lockf", busy)
    with hold_lock(tmp_path / "locks", "job", timeout_seconds=1.0):
        assert fake_time.sleeps == [0.001, 0.002]


def test_a_lock_file_of_somebody_else_is_told_at_once(tmp_path, fake_time, monkeypatch) -> None:
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(file_locks.os, "open", refuse)
    with pytest.raises(LockFileUnusable) as told, hold_lock(tmp_path / "locks", "job", timeout_seconds=9.0):
        pass
    assert str(told.value) == (
        f"the lock file {tmp_path / 'locks'} cannot be opened: Permission denied. It belongs to another user: give the "
        "group the right to write to it (chmod g+w), and let its users have umask 002."
    )
    assert told.value.exit_code == 3
    assert fake_time.sleeps == []


def test_a_folder_that_was_removed_gets_a_new_file(tmp_path) -> None:
    path = tmp_path / "locks"
    with hold_lock(path, "job", timeout_seconds=0.0):
        known = file_locks._descriptors[str(path)]
    with hold_lock(path, "job", timeout_seconds=0.0):
        assert file_locks._descriptors[str(path)] == known, "one descriptor, or all locks of the first are dropped"
    path.unlink()
    with hold_lock(path, "job", timeout_seconds=0.0):
        assert path.is_file()
        assert seen_elsewhere(path, lock_key("job")) == ["held"]


def test_a_forked_child_holds_nothing(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(file_locks, "_held", {("f", 1)})
    guard = file_locks._guard
    file_locks._drop_inherited_locks()
    assert file_locks._held == set()
    assert file_locks._guard is not guard
