# vitcrypt: every command of the project. `make help` lists them.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.installed
TEST   := OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest # compiled once, not by each process

.DEFAULT_GOAL := help
.PHONY: help install run test test-fast lint format leaderboard docs package bench clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): pyproject.toml constraints.txt
	@echo "An environment in $(VENV), some 6 GB: this takes some minutes, and prints nothing."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

install: $(READY) ## an environment in .venv with the pinned versions

run: install ## train on encrypted digits and on plain ones, and compare (3 minutes on 2 cores)
	OMP_NUM_THREADS=1 $(BIN)/vitcrypt run -m encryption=proposed,plain data=digits model=vit_micro # so small: one thread is faster
	$(BIN)/vitcrypt report results/digits

test: install ## all tests (6 to 14 minutes on 2 cores)
	$(TEST) -n 3 --maxschedchunk 3

test-fast: install ## those that take less than a second each (2 to 4 minutes on 2 cores)
	$(TEST) -n auto --maxschedchunk 3 -m "not slow"

lint: install ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: install ## let ruff rewrite what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

leaderboard: install ## what is claimed about schemes, as leaderboard.html
	$(BIN)/vitcrypt leaderboard --output leaderboard.html

$(VENV)/.docs: $(READY)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[docs]'
	@touch $@

docs: $(VENV)/.docs ## the documentation as a site, site/index.html; any warning is an error
	$(BIN)/python docs/site.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

package: ## the wheel and the sdist in dist/, checked as before an upload
	$(PYTHON) -m venv build/package
	build/package/bin/python -m pip install --quiet build twine check-wheel-contents
	rm -rf dist
	build/package/bin/python -m build
	build/package/bin/twine check --strict dist/*
	build/package/bin/check-wheel-contents --toplevel vitcrypt,hydra_plugins dist/*.whl

bench: install ## speed of encryption, pipeline, training and of what an owner waits for (15 minutes on 2 cores)
	PYTHONPATH=experiments $(BIN)/python -m benchmarks.speed
	PYTHONPATH=experiments $(BIN)/python -m benchmarks.owner

clean: ## remove the environment and all that was built; results stay
	rm -rf $(VENV) build dist site *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
