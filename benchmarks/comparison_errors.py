"""How often ``qhybrid compare`` errs, with seeds that no test has: differences where there are none, causes that are not named.

The pairs are those of the tests (`support/known_changes.py`, `unit/problems/test_changed_facts.py`); only the seeds are others.

    python benchmarks/comparison_errors.py              # fresh seeds, which are printed
    python benchmarks/comparison_errors.py --seed 17    # the same seeds again
"""

from __future__ import annotations

import argparse
import secrets

import numpy as np

from qhybrid_pipelines.problems.execution_differences import Cause
from qhybrid_pipelines_tests.support.known_changes import KNOWN, Setting, compare_settings

PAIRS_OF_THE_SAME, PAIRS_PER_CAUSE = 400, 100


def false_alarms(seeds: np.ndarray) -> int:
    """Return how many pairs of the same thing are called different."""
    same = Setting()
    return sum(compare_settings(same, same, seed=int(seed))[0].is_beyond_shot_noise for seed in seeds)


def attributed(cause: Cause, seeds: np.ndarray) -> int:
    """Return for how many pairs the difference is seen, and put down to its cause alone."""
    count = 0
    for seed in seeds:
        difference, _, conclusion = compare_settings(Setting(), KNOWN[cause], seed=int(seed))
        count += difference.is_beyond_shot_noise and conclusion.endswith(f". What changed: {cause}.")
    return count


def main() -> None:
    """Measure, and print one line per rate."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--seed", type=int, help="root of all seeds; else a fresh one")
    root = arguments.parse_args().seed
    root = secrets.randbits(32) if root is None else root
    # The tests have small seeds; these begin above all of them.
    draw = np.random.default_rng(root)
    print(f"seed {root}", flush=True)
    alarms = false_alarms(draw.integers(10**6, 2**62, PAIRS_OF_THE_SAME))
    print(f"false alarms {alarms} of {PAIRS_OF_THE_SAME}", flush=True)
    for cause in KNOWN:
        count = attributed(cause, draw.integers(10**6, 2**62, PAIRS_PER_CAUSE))
        print(f"attributed to {cause}: {count} of {PAIRS_PER_CAUSE}", flush=True)


if __name__ == "__main__":
    main()
