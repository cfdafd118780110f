"""Questions to a warehouse of a hundred million counts: one job's outcomes, a dashboard, and whole scans.

The counts are written by the pipeline's own lake, published by its own warehouse, and read through the connection that
analysts get. Each partition is one execution of 27 qubits: as many points as it needs, 512 distinct outcomes each, with a
summary in `point_scores` (and, made from it, in `point_energies`) and a job in the ledger's tables. Every question is asked of the raw counts, too, where that is
another way.

    python benchmarks/analyst.py                     # a hundred million rows: 2 GB on the disk while it runs, two minutes
    python benchmarks/analyst.py --rows 10000000
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
from measuring import interleaved, machine, show, span

from qhybrid_pipelines.storage import analyst, schemas, warehouse
from qhybrid_pipelines.storage.lake import Lake, PartitionKey
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.tables import from_columns

BACKENDS = ("local:auto", "ibm:fake_sherbrooke", "ibm:fake_torino", "ionq:simulator")
QUBITS, DISTINCT, SHOTS = 27, 512, 1024


def executions(rows: int, rows_each: int) -> Iterator[tuple[int, PartitionKey]]:
    for number in range(rows // rows_each):
        yield number, PartitionKey(experiment=f"maxcut-{number // 4:08x}", backend=BACKENDS[number % 4])


def counts_of(number: int, key: PartitionKey, points: int, random: np.random.Generator) -> pa.Table:
    """Return counts with the statistics of a sampled state: some outcomes often, most of them once."""
    bits = np.sort(random.integers(0, 2**QUBITS, (points, DISTINCT), dtype=np.uint64), axis=1)
    bits += np.arange(DISTINCT, dtype=np.uint64)  # no outcome twice
    count = 1 + random.geometric(0.5, (points, DISTINCT)) // 2
    size = points * DISTINCT
    table = {
        "experiment": pa.array([key.experiment]).take(pa.array(np.zeros(size, np.int32))),
        "backend": pa.array([key.backend]).take(pa.array(np.zeros(size, np.int32))),
        "job_id": pa.array([f"job-{number:08x}"]).take(pa.array(np.zeros(size, np.int32))),
        "point": np.repeat(np.arange(points, dtype=np.int32), DISTINCT),
        "repetition": np.zeros(size, np.int32),
        "bits": bits.ravel(),
        "high_bits": pa.nulls(size, pa.binary()),
        "count": count.ravel(),
    }
    return pa.table(
        {c.name: pa.array(table[c.name], c.type) for c in schemas.QPU_RESULT_SETS.columns},
        schema=schemas.QPU_RESULT_SETS.schema,
    )


def summary_of(key: PartitionKey, points: int, random: np.random.Generator) -> pa.Table:
    energies = random.normal(-20, 2, points)
    columns = {
        "experiment": key.experiment,
        "backend": key.backend,
        "instance": "generated",
        "point": np.arange(points),
        "repetition": 0,
        "shots": SHOTS,
        "distinct_outcomes": DISTINCT,
        "mean_energy": energies,
        "min_energy": energies - 8,
        "argmin_bits": random.integers(0, 2**QUBITS, points),
        "p_feasible": 1.0,
        "mean_objective": -energies,
        "best_objective": 8 - energies,
        "p_reduced_model_optimum": random.random(points),
        "noise_like": False,
    }
    return from_columns(schemas.POINT_SCORES, columns)


def generate(home: Home, rows: int, rows_each: int) -> tuple[int, float]:
    """Fill the lake; return the bytes of the counts and the seconds of writing them."""
    lake, size, seconds, points = Lake(home), 0, 0.0, rows_each // DISTINCT
    for number, key in executions(rows, rows_each):
        random = np.random.default_rng(number)
        counts = counts_of(number, key, points, random)
        started = time.perf_counter()
        size += lake.write(schemas.QPU_RESULT_SETS, key, counts).bytes
        seconds += time.perf_counter() - started
        lake.write(schemas.POINT_SCORES, key, summary_of(key, points, random))
    return size, seconds


def questions(job: str) -> dict[str, str]:
    return {
        "job look-up: all outcomes of one job": f"SELECT point, bits, count FROM qpu_result_sets WHERE job_id = '{job}'",
        "dashboard: shots and energy per backend": "SELECT backend, sum(shots), avg(mean_energy), min(min_energy) "
        "FROM point_scores GROUP BY backend",
        "dashboard: ten best points": "SELECT experiment, backend, point, mean_energy "
        "FROM point_energies ORDER BY mean_energy LIMIT 10",
        "full scan: shots and outcomes per backend": "SELECT backend, sum(count), count(*) FROM qpu_result_sets GROUP BY backend",
        "full scan: most frequent outcome per backend": "SELECT backend, max(count), arg_max(bits, count) "
        "FROM qpu_result_sets GROUP BY backend",
        "full scan: three most frequent per experiment": "SELECT experiment, max_by(bits, count, 3) "
        "FROM qpu_result_sets GROUP BY experiment",
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rows", type=int, default=100_000_000)
    arguments.add_argument("--rows-per-execution", type=int, default=64 * DISTINCT)
    arguments.add_argument("--rounds", type=int, default=5)
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder)).make()
        size, seconds = generate(home, options.rows, options.rows_per_execution)
        published = warehouse.publish(home, {})
        rows = published.tables["qpu_result_sets"]
        shutil.rmtree(home.lake)
        with analyst.connect(home) as connection:
            asked = {
                name: (lambda sql=sql: connection.sql(sql).to_arrow_table())
                for name, sql in questions(f"job-{rows // options.rows_per_execution // 2:08x}").items()
            }
            answered = {name: ask().num_rows for name, ask in asked.items()}
            timings = interleaved(asked, rounds=options.rounds)
    about = machine("duckdb", "pyarrow") | {
        "rows": rows,
        "bytes a row in the lake": size / rows,
        "bytes a row in the warehouse, summaries included": published.bytes / rows,
        "million rows/s written to the lake": rows / seconds / 1e6,
        "million rows/s published": rows / published.seconds / 1e6,
    }
    table = [
        {
            "question": name,
            "ms (median)": 1e3 * timing.median,
            "lowest to highest": span(1e3 * s for s in timing.seconds),
            "rows of the answer": answered[name],
        }
        for name, timing in timings.items()
    ]
    show(f"{rows / 1e6:.0f} million counts; {options.rounds} rounds", table, about)


if __name__ == "__main__":
    main()
