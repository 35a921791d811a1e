# Two commands: `make quickstart` and `make test`. Each makes what it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PACKS ?= results/measured
SOURCES := zigbench backbones suites tests docs
# The floors that everything stands on are typed strictly.
STRICT := -p zigbench.spec -p zigbench.records -p zigbench.scan -p zigbench.suite $(addprefix -m zigbench.,preemption host_memory)

.PHONY: help install quickstart test test-fast test-avx2 test-sse lint docs reports site benchmark gpu gpu-dry faults clean

help:
	@echo "make quickstart   install, train the quickstart suite (minutes on two cores), write its page"
	@echo "make test         install with the test extra, run every test"
	@echo "make test-fast    test the rooms of floors 0 to 2, and the rules of the tree: three minutes"
	@echo "make test-avx2    test kernels, networks and training as a processor with AVX2 computes; test-sse: with SSE"
	@echo "make install      install only, into $(VENV)"
	@echo "make lint         style, types and floors"
	@echo "make docs         build the documentation into docs/_build/html"
	@echo "make reports      write reports/README.md and its figures from the packs in results/measured"
	@echo "make site         write every page from these packs into reports/site; PACKS=\"results/measured their.zip\": of these"
	@echo "make benchmark    time the kernels and parts on this machine"
	@echo "make gpu          measure what needs a GPU, in eight minutes, into one pack; gpu-dry: the same path on a CPU"
	@echo "make faults       inject a cluster's faults into runs on a SLURM of their own; count what is lost"

# The stamp holds what was installed; a changed pyproject.toml installs anew.
$(VENV)/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "zigbench needs Python 3.11 or newer; name one: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[test]"
	@touch $@

$(VENV)/.installed-bench: $(VENV)/.installed-test
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[test,bench]"
	@touch $@

$(VENV)/.installed-docs: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[docs]"
	@touch $@

install: $(VENV)/.installed
	@echo "installed; next: $(BIN)/zigbench run quickstart, or $(BIN)/zigbench --help"

quickstart: $(VENV)/.installed
	@$(BIN)/zigbench run quickstart
	@echo "look at reports/quickstart/index.html"

# The cluster's tests by themselves: whatever else a machine does can starve their daemons, whose messages then time out.
test: $(VENV)/.installed-test
	@failed=; \
	$(BIN)/python -m pytest -n auto --dist loadfile --ignore=tests/slurm || failed=1; \
	$(BIN)/python -m pytest tests/slurm || failed=1; \
	test -z "$$failed"
	@echo "all tests ran; a single room: $(BIN)/python -m pytest tests/scan"

# After a change of one file, besides the tests of its own room: the rooms of floors 0 to 2, on which all others stand, and
# the rules of the tree.
FAST := $(addprefix tests/,spec scan records html suite test_floors.py test_language.py)

test-fast: $(VENV)/.installed-test
	$(BIN)/python -m pytest -n auto --dist loadfile $(FAST)

# Kernels, networks and training steps as an older processor computes them, for which numba and PyTorch are set.
FORCED_avx2 := ATEN_CPU_CAPABILITY=avx2 MKL_ENABLE_INSTRUCTIONS=AVX2 ONEDNN_MAX_CPU_ISA=AVX2 NUMBA_CPU_NAME=haswell
FORCED_sse := ATEN_CPU_CAPABILITY=default MKL_ENABLE_INSTRUCTIONS=SSE4_2 ONEDNN_MAX_CPU_ISA=SSE41 NUMBA_CPU_NAME=nehalem
FORCED_TESTS := $(addprefix tests/backbones/,ops/scan/test_scan.py ops/conv ops/norm ops/matrix_state ops/test_choice.py \
	ops/test_sequences.py test_block.py test_layers.py test_families.py test_contract.py test_video.py) \
	$(addprefix tests/training/,test_trainer.py test_optim.py test_ema.py test_batches.py)

test-avx2 test-sse: test-%: $(VENV)/.installed-test
	$(FORCED_$*) NUMBA_CPU_FEATURES= $(BIN)/python -m pytest -n auto --dist loadfile $(FORCED_TESTS) -k "not compiled"

lint: $(VENV)/.installed-test
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff check --preview --select PLW1514 $(filter-out tests,$(SOURCES)) # text is UTF-8 in any locale
	$(BIN)/mypy
	$(BIN)/mypy --strict --follow-imports=silent $(STRICT)
	$(BIN)/lint-imports

docs: $(VENV)/.installed-docs
	$(BIN)/python -m sphinx -E -a -W --keep-going -q -b html docs docs/_build/html
	@echo "open docs/_build/html/index.html"

# The summary that is kept in the repository, and every page from the records that are.
reports: $(VENV)/.installed
	$(BIN)/zigbench report --summary --results results/measured

site: $(VENV)/.installed
	$(BIN)/zigbench report --all $(addprefix --results ,$(PACKS)) --reports reports/site

benchmark: $(VENV)/.installed-bench
	@mkdir -p results/benchmarks
	$(BIN)/python -m pytest tests/benchmarks --benchmark-only -p no:xdist \
	  --benchmark-json=results/benchmarks/$$(hostname -s 2>/dev/null || echo machine).json
	@echo "written to results/benchmarks/"

# The versions that a user has are measured: nothing is installed anew but the program itself.
gpu: $(VENV)/.installed
	@PYTHONPATH=. $(BIN)/python tests/benchmarks/gpu.py

gpu-dry: $(VENV)/.installed
	@PYTHONPATH=. $(BIN)/python tests/benchmarks/gpu.py --dry --out results/gpu-dry

faults: $(VENV)/.installed-test
	$(BIN)/python tests/slurm/faults.py

clean:
	rm -rf $(VENV) build dist docs/_build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
