"""Lakes on objects: in memory, in a folder and on an S3 server that runs on loopback; writers and readers that race on one."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import contextmanager

import pytest

from qhybrid_pipelines.storage.lake_catalogue import Catalogue
from qhybrid_pipelines.storage.lake_objects import ObjectStore
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.objects import Objects

BUCKET = "qhybrid-lake"
WRITERS, READERS = 8, 2
#: Kinds of a place, tried by `make test-objects`: S3's stand-in, with a catalogue in the home and on a server.
ON_S3 = [pytest.param("s3", marks=pytest.mark.objects), pytest.param("s3 and Postgres", marks=pytest.mark.objects)]

Opener = Callable[[], ObjectStore]


def memory_store(home: Home) -> ObjectStore:
    from obstore.store import MemoryStore

    store = ObjectStore(home.make(), Objects(MemoryStore(), "memory:"), Catalogue.open(home, ""))
    store.claim()
    return store


@contextmanager
def s3_server() -> Iterator[Mapping[str, str]]:
    """Give the variables of the environment that lead to a server with an empty bucket: moto, which imitates S3."""
    import boto3
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        endpoint = f"http://127.0.0.1:{server.get_host_and_port()[1]}"
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "eu-central-1"}
        place = {"LocationConstraint": keys["region_name"]}
        boto3.client("s3", endpoint_url=endpoint, **keys).create_bucket(Bucket=BUCKET, CreateBucketConfiguration=place)
        yield {
            "AWS_ENDPOINT_URL_S3": endpoint,
            **{name.upper().replace("REGION_NAME", "AWS_REGION"): value for name, value in keys.items()},
        }
    finally:
        server.stop()


def place_of(number: int) -> str:
    return f"lake/qpu_result_sets/backend=local/experiment=e{number:03d}/data.parquet"


def content_of(number: int, token: int) -> bytes:
    """Return what a writer puts at a place: every line says whose and which, and sizes differ between versions."""
    return f"{number} {token}\n".encode() * (200 + token % 977)


def write_all(open_store: Opener, writer: int, places: int) -> int:
    """Write every place once, in an order of this writer's own; the token says who."""
    store = open_store()
    numbers = list(range(places))
    random.Random(writer).shuffle(numbers)
    for round_, number in enumerate(numbers):
        store.write(place_of(number), content_of(number, 1000 * round_ + writer))
    return len(numbers)


def read_until_quiet(open_store: Opener, places: int, total: int) -> tuple[int, int]:
    """Read until all writers have ended; return how many reads there were, and of how many versions.

    Each read has to be whole, and a version that is held has to say the same twice, whatever is written between.
    """
    store, reads, versions = open_store(), 0, set()
    while True:
        version = store.current_version()
        held = store.at(version)
        seen: dict[str, bytes] = {}
        for number in random.Random(reads).sample(range(places), k=min(places, 8)):
            place = place_of(number)
            if held.find(place) is not None:
                with held.open(place) as file:
                    seen[place] = file.read()
                check_whole(number, seen[place])
        for place, content in seen.items():
            with held.open(place) as file:
                assert file.read() == content, f"{place} changed in version {version}"
        reads, versions = reads + len(seen), versions | {version}
        if version == total:
            return reads, len(versions)


def check_whole(number: int, content: bytes) -> None:
    lines = set(content.splitlines())
    assert len(lines) == 1, f"a mixture of {lines}"
    token = int(lines.pop().split()[1])
    assert content == content_of(number, token)


def race(executor: Executor, open_store: Opener, *, places: int, writers: int = WRITERS) -> list[tuple[int, int]]:
    """Let writers write all places while readers read; return what each reader counted."""
    readers = [executor.submit(read_until_quiet, open_store, places, writers * places) for _ in range(READERS)]
    writing = [executor.submit(write_all, open_store, writer, places) for writer in range(writers)]
    for one in writing:
        assert one.result() == places
    return [one.result() for one in readers]


def check_end(store: ObjectStore, *, places: int, writers: int = WRITERS) -> None:
    """Every place is whole, and each write was one version."""
    assert store.current_version() == writers * places
    assert len(store.places("qpu_result_sets")) == places
    for number in range(places):
        with store.open(place_of(number)) as file:
            check_whole(number, file.read())


def read_in_two_halves(objects: Objects, name: str, between: Callable[[], None]) -> bytes:
    """Read an object as a reader of Parquet files in place does, by ranges, while somebody works between them."""
    import obstore

    size = obstore.head(objects._store, name)["size"]
    first = bytes(obstore.get_range(objects._store, name, start=0, end=size // 2))
    between()
    return first + bytes(obstore.get_range(objects._store, name, start=size // 2, end=size))
