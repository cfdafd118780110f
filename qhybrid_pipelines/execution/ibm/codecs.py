"""Where the vendor's package keeps what this adapter uses of its inside; releases move it.

Up to 0.50 the readers and writers of circuits and arrays are in ``qiskit_ibm_runtime.utils``, from 0.51 on in
``qiskit_ibm_runtime.json``. `pyproject.toml` has an upper bound, because neither place is promised.
"""

from __future__ import annotations

import json
from typing import Any


def encoder() -> type[json.JSONEncoder]:
    """Return the vendor's writer of circuits, parameters and arrays as JSON."""
    found: type[json.JSONEncoder] = _named("RuntimeEncoder")
    return found


def decoder() -> type[json.JSONDecoder]:
    """Return the vendor's reader of results."""
    found: type[json.JSONDecoder] = _named("RuntimeDecoder")
    return found


def _named(name: str) -> Any:
    try:
        from qiskit_ibm_runtime import json as place
    except ImportError:
        from qiskit_ibm_runtime import utils as place
    return getattr(place, name)
