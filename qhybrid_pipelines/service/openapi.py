"""Writing the committed description of the interface: ``python -m qhybrid_pipelines.service.openapi``."""

from __future__ import annotations

import json
from pathlib import Path

from qhybrid_pipelines.service.application import api, describe

FILE = Path(__file__).parents[2] / "docs" / "openapi.json"


def text() -> str:
    """Return the description as it is committed."""
    return json.dumps(describe(api(None)), indent=1, sort_keys=False, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
