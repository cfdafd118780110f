"""A planted key and planted raw features go through the command line and Dagster's daemon, and are then looked for.

The key stands nowhere afterwards, in no file of the home and in nothing that was printed. The numbers of the problem
file stand where the problem is kept, and nowhere else. All requests pass a recording proxy: to the provider goes what it
needs to run a circuit, under a tag that tells it nothing.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
import re
import sqlite3
import struct
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from qhybrid_pipelines.emulator.process import running_emulator
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.lake import Lake
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines_tests.support import experiment_homes
from qhybrid_pipelines_tests.support.dagster_daemon import DaemonProcess
from qhybrid_pipelines_tests.support.emulator_client import Client
from qhybrid_pipelines_tests.support.leak_scan import files_containing, number_encodings
from qhybrid_pipelines_tests.support.recording_proxy import RecordedRequest, proxy
from qhybrid_pipelines_tests.support.scripted_server import Reply

pytestmark = [pytest.mark.acceptance, pytest.mark.slow, experiment_homes.RUNS_IN_PROCESS]

KEY, WRONG_KEY = "planted-key-2c91f7e0a4", "planted-wrong-key-b83d55"
#: Means and deviations of five assets: digits that nothing else has.
MEANS = (0.00137195284, 0.00261849375, 0.00409372618, 0.00158326947, 0.00372641859)
DEVIATIONS = (0.03718264951, 0.04293718465, 0.05182647393, 0.02971836452, 0.06381749256)
PLANTED = [spelling for number in (*MEANS, *DEVIATIONS) for spelling in number_encodings(number)]
FILE = "\n".join(
    [
        str(len(MEANS)),
        *(f"{mean} {deviation}" for mean, deviation in zip(MEANS, DEVIATIONS, strict=True)),
        *(f"{i} {j} {1.0 if i == j else 0.1}" for i in range(1, 6) for j in range(i, 6)),
    ]
)
NAMES = ("pension by hand", "pension by night")
POLICY = """
rules: [{name: all, then: allow, reason: a test}]
tiers: {batch: {poll_min_seconds: 0.2, poll_max_seconds: 1}}
"""
SHOTS = 64
PATIENCE_SECONDS = 240.0


def spec(name: str) -> str:
    return yaml.safe_dump(
        {
            "name": name,
            "problem": {
                "family": "portfolio",
                "source": "assets.txt",
                "format": "orlib_port",
                "options": {"cardinality": 2},
            },
            "ansatz": {"layers": 1},
            "sweep": {"strategy": "fixed_angles", "points": 2},
            "shots": SHOTS,
            "repetitions": 2,
            "rounds": {"max": 1},
            "backends": ["ionq:simulator"],
        }
    )


def key_spellings(key: str) -> dict[str, str]:
    """How a careless vendor might repeat a key."""
    return {
        "plain": key,
        "cut": key[:-1],
        "upper": key.upper(),
        "json": "".join(f"\\u{ord(letter):04x}" for letter in key),
        "percent": "".join(f"%{ord(letter):02X}" for letter in key),
        "entities": "".join(f"&#{ord(letter)};" for letter in key),
        "hex": key.encode().hex(),
        "base64": base64.b64encode(key.encode()).decode(),
        "base64 of more": base64.b64encode(f"apiKey {key}".encode()).decode(),
    }


#: What must stand nowhere: the spellings, less the ends of Base64 that are not the key's alone.
NEEDLES = [
    text[4:-4] if name.startswith("base64") else text
    for key in (KEY, WRONG_KEY)
    for name, text in key_spellings(key).items()
]


def echo_key(asked: RecordedRequest, answered: Reply) -> Reply:
    """Repeat the key that came with a request in every object of JSON that goes back, and in every refusal."""
    status, headers, content = answered
    key = asked.headers.get("Authorization", "").removeprefix("apiKey ")
    told = json.loads(content) if content else None
    if isinstance(told, dict) and key and "/results/" not in asked.target:
        told["request_headers"] = key_spellings(key)
        if status >= 400:
            told["message"] = f"not accepted{' ' * (282 - len(key))}{', '.join(key_spellings(key).values())}"
    return status, headers, content if told is None else json.dumps(told).encode()


@dataclass(frozen=True, kw_only=True)
class Lived:
    """What is left after all of it: the folder of the deployment, what was printed, what left, and the cloud's book."""

    folder: Path
    printed: str
    left: list[RecordedRequest]
    book: list[dict[str, object]]


@pytest.fixture(scope="module")
def finished_home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("secrets")
    with ExitStack() as stack:
        emulator = stack.enter_context(running_emulator(folder / "cloud", key=KEY, speed=1e6, seed=11))
        recorder = stack.enter_context(proxy(emulator.url, echo_key))
        environment = {"IONQ_API_URL": recorder.url, "IONQ_API_KEY": KEY, "IONQ_LISTING_LAG_SECONDS": "0.2"}
        night = DaemonProcess(folder / "checkout", environment | {"QHYBRID_LOG": "json"})
        stack.callback(night.kill)
        home = Home(night.home).make()
        (home.path / "policy.yaml").write_text(POLICY)
        for where, name in zip((folder, home.inbox), NAMES, strict=True):
            for file, text in {"assets.txt": FILE, "spec.yaml": spec(name)}.items():
                (where / file).write_text(text)
                os.utime(where / file, (time.time() - 60,) * 2)
        night.start()
        by_hand = experiment_homes.command(
            *("run", folder / "spec.yaml", "--home", home.path, "--wait"), environment=os.environ | environment
        )
        printed = by_hand.communicate()[0]
        assert by_hand.returncode == 0, printed
        wrong = experiment_homes.command(
            *("doctor", "--online", "--home", home.path),
            environment=os.environ | environment | {"IONQ_API_KEY": WRONG_KEY},
        )
        printed += wrong.communicate()[0]
        until = time.monotonic() + PATIENCE_SECONDS
        while len(Lake(home).keys(schemas.TRACKING_RUNS)) < len(NAMES):
            assert time.monotonic() < until, night.log.read_text()[-20_000:]
            time.sleep(0.1)
        night.kill()
        client = stack.enter_context(closing(Client(emulator)))
        yield Lived(folder=night.folder, printed=printed, left=list(recorder.seen), book=client.book())


def test_the_key_stands_nowhere(finished_home):
    assert files_containing(finished_home.folder, NEEDLES) == set()
    for text in (finished_home.printed, json.dumps([asked.target for asked in finished_home.left])):
        assert [needle for needle in NEEDLES if needle in text] == []
    assert "IONQ_API_KEY" in finished_home.printed  # what to do about the wrong one
    # negative control: the vendor did repeat it, and what it sent was kept
    assert len(files_containing(finished_home.folder / "data" / "raw", ["[hidden]"])) == len(NAMES)
    used = {asked.headers.get("Authorization") for asked in finished_home.left} - {None}
    assert used == {f"apiKey {KEY}", f"apiKey {WRONG_KEY}"}


def test_raw_features_stand_where_the_problem_is_kept_and_nowhere_else(finished_home):
    home = finished_home.folder / "data"
    found = files_containing(home, PLANTED)
    assert {re.sub(r"-[0-9a-f]{16}\b|[0-9a-f]{64}", "", file) for file in found} == {
        "blobs/",
        "inbox/accepted/pension-by-night/assets.txt",
        "lake/problem_instances/experiment=pension-by-hand/data.parquet",
        "lake/problem_instances/experiment=pension-by-night/data.parquet",
        "warehouse.duckdb",
    }
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as database:
        tables = [name for (name,) in database.sql("SELECT table_name FROM information_schema.tables").fetchall()]
        telling = [name for name in tables if _discloses(database.sql(f'SELECT * FROM "{name}"').fetchall())]
    assert telling == ["problem_instances"]
    assert files_containing(finished_home.folder, PLANTED) == {f"data/{file}" for file in found}
    assert not _discloses(finished_home.printed)


def test_what_leaves_is_circuits_angles_shots_a_tag_and_the_homes_id(finished_home):
    bodies = [json.loads(asked.body) for asked in finished_home.left if asked.method == "POST"]
    assert len(bodies) == len(finished_home.book) == len(NAMES)
    for body in bodies:
        assert body.keys() == {"type", "name", "metadata", "backend", "shots", "input", "noise"}
        assert body["metadata"].keys() == {"qhybrid_token", "qhybrid_home"}
        assert re.fullmatch("[0-9a-f]{16,32}", body["metadata"]["qhybrid_home"])  # drawn at random, tells nothing
        assert body["name"] == body["metadata"]["qhybrid_token"]
        assert re.fullmatch("[0-9a-f]{32}", body["name"])
        assert (body["shots"], body["backend"]) == (SHOTS, "simulator")
        assert body["noise"] == {"model": "ideal", "seed": body["noise"]["seed"]}
        assert body["input"].keys() == {"gateset", "qubits", "circuits"}
        for circuit in body["input"]["circuits"]:
            assert circuit.keys() == {"name", "circuit"}
            assert re.fullmatch("[0-9]+-[0-9a-f]{16}", circuit["name"])
            assert {field for gate in circuit["circuit"] for field in gate} <= {
                "gate",
                "targets",
                "controls",
                "rotation",
            }
    everything = json.dumps([(asked.target, asked.headers, asked.body.decode()) for asked in finished_home.left])
    everything += json.dumps(finished_home.book)
    assert not _discloses(everything)
    for name in (*NAMES, "pension", "portfolio", "assets"):
        assert name not in everything


def _discloses(said: object) -> bool:
    return any(needle in str(said) for needle in PLANTED)


# -- the search finds what is there -------------------------------------------------------------------------------


def _in_sqlite(path: Path, words: str, number: float) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE kept (words TEXT, number REAL)")
        database.execute("INSERT INTO kept VALUES (?, ?)", (words, number))
        database.commit()


def _in_duckdb(path: Path, words: str, number: float) -> None:
    with duckdb.connect(str(path)) as database:
        database.execute("CREATE TABLE kept AS SELECT ? AS words, ?::DOUBLE AS number", [words, number])


CARRIERS = {
    "text": lambda path, words, number: path.write_text(f"x{words}y {number}"),
    "gzip": lambda path, words, number: path.write_bytes(gzip.compress(f"{words} {number}".encode())),
    "zstd": lambda path, words, number: path.write_bytes(
        pa.compress(f"{words} {number}".encode(), codec="zstd", asbytes=True)
    ),
    "bytes": lambda path, words, number: path.write_bytes(words.encode() + struct.pack("<d", number)),
    "parquet": lambda path, words, number: pq.write_table(
        pa.table({"words": [words.encode()], "number": [number]}), path, compression="zstd"
    ),
    "sqlite": _in_sqlite,
    "duckdb": _in_duckdb,
}


def test_the_search_finds_every_spelling(tmp_path):
    for name, text in key_spellings(KEY).items():
        (tmp_path / name).write_text(text)
    assert files_containing(tmp_path, NEEDLES) == set(key_spellings(KEY))


@pytest.mark.parametrize("carrier", CARRIERS)
def test_the_search_finds_what_is_planted(tmp_path, carrier):
    CARRIERS[carrier](tmp_path / "carrier", KEY, MEANS[0])
    CARRIERS[carrier](tmp_path / "innocent", "nothing", 0.5)
    assert files_containing(tmp_path, [KEY]) == {"carrier"}
    assert files_containing(tmp_path, PLANTED) == {"carrier"}
