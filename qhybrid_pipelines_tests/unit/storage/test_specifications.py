import json
from datetime import UTC, datetime, timedelta

import pytest

from qhybrid_pipelines.core.canonical import sha256_hex
from qhybrid_pipelines.core.errors import CorruptFile, InvalidInput
from qhybrid_pipelines.core.specifications.experiment_key import experiment_key, experiment_text, short_key
from qhybrid_pipelines.core.specifications.experiment_specification import ExperimentSpec, FileSource
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.specifications import Specifications

GRAPH = b"2 1\n1 2 1\n"


def spec(source="networkx:karate_club", **fields):
    # The sweep is that of the older default, so that keys and texts are those of the first releases.
    sweep = {"strategy": "fixed_angles", "points": 16}
    return ExperimentSpec.model_validate(
        {"name": "maxcut karate", "problem": {"family": "maxcut", "source": source}, "sweep": sweep, **fields}
    )


def with_file(content=GRAPH):
    return spec({"file": "g.rudy", "sha256": sha256_hex(content)})


@pytest.fixture
def register(tmp_path):
    return Specifications(Home(tmp_path))


def test_what_was_registered_loads_equal_and_again_changes_nothing(register):
    original = spec(sweep={"strategy": "refine", "center": [0.1, 0.2, 0.3, 0.4]}, baselines=["tabu"], budget={"usd": 1})
    key = register.register(original)
    path = register.home.specifications / f"{key}.json"
    before = path.stat()
    assert register.register(original) == key == experiment_key(original)
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    assert register.load(key) == original
    assert register.keys() == (key,)
    assert key in register
    assert abs(register.registered_at(key) - datetime.now(UTC)) < timedelta(minutes=1)


def test_the_problem_file_is_kept_by_its_hash(register):
    key = register.register(with_file(), GRAPH)
    source = register.load(key).problem.source
    assert isinstance(source, FileSource)
    assert register.read_source_file(source) == GRAPH
    register.register(with_file())  # the next round does not carry the bytes
    (register.home.blobs / source.sha256).write_bytes(b"3 1\n1 2 1\n")
    with pytest.raises(CorruptFile):
        register.read_source_file(source)


@pytest.mark.parametrize(
    ("specification", "blob", "message"),
    [
        (with_file(), None, "never registered"),
        (with_file(), b"other", "do not have the SHA-256"),
        (spec(), b"bytes", "names none"),
    ],
)
def test_wrong_problem_files_register_nothing(register, specification, blob, message):
    with pytest.raises(InvalidInput, match=message):
        register.register(specification, blob)
    assert register.keys() == ()


def test_two_specifications_whose_hashes_begin_alike_are_told_apart_loudly(register):
    key = register.register(spec())
    path = register.home.specifications / f"{key}.json"
    path.write_text(path.read_text().replace("karate_club", "les_miserables"))
    with pytest.raises(InvalidInput, match="already belongs to a different specification"):
        register.register(spec())


def written_by_the_first_release(register, specification):
    """Register a specification as the first releases did, under eight digits of the hash of its text."""
    text = experiment_text(specification)
    key = f"maxcut-karate-{sha256_hex(text)[:8]}"
    register.home.specifications.mkdir(parents=True, exist_ok=True)
    (register.home.specifications / f"{key}.json").write_text(text)
    return key


def test_what_has_a_key_of_the_first_releases_keeps_it(register):
    key = written_by_the_first_release(register, spec())
    assert short_key(experiment_key(spec())) == key
    assert register.key_of(spec()) == register.register(spec()) == key
    assert register.keys() == (key,)
    assert register.load(key) == spec()


def test_another_specification_whose_hash_begins_alike_has_a_longer_key_of_its_own(register):
    """The two seeds were searched for: the hashes of their specifications really begin with the same eight digits."""
    known, new = (spec(seed=seed, reduce={"max_qubits": 16}) for seed in (29853, 40048))
    key = written_by_the_first_release(register, known)
    longer = experiment_key(new)
    assert short_key(longer) == key
    assert longer != experiment_key(known)
    assert register.register(new) == longer
    assert (register.load(key), register.load(longer)) == (known, new)
    assert (register.register(known), register.register(new)) == (key, longer)


def test_a_forged_clash_of_whole_keys_is_refused_by_content(register):
    path = register.home.specifications / f"{experiment_key(spec())}.json"
    path.parent.mkdir(parents=True)
    path.write_text(experiment_text(spec(seed=8)))
    with pytest.raises(InvalidInput, match="already belongs to a different specification"):
        register.register(spec())
    assert path.read_text() == experiment_text(spec(seed=8))


def test_a_changed_file_under_a_shorter_key_is_not_run_anew_under_a_longer_one(register):
    key = written_by_the_first_release(register, spec())
    path = register.home.specifications / f"{key}.json"
    path.write_text(path.read_text().replace("karate_club", "les_miserables"))
    with pytest.raises(InvalidInput, match="already belongs to a different specification, or its file was changed"):
        register.register(spec())


def test_a_changed_file_is_not_loaded(register):
    key = register.register(spec())
    path = register.home.specifications / f"{key}.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "shots": 1}))
    with pytest.raises(CorruptFile, match="changed after it was registered"):
        register.load(key)


def test_a_file_that_this_release_does_not_understand(register):
    text = '{"from":"the future"}'
    key = f"odd-{sha256_hex(text)[:8]}"
    register.home.specifications.mkdir(parents=True)
    (register.home.specifications / f"{key}.json").write_text(text)
    with pytest.raises(CorruptFile, match="this release cannot read it"):
        register.load(key)


@pytest.mark.parametrize("key", ["../../x", "a|b", "", "/etc/passwd", "maxcut-0123456g"])
def test_what_is_no_key_reaches_no_file(register, key):
    with pytest.raises(InvalidInput, match="not an experiment key"):
        register.load(key)


def test_an_unregistered_key_says_what_to_do(register):
    with pytest.raises(InvalidInput, match=r"not registered.*qhybrid run"):
        register.load("maxcut-karate-01234567")
    assert "maxcut-karate-01234567" not in register
