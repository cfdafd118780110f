"""What a batch will cost, by the vendor's own estimate and rates, asked for each time.

Two forms are read: that of April 2026 (``estimated_cost``, ``cost_unit``, ``rate_information``) and that of October
(``estimated_total_cost``, ``estimated_unit``, ``rate_card.rates``).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from qhybrid_pipelines.core.errors import InvalidInput, Unavailable
from qhybrid_pipelines.core.jobs.circuit_jobs import CircuitBatch, Estimate
from qhybrid_pipelines.execution.ionq.client import IonQClient
from qhybrid_pipelines.execution.ionq.payload import JOB_TYPE

CREDIT_VARIABLE = "IONQ_USD_PER_CREDIT"
CREDIT = "credit"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Offer:
    """What an estimate says, in its own unit.

    Attributes:
        total: of the job.
        minimum: of any job.
        two_qubit_gate: per gate and shot; None where the job is not billed by gates.
    """

    total: float
    minimum: float
    two_qubit_gate: float | None
    unit: Any
    at: str


def estimate(client: IonQClient, batch: CircuitBatch, gates: tuple[int, int]) -> Estimate:
    """Ask for the price of a batch as one job.

    High is the vendor's estimate for all gates as they are sent. Low bills two-qubit gates only: what the vendor's
    compiler leaves of the one-qubit gates is not known before. The minimum per job holds for both.

    Args:
        client: makes the request.
        batch: says backend, width, shots and number of circuits.
        gates: on one and on two qubits, per circuit.

    Raises:
        InvalidInput: the price is in a unit whose value in USD nobody has set.
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
        offer = _october(answer) if "estimated_total_cost" in answer else _april(answer)
    except (KeyError, TypeError, ValueError):
        raise Unavailable("the estimate lacks its prices") from None
    usd = usd_per_unit(offer.unit)
    if usd is None:
        raise _unknown_unit(offer.unit)
    high = max(offer.total, offer.minimum)
    low = high if offer.two_qubit_gate is None else max(offer.minimum, batch.shots * twos * offer.two_qubit_gate)
    converted = f", {usd:g} USD per {CREDIT}" if str(offer.unit).lower() == CREDIT else ""
    return Estimate(
        low_usd=min(low, high) * usd,
        high_usd=high * usd,
        assumptions=(
            f"{circuits} circuits of {batch.shots} shots in one job, together {ones} one-qubit gates (billed in high only) "
            f"and {twos} two-qubit gates; no error mitigation; minimum {offer.minimum * usd:g} USD per job{converted}"
        ),
        source=f"{client.url}/jobs/estimate at {offer.at[:40]}",
    )


def usd_per_unit(unit: Any) -> float | None:
    """Return what one unit of a price is in USD; None for a unit that nobody has given a value.

    Raises:
        InvalidInput: the value of a credit, in IONQ_USD_PER_CREDIT, is not a price.
    """
    name = str(unit).lower()
    if name == "usd":
        return 1.0
    text = os.environ.get(CREDIT_VARIABLE)
    if name not in (CREDIT, f"{CREDIT}s") or not text:
        return None
    try:
        return _price(text)
    except ValueError:
        raise InvalidInput(
            f"{CREDIT_VARIABLE} is {text!r}", remedy="Give the price of one credit in USD, for example 1.0."
        ) from None


def _april(answer: Any) -> _Offer:
    rates = answer["rate_information"]
    return _Offer(
        total=_price(answer["estimated_cost"]),
        minimum=_price(rates["job_cost_minimum"]),
        two_qubit_gate=_price(rates["cost_2q_gate"]),
        unit=answer["cost_unit"],
        at=str(answer["estimated_at"]),
    )


def _october(answer: Any) -> _Offer:
    """Read an estimate with its rate card; one that has no rate for gates is taken as it is."""
    rates = [rate for rate in answer["rate_card"]["rates"] if rate["unit"] == "gates"]
    return _Offer(
        total=_price(answer["estimated_total_cost"]),
        minimum=max((_price(rate.get("job_cost_minimum", 0.0)) for rate in rates), default=0.0),
        two_qubit_gate=min(_price(rate["cost_2q_gate"]) for rate in rates) if rates else None,
        unit=answer["estimated_unit"],
        at=str(answer["estimated_at"]),
    )


def _unknown_unit(unit: Any) -> InvalidInput:
    """Return what to do about a price that is not in USD."""
    if str(unit).lower() in (CREDIT, f"{CREDIT}s"):
        return InvalidInput(
            "the vendor bills this organisation in credits, and budgets are in USD",
            remedy=(
                f"Set {CREDIT_VARIABLE} to what one credit costs you (the contract says it; 0 where credits were "
                "granted), or ask the vendor to bill in USD."
            ),
        )
    return InvalidInput(
        f"the vendor's price is in {str(unit)[:20]!r}, and budgets are in USD", remedy="Ask the vendor to bill in USD."
    )


def _price(value: Any) -> float:
    price = float(value)
    if not 0 <= price < float("inf"):
        raise ValueError("not a price")
    return price
