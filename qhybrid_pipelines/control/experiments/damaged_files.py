"""An unreadable file stops its own experiment only; the others go on, and each one that cannot is reported."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from qhybrid_pipelines.control.ledger.port import LedgerUnreachable
from qhybrid_pipelines.core.errors import CorruptFile, QHybridError
from qhybrid_pipelines.core.text.printable import one_line

if TYPE_CHECKING:  # who has learning experiments or circuits only meets their models when one is read
    from qhybrid_pipelines.core.specifications.sampling_specification import AnySpec
    from qhybrid_pipelines.storage.specifications import Specifications


class Damage:
    """Collects, by experiment, why it cannot go on: its specification, or a file of it in the lake, cannot be read."""

    def __init__(self) -> None:
        self._errors: dict[str, QHybridError] = {}

    @property
    def problems(self) -> Mapping[str, str]:
        """One sentence for each experiment, with what to do; the first that was met."""
        return {experiment: one_line(str(error)) for experiment, error in self._errors.items()}

    @property
    def errors(self) -> list[QHybridError]:
        """The same as errors."""
        return list(self._errors.values())

    @contextmanager
    def of(self, experiment: str) -> Iterator[None]:
        """Note what goes wrong inside about one experiment, and go on behind the block.

        Raises:
            LedgerUnreachable: that is about all experiments.
        """
        try:
            yield
        except LedgerUnreachable:
            raise
        except QHybridError as error:
            self._errors.setdefault(experiment, error)
        except Exception as error:  # noqa: BLE001  whatever a damaged file makes a reader raise
            problem, remedy = f"{type(error).__name__}: {error}", "Restore its files, or register it again."
            self._errors.setdefault(experiment, CorruptFile(experiment, problem, remedy=remedy))


def load_readable(specifications: Specifications, keys: Iterable[str], damage: Damage) -> list[tuple[str, AnySpec]]:
    """Return the experiments whose specifications can be read; the others are noted."""
    found: list[tuple[str, AnySpec]] = []
    for key in keys:
        with damage.of(key):
            found.append((key, specifications.load_any(key)))
    return found
