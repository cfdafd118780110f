# Every target makes what it needs: a virtual environment from constraints.txt, nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test tests check-and-docs quick mutants test-long test-examples test-false-claims test-loop test-circuits test-proofs test-virtual test-paid-once test-requests test-service-requests test-clients test-slurm test-celery test-objects test-chunks test-ibm test-pythons test-newest check docs ui clean
.DEFAULT_GOAL := demo

# The second step of an installation reads other names than pip for the same settings: an own certificate, an own index.
UV_SETTINGS := $(if $(PIP_CERT),SSL_CERT_FILE="$${SSL_CERT_FILE:-$$PIP_CERT}") $(if $(PIP_INDEX_URL),UV_DEFAULT_INDEX="$${UV_DEFAULT_INDEX:-$$PIP_INDEX_URL}")

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "uv>=0.8"
	$(UV_SETTINGS) $(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --constraint constraints.txt --editable ".[test]"
	# What is editable is not compiled by the line above; where the environment forbids byte code, every command would do it anew.
	$(BIN)/python -m compileall -q qhybrid_pipelines
	touch $(STAMP)

demo: $(STAMP)  ## from problem files to verdicts, one table at the end
	$(BIN)/qhybrid demo

test: $(STAMP)  ## every check, the site, and every test that is not marked otherwise; what checks and draws takes the core that tests leave
	$(MAKE) --no-print-directory --jobs 2 tests check-and-docs

tests: $(STAMP)  ## the tests alone
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

test-long: $(STAMP)  ## what takes half a minute and more each, and the rest of each matrix: whole pages of commands, hundreds of kills, two thousand jobs in flight
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder -m long

check-and-docs: check
	$(MAKE) --no-print-directory docs

quick: $(STAMP)  ## formatting, lint, types, import rules, and the unit tests nearest to the change, in two minutes
	$(BIN)/python tools/quick_check.py

mutants: $(STAMP)  ## small faults in the rooms that money and verdicts hang on: the tests must notice 85 % of them; see docs/testing.md
	$(BIN)/python tools/mutants.py

test-circuits: $(STAMP)  ## ten thousand generated circuit programs against two other readers
	$(BIN)/python -m pytest -n auto -m generated qhybrid_pipelines_tests/unit/quantum/user_circuits

test-proofs: $(STAMP)  ## 20,000 random instances with extreme weights: no assignment beats what is called proved; three minutes
	$(BIN)/python -m pytest -n auto -m generated qhybrid_pipelines_tests/unit/problems

test-virtual: $(STAMP)  ## the real dispatcher in virtual time: 2,000 generated fleets with wrong clocks, kills, faulty vendors and persons' words
	$(BIN)/python -m pytest -n auto -m generated qhybrid_pipelines_tests/unit/control

test-examples: $(STAMP)  ## every property once more, with examples that nobody has tried; `make test` repeats the same
	QHYBRID_NEW_EXAMPLES=1 $(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder -m "hypothesis and not generated and not clients"

test-false-claims: $(STAMP)  ## 400 simulated data sets of each of seven kinds: at most 28 with a learning verdict that claims what is not so
	$(BIN)/python benchmarks/learning_false_claims.py

test-loop: $(STAMP)  ## two loops through the emulated cloud, of angles and of a training, each killed 20 times at random moments
	QHYBRID_LOOP_KILLS=20 $(BIN)/python -m pytest -n 0 -s -m long qhybrid_pipelines_tests/acceptance/test_loop_kills.py

test-paid-once: $(STAMP)  ## thousands of kills, on four faces at every named place, a gateway's answers, late children, a proxy, wrong clocks, copied homes, older ledgers put back: paid once by the provider's book; see docs/testing.md
	$(BIN)/python benchmarks/paid_once.py --kills 2000 --ledger sqlite
	$(BIN)/python benchmarks/paid_once.py --kills 500 --ledger postgres
	$(BIN)/python benchmarks/paid_once.py --kills 500 --restores
	$(BIN)/python benchmarks/paid_once.py --kills 60 --restores --ledger postgres
	$(BIN)/python benchmarks/paid_once.py --kills 300 --copies
	$(BIN)/python benchmarks/paid_once.py --kills 200 --copies --ledger postgres
	$(BIN)/python benchmarks/paid_once.py --kills 300 --clocks
	$(BIN)/python benchmarks/paid_once.py --kills 200 --clocks --ledger postgres
	$(BIN)/python benchmarks/paid_once.py --kills 2000 --places 15 --requests 30 --kinds http sapi ibm braket

test-pythons: $(STAMP)  ## every test under Python 3.12 and 3.13; one that this machine lacks is skipped, and said so
	$(BIN)/python tools/environments.py 3.12 3.13

test-newest: $(STAMP)  ## every test with the newest release of every package that pyproject.toml allows
	$(BIN)/python tools/environments.py newest

test-clients: $(STAMP)  ## other people's clients of the emulated service, each in an environment of its own
	$(BIN)/python -m pytest -n 0 -m clients -s qhybrid_pipelines_tests/clients

test-slurm: $(STAMP)  ## a real Slurm of two nodes on this machine, which are killed; needs Debian's packages, see docs/slurm.md
	$(BIN)/python -m pytest -n 0 -m slurm -s qhybrid_pipelines_tests/engines

test-celery: $(STAMP)  ## a real broker and Celery workers on this machine, which are killed; needs Debian's redis-server, see docs/celery.md
	$(BIN)/python -m pytest -n 0 -m celery -s qhybrid_pipelines_tests/engines

test-objects: $(STAMP)  ## the lake on a server that imitates S3, with its catalogue in the home and on Postgres; see docs/scale.md
	$(BIN)/python -m pytest -n 0 -m objects -s qhybrid_pipelines_tests/unit/storage/test_lake_objects*.py qhybrid_pipelines_tests/engines/test_object_lake.py

test-chunks: $(STAMP)  ## sweeps, baselines and folds on real workers of Dask and Ray, which are killed; installs both
	$(UV_SETTINGS) $(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt --editable ".[dask,ray]"
	$(BIN)/python -m pytest -n 0 -m chunks -s qhybrid_pipelines_tests/engines

test-ibm: $(STAMP)  ## the IBM adapter with the newest release of IBM's client that pyproject.toml allows
	$(BIN)/python tools/environments.py ibm-0.51 -- -n 0 -m "clients or not clients" qhybrid_pipelines_tests/unit/execution/ibm qhybrid_pipelines_tests/clients/test_ibm_executor.py

test-requests: $(STAMP)  ## 30,000 generated requests to the emulated cloud; the test command sends a share of them
	QHYBRID_FUZZED_REQUESTS=30000 $(BIN)/python -m pytest -n 0 -m fuzz -s qhybrid_pipelines_tests/contract

test-service-requests: $(STAMP)  ## 37,000 generated requests to the HTTP service, none of which it may fail at; the test command sends a share
	QHYBRID_SERVICE_REQUESTS=37000 $(BIN)/python -m pytest -n 0 -m fuzz -s qhybrid_pipelines_tests/acceptance/test_service_fuzzed.py

check: $(STAMP)  ## formatting, lint, types, import rules
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(STAMP)  ## the pages and an API reference as a site in build/docs; any warning fails it
	$(BIN)/python -m sphinx --builder html --conf-dir docs --fresh-env --fail-on-warning --keep-going --quiet . build/docs

ui: $(STAMP)  ## Dagster on http://127.0.0.1:3000, state under data/
	DAGSTER_HOME=$(CURDIR) $(BIN)/dagster dev

clean:  ## remove the environment; never the data
	rm -rf $(VENV)
