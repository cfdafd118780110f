"""Deaths at the named places of the code, each as often as asked for, beside those at random moments."""

from __future__ import annotations

import mmap
import os
import random
import signal
import struct
from collections import Counter
from collections.abc import Collection

from qhybrid_pipelines.core.system import failpoints

#: Of a life that submits, watches and collects, in this order.
ON_THE_WAY = (
    *("submit.before_intent", "submit.planned", "submit.before_look_up", "submit.intended", "submit.before_call"),
    *("submit.doubted", "recover.before_look_up", "recover.looked_up", "submit.accepted", "submit.acknowledged"),
    *("poll.seen", "poll.recorded"),
    *("collect.before_fetch", "collect.fetched", "collect.stored", "collect.recorded", "collect.decoded"),
    "collect.verified",
)
#: Passed where somebody wants a job back, before it was sent or afterwards.
IN_CANCELLATION = ("submit.cancelled_unsent", "cancel.unsent", "cancel.before_call", "cancel.answered")
PLACES = (*ON_THE_WAY, *IN_CANCELLATION)
#: A death by which later processes come to a place: of a job that is planned, and that somebody wants back before it is sent.
LEADS_TO = {"submit.cancelled_unsent": "submit.planned", "cancel.unsent": "submit.planned"}
#: How often a process passes a place that is wanted, so that it dies at later ones too.
SHARE_PASSED = 0.3


class NamedPlaces:
    """Counts who died where, and lets a process die at the first place of which there are too few.

    Args:
        least: deaths at every place.
        slots: processes at a time.
    """

    def __init__(self, least: int, *, slots: int) -> None:
        self.least, self.hits = least, Counter[str]()
        self._died_at = mmap.mmap(-1, 4 * slots)

    def wanted(self) -> frozenset[str]:
        """Return the places with too few deaths, and those that lead to them."""
        few = {place for place in PLACES if self.hits[place] < self.least}
        return frozenset(few | {LEADS_TO[place] for place in few if place in LEADS_TO})

    def arm(self, slot: int, wanted: Collection[str]) -> None:
        """Let this process, a new child, die at the first place that is wanted, though not at every one that it passes."""
        chance = random.Random(os.getpid())

        def die(name: str) -> None:
            if name in wanted and chance.random() >= SHARE_PASSED:
                struct.pack_into("i", self._died_at, 4 * slot, PLACES.index(name))
                os.kill(os.getpid(), signal.SIGKILL)

        failpoints.on_reached = die

    def clear(self, slot: int) -> None:
        """Forget the process that was here before."""
        struct.pack_into("i", self._died_at, 4 * slot, -1)

    def count(self, slot: int) -> None:
        """Count the death of a process, if it was at a named place."""
        [number] = struct.unpack_from("i", self._died_at, 4 * slot)
        if number >= 0:
            self.hits[PLACES[number]] += 1
