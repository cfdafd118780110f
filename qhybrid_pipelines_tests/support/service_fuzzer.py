"""Requests to the HTTP service that are nearly right: good ones of every route with a few things changed, by a seed."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from qhybrid_pipelines_tests.support.request_fuzzer import QUERY_VALUES, changed_body

MAX_CUT = {"family": "maxcut", "source": {"generator": "random_regular", "nodes": 8, "degree": 3, "seed": 1}}
DISPATCH = {"family": "independent_set", "source": {"generator": "dispatch", "vehicles": 3, "jobs": 4, "seed": 1}}
LEARNING = {
    "kind": "qml", "name": "moons", "dataset": {"source": {"generator": "moons", "rows": 40, "seed": 1}},
    "models": [{"model": "variational", "layers": 1}],
}  # fmt: skip
SAMPLING = {"kind": "sampling", "name": "ghz", "circuit": {"family": "ghz", "n_qubits": [3, 4]}, "shots": 100}
BODIES: Mapping[str, tuple[Any, ...]] = {
    "/v1/experiments": (
        {"specification": {"name": "a", "problem": MAX_CUT, "shots": 100, "sweep": {"points": 2}}},
        {"specification": {"name": "b", "problem": {"family": "maxcut", "source": "networkx:petersen"}, "budget": {"usd": 1.0}}, "not_before": "2027-01-01T00:00:00Z"},
        {"specification": {"name": "c", "problem": {"family": "maxcut", "source": "g.txt"}, "vary": {"shots": [10, 20]}}, "files": {"g.txt": "2 1\n1 2 1\n"}},
        {"specification": LEARNING}, {"specification": SAMPLING},
    ),
    "/v1/estimates": ({"specification": {"name": "a", "problem": MAX_CUT, "backends": ["local:auto"]}},),
    "/v1/decisions": (
        {"specification": {"name": "d", "problem": DISPATCH}, "deadline_ms": 50, "quantum": False, "subject": "depot"},
        {"specification": {"name": "e", "problem": DISPATCH}, "deadline_ms": 5, "noise": 0.1, "confidence": 0.8, "min_gain": 0.02, "quantum": True},
        {"specification": {"name": "f", "problem": MAX_CUT}, "deadline_ms": 20, "scenarios": [[1.0] * 12] * 50, "answer_ms": 100},
    ),
    "/v1/decisions/{id}/used": ({"version": 1},),
    "/v1/decisions/{id}/outcome": ({"value": 3.0}, {"coefficients": [1.0] * 12}),
    "/v1/jobs/{id}/approve": ({"usd": 1.0},),
    "/v1/jobs/{id}/decline": ({"reason": "too dear"},),
    "/v1/jobs/{id}/reprioritise": ({"priority": 3},),
    "/v1/jobs/{id}/reroute": ({"backend": "local:auto"},),
    "/v1/webhooks": ({"url": "https://example.invalid/hook", "types": ["JobCompleted"]}, {"url": "http://127.0.0.1:1/x"}),
    "/v1/webhooks/{id}/replay": ({"after": 0, "until": 10},),
}  # fmt: skip
EMPTY_POSTS = (
    "/v1/experiments/{id}/cancel",
    "/v1/jobs/{id}/cancel",
    "/v1/webhooks/{id}/secret",
    "/v1/webhooks/{id}/enable",
    "/pages/experiments/{id}/cancel",
    "/pages/jobs/{id}/approve",
    "/pages/sign-out",
)
READ: Mapping[str, tuple[str, ...]] = {
    "/v1/experiments": ("cursor", "limit", "tag"),
    "/v1/experiments/{id}": (),
    "/v1/experiments/{id}/results": (),
    "/v1/experiments/{id}/report": (),
    "/v1/jobs": ("cursor", "limit", "experiment"),
    "/v1/jobs/{id}": (),
    "/v1/events": ("after", "limit", "experiment", "type"),
    "/v1/webhooks": (),
    "/v1/webhooks/{id}": (),
    "/v1/decisions/{id}": (),
    "/v1/decision-gates": (),
    "/v1/quota": (),
    "/v1/uploads": (),
    "/v1/uploads/{id}": (),
    "/pages": ("state", "backend", "text", "cursor", "experiment"),
    "/pages/experiments/{id}": (),
    "/pages/operations": (),
    "/readyz": (),
    "/metrics": (),
    "/v2/{id}": (),
}
IDENTIFIERS = (
    "x",
    "-",
    "é",
    "\x00",
    "..",
    "../../etc/passwd",
    "d-1",
    "a" * 5000,
    "0" * 64,
    "latest",
    "%",
    "a/b",
    "' OR 1=1 --",
)
HEADERS: Mapping[str, tuple[str, ...]] = {
    "Idempotency-Key": ("", '""', '"a', "a" * 300, "a b", "ä", '"k"', "?1", "1.5"),
    "Prefer": ("wait=0", "wait=-1", "wait=1e9", "wait", "respond-async", "wait=0;x", ",,,", "wait=9999999999999999999999"),
    "If-None-Match": ("*", '"1"', "W/", ",", "a" * 5000),
    "Accept": ("text/html", "*/*;q=nan", "x"),
    "Content-Type": ("", "text/plain", "application/json; charset=utf-16", "multipart/form-data", "application/json;;", "x" * 500),
    "Content-Encoding": ("gzip", "br", "x"),
    "Authorization": ("Bearer x", "Bearer", "Basic Og==", "Bearer a.b.c", "qh_x_y_z_0"),
    "Cookie": ("qhybrid_session=x", "=;=;", "a" * 3000),
    "Origin": ("https://elsewhere.invalid", "null"),
    "Host": ("elsewhere.invalid", "127.0.0.1"),
    "traceparent": ("00-0-0-0", "x", "00-" + "0" * 32 + "-" + "0" * 16 + "-01"),
    "Last-Event-ID": ("-1", "x", "9" * 40),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceCall:
    """One request.

    Attributes:
        method: of HTTP.
        path: escaped, with its query.
        headers: as bytes, because some are no text.
        content: the body.
    """

    method: str
    path: str
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    content: bytes = b""


def service_calls(seed: int, count: int, known: list[str]) -> Iterator[ServiceCall]:
    """Yield requests.

    Args:
        seed: of everything.
        count: how many.
        known: names of what is there, which the caller adds to while it runs.
    """
    random_ = random.Random(seed)
    for number in range(count):
        yield _call(random_, known, number)


def _call(random_: random.Random, known: list[str], number: int) -> ServiceCall:
    headers = [
        (name.encode(), random_.choice(values).encode("utf-8"))
        for name, values in HEADERS.items()
        if random_.random() < 0.06
    ]
    kind = random_.random()
    if kind < 0.55:
        route = random_.choice(list(BODIES))
        content = changed_body(random_, random_.choice(BODIES[route]))
        names = {name.lower() for name, _ in headers}
        if b"content-type" not in names:
            headers.append((b"Content-Type", b"application/json"))
        if route == "/v1/experiments" and b"idempotency-key" not in names and random_.random() < 0.95:
            headers.append((b"Idempotency-Key", f'"fuzz-{number % 500}"'.encode()))
        return ServiceCall(method="POST", path=_path(random_, route, known), headers=headers, content=content)
    if kind < 0.62:
        content = random_.choice([b"", b"2 1\n1 2 1\n", b"\x00" * 70, random_.randbytes(300), b"x" * 300_000])
        headers.append((b"Content-Type", b"application/octet-stream"))
        return ServiceCall(method="POST", path="/v1/uploads", headers=headers, content=content)
    if kind < 0.7:
        content = random_.choice([b"", b"", b"{}", b"csrf=x", b"null"])
        return ServiceCall(
            method="POST", path=_path(random_, random_.choice(EMPTY_POSTS), known), headers=headers, content=content
        )
    route = random_.choice(list(READ))
    query = "&".join(
        f"{random_.choice([*READ[route], 'limit', 'x'])}={quote(random_.choice([*QUERY_VALUES, *known[-3:]]), safe='%')}"
        for _ in range(random_.choice([0, 0, 1, 1, 2]))
    )
    method = random_.choice(["GET"] * 8 + ["HEAD", "DELETE", "PUT", "PATCH", "OPTIONS"])
    path = _path(random_, route, known)
    return ServiceCall(method=method, path=f"{path}?{query}" if query else path, headers=headers)


def _path(random_: random.Random, route: str, known: list[str]) -> str:
    identifier = random_.choice(known) if known and random_.random() < 0.6 else random_.choice(IDENTIFIERS)
    return route.replace("{id}", quote(identifier, safe=""))
