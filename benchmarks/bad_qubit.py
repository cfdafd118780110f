"""A qubit of a device goes bad overnight: what is placing circuits by today's calibration worth?

QAOA of one layer for the cut of a chain, compiled as the provider `ibm` does it: by today's calibration, by yesterday's, and by the couplings alone.
All three are sampled with the errors of today, of each qubit and pair. The bad qubit is one of those that yesterday's placement uses.

    python benchmarks/bad_qubit.py                        # a minute of processor time
    python benchmarks/bad_qubit.py --devices ibm_hanoi --nights 3
"""

from __future__ import annotations

import argparse

import numpy as np
from measuring import machine, show, span

from qhybrid_pipelines_tests.support.bad_qubit import NONE, TODAY, YESTERDAY, Outcome, exact_cut, gain, outcomes

WIDTH, REPETITIONS, SHOTS = 10, 20, 500


def row_of(device: str, rule: str, nights: list[dict[str, Outcome]]) -> dict[str, object]:
    """Return what one rule gave in all nights: its mean cut, the share of the signal, and how far it is behind the first rule."""
    random, exact = (WIDTH - 1) / 2, exact_cut(WIDTH)
    cuts = [float(night[rule].cuts.mean()) for night in nights]
    behind = [gain(night[TODAY], night[rule]) for night in nights]
    return {
        "device": device,
        "placed by": rule,
        "nights on the bad qubit": f"{sum(night[rule].uses_bad_qubit for night in nights)} of {len(nights)}",
        "two-qubit gates": span(night[rule].two_qubit_gates for night in nights),
        "mean cut": round(float(np.mean(cuts)), 3),
        "share of the signal": round(float((np.mean(cuts) - random) / (exact - random)), 3),
        "behind today's": "" if rule == TODAY else span(found for found, _ in behind),
        "nights by more than 3 standard errors": ""
        if rule == TODAY
        else f"{sum(found > 3 * error for found, error in behind)} of {len(nights)}",
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--devices", nargs="*", default=["ibm_hanoi", "ibm_torino"])
    arguments.add_argument("--nights", type=int, default=10)
    chosen = arguments.parse_args()
    rows = []
    for device in chosen.devices:
        nights = [
            outcomes(device, width=WIDTH, seed=seed, repetitions=REPETITIONS, shots=SHOTS)
            for seed in range(chosen.nights)
        ]
        rows += [row_of(device, rule, nights) for rule in (TODAY, YESTERDAY, NONE)]
    show("A qubit that went bad overnight", rows, machine("numpy", "qiskit", "qiskit-ibm-runtime"))


if __name__ == "__main__":
    main()
