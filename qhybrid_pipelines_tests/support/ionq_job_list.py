"""A vendor with as many jobs as wanted, whose list may lie, for tests of how jobs are searched for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from qhybrid_pipelines.core.jobs.circuit_jobs import JobRef
from qhybrid_pipelines_tests.support.scripted_server import reply

BACKEND = "ionq:qpu.aria-1"
HOME, AWAY = "project-home", "project-away"


class Cloud:
    """A vendor with as many jobs as wanted, its lies switched on one by one."""

    def __init__(self) -> None:
        self.jobs: dict[str, dict] = {}
        self.project = HOME
        self.replies: dict[str, object] = {}
        self.listed = True
        self.filters = True

    def add(self, job_id: str, status: str = "ready", **facts) -> JobRef:
        at = (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=len(self.jobs))).isoformat()
        self.jobs[job_id] = {
            "id": job_id,
            "status": status,
            "backend": "qpu.aria-1",
            "submitted_at": at,
            "parent_job_id": None,
            "metadata": None,
            **facts,
        }
        return JobRef(provider="ionq", backend=BACKEND, provider_job_id=job_id)

    def answer(self, method, path, query):
        if path in self.replies:
            return self.replies[path]
        if path == "/whoami":
            return reply({"key_id": "k", "key_name": "n", "project_id": self.project})
        if path == "/jobs" and method == "GET":
            return self.page(query)
        if path.endswith("/status/cancel"):
            return reply({"id": path.split("/")[2], "status": "canceled"})
        if path.endswith("/cost"):
            return reply({"dry_run": False, "cost": {"value": 1.25, "unit": "usd"}})
        job = self.jobs.get(path.removeprefix("/jobs/"))
        return reply(job) if job else reply({"message": "not found"}, 404)

    def page(self, query):
        jobs = list(reversed(self.jobs.values())) if self.listed else []
        if self.filters and "ids" in query:
            jobs = [job for job in jobs if job["id"] in query["ids"]]
        begin = int(query.get("next", ["0"])[0])
        end = begin + int(query["limit"][0])
        return reply({"jobs": jobs[begin:end], "next": str(end) if end < len(jobs) else None})
