"""How a job is usually run: submit it, ask until it is done, and when anything goes wrong run the whole thing again.

Run as a script: address, key, attempts, seconds of patience per attempt. Prints how many results it got.
"""

from __future__ import annotations

import sys
import time

import httpx

BODY = {
    "type": "ionq.circuit.v1",
    "backend": "simulator",
    "shots": 100,
    "input": {"gateset": "qis", "qubits": 1, "circuit": [{"gate": "h", "target": 0}]},
}


def run_task(url: str, key: str, attempts: int, timeout_seconds: float) -> int:
    """Return how many results came of it: 1, or 0 after the last attempt."""
    headers = {"Authorization": f"apiKey {key}"}
    for _ in range(attempts):
        try:
            submitted = httpx.post(f"{url}/jobs", json=BODY, headers=headers, timeout=timeout_seconds)
            submitted.raise_for_status()
            until = time.monotonic() + timeout_seconds
            while time.monotonic() < until:
                answer = httpx.get(f"{url}/jobs/{submitted.json()['id']}", headers=headers, timeout=timeout_seconds)
                answer.raise_for_status()
                if answer.json()["status"] == "completed":
                    return 1
                time.sleep(0.05)
        except (httpx.HTTPError, ValueError):
            continue
    return 0


if __name__ == "__main__":
    print(run_task(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])), flush=True)
