"""Computes the fixed QAOA angles for MaxCut on regular graphs, and writes `qhybrid_pipelines/quantum/angles_table.py`.

For every degree and depth the expected cut fraction on a graph of large girth is maximised: from the best angles one
layer shallower (interpolated), from those one degree lower (rescaled), and from a linear ramp. The best end point
stays. Deterministic; a quarter of an hour on one core.

    python benchmarks/fixed_angles.py            # write the table
    python benchmarks/fixed_angles.py --depth 2  # compute the shallow part and compare it with the table
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

from qhybrid_pipelines_tests.support.large_girth import cut_fraction

DEGREES = range(3, 12)
DEPTH = 6
#: The optimum is flat: an error of 1e-7 in an angle changes the fraction by less than 1e-12.
DIGITS = 7
TABLE = Path(__file__).parents[1] / "qhybrid_pipelines" / "quantum" / "angles_table.py"
HEADER = '''"""Fixed QAOA angles for MaxCut on regular graphs; written by `benchmarks/fixed_angles.py`, not by hand.

Degree, then depth: (expected cut fraction on large girth, gammas, betas). Radians, for the energy
``sum s_i s_j / 2`` over edges and the convention of `core.jobs.circuit_jobs.QaoaStructure`.
"""

from __future__ import annotations

FIXED_ANGLES: dict[int, dict[int, tuple[float, tuple[float, ...], tuple[float, ...]]]] = '''


def stretched(angles: np.ndarray) -> np.ndarray:
    """Interpolate angles of p layers to p + 1 (L. Zhou et al., Phys. Rev. X 10, 021067, appendix B)."""
    p = len(angles)
    i = np.arange(p + 1)
    padded = np.concatenate([[0.0], angles, [0.0]])
    return i / p * padded[i] + (p - i) / p * padded[i + 1]


def optimise(degree: int, p: int, starts: list[np.ndarray]) -> tuple[float, np.ndarray]:
    """Return the best fraction found from the starts, and its angles (gammas, then betas), rounded."""
    found = []
    for start in starts:
        # Central differences: with one-sided ones the search ends up to 1e-5 below the optimum at six layers.
        end = minimize(
            lambda x: -cut_fraction(degree, x[:p], x[p:]), start, method="BFGS", jac="3-point", options={"gtol": 1e-9}
        )
        angles = np.round(end.x, DIGITS)
        found.append((cut_fraction(degree, angles[:p], angles[p:]), angles))
        print(f"  d={degree} p={p} start {len(found)}: {found[-1][0]:.10f}", flush=True)
    # Ends that agree to rounding are one optimum; the first start that reached it names it.
    best = max(value for value, _ in found)
    return next((value, angles) for value, angles in found if value > best - 1e-9)


def compute(depth: int) -> dict[int, dict[int, tuple[float, np.ndarray]]]:
    """Return fraction and angles by degree and depth."""
    table: dict[int, dict[int, tuple[float, np.ndarray]]] = {}
    for degree in DEGREES:
        table[degree] = {}
        for p in range(1, depth + 1):
            up, down = (np.arange(p) + 0.5) / p, (np.arange(p)[::-1] + 0.5) / p
            starts = [np.concatenate([1.1 * up * np.sqrt(3 / degree), -0.75 * down])]
            if p > 1:
                shallow = table[degree][p - 1][1]
                starts.insert(0, np.concatenate([stretched(shallow[: p - 1]), stretched(shallow[p - 1 :])]))
            if degree - 1 in table:
                lower = table[degree - 1][p][1].copy()
                lower[:p] *= np.sqrt((degree - 1) / degree)
                starts.append(lower)
            table[degree][p] = optimise(degree, p, starts)
    return table


def written(table: dict[int, dict[int, tuple[float, np.ndarray]]]) -> str:
    """Return the module's text, as the formatter would leave it."""
    lines = [HEADER + "{"]
    for degree, rows in table.items():
        lines.append(f"    {degree}: {{")
        for p, (value, angles) in rows.items():
            lines.append(f"        {p}: (")
            lines.append(f"            {value:.10f},")
            for part in (angles[:p], angles[p:]):
                figures = ", ".join(repr(float(a)) for a in part)
                lines.append(f"            ({figures}{',' if p == 1 else ''}),")
            lines.append("        ),")
        lines.append("    },")
    return "\n".join([*lines, "}", ""])


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--depth", type=int, default=DEPTH)
    depth = arguments.parse_args().depth
    table = compute(depth)
    if depth == DEPTH:
        TABLE.write_text(written(table))
        print(f"wrote {TABLE.name}")
        return
    from qhybrid_pipelines.quantum.angles_table import FIXED_ANGLES

    for degree, rows in table.items():
        for p, (value, angles) in rows.items():
            kept, gammas, betas = FIXED_ANGLES[degree][p]
            apart = np.abs(angles - np.array([*gammas, *betas])).max()
            print(f"d={degree} p={p}: fraction differs by {value - kept:+.1e}, angles by {apart:.1e}")


if __name__ == "__main__":
    main()
