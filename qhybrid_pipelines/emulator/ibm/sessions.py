"""Sessions and batches: groups of jobs, of which those after the first do not wait for other customers.

A session is kept in the store, its state is a function of the time: it is open until its first job starts, active from then on, and
closed by its client, or when its longest time has passed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qhybrid_pipelines.emulator.clock import stamp
from qhybrid_pipelines.emulator.cloud import Cloud, make_job_id
from qhybrid_pipelines.emulator.ibm.devices import DEVICES, LONGEST_SECONDS
from qhybrid_pipelines.emulator.ibm.orders import RuntimeRefusal
from qhybrid_pipelines.emulator.store import Job

MODES = ("dedicated", "batch")
_LONGEST_TTL = 28_800


class Sessions:
    """The sessions of one cloud.

    Args:
        cloud: whose store and clock they share.
    """

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def begin(self, given: dict[str, Any]) -> dict[str, Any]:
        """Begin a session and return it. Raises `RuntimeRefusal` for one that cannot be."""
        backend, mode, longest = (
            given.get("backend"),
            given.get("mode", "dedicated"),
            given.get("max_ttl", _LONGEST_TTL),
        )
        if not isinstance(backend, str) or backend not in DEVICES:
            raise RuntimeRefusal(404, 1216, f"Backend {str(backend)[:60]!r} not found.")
        if mode not in MODES:
            raise RuntimeRefusal(400, 1212, f"mode is one of {', '.join(MODES)}.")
        if not isinstance(longest, int) or isinstance(longest, bool) or not 1 <= longest <= _LONGEST_TTL:
            raise RuntimeRefusal(400, 1212, f"max_ttl is not a whole number of seconds from 1 to {_LONGEST_TTL}.")
        store = self._cloud.store
        number = int(store.read("ibm_sessions") or 0) + 1
        identifier = make_job_id(f"{self._cloud.realm}/session", number)
        store.write_setting("ibm_sessions", number)
        kept = {
            "id": identifier,
            "backend_name": backend,
            "mode": mode,
            "max_ttl": longest,
            "begun": self._cloud.clock.now(),
            "accepting_jobs": True,
            "closed": None,
        }
        store.write_setting(f"ibm_session/{identifier}", kept)
        return self.shown(identifier, ())

    def shown(self, identifier: str, jobs: Sequence[Job]) -> dict[str, Any]:
        """Return a session as the interface shows it.

        Args:
            identifier: of the session.
            jobs: of it, oldest first.

        Raises:
            RuntimeRefusal: there is none.
        """
        kept, now = self._kept(identifier), self._cloud.clock.now()
        ran = [job for job in jobs if job.starts_at <= now and job.starts_at < _end(job)]
        started = min((job.starts_at for job in ran), default=None)
        ended = [job.ends_at for job in ran if job.canceled_at is None and job.ends_at <= now]
        closed = self._closed_at(kept, jobs)
        busy = sum(min(_end(job), now) - job.starts_at for job in ran)
        whole = 0.0 if started is None else (now if closed is None else max(closed, started)) - started
        return {
            "id": kept["id"],
            "backend_name": kept["backend_name"],
            "mode": kept["mode"],
            "state": "closed" if closed is not None else "open" if started is None else "active",
            "state_reason": None,
            "accepting_jobs": kept["accepting_jobs"] and closed is None,
            "interactive_ttl": 60 if kept["mode"] == "dedicated" else 1,
            "max_ttl": kept["max_ttl"],
            "active_ttl": kept["max_ttl"],
            "timestamps": [],
            "started_at": None if started is None else stamp(started),
            "activated_at": None if started is None else stamp(started),
            "closed_at": None if closed is None else stamp(closed),
            "last_job_started": max((stamp(job.starts_at) for job in ran), default=None),
            "last_job_completed": stamp(max(ended)) if ended else None,
            "elapsed_time": round(whole if kept["mode"] == "dedicated" else busy, 3),
        }

    def check_accepts(self, identifier: str, backend: str, jobs: Sequence[Job]) -> None:
        """Check that a session takes a job. Raises `RuntimeRefusal` where it does not."""
        shown = self.shown(identifier, jobs)
        if shown["backend_name"] != backend:
            raise RuntimeRefusal(400, 1219, f"Session {identifier} is on {shown['backend_name']}, not {backend}.")
        if not shown["accepting_jobs"]:
            raise RuntimeRefusal(400, 1217, f"Session {identifier} has been closed and takes no more jobs.")

    def stop_accepting(self, identifier: str, *, accepting: Any) -> None:
        """Let a session take no more jobs, or take them again. Raises `RuntimeRefusal` for anything else."""
        if not isinstance(accepting, bool):
            raise RuntimeRefusal(400, 1212, "accepting_jobs is not true or false.")
        self._write({**self._kept(identifier), "accepting_jobs": accepting})

    def close(self, identifier: str) -> None:
        """End a session now."""
        kept = self._kept(identifier)
        closed = kept["closed"] if kept["closed"] is not None else self._cloud.clock.now()
        self._write({**kept, "accepting_jobs": False, "closed": closed})

    def _closed_at(self, kept: dict[str, Any], jobs: Sequence[Job]) -> float | None:
        """Return when a session has ended: closed, out of time, or with the last job of those that it still took."""
        now = self._cloud.clock.now()
        ends = [float(kept["closed"])] if kept["closed"] is not None else []
        ends.append(float(kept["begun"]) + kept["max_ttl"] + LONGEST_SECONDS)
        if not kept["accepting_jobs"]:
            ends.append(max((job.ends_at for job in jobs if job.canceled_at is None), default=now))
        return min(ends) if min(ends) <= now else None

    def _kept(self, identifier: str) -> dict[str, Any]:
        kept: dict[str, Any] | None = self._cloud.store.read(f"ibm_session/{identifier}")
        if kept is None:
            raise RuntimeRefusal(404, 1218, f"Session {identifier[:60]} not found.")
        return kept

    def _write(self, kept: dict[str, Any]) -> None:
        self._cloud.store.write_setting(f"ibm_session/{kept['id']}", kept)


def _end(job: Job) -> float:
    """Return when a job ends, or was cancelled."""
    return job.ends_at if job.canceled_at is None else job.canceled_at
