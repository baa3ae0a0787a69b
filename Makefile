# Everything a newcomer needs is `make demo` and `make test`; both set up .venv by themselves.

PYTHON ?= python3
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test lint soak bench bench-peers docs measured examples pictures wheel clean

demo: .venv/run.stamp  ## run the main job on the mock server, over HTTP, thirty times faster than life
	$(BIN)/claude-bench run summarize-100 --target mock --speed 30

test: .venv/dev.stamp  ## run every test, on all cores
	$(BIN)/python -m pytest -n auto

lint: .venv/dev.stamp  ## style, types, import directions
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

soak: .venv/dev.stamp  ## run what takes long and print its figures; SOAK_MINUTES (10) is how long the one over HTTP goes
	$(BIN)/python -m pytest -m 'soak or hypothesis' -s -v --hypothesis-profile=thorough

bench: .venv/dev.stamp  ## measure ourselves, ending with one table of figures, ratios and aims; passes or fails nothing
	$(BIN)/python -m pytest tests/benchmarks --benchmark-only --benchmark-disable-gc --benchmark-quiet

bench-peers: .venv/dev.stamp  ## install other load generators (3.6 GB, in .peers), let them do the same work; PEERS picks some
	cd tests && ../$(BIN)/python -m benchmarks.peers $(PEERS)

docs: .venv/run.stamp  ## rewrite what is generated: the schema for editors, the page of metrics, what commands print
	$(BIN)/claude-bench schema --write
	$(BIN)/python -m reports.definitions > docs/metrics.md
	$(BIN)/python tests/pages.py

measured: .venv/run.stamp  ## run every command of docs/claims.md and docs/choosing.md again and write down what came out
	for page in claims choosing; do \
	  $(BIN)/python docs/measured.py $$page > docs/$$page.new && mv docs/$$page.new docs/$$page.md || exit 1; done

examples: .venv/run.stamp  ## run three scenarios again and keep their reports as examples
	for name in adaptive-or-fixed batch-or-live agents-growing-context; do \
	    rm -rf runs/$$name && $(BIN)/claude-bench run $$name --out runs/$$name --quiet && \
	    cp runs/$$name/report.html reports/examples/$$name.html || exit 1; done

pictures: .venv/dev.stamp  ## take the README's pictures of those reports, with Chromium
	$(BIN)/python docs/pictures.py

wheel: .venv/dev.stamp  ## build the wheel, install it in a fresh environment, run it from an empty folder
	sh tests/installed_wheel.sh $(BIN)/python

.venv/run.stamp: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

.venv/dev.stamp: .venv/run.stamp
	$(BIN)/python -m pip install --quiet --group dev
	touch $@

clean:
	rm -rf .venv build dist
