"""Hybrid quantum-classical experiments: from a problem file to a verdict.

For notebooks and scripts: `Experiment`, `load` and `results`, which are imported when they are first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qhybrid_pipelines.notebook import Experiment, load, results

__all__ = ["Experiment", "load", "results"]


def __getattr__(name: str) -> Any:
    """Return what notebooks use; nothing else of the package pays for it."""
    if name in __all__:
        from qhybrid_pipelines import notebook

        return getattr(notebook, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
