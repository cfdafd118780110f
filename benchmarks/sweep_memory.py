"""Peak memory of a wide, long sweep: 20 qubits, 4,096 points, 1,024 shots each, in a process of its own.

Two children. `provider`: the batch is submitted to the provider `local`, fetched, verified and written as Parquet. `pipeline`: the
whole pipeline runs, from the specification to the verdict, in one process, as `qhybrid run` does it. A child reports what it
held before the sweep (libraries), and the most it ever held; the kernel keeps that figure, nothing samples it.

    python benchmarks/sweep_memory.py                    # a minute and a half on two cores
    python benchmarks/sweep_memory.py --points 512 --ways provider
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measuring import machine, show

QUBITS = 20
LAYERS = 1
SHOTS = 1024
POINTS = 4096
WAYS = ("provider", "pipeline")
SPECIFICATION = """
name: wide sweep
problem: {{family: maxcut, source: {{generator: random_regular, nodes: 21, degree: 4, seed: 1}}}}
reduce: {{max_qubits: 20}}
ansatz: {{layers: {layers}}}
sweep: {{strategy: random, points: {points}}}
shots: {shots}
repetitions: 1
rounds: {{max: 1}}
"""


def resident_megabytes() -> float:
    """Return what this process holds now."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def through_provider(points: int, folder: Path) -> dict[str, object]:
    import pyarrow.parquet as pq
    from engines import batch_of

    from qhybrid_pipelines.execution.providers.local import LocalProvider

    batch = batch_of(QUBITS, layers=LAYERS, points=points)
    provider = LocalProvider(folder / "jobs")
    provider.prepare(batch.template, batch.backend, level=1, seed=1)
    before, begin = resident_megabytes(), time.perf_counter()
    raw = provider.fetch(provider.submit(batch, "token"))
    counts = provider.decode(raw, batch)
    pq.write_table(counts, folder / "counts.parquet", compression="zstd")
    seconds = time.perf_counter() - begin
    details = provider.details(raw)
    engine = f"{details['engine']} {details['engine_version']}"
    return {"before": before, "seconds": seconds, "rows": counts.num_rows, "engine": engine}


def through_pipeline(points: int, folder: Path) -> dict[str, object]:
    from qhybrid_pipelines.launch import Launcher
    from qhybrid_pipelines.settings import Settings
    from qhybrid_pipelines.storage import schemas
    from qhybrid_pipelines.storage.lake import Lake
    from qhybrid_pipelines.storage.layout import Home

    launcher = Launcher(Settings.from_environment(folder))
    text = SPECIFICATION.format(layers=LAYERS, points=points, shots=SHOTS)
    key = launcher.workspace.registration.register_text(text, file="benchmark", folder=Path()).key
    before, begin = resident_megabytes(), time.perf_counter()
    launcher.run([key], lambda *_: None)
    seconds = time.perf_counter() - begin
    lake = Lake(Home(folder))
    [execution] = lake.keys(schemas.QPU_RESULT_SETS)
    [job] = lake.read(schemas.PROVENANCE, execution).to_pylist()
    rows = lake.read(schemas.QPU_RESULT_SETS, execution).num_rows
    return {"before": before, "seconds": seconds, "rows": rows, "engine": f"{job['engine']} {job['engine_version']}"}


def child(way: str, points: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        told = {"provider": through_provider, "pipeline": through_pipeline}[way](points, Path(folder))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    print(json.dumps({**told, "peak": peak}))


def measured(way: str, points: int) -> dict[str, object]:
    command = [sys.executable, __file__, "--child", way, "--points", str(points)]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    told = json.loads(output.splitlines()[-1])
    return {
        "way": way,
        "points": points,
        "engine": told["engine"],
        "rows of counts": told["rows"],
        "seconds": told["seconds"],
        "before, MB": told["before"],
        "peak, MB": told["peak"],
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--points", type=int, default=POINTS)
    arguments.add_argument("--ways", nargs="*", default=list(WAYS), choices=WAYS)
    arguments.add_argument("--child", choices=WAYS, help=argparse.SUPPRESS)
    chosen = arguments.parse_args()
    if chosen.child:
        child(chosen.child, chosen.points)
        return
    rows = [measured(way, chosen.points) for way in chosen.ways]
    show(f"QAOA, {QUBITS} qubits, {LAYERS} layer, {SHOTS} shots a point", rows, machine("numpy", "pyarrow", "dagster"))


if __name__ == "__main__":
    main()
