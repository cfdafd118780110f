"""The two partition definitions: experiments, and executions of an experiment on a backend.

Instances, points, repetitions, shots and circuits are rows, never partitions.
"""

import dagster as dg

#: One partition per content-addressed experiment; added by the inbox sensor, the command line and next rounds.
EXPERIMENTS = dg.DynamicPartitionsDefinition(name="experiments")


def executions(backends: tuple[str, ...]) -> dg.MultiPartitionsDefinition:
    """Return backend x experiment; as text the key is ``backend|experiment``."""
    return dg.MultiPartitionsDefinition(
        {"backend": dg.StaticPartitionsDefinition(list(backends)), "experiment": EXPERIMENTS}
    )


def execution_key(backend: str, experiment: str) -> dg.MultiPartitionKey:
    """Return the partition key of an execution."""
    return dg.MultiPartitionKey({"backend": backend, "experiment": experiment})
