"""A stand-in for IBM's cloud on loopback, for answers that no cloud gives: any status, any word, any body, at any request.

A cloud that behaves is the emulator's face, on which IBM's own client runs. Here a test writes what the next request is answered
with, and may change a job's state or result; circuits and bindings are read, and results written, by the vendor's codecs.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from urllib.parse import parse_qs, urlsplit

KEY = "planted-secret-key"
CRN = "crn:v1:bluemix:public:quantum-computing:us-east:a/account:instance::"
CREATED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SECONDS = {"created": 0, "running": 30, "finished": 42}


@dataclass
class Cloud:
    """State and switches of the stand-in.

    Attributes:
        jobs: by id, in order of acceptance: the book.
        faults: what happens to the next requests whose method and path begin as the key says; each is used once.
        polls_until_done: how many looks at a job find it queued or running.
        max_page_jobs: a page of the list has no more jobs, however many are asked for.
    """

    device: str = "manila"
    polls_until_done: int = 2
    jobs: dict[str, dict] = field(default_factory=dict)
    faults: dict[str, list] = field(default_factory=dict)
    requests: list[tuple[str, str, bytes]] = field(default_factory=list)
    tokens: int = 0
    revoked: set[str] = field(default_factory=set)
    max_page_jobs: int = 200

    def described(self, what: str) -> dict:
        folder = files("qiskit_ibm_runtime.fake_provider.backends") / self.device
        said = json.loads((folder / f"{what}_{self.device}.json").read_text())
        return {**said, "backend_name": f"ibm_{self.device}"}

    def accept(self, body: bytes) -> str:
        said = json.loads(body)
        job_id = f"d{len(self.jobs):019d}"
        self.jobs[job_id] = {
            "id": job_id,
            "backend": said["backend"],
            "program": {"id": said["program_id"]},
            "tags": said.get("tags", []),
            "created": CREATED.isoformat().replace("+00:00", "Z"),
            "looks": 0,
            "body": body,
            "state": None,
        }
        return job_id

    def listed(self, page: list) -> list:
        """What a page of the list shows."""
        return page

    def shown(self, job: dict, *, count: bool) -> dict:
        job["looks"] += count
        if job["state"] is None:
            done, started = job["looks"] > self.polls_until_done, job["looks"] > self.polls_until_done // 2
            state = {"status": "Completed" if done else "Running" if started else "Queued"}
        else:
            state = job["state"]
        return {name: job[name] for name in ("id", "backend", "program", "tags", "created")} | {
            "state": state,
            "status": state["status"],
        }

    def result(self, job: dict) -> bytes:
        from qiskit.primitives import BackendSamplerV2
        from qiskit_aer import AerSimulator

        RuntimeEncoder, RuntimeDecoder = vendor_codecs()
        if "result" not in job:
            [(circuit, values, shots)] = json.loads(job["body"], cls=RuntimeDecoder)["params"]["pubs"]
            sampler = BackendSamplerV2(backend=AerSimulator(), options={"seed_simulator": 7})
            answer = sampler.run([(circuit, values, shots)]).result()
            # As real devices do and the local mode does not: issue 1724 of the client's repository.
            [one] = list(answer)
            one._metadata = {"circuit_metadata": circuit.metadata}
            job["result"] = json.dumps(answer, cls=RuntimeEncoder).encode()
        return job["result"]


def vendor_codecs():
    """Return the vendor's writer and reader of JSON, wherever the installed release keeps them."""
    try:
        from qiskit_ibm_runtime import json as place
    except ImportError:
        from qiskit_ibm_runtime import utils as place
    return place.RuntimeEncoder, place.RuntimeDecoder


class _Handler(BaseHTTPRequestHandler):
    cloud: Cloud
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self._serve("GET")

    def do_POST(self):
        self._serve("POST")

    def _serve(self, method: str) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = urlsplit(self.path)
        self.cloud.requests.append((method, self.path, body))
        fault = next(
            (
                faults.pop(0)
                for start, faults in self.cloud.faults.items()
                if faults and f"{method} {url.path}".startswith(start)
            ),
            None,
        )
        if isinstance(fault, tuple):
            status, headers, content = fault
            self._answer(status, content, headers)
            return
        if url.path == "/identity/token":
            status, answer = self._token(parse_qs(body.decode()))
        else:
            status, answer = self._handle(method, url.path, parse_qs(url.query), body)
        if fault == "cut off":  # after everything was done
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self._answer(status, answer, {})

    def _answer(self, status: int, content: bytes | dict | None, headers: dict) -> None:
        content = json.dumps(content).encode() if isinstance(content, dict) else content or b""
        self.send_response(status)
        for name, value in (
            {"Content-Type": "application/json", "Content-Length": str(len(content))} | headers
        ).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def _handle(self, method: str, path: str, query: dict, body: bytes):
        granted = self.headers.get("Authorization", "").removeprefix("Bearer ")
        known = granted.startswith("access-") and granted not in self.cloud.revoked
        if not known or self.headers.get("Service-CRN") != CRN:
            return _error(401, "not authorised")
        match path.removeprefix("/api/v1/").split("/"):
            case ["backends", device, what] if device == f"ibm_{self.cloud.device}":
                return 200, self._device(what)
            case ["jobs"] if method == "POST":
                job_id = self.cloud.accept(body)
                return 200, {"id": job_id, "backend": self.cloud.jobs[job_id]["backend"]}
            case ["jobs"]:
                return 200, self._listed(set(query.get("tags", [])), query)
            case ["jobs", job_id, *what] if job_id in self.cloud.jobs:
                return self._job(self.cloud.jobs[job_id], what)
            case _:
                return _error(404, "not found")

    def _token(self, form: dict):
        if form.get("apikey") != [KEY]:
            return 400, {"errorMessage": "Provided API key could not be found."}
        self.cloud.tokens += 1
        return 200, {"access_token": f"access-{self.cloud.tokens}", "token_type": "Bearer", "expires_in": 3600}

    def _device(self, what: str) -> dict:
        if what == "status":
            return {"state": True, "status": "active", "length_queue": 17, "backend_version": "1.0"}
        return self.cloud.described({"configuration": "conf", "properties": "props"}[what])

    def _listed(self, tags: set[str], query: dict) -> dict:
        found = [self.cloud.shown(job, count=False) for job in self.cloud.jobs.values() if tags <= set(job["tags"])]
        if query.get("sort") == ["DESC"]:
            found.reverse()
        [offset], [limit] = query.get("offset", ["0"]), query.get("limit", ["10"])
        most = min(int(limit), self.cloud.max_page_jobs)
        page = self.cloud.listed(found[int(offset) : int(offset) + most])
        return {"jobs": page, "count": len(found), "limit": most, "offset": int(offset)}

    def _job(self, job: dict, what: list[str]):
        if not what:
            return 200, self.cloud.shown(job, count=True)
        if what == ["results"]:
            return 200, self.cloud.result(job)
        if what == ["metrics"]:
            times = {name: (CREATED + timedelta(seconds=s)).isoformat() for name, s in SECONDS.items()}
            return 200, {"timestamps": times, "usage": {"quantum_seconds": 3, "seconds": 3}}
        if self.cloud.shown(job, count=False)["status"] == "Completed":
            return _error(409, "Job is in a final state.")
        job["state"] = {"status": "Cancelled"}
        return 204, None


def _error(status: int, message: str):
    return status, {"errors": [{"message": message}]}


def serve(cloud: Cloud) -> tuple[ThreadingHTTPServer, str]:
    """Start the stand-in in a thread; return the server and its address."""
    handler = type("Handler", (_Handler,), {"cloud": cloud})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    return server, f"http://127.0.0.1:{server.server_port}"


@contextmanager
def cloud_in_environment(monkeypatch, backends: str) -> Iterator[Cloud]:
    """Serve a cloud, and let the environment name it, its key and its backends."""
    cloud = Cloud()
    server, address = serve(cloud)
    monkeypatch.setenv("QISKIT_IBM_URL", f"{address}/api/v1")
    monkeypatch.setenv("QISKIT_IBM_IAM_URL", address)
    monkeypatch.setenv("QISKIT_IBM_TOKEN", KEY)
    monkeypatch.setenv("QISKIT_IBM_INSTANCE", CRN)
    monkeypatch.setenv("QISKIT_IBM_BACKENDS", backends)
    yield cloud
    server.shutdown()
    server.server_close()
