"""Nothing that a client sends makes the HTTP service fail: no status 500, no traceback, and every refusal is a problem document.

``make test`` sends a share; ``make test-service-requests`` sends 37,000.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator

import httpx
import pytest

from qhybrid_pipelines_tests.support.running_service import KARATE, RunningService
from qhybrid_pipelines_tests.support.service_fuzzer import ServiceCall, service_calls

pytestmark = [pytest.mark.fuzz, pytest.mark.slow, pytest.mark.acceptance]
REQUESTS = int(os.environ.get("QHYBRID_SERVICE_REQUESTS", "300"))
SEED = int(os.environ.get("QHYBRID_SERVICE_SEED", "7"))
#: Too busy for a deadline, or for another check at this moment: said with the time after which to try again.
TRY_AGAIN = 503
#: Names of what is there, in the answers that say it.
NAMES = ("experiment", "decision", "id", "sha256", "job")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with RunningService(tmp_path_factory.mktemp("service") / "home", "--decisions") as running:
        yield running.wait_ready()


def is_whole(call: ServiceCall, answer: httpx.Response) -> bool:
    """Tell whether an answer is one that the service means to give."""
    if answer.status_code >= 500 and (answer.status_code != TRY_AGAIN or "retry-after" not in answer.headers):
        return False
    if answer.status_code < 400 or call.method == "HEAD" or not call.path.startswith("/v1/"):
        return True
    if not answer.headers["content-type"].startswith("application/problem+json"):
        return False
    problem = answer.json()
    return (
        bool(problem["code"] and problem["detail"] and problem["correlation_id"])
        and (answer.status_code != TRY_AGAIN or problem["code"] == "overloaded")
        and problem["status"] == answer.status_code
    )


def test_no_request_makes_it_fail(service):
    accepted = service.post(KARATE)
    assert accepted.status_code == 202, accepted.text
    known = [accepted.json()["experiment"]]
    statuses: Counter[int] = Counter()
    for call in service_calls(SEED, REQUESTS, known):
        answer = service.client.request(call.method, call.path, headers=call.headers, content=call.content)
        statuses[answer.status_code] += 1
        assert is_whole(call, answer), (call, answer.status_code, answer.headers, answer.text[:2000])
        if answer.status_code in (200, 201, 202) and answer.headers.get("content-type", "").startswith(
            "application/json"
        ):
            found = answer.json()
            known += [found[name] for name in NAMES if isinstance(found, dict) and isinstance(found.get(name), str)]
            del known[:-40]
    print(f"\n{sum(statuses.values())} requests: {dict(sorted(statuses.items()))}")
    assert {200, 404, 422} <= set(statuses)
    assert "Traceback" not in service.log
    assert service.client.get("/readyz").status_code == 200
