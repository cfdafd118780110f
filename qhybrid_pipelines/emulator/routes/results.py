"""Pages with results: as probabilities, as a histogram, and shot by shot; of a job, a child or a debiasing variant.

Probabilities are relative frequencies ``k / shots`` on every backend, so that whoever rounds ``p * shots`` gets the
integers back. The real ideal simulator gives exact probabilities instead and leaves the drawing to its client.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from qhybrid_pipelines.emulator.artifacts import AGGREGATE, artifact_id, formats, payload
from qhybrid_pipelines.emulator.cloud import Cloud, NotFound, child_ids, compute_shots, is_ideal
from qhybrid_pipelines.emulator.job_requests import MULTI, wants_debiasing
from qhybrid_pipelines.emulator.response_bodies import VARIANTS, variant_id, variant_number, variant_slice
from qhybrid_pipelines.emulator.sampling import Shots, exact_probabilities, frequencies, histogram
from qhybrid_pipelines.emulator.store import Job
from qhybrid_pipelines.emulator.strict_json import read_stored

_MAX_CACHED_SHOTS = 10_000_000


class ResultPages:
    """The results of one cloud, simulated when first asked for and kept while memory lasts."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._cached: OrderedDict[str, list[Shots]] = OrderedDict()
        self._cached_shots = 0
        self._one_at_a_time = asyncio.Lock()

    def router(self) -> APIRouter:
        """Return the routes."""
        router = APIRouter()
        router.get("/jobs/{identifier}/results/probabilities/aggregated")(self.aggregated)
        router.get("/jobs/{identifier}/results/{form}")(self.results)
        if self._cloud.interface.results_as_artifacts:
            router.get("/jobs/{identifier}/artifacts/{artifact}")(self.artifact)
        else:
            router.get("/jobs/{identifier}/variants/{variant}/results/{form}")(self.variant)
        return router

    async def aggregated(self, identifier: str) -> JSONResponse:
        """Show the probabilities of all circuits, under the older path for multi-circuit jobs."""
        return await self.results(identifier, "probabilities")

    async def results(self, identifier: str, form: str) -> JSONResponse:
        """Show the result of a circuit, or by child id those of all circuits of a multi-circuit job, in their order."""
        found, child = self._cloud.find(identifier)
        if self._cloud.interface.results_as_artifacts and form != "probabilities":
            raise NotFound(form)
        shots = await self._outcomes(found)
        if child is None and found.type == MULTI:
            return JSONResponse(
                {one: _format_states(form, states) for one, states in zip(child_ids(found), shots, strict=True)}
            )
        return JSONResponse(_format_states(form, shots[child or 0]))

    async def artifact(self, identifier: str, artifact: str) -> JSONResponse:
        """Show the result with an id, of a job, a child, or a debiasing variant, in the format that the id stands for."""
        found, child = self._cloud.find(identifier)
        outcomes = await self._outcomes(found)
        circuits = self._cloud.job_request(found.body_seq).circuits
        if child is None and found.type == MULTI:
            if artifact != artifact_id(identifier, AGGREGATE):
                raise NotFound(artifact)
            parts = zip(child_ids(found), outcomes, strict=True)
            return JSONResponse({one: _format_states("probabilities", states) for one, states in parts})
        states, width = outcomes[child or 0], circuits[child or 0].qubits
        for form in formats(several=False, exact=is_ideal(found)):
            if artifact == artifact_id(identifier, form):
                return JSONResponse(payload(form, states, width))
            if isinstance(states, Mapping) or not wants_debiasing(read_stored(found.settings)):
                continue
            for number in range(VARIANTS):
                if artifact == artifact_id(variant_id(identifier, number), form):
                    return JSONResponse(payload(form, states[variant_slice(found.shots, number)], width))
        raise NotFound(artifact)

    async def _outcomes(self, job: Job) -> Sequence[Shots | Mapping[str, float]]:
        """Return the shots of a finished job by circuit; exact probabilities where the interface has no shots."""
        if not (self._cloud.interface.results_as_artifacts and is_ideal(job)):
            return await self._shots(job)
        await self._shots(job)  # raises where there is no result
        return [exact_probabilities(circuit) for circuit in self._cloud.job_request(job.body_seq).circuits]

    async def variant(self, identifier: str, variant: str, form: str) -> JSONResponse:
        """Show the part of a result that was taken on one debiasing variant."""
        found, child = self._cloud.find(identifier)
        number = variant_number(identifier, variant)
        if (
            number is None
            or not wants_debiasing(read_stored(found.settings))
            or (found.type == MULTI and child is None)
        ):
            raise NotFound(variant)
        shots = await self._shots(found)
        return JSONResponse(_format_states(form, shots[child or 0][variant_slice(found.shots, number)]))

    async def _shots(self, job: Job) -> list[Shots]:
        """Return the shots of a finished job.

        Raises:
            NotFound: it has not finished, has no result, or its result is held back by a fault.
        """
        if self._cloud.state(job) != "completed" or job.dry_run:
            raise NotFound(f"result of {job.id}")
        if job.outcome_fault == "result_missing" and job.result_polls < job.outcome_rule["params"]["n"]:
            self._cloud.store.change(job.id, result_polls=job.result_polls + 1)
            raise NotFound(f"result of {job.id}")
        async with self._one_at_a_time:
            if job.id not in self._cached:
                self._cached[job.id] = await asyncio.to_thread(compute_shots, self._cloud.result_inputs(job))
                self._cached_shots += job.shots * job.circuits
        shots = self._cached[job.id]
        while self._cached_shots > _MAX_CACHED_SHOTS and len(self._cached) > 1:
            _, oldest = self._cached.popitem(last=False)
            self._cached_shots -= sum(len(states) for states in oldest)
        return shots


def _format_states(form: str, states: Shots | Mapping[str, float]) -> Any:
    """Return shots in one of the published forms; shot by shot, a state's number is a text."""
    if isinstance(states, Mapping):
        return dict(states)
    if form == "probabilities":
        return frequencies(states)
    if form == "histogram":
        return histogram(states)
    if form == "shots":
        return [str(state) for state in states.tolist()]
    raise NotFound(form)
