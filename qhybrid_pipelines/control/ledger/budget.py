"""What an experiment may spend: reserved with the intent, settled when the job has ended.

Money is counted in whole micro-dollars, because sums of floats drift and a budget of 0.3 must hold three jobs of 0.1.
Pure: the ledger applies these functions inside the transaction that writes the intent.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from decimal import Decimal

from qhybrid_pipelines.core.errors import Refused

MICRO_USD_PER_USD = 1_000_000


def to_micro_usd(usd: float) -> int:
    """Return US dollars as whole micro-dollars, rounded up; noise below a nano-dollar is not rounded up.

    Raises:
        ValueError: ``usd`` is negative or not finite.
    """
    if not (math.isfinite(usd) and usd >= 0):
        raise ValueError(f"{usd} is not an amount of money")
    # The shortest decimal that reads back as the float is what was meant; the product of floats would be off by an ulp.
    return math.ceil(round(Decimal(repr(float(usd))) * MICRO_USD_PER_USD, 3))


def from_micro_usd(micro_usd: int) -> float:
    """Return whole micro-dollars as US dollars."""
    return micro_usd / MICRO_USD_PER_USD


def round_stored_usd(usd: float) -> float:
    """Return an amount as the ledger keeps it, in whole micro-dollars."""
    return from_micro_usd(to_micro_usd(usd))


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What one experiment may spend, over all its backends.

    Attributes:
        limit_usd: its budget.
        reserved_usd: quotes of jobs that have not ended.
        settled_usd: what ended jobs were charged.
    """

    experiment: str
    limit_usd: float
    reserved_usd: float = 0.0
    settled_usd: float = 0.0


def reserve(account: Account, quote_usd: float, *, backend: str) -> Account:
    """Return the account with one more quote reserved.

    Raises:
        Refused: the quote does not fit what is left; names experiment, budget, quote and remedy.
    """
    reserved = to_micro_usd(account.reserved_usd) + to_micro_usd(quote_usd)
    needed = reserved + to_micro_usd(account.settled_usd)
    if needed > to_micro_usd(account.limit_usd):
        raise Refused(
            f"experiment '{account.experiment}' has a budget of {format_usd(account.limit_usd)} "
            f"({format_usd(account.settled_usd)} spent, {format_usd(account.reserved_usd)} reserved), and '{backend}' "
            f"quotes {format_usd(quote_usd)} for this job. Raise budget.usd to {format_usd(from_micro_usd(needed))} or "
            "more, or lower shots, repetitions or sweep.points."
        )
    return replace(account, reserved_usd=from_micro_usd(reserved))


def settle(account: Account, *, quote_usd: float, charged_usd: float) -> Account:
    """Return the account after a job ended: its quote is released, its charge is spent."""
    return replace(
        account,
        reserved_usd=from_micro_usd(to_micro_usd(account.reserved_usd) - to_micro_usd(quote_usd)),
        settled_usd=from_micro_usd(to_micro_usd(account.settled_usd) + to_micro_usd(charged_usd)),
    )


def correct_charge(account: Account, *, before_usd: float, charged_usd: float) -> Account:
    """Return the account after a job that was charged already came to another end: its charge is replaced."""
    settled = to_micro_usd(account.settled_usd) - to_micro_usd(before_usd) + to_micro_usd(charged_usd)
    return replace(account, settled_usd=from_micro_usd(settled))


def replace_reservation(account: Account, *, released_usd: float, quote_usd: float, backend: str) -> Account:
    """Return the account with one quote reserved in place of another, whose job costs nothing.

    Raises:
        Refused: it does not fit what is left then.
    """
    return reserve(settle(account, quote_usd=released_usd, charged_usd=0.0), quote_usd, backend=backend)


def charge_usd(*, quote_usd: float, reported_usd: float | None, accepted: bool) -> float:
    """Return what an ended job is charged: the reported cost, else the quote, or nothing if it was never accepted."""
    if reported_usd is not None:
        return reported_usd
    return quote_usd if accepted else 0.0


def format_usd(usd: float) -> str:
    """Return an amount with two decimals, or with up to six where two would hide something."""
    text = f"{usd:.6f}".rstrip("0")
    whole, _, decimals = text.partition(".")
    return f"${whole}.{decimals.ljust(2, '0')}"
