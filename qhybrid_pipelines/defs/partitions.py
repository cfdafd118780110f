"""The two partition definitions: experiments, and executions of an experiment on a backend.

Instances, points, repetitions, shots and circuits are rows, never partitions.

Both dimensions grow with what was asked for, so that no execution of the past hangs on the backends that are set up
today. Dagster shows their grid, with pairs nobody asked for; the stages refuse those before anything is sent. A
definition of the pairs alone would need a mapping of our own between two dynamic definitions: the web server and the
daemon drop it and take the key of an execution for that of an experiment (measured with Dagster 1.13).
"""

from collections.abc import Iterable

import dagster as dg

from qhybrid_pipelines.control.experiments.due_stages import Stage

EXPERIMENT_PARTITIONS = "experiments"
BACKEND_PARTITIONS = "backends"

#: One partition per content-addressed experiment; added by the inbox sensor, the command line and next rounds.
EXPERIMENTS = dg.DynamicPartitionsDefinition(name=EXPERIMENT_PARTITIONS)
#: Every backend that an experiment was ever due on.
BACKENDS = dg.DynamicPartitionsDefinition(name=BACKEND_PARTITIONS)
#: Backend x experiment; as text the key is ``backend|experiment``.
EXECUTIONS = dg.MultiPartitionsDefinition({"backend": BACKENDS, "experiment": EXPERIMENTS})


def get_executions(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext) -> list[tuple[str, str]]:
    """Return the (backend, experiment) pairs of a run, sorted."""
    keys = [key.keys_by_dimension for key in context.partition_keys if isinstance(key, dg.MultiPartitionKey)]
    return sorted((key["backend"], key["experiment"]) for key in keys)


def execution_key(backend: str, experiment: str) -> dg.MultiPartitionKey:
    """Return the partition key of an execution."""
    return dg.MultiPartitionKey({"backend": backend, "experiment": experiment})


def partition_requests(stages: Iterable[Stage]) -> list[dg.AddDynamicPartitionsRequest]:
    """Return what a sensor asks Dagster for, so that these stages can run; partitions keep the order given."""
    stages = list(stages)
    return [
        EXPERIMENTS.build_add_request(list(dict.fromkeys(stage.experiment for stage in stages))),
        BACKENDS.build_add_request(list(dict.fromkeys(stage.backend for stage in stages if stage.backend))),
    ]


def add_partitions(instance: dg.DagsterInstance, stages: Iterable[Stage]) -> None:
    """Add the partitions of these stages to Dagster; those that exist are left alone."""
    for request in partition_requests(stages):
        instance.add_dynamic_partitions(request.partitions_def_name, list(request.partition_keys))
