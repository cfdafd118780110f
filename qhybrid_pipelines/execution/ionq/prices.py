"""What a batch will cost, by the vendor's own estimate and rates, asked for each time."""

from __future__ import annotations

from typing import Any

from qhybrid_pipelines.core.errors import Unavailable
from qhybrid_pipelines.core.jobs import CircuitBatch, Estimate
from qhybrid_pipelines.execution.ionq.client import IonQClient
from qhybrid_pipelines.execution.ionq.payload import JOB_TYPE


def estimate(client: IonQClient, batch: CircuitBatch, gates: tuple[int, int]) -> Estimate:
    """Ask for the price of a batch as one job.

    High is the vendor's estimate for all gates as they are sent. Low bills two-qubit gates only: what the vendor's
    compiler leaves of the one-qubit gates is not known before. The minimum per job holds for both.

    Args:
        client: makes the request.
        batch: says backend, width, shots and number of circuits.
        gates: on one and on two qubits, per circuit.

    Raises:
        ProviderError: no usable answer. A price is never assumed to be nothing.
    """
    circuits = batch.points * batch.repetitions
    ones, twos = circuits * gates[0], circuits * gates[1]
    _, answer = client.get(
        "jobs",
        "estimate",
        params=[
            ("backend", batch.backend.partition(":")[2]),
            ("type", JOB_TYPE),
            ("qubits", str(batch.template.n_qubits)),
            ("shots", str(batch.shots)),
            ("1q_gates", str(ones)),
            ("2q_gates", str(twos)),
            ("error_mitigation", "false"),
        ],
    )
    try:
        rates = answer["rate_information"]
        minimum, two_qubit = _price(rates["job_cost_minimum"]), _price(rates["cost_2q_gate"])
        high = max(_price(answer["estimated_cost"]), minimum)
        unit, at = str(answer["cost_unit"]).lower(), str(answer["estimated_at"])
    except (KeyError, TypeError, ValueError):
        raise Unavailable("the estimate lacks its prices") from None
    if unit != "usd":
        raise Unavailable(f"the estimate is in {unit!r}, not in USD")
    return Estimate(
        low_usd=min(max(minimum, batch.shots * twos * two_qubit), high),
        high_usd=high,
        assumptions=(
            f"{circuits} circuits of {batch.shots} shots in one job, together {ones} one-qubit gates (billed in high only) "
            f"and {twos} two-qubit gates; no error mitigation; minimum {minimum:g} USD per job"
        ),
        source=f"{client.url}/jobs/estimate at {at[:40]}",
    )


def _price(value: Any) -> float:
    price = float(value)
    if not 0 <= price < float("inf"):
        raise ValueError("not a price")
    return price
