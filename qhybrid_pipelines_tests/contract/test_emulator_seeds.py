"""What the emulator's seeds decide: its own draws the queue and the shots of devices, a customer's those of simulations."""

from __future__ import annotations

from qhybrid_pipelines.emulator.process import running_emulator
from qhybrid_pipelines_tests.support.emulator_client import Client

SPREAD = [{"gate": "h", "target": qubit} for qubit in range(3)]


def probabilities(client: Client, job_id: str) -> dict[str, float]:
    client.run_to_end(job_id)
    found: dict[str, float] = client.get(f"/jobs/{job_id}/results/probabilities").json()
    return found


def test_two_clouds_of_one_seed_agree_on_shots_and_share_no_id(tmp_path):
    seen = []
    for folder in ("one", "two"):
        with running_emulator(tmp_path / folder, seed=5) as emulator:
            client = Client(emulator)
            job = client.submit_job(SPREAD, backend="qpu.aria-1")
            seen.append((job, probabilities(client, job)))
            client.close()
    (first, counted), (second, counted_again) = seen
    assert first != second
    assert counted == counted_again


def test_a_customers_seed_gives_the_same_shots_and_another_gives_others(tmp_path):
    with running_emulator(tmp_path) as emulator:
        client = Client(emulator)
        jobs = [client.submit_job(SPREAD, shots=500, noise={"model": "aria-1", "seed": seed}) for seed in (3, 3, 4)]
        first, again, other = (probabilities(client, job) for job in jobs)
        client.close()
    assert first == again
    assert first != other
