"""The two partition definitions: experiments, and executions of an experiment on a backend.

Instances, points, repetitions, shots and circuits are rows, never partitions.
"""

import dagster as dg

PARTITIONS_NAME = "experiments"

#: One partition per content-addressed experiment; added by the inbox sensor, the command line and next rounds.
EXPERIMENTS = dg.DynamicPartitionsDefinition(name=PARTITIONS_NAME)


def executions(backends: tuple[str, ...]) -> dg.MultiPartitionsDefinition:
    """Return backend x experiment; as text the key is ``backend|experiment``."""
    return dg.MultiPartitionsDefinition(
        {"backend": dg.StaticPartitionsDefinition(list(backends)), "experiment": EXPERIMENTS}
    )


def get_executions(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext) -> list[tuple[str, str]]:
    """Return the (backend, experiment) pairs of a run, sorted."""
    keys = [key.keys_by_dimension for key in context.partition_keys if isinstance(key, dg.MultiPartitionKey)]
    return sorted((key["backend"], key["experiment"]) for key in keys)


def execution_key(backend: str, experiment: str) -> dg.MultiPartitionKey:
    """Return the partition key of an execution."""
    return dg.MultiPartitionKey({"backend": backend, "experiment": experiment})
