"""What the stored unit of an objective says beside its name."""

from __future__ import annotations

#: A unit ends in this where the objective is the negative of what its source maximises.
NEGATED = " (negated maximum)"
