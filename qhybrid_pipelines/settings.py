"""Where this installation keeps its state: one home folder, by argument or by environment."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

HOME_VARIABLE = "QHYBRID_HOME"
DEFAULT_HOME = "data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a code location has to know before it is built.

    Attributes:
        home: folder under which all state lives: lake, ledger, warehouse, Dagster, MLflow, inbox, quarantine.
    """

    home: Path

    @classmethod
    def from_environment(cls, home: str | Path | None = None) -> Settings:
        """Return the settings for ``home``, else for the variable QHYBRID_HOME, else for ``./data``."""
        return cls(home=Path(home or os.environ.get(HOME_VARIABLE) or DEFAULT_HOME).expanduser().resolve())
