"""Makes a home with an open paid job, to be kept for the tests of later releases: run with the release that shall be kept.

python make_home.py FOLDER
"""

from __future__ import annotations

import os
import shutil
import sys
import tarfile
from pathlib import Path

import yaml

from qhybrid_pipelines.emulator.process import running_emulator
from qhybrid_pipelines.launch import Launcher
from qhybrid_pipelines.settings import Settings

SPEC = {
    "name": "kept",
    "problem": {"family": "maxcut", "source": {"generator": "random_regular", "nodes": 6, "degree": 3, "seed": 4}},
    "backends": ["ionq:qpu.aria-1"],
    "budget": {"usd": 1000.0},
    "ansatz": {"layers": 1},
    "sweep": {"strategy": "fixed_angles", "points": 2},
    "shots": 64,
    "repetitions": 2,
}
#: What is made again, or is of this machine only.
LEFT_OUT = ("dagster", "mlflow", "tmp", "locks", "warehouse.duckdb", "warehouse.crc32")


def make(folder: Path) -> None:
    """Run until the job is with its provider, and pack what is left of home and provider."""
    with running_emulator(folder / "cloud", key="some-key", speed=1.0) as cloud:
        os.environ.update(cloud.environment)
        launcher = Launcher(Settings(home=folder / "home"))
        launcher.workspace.registration.register_text(yaml.safe_dump(SPEC), file="kept.yaml", folder=Path())
        launcher.run([*launcher.workspace.specifications], lambda stage, asset: None)
    for name in LEFT_OUT:
        path = folder / "home" / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    with tarfile.open(folder / "home.tar.xz", "w:xz") as archive:
        for name in ("home", "cloud"):
            archive.add(folder / name, arcname=name)


if __name__ == "__main__":
    make(Path(sys.argv[1]))
