# Everything runs in .venv, made from requirements.lock.
VENV ?= .venv
PYTHON ?= python3.11
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: run loop images test units flows check lock clean

run: $(READY)
	$(BIN)/rootstock data demo --params params.yaml
	$(BIN)/rootstock run --params params.yaml

loop: $(READY)
	$(BIN)/rootstock loop --params params.yaml

images: $(READY)
	$(BIN)/rootstock data demo --images --params params-images.yaml
	$(BIN)/rootstock run --params params-images.yaml

# Side by side: flows mostly wait for one process after the other. tests/processes goes with the units, so that both take as long.
test: $(READY)
	+$(MAKE) --no-print-directory --jobs=2 units flows

units: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/pytest --ignore tests/flows --durations 15

flows: $(READY)
	$(BIN)/pytest tests/flows -p no:cacheprovider --durations 15

check: $(READY)
	$(BIN)/ruff check components flows tests benchmarks
	$(BIN)/ruff format --check components flows tests benchmarks
	$(BIN)/mypy

lock:
	rm -rf .venv-lock
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/pip install -q ".[dev,edge]"
	.venv-lock/bin/pip freeze --exclude rootstock-mlops | sed 's/+cpu$$//' > requirements.lock
	rm -rf .venv-lock

clean:
	rm -rf .rootstock .mypy_cache .ruff_cache .pytest_cache build dist

$(READY): requirements.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --disable-pip-version-check -r requirements.lock
	$(BIN)/pip install -q --disable-pip-version-check --no-deps -e .
	touch $(READY)
