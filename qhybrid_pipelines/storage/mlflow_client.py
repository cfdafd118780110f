"""MLflow's own client: its import, its log lines, and what is sent by it alone."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient

#: Characters that MLflow keeps of a data set's digest; the whole one is in its source.
MAX_DIGEST = 36


def import_mlflow() -> None:
    """Import MLflow with its telemetry off and without minutes of retries; it takes seconds, so nobody else may."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("DO_NOT_TRACK", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    import mlflow  # noqa: F401


@contextmanager
def silence_mlflow() -> Iterator[None]:
    """Keep MLflow's own log lines, tracebacks included, from people who did not ask for them; errors still raise."""
    logger = logging.getLogger("mlflow")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def log_dataset(client: MlflowClient, run_id: str, dataset: Mapping[str, str]) -> None:
    """Say in a run what was learnt from."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    entity = Dataset(
        name=dataset["name"],
        digest=dataset["digest"][:MAX_DIGEST],
        source_type="qhybrid",
        source=json.dumps({"source": dataset["source"], "sha256": dataset["digest"]}),
        profile=dataset["profile"],
    )
    context = InputTag("mlflow.data.context", dataset["context"])
    client.log_inputs(run_id, datasets=[DatasetInput(entity, tags=[context])])
