"""What a running service consists of, opened once and handed to every route."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from qhybrid_pipelines.core.errors import QHybridError
from qhybrid_pipelines.core.specifications.experiment_key import CANARY_EXPERIMENT
from qhybrid_pipelines.service.access.callers import Authenticator, Caller, Everybody, Scope
from qhybrid_pipelines.service.access.rate_limits import RateLimits
from qhybrid_pipelines.service.access.settings import read_settings
from qhybrid_pipelines.service.action_threads import ActionThreads
from qhybrid_pipelines.service.decisions.decision_service import DecisionService
from qhybrid_pipelines.service.event_feed import EventFeed
from qhybrid_pipelines.service.intake.checkers import Checkers, Limits
from qhybrid_pipelines.service.intake.preferences import Waiters
from qhybrid_pipelines.service.intake.registrar import Registrar
from qhybrid_pipelines.service.intake.request_store import RequestStore
from qhybrid_pipelines.service.intake.uploads import Uploads
from qhybrid_pipelines.service.interactive import InteractiveTier, InteractiveWorkerLost
from qhybrid_pipelines.service.ledger_watch import LedgerWatch
from qhybrid_pipelines.service.middleware.request_figures import RequestFigures
from qhybrid_pipelines.service.pages.page_parts import PageParts
from qhybrid_pipelines.service.reports import Reports
from qhybrid_pipelines.service.resources import MaySee, Resources
from qhybrid_pipelines.service.webhooks.parts import Webhooks
from qhybrid_pipelines.steps.workspace import Workspace
from qhybrid_pipelines.storage.layout import Home

#: Checks have little time of a processor, and of the clock more than a ledger that is away takes to say so; an estimate reduces the instance and compiles circuits.
CHECK_LIMITS = Limits(cpu_seconds=2.0, clock_seconds=60.0)
ESTIMATE_LIMITS = Limits(cpu_seconds=20.0, clock_seconds=60.0, memory_bytes=3 * 2**30, processes=1, most_waiting=8)
#: A report draws some ten figures; the first one of a process imports what draws them.
REPORT_LIMITS = Limits(cpu_seconds=60.0, clock_seconds=120.0, memory_bytes=3 * 2**30, processes=1, most_waiting=8)


@dataclass
class ServiceParts:
    """The parts of a service for one home.

    Attributes:
        workspace: the home.
        authenticator: who may come in.
        requests: what was accepted.
        registrar: registers it.
        checkers: check what comes in.
        estimators: say what it would cost.
        drawers: draw reports; started with the first one.
        reports: keeps them, and says who may ask for one.
        resources: what is shown.
        figures: of the requests, for /metrics.
        feed: tells when there are more events.
        action_threads: in which providers are asked.
        webhooks: where events are sent.
        pages: what people see in a browser.
        decisions: decides at once; None where nobody asked for that.
        uploads: files that callers have sent ahead.
        rates: how often callers may ask.
        ledger_watch: whether the ledger answers.
        interactive: runs what callers wait for; None where it was not asked for.
        waiters: who waits for the end of what was sent.
    """

    workspace: Workspace
    authenticator: Authenticator
    requests: RequestStore
    registrar: Registrar
    checkers: Checkers
    estimators: Checkers
    drawers: Checkers
    reports: Reports
    resources: Resources
    figures: RequestFigures
    feed: EventFeed
    action_threads: ActionThreads
    webhooks: Webhooks
    pages: PageParts
    uploads: Uploads
    rates: RateLimits
    ledger_watch: LedgerWatch
    interactive: InteractiveTier | None = None
    waiters: Waiters = field(default_factory=Waiters)
    decisions: DecisionService | None = None
    _roots: dict[str, str] = field(default_factory=dict)
    _warm: threading.Event = field(default_factory=threading.Event)
    warming_problem: str = "the service is warming up"

    @classmethod
    def open(
        cls,
        home: Path,
        authenticator: Authenticator | None = None,
        *,
        interactive: bool = False,
        decisions: bool = False,
    ) -> ServiceParts:
        """Open the parts; nothing is warm yet.

        Args:
            home: its folder.
            authenticator: who may come in; None is everybody who reaches the service.
            interactive: run what callers wait for, in a separate process.
            decisions: decide as well, which takes three processes more.

        Raises:
            InvalidInput: ledger or requests cannot be opened, or the settings are wrong.
        """
        workspace = Workspace(Home(home))
        control_plane = workspace.control_plane
        settings = read_settings(workspace.home)
        requests = RequestStore(workspace.home.requests)
        backends = control_plane.backends
        caller = authenticator or Everybody(control_plane.deployment.principal)
        drawers = Checkers(home, backends, REPORT_LIMITS)
        parts: ServiceParts

        def visibility(principal: str, sees_all: bool, experiment: str) -> bool:  # noqa: FBT001  a function of its place
            return parts.may_notify(principal, experiment, sees_all=sees_all)

        parts = cls(
            workspace=workspace,
            authenticator=caller,
            requests=requests,
            registrar=Registrar(requests, workspace.specifications),
            checkers=Checkers(home, backends, CHECK_LIMITS),
            estimators=Checkers(home, backends, ESTIMATE_LIMITS),
            drawers=drawers,
            reports=Reports(drawers),
            resources=Resources(workspace, requests),
            figures=RequestFigures(),
            feed=EventFeed(lambda: control_plane.ledger.head().position),
            action_threads=ActionThreads(),
            webhooks=Webhooks.open(workspace.home, control_plane, visibility=visibility),
            pages=PageParts.of(control_plane.ledger),
            uploads=Uploads(workspace.home),
            ledger_watch=LedgerWatch(lambda: control_plane.ledger.head()),  # noqa: PLW0108  opened when it is first asked
            # Decisions are answered within milliseconds, and experiments within seconds: these give way.
            interactive=InteractiveTier(workspace.home.path, idle=decisions) if interactive else None,
            rates=RateLimits(partial(settings.limit_of, keys=authenticator is not None)),
        )
        if decisions:
            parts.decisions = DecisionService.open(parts)
            parts.webhooks.tell_of(parts.decisions.decider.store)
        return parts

    def warm(self) -> None:
        """Make everything ready that would make a first request slow; `not_ready` tells when it is done."""
        try:
            self.workspace.control_plane.ledger.head()
            self.ledger_watch.start()
            self.registrar.start()
            self.webhooks.sender.start()
            if self.interactive is not None:
                self.interactive.start()
            self.checkers.warm("check")
            self.estimators.warm("estimate")
            if self.decisions is not None:
                self.decisions.warm()
            if self.interactive is not None:
                self.interactive.wait_warm()
        except InteractiveWorkerLost as error:
            self.warming_problem = f"warming up failed: {error}"
            return
        except Exception as error:  # noqa: BLE001  a thread's end would leave the reason untold
            self.warming_problem = f"warming up failed: {type(error).__name__}"
            return
        self._warm.set()

    @property
    def is_warm(self) -> bool:
        """Whether everything is ready that would make a first request slow."""
        return self._warm.is_set()

    def not_ready(self) -> list[str]:
        """Return why the service does not take requests; empty when it does."""
        found = [] if self._warm.is_set() else [self.warming_problem]
        if not self.requests.is_alive:
            found.append("requests cannot be written")
        if self._warm.is_set() and not self.registrar.is_alive:
            found.append("accepted experiments are not being registered")
        if self._warm.is_set() and not self.webhooks.sender.is_alive:
            found.append("events are not being sent")
        if self.ledger_watch.is_away:
            found.append("the ledger does not answer")
        return found

    def visibility_of(self, caller: Caller) -> MaySee:
        """Return what tells whether a caller may see an experiment."""
        if self.authenticator.is_open or caller.sees_all:
            return lambda experiment: experiment != CANARY_EXPERIMENT
        return self._own_of(caller)

    def may_change(self, caller: Caller, *, scope: Scope = "operate") -> MaySee:
        """Return what tells whether a caller may decide about an experiment: one of its own, or any by a scope."""
        if self.authenticator.is_open or scope in caller.scopes:
            return lambda experiment: experiment != CANARY_EXPERIMENT
        return self._own_of(caller)

    def _own_of(self, caller: Caller) -> MaySee:
        own = self.requests.requested(caller.principal)
        # Later rounds keep the name of the first one, so that only those of the same name have to be opened.
        names = {_name_of(experiment) for experiment in own}

        def may_see(experiment: str) -> bool:
            return experiment in own or (_name_of(experiment) in names and self._root_of(experiment) in own)

        return may_see

    def may_notify(self, principal: str, experiment: str, *, sees_all: bool) -> bool:
        """Tell whether a principal may be told of an experiment, as `visibility_of` for one experiment."""
        if self.authenticator.is_open or sees_all:
            return experiment != CANARY_EXPERIMENT
        return any(self.requests.owns(principal, key) for key in dict.fromkeys((experiment, self._root_of(experiment))))

    def is_anothers(self, caller: Caller, experiment: str) -> bool:
        """Tell whether an experiment is there already, and the caller has not sent it."""
        if self.authenticator.is_open or experiment not in self.workspace.specifications:
            return False
        return not self.requests.owns(caller.principal, experiment)

    def _root_of(self, experiment: str) -> str:
        """Return the first round of an experiment, which is whose the later ones are; an experiment without one is its own."""
        if experiment not in self._roots:
            try:
                spec = self.workspace.specifications.load_any(experiment)
            except QHybridError:
                return experiment  # not registered yet, or damaged: nobody's but its sender's
            lineage = getattr(spec, "lineage", None)
            self._roots[experiment] = (lineage.root if lineage is not None else None) or experiment
        return self._roots[experiment]

    def close(self) -> None:
        """Finish what was begun, and end all processes and threads."""
        if self.decisions is not None:
            self.decisions.close()
        if self._warm.is_set():
            self.registrar.close()
        self.webhooks.close()
        self.ledger_watch.close()
        self.requests.close()
        self.action_threads.close()
        if self.interactive is not None:
            self.interactive.close()
        self.checkers.close()
        self.estimators.close()
        self.drawers.close()
        self.workspace.control_plane.ledger.close()


def _name_of(experiment: str) -> str:
    """Return the part of a key that follows from the name."""
    return experiment.rpartition("-")[0]
