"""How far a training is, and its checkpoint: everything that the next iteration depends on, exact to the last bit.

There is no random generator to save: the samples of an iteration follow from the seed and the iteration's number.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.errors import CorruptFile, InvalidInput
from qhybrid_pipelines.learning.training.checksummed_json import add_checksum, verify_checksum

#: Version of the checkpoint's format.
FORMAT_VERSION = 1

#: What errors call a checkpoint whose bytes come without a name.
CHECKPOINT_NAME = "checkpoint"

#: ``running``, or why training ended.
TrainingOutcome = Literal["running", "converged", "iteration_limit"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingStep:
    """What one iteration did.

    Attributes:
        iteration: 1 for the first.
        loss: of the iteration's samples, before its step; nats.
        gradient_norm: Euclidean.
        seconds: wall time.
    """

    iteration: int
    loss: float
    gradient_norm: float
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingState:
    """A training between two iterations.

    Attributes:
        fingerprint: SHA-256 of data, circuit and settings; a state continues only the training it comes from.
        parameters: shape ``(parameters,)``.
        first_moment: Adam's running mean of the gradient, same shape.
        second_moment: Adam's running mean of its square, same shape.
        history: one entry per iteration, oldest first.
        outcome: ``running``, or why training ended.
    """

    fingerprint: str
    parameters: F64
    first_moment: F64
    second_moment: F64
    history: tuple[TrainingStep, ...]
    outcome: TrainingOutcome

    @property
    def iteration(self) -> int:
        """Iterations done."""
        return len(self.history)

    def to_bytes(self) -> bytes:
        """Return the state as a checkpoint."""
        content: dict[str, Any] = {
            "format": FORMAT_VERSION,
            "fingerprint": self.fingerprint,
            "parameters": self.parameters.tolist(),
            "first_moment": self.first_moment.tolist(),
            "second_moment": self.second_moment.tolist(),
            "history": [list(asdict(step).values()) for step in self.history],
            "outcome": self.outcome,
        }
        return add_checksum(content)

    @classmethod
    def from_bytes(cls, data: bytes, *, fingerprint: str, name: str = CHECKPOINT_NAME) -> TrainingState:
        """Return the state of a checkpoint.

        Args:
            data: what :meth:`to_bytes` gave.
            fingerprint: of the training that shall go on.
            name: what people call the checkpoint.

        Raises:
            CorruptFile: the bytes are not a whole checkpoint.
            InvalidInput: it belongs to another training, or to another version of the format.
        """
        remedy_text = "Remove the checkpoint; training then starts from its beginning."
        content = verify_checksum(data, name=name, remedy=remedy_text)
        if not {"format", "fingerprint"} <= set(content):
            raise CorruptFile(name, "it is not a checkpoint", remedy=remedy_text)
        version, stored_fingerprint = content["format"], content["fingerprint"]
        if version != FORMAT_VERSION:
            raise InvalidInput(
                f"the checkpoint has format {version}, this is format {FORMAT_VERSION}", remedy=remedy_text, file=name
            )
        if stored_fingerprint != fingerprint:
            raise InvalidInput(
                "the checkpoint belongs to a training with other data, another circuit or other settings "
                f"({stored_fingerprint[:12]}, here {fingerprint[:12]})",
                remedy="Give the checkpoint of this experiment, or none to train from the beginning.",
                file=name,
                field="checkpoint",
            )
        try:
            return cls(
                fingerprint=stored_fingerprint,
                parameters=np.array(content["parameters"], dtype=np.float64),
                first_moment=np.array(content["first_moment"], dtype=np.float64),
                second_moment=np.array(content["second_moment"], dtype=np.float64),
                history=tuple(
                    TrainingStep(iteration=i, loss=loss, gradient_norm=norm, seconds=seconds)
                    for i, loss, norm, seconds in content["history"]
                ),
                outcome=content["outcome"],
            )
        except (KeyError, ValueError, TypeError) as error:
            raise CorruptFile(name, f"it is not a checkpoint: {error}", remedy=remedy_text) from None
