"""Requests to the emulated cloud that are nearly right: good ones with one to three things changed, by a seed."""

from __future__ import annotations

import copy
import json
import random
from dataclasses import dataclass, field
from typing import Any

from qhybrid_pipelines_tests.support.emulator_client import BELL, FLIPPED_FIRST, job_body

#: Written instead of a value; the bare words are not JSON, but many writers and readers of JSON take them.
BARE = {
    "@nan": "NaN",
    "@infinity": "Infinity",
    "@minus": "-Infinity",
    "@large": "1e999",
    "@long": "9" * 400,
    "@half": '"\\ud800"',
}
VALUES: tuple[Any, ...] = (
    *BARE, None, True, False, 0, -1, 1.5, 10**30, -(10**19), "", "0", "100", "nan", "é\x00\x1b[31m", [], {}, [[]], [None],
    {"a": {"b": []}}, {"model": []}, ["qpu.forte-1"], {"": ""}, "x" * 3000,
)  # fmt: skip
QUERY_VALUES = (
    "", "0", "-1", "25", "26", "1e9", "nan", "inf", "9" * 30, "a,b,,c", "\x00", "é", "%", "true", "null", "[]", "simulator",
    "completed", "2026-02-30", "0001-01-01", "9999-12-31T23:59:59+14:00", "0001-01-01T00:00:00+23:00",
    ",".join(["a"] * 1200),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request."""

    method: str
    path: str
    params: list[tuple[str, str]] = field(default_factory=list)
    content: bytes = b""
    admin: bool = False


BODIES: tuple[dict[str, Any], ...] = (
    job_body(name="a", metadata={"k": "v"}),
    job_body(BELL, FLIPPED_FIRST, backend="qpu.forte-1", settings={"error_mitigation": {"debiasing": False}}),
    job_body(noise={"model": "aria-1", "seed": 3}, dry_run=False),
    job_body(
        [{"gate": "rx", "target": 0, "rotation": 0.5}, {"gate": "pauliexp", "targets": [0, 1], "terms": ["XX"], "coefficients": [0.5], "time": 1.0}],
        settings={"compilation": {"opt": 1}},
    ),
    {
        "type": "ionq.circuit.v1", "backend": "simulator", "shots": "10", "lang": "json",
        "input": {"gateset": "native", "qubits": 2, "circuit": [{"gate": "ms", "targets": [0, 1], "phases": [0, 0.25], "angle": 0.1}, {"gate": "gpi", "target": 0, "phase": 0.5}]},
    },
)  # fmt: skip
QUERIES: tuple[tuple[str, dict[str, str]], ...] = (
    ("/jobs", {"limit": "5", "status": "completed", "target": "simulator", "ids": "a", "next": "b", "parent_job_id": "c"}),
    ("/jobs/estimate", {"backend": "qpu.forte-1", "shots": "100", "qubits": "3", "1q_gates": "2", "2q_gates": "2", "error_mitigation": "false", "type": "ionq.circuit.v1", "session": "x"}),
    ("/backends/qpu.aria-1/characterizations", {"start": "2026-01-01", "end": "2026-12-31", "limit": "3", "page": "1"}),
)  # fmt: skip
ADMIN: tuple[tuple[str, Any], ...] = (
    ("/clock", {"advance_seconds": 5}),
    ("/backends/qpu.aria-1", {"status": "available", "degraded": False, "extra_wait_seconds": 1.0, "max_circuits_per_job": 300}),
    ("/faults", [{"route": "GET /whoami", "nth": 10**9, "fault": "slow", "params": {"seconds": 0.0, "accept": "first"}}]),
    ("/key", {"key": "k"}),
)  # fmt: skip


def calls(seed: int, count: int, known: list[str]) -> Any:
    """Yield requests.

    Args:
        seed: of everything.
        count: how many.
        known: ids of accepted jobs, which the caller adds to while it runs.
    """
    random_ = random.Random(seed)
    for _ in range(count):
        yield _call(random_, known)


def _call(random_: random.Random, known: list[str]) -> Call:
    kind = random_.random()
    if kind < 0.5:
        return Call(method="POST", path="/jobs", content=changed_body(random_, random_.choice(BODIES)))
    if kind < 0.7:
        path, usual = random_.choice(QUERIES)
        return Call(method="GET", path=path, params=_query(random_, usual, known))
    if kind < 0.85:
        identifier = _identifier(random_, known)
        tail = random_.choice(
            ["", "", "/cost", "/results/probabilities", "/results/histogram", "/results/shots", "/results/\x00", "/status/cancel",
             "/results/probabilities/aggregated", f"/variants/{_identifier(random_, known)}/results/shots", f"/artifacts/{_identifier(random_, known)}"]
        )  # fmt: skip
        method = random_.choice(["GET"] * 5 + ["PUT", "DELETE", "POST", "PATCH", "OPTIONS"])
        return Call(method=method, path=f"/jobs/{identifier}{tail}")
    if kind < 0.92:
        body = {"ids": [_identifier(random_, known) for _ in range(random_.randint(0, 2))]}
        method, path = random_.choice([("PUT", "/jobs/status/cancel"), ("DELETE", "/jobs")])
        return Call(method=method, path=path, content=changed_body(random_, body))
    path, body = random_.choice(ADMIN)
    return Call(method="PUT", path=path, content=changed_body(random_, body), admin=True)


def _identifier(random_: random.Random, known: list[str]) -> str:
    identifier = (
        random_.choice(known)
        if known and random_.random() < 0.9
        else random_.choice(["x", "-", "0-", "a-0-ffff", "é", "estimate"])
    )
    stem, _, tail = identifier.rpartition("-")
    return random_.choice(
        [identifier] * 6 + [f"{stem}-{1:012x}", f"{stem}-{9:012x}", f"{stem}--1", f"{identifier}0", f"{stem}-{tail}_0"]
    )


def _query(random_: random.Random, usual: dict[str, str], known: list[str]) -> list[tuple[str, str]]:
    chosen = [(name, value) for name, value in usual.items() if random_.random() < 0.4]
    for _ in range(random_.randint(1, 2)):
        value = random_.choice([*QUERY_VALUES, _identifier(random_, known)])
        chosen.append((random_.choice([*usual, "session_id", "sharpen", "é"]), value))
    return chosen


def changed_body(random_: random.Random, good: Any) -> bytes:
    """Return a good body as JSON with up to three places changed, or with bytes that are no JSON."""
    body = copy.deepcopy(good)
    for _ in range(random_.choice([0, 1, 1, 1, 2, 3])):
        body = _changed(random_, body)
    text = json.dumps(body)
    for mark, bare in BARE.items():
        text = text.replace(f'"{mark}"', bare)
    content = text.encode()
    strike = random_.random()
    if strike < 0.03:
        return content[: random_.randrange(len(content) + 1)]
    if strike < 0.05:
        return content.replace(b"a", b"\xff", 1)
    if strike < 0.06:
        return b"[" * 100_000
    return content


def _changed(random_: random.Random, body: Any) -> Any:
    """Change one place: another value, a wrapped one, a missing or a surplus field."""
    if not isinstance(body, dict | list) or not body or random_.random() < 0.15:
        return random_.choice([copy.deepcopy(random_.choice(VALUES)), [body], {"0": body}])
    key = random_.choice(list(body)) if isinstance(body, dict) else random_.randrange(len(body))
    strike = random_.random()
    if strike < 0.12:
        del body[key]
    elif strike < 0.2 and isinstance(body, dict):
        body[random_.choice(["debias", "lang", "sharpen", "", "é", "noise", "settings"])] = copy.deepcopy(
            random_.choice(VALUES)
        )
    else:
        body[key] = _changed(random_, body[key])
    return body
