"""From an accepted request to a registered experiment: once, in the order of acceptance, also after an end in the middle.

Acceptance is a row in the store; registration writes the files that sensors and commands look for. Registering twice changes nothing,
so that whatever was cut off is simply done again.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime

from pydantic import ValidationError

from qhybrid_pipelines.core.errors import InvalidInput, QHybridError
from qhybrid_pipelines.service.intake.request_store import AcceptedRequest, Registration, RequestStore
from qhybrid_pipelines.storage.label_store import LabelStore
from qhybrid_pipelines.storage.requesters import write_requester
from qhybrid_pipelines.storage.specifications import Specifications, model_of

#: Requests that are read from the store at a time.
TOGETHER = 50
#: How long to wait after a failure of this machine; a full disk is not full for ever.
PAUSE_SECONDS = 5.0


class Registrar:
    """Registers what was accepted, in a thread of its own.

    Args:
        store: the accepted requests.
        specifications: the register.
    """

    def __init__(self, store: RequestStore, specifications: Specifications) -> None:
        self._store, self._specifications = store, specifications
        self._labels = LabelStore(specifications.home)
        self._wake, self._ending = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="registrar", daemon=True)

    def start(self) -> None:
        """Begin, with what an earlier process has left."""
        self._thread.start()

    def wake(self) -> None:
        """Say that something was accepted."""
        self._wake.set()

    def close(self) -> None:
        """End after the request that is being registered."""
        self._ending.set()
        self._wake.set()
        self._thread.join()

    @property
    def is_alive(self) -> bool:
        """Whether what is accepted is being registered."""
        return self._thread.is_alive()

    def _run(self) -> None:
        after = 0
        while not self._ending.is_set():
            self._wake.clear()
            try:
                waiting = self._store.to_register(after=after, limit=TOGETHER)
            except sqlite3.Error:
                self._ending.wait(PAUSE_SECONDS)
                continue
            self._register_together(waiting)
            if waiting:
                after = waiting[-1].number
            else:
                after = 0
                self._wake.wait(PAUSE_SECONDS)

    def _register_together(self, waiting: Sequence[AcceptedRequest]) -> None:
        """Register some requests and note it in one transaction; what repeats the one before is not registered again."""
        registered: list[Registration] = []
        last: dict[str, tuple[tuple[object, ...], str | None]] = {}
        for request in waiting:
            if self._ending.is_set():
                break
            # Nothing is lost: the row stays, and its turn comes again after all others.
            with suppress(OSError, sqlite3.Error, QHybridError):
                what = _what_is_registered(request)
                if request.experiment not in last or last[request.experiment][0] != what:
                    last[request.experiment] = what, self._register(request)
                registered.append(
                    Registration(
                        number=request.number,
                        at=datetime.now(UTC).isoformat(),
                        problem=last[request.experiment][1],
                    )
                )
        with suppress(sqlite3.Error):  # then all of them are registered again, which changes nothing
            self._store.note_registered(registered)

    def _register(self, request: AcceptedRequest) -> str | None:
        """Register the experiment of a request; return why it can never be, or None."""
        # What belongs to it is there first: a sensor may see the experiment in the moment it is registered.
        self._labels.change(request.experiment, **_label_fields(request))
        if request.experiment not in self._specifications:  # what came another way is asked for by whoever runs it
            write_requester(self._specifications.home, request.experiment, request.principal)
        try:
            self._specifications.register(
                model_of(request.specification).model_validate_json(request.specification),
                request.content,
                request.circuit,
                key=request.experiment,
            )
        except InvalidInput as error:  # its key belongs to another specification already: nobody can change that
            return str(error)
        except ValidationError:
            return "this release cannot read the specification that an earlier one has accepted; send it again"
        return None


def _what_is_registered(request: AcceptedRequest) -> tuple[object, ...]:
    """Return all that registration reads of a request."""
    contents = (request.specification, request.content, request.circuit)
    return request.principal, json.dumps(request.labels, sort_keys=True), *contents


def _label_fields(request: AcceptedRequest) -> dict[str, object]:
    """Return labels as the store of labels has them: JSON knows no tuples."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in request.labels.items()}
