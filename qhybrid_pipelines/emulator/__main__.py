"""``python -m qhybrid_pipelines.emulator start``."""

from qhybrid_pipelines.emulator.command import app

app(prog_name="python -m qhybrid_pipelines.emulator")
