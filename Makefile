# Everything that is done from a checkout. `make` alone lists it.

SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
ARGS ?=
TEST_ARGS ?=
SEEDS ?= 200
SEED_START ?= 1
LOCKED := requirements/build.txt requirements/runtime.txt requirements/dev.txt requirements/install.sh pyproject.toml
COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --only-binary :all: \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"

.DEFAULT_GOAL := help
.PHONY: help demo test faults lint fmt lock docs simulation clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: .venv/.runtime  ## run everything here, fed with a recording; ARGS='--for 60 --plain', ARGS=--help
	@exec $(BIN)/python -m ioc demo $(ARGS)

test: lint  ## lint, then every test, with real Kafka and TimescaleDB; TEST_ARGS goes to pytest
	@$(BIN)/python -m pytest $(TEST_ARGS)

faults: .venv/.dev  ## SEEDS fault schedules from SEED_START on, into docs/FAULTS.md; about 20 s each
	@exec $(BIN)/python -m tests.faults --seeds $(SEEDS) --seed-start $(SEED_START) --out docs/FAULTS.md

lint: .venv/.dev  ## ruff, mypy, import-linter
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports

fmt: .venv/.dev  ## format the code, mend what can be mended
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

lock: .venv/.dev  ## take over pyproject.toml's pins into requirements/*.txt (UPGRADE=--upgrade: newest of what is not pinned)
	@$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], *(r for r in tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["dev"] if r.startswith("uv==")), sep="\n")' \
		| $(COMPILE) $(UPGRADE) - -o requirements/build.txt
	@$(COMPILE) $(UPGRADE) pyproject.toml -o requirements/runtime.txt
	@$(COMPILE) $(UPGRADE) pyproject.toml --extra dev -c requirements/build.txt -c requirements/runtime.txt -o requirements/dev.txt
	@$(COMPILE) $(UPGRADE) pyproject.toml --extra simulation -c requirements/dev.txt -o requirements/simulation.txt

docs: .venv/.dev  ## write docs/schema and docs/openapi.json again
	@$(BIN)/python -m streams.schema.json_schema docs/schema
	@$(BIN)/python -m streams.ingest.openapi docs/openapi.json

simulation: .venv/.simulation  ## make the bundled recordings again (SUMO, some minutes)
	@$(BIN)/python -m ioc.simulation --out ioc/recordings/haiphong-demo.jsonl.gz --seed 1 --minutes 20
	@$(BIN)/python -m ioc.simulation --out ioc/recordings/smoke.jsonl.gz --seed 1 --minutes 3 \
		--office hong-bang --office ngo-quyen --office le-chan --corridor nguyen-van-linh

clean:  ## remove the environment and what tools left (data of the demo stay: make demo ARGS=--fresh)
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# One mark for each lock. The developers' lock holds all of the runtime's, so after it nothing is left to install.
.venv/.runtime: $(LOCKED)
	@if [ ! .venv/.dev -nt requirements/runtime.txt ]; then PYTHON=$(PYTHON) requirements/install.sh runtime; fi
	@touch $@

.venv/.dev: $(LOCKED)
	@PYTHON=$(PYTHON) requirements/install.sh dev
	@touch $@ .venv/.runtime

.venv/.simulation: $(LOCKED) requirements/simulation.txt
	@PYTHON=$(PYTHON) requirements/install.sh simulation
	@touch $@
