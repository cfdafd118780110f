"""One home folder with all that is in it: opened by the command line, Dagster and notebooks, which give steps the pieces that they need."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from qhybrid_pipelines.storage.layout import Home

if TYPE_CHECKING:  # a command imports the pieces that it opens
    from qhybrid_pipelines.control.control_plane import ControlPlane
    from qhybrid_pipelines.control.experiments.known_keys import KeyOf
    from qhybrid_pipelines.control.experiments.registration import Registration
    from qhybrid_pipelines.storage.lake import Lake
    from qhybrid_pipelines.storage.settled_marks import SettledMarks
    from qhybrid_pipelines.storage.specifications import Specifications
    from qhybrid_pipelines.storage.tracking import Tracker


@dataclass(frozen=True)
class Workspace:
    """One home folder, opened piece by piece as the pieces are asked for."""

    home: Home

    @cached_property
    def lake(self) -> Lake:
        """The pipeline's private tables."""
        from qhybrid_pipelines.storage.lake import Lake

        return Lake(self.home)

    @cached_property
    def specifications(self) -> Specifications:
        """The registered experiments."""
        from qhybrid_pipelines.storage.specifications import Specifications

        return Specifications(self.home)

    @cached_property
    def control_plane(self) -> ControlPlane:
        """The one door to the providers, and the ledger behind it."""
        from qhybrid_pipelines.control.control_plane import ControlPlane

        return ControlPlane(self.home)

    @cached_property
    def registration(self) -> Registration:
        """The one door for new experiments."""
        from qhybrid_pipelines.control.experiments.registration import Registration

        return Registration(self.specifications, self.control_plane.backends, key_of=self.key_of)

    @cached_property
    def key_of(self) -> KeyOf:
        """Finds the key of a specification."""
        from qhybrid_pipelines.control.experiments.known_keys import find_keys

        return find_keys(self.specifications, lambda key: bool(self.control_plane.ledger.jobs(experiment=key)))

    def gate_error(self, backend: str) -> float | None:
        """Return the error of a backend's two-qubit gates, as it reports it now. Raises as `two_qubit_error`."""
        from qhybrid_pipelines.control.backend_monitoring.gate_errors import two_qubit_error

        return two_qubit_error(self.control_plane.dispatcher, backend)

    def gate_error_if_known(self, backend: str) -> float | None:
        """Return the same, None where the provider is not set up or does not answer."""
        from qhybrid_pipelines.control.backend_monitoring.gate_errors import two_qubit_error_if_known

        return two_qubit_error_if_known(self.control_plane.dispatcher, backend)

    @cached_property
    def settled(self) -> SettledMarks:
        """Which experiments left nothing to do."""
        from qhybrid_pipelines.steps.operate.due_work import settled_marks

        return settled_marks(self.home)

    @cached_property
    def tracker(self) -> Tracker:
        """The reproducibility record."""
        from qhybrid_pipelines.storage.tracking import Tracker

        return Tracker(self.home)
