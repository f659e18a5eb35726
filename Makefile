# Each target makes .venv by itself, once. Nothing is written outside this folder but pip's cache.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
PORT ?= 8000
# Three tests at a time keep two cores busy, since many wait for a kernel or a browser.
JOBS ?= 3
BIN := .venv/bin
STAMP := .venv/.installed
CACHE := $(CURDIR)/.cache

export MPLCONFIGDIR := $(CACHE)/matplotlib
export IPYTHONDIR := $(CACHE)/ipython
export JUPYTER_CONFIG_DIR := $(CACHE)/jupyter/config
export JUPYTER_DATA_DIR := $(CACHE)/jupyter/data
export JUPYTER_RUNTIME_DIR := $(CACHE)/jupyter/runtime
export HF_HOME := $(CACHE)/huggingface
export TORCH_HOME := $(CACHE)/torch
export TORCHINDUCTOR_CACHE_DIR := $(CACHE)/inductor
export TMPDIR := $(CACHE)/tmp
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help book test mutants serve notebooks verify-figures matrix pdf slides quizzes colab clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

book: $(STAMP)  ## build the book into _build/html, warnings are errors
	$(BIN)/jupyter-book build -W -n --keep-going .
	@echo "Open file://$(CURDIR)/_build/html/index.html or run: make serve"

test: $(STAMP)  ## ruff, the unit tests, and every notebook against its committed outputs
	$(BIN)/ruff check .
	$(BIN)/python -m pytest --nbval -m "not mutation" -n $(JOBS) --dist loadfile --no-loadscope-reorder

mutants: $(STAMP)  ## put each typical bug into the package, and see that a test fails
	$(BIN)/python -m pytest -m mutation -n $(JOBS) tests/test_mutations.py

serve: book  ## build the book and serve it at http://127.0.0.1:8000 (PORT=8000)
	@echo "Reading at http://127.0.0.1:$(PORT)/ - stop with Ctrl-C"
	$(BIN)/python -m http.server $(PORT) --bind 127.0.0.1 --directory _build/html

notebooks: $(STAMP)  ## execute every notebook in place and normalise it
	$(BIN)/python scripts/notebooks.py execute notebooks/*.ipynb

verify-figures: $(STAMP)  ## run every notebook again and compare its figures with those in the file
	$(BIN)/python scripts/notebooks.py figures notebooks/*.ipynb

matrix: $(STAMP)  ## run the notebooks with other threads, processors, folders and weights (hours)
	$(BIN)/python scripts/matrix.py

pdf: book  ## print the built book to _build/book.pdf (needs Chromium)
	$(BIN)/python scripts/pdf.py _build/html _build/book.pdf

slides: $(STAMP)  ## make a deck of slides from each chapter, into _build/slides
	$(BIN)/python scripts/slides.py notebooks/*.ipynb

quizzes: $(STAMP)  ## export the quizzes for Moodle (GIFT) and Canvas (QTI), into _build/quizzes
	$(BIN)/python scripts/quiz.py

colab: $(STAMP)  ## run every notebook alone, without this project, as Colab does
	$(BIN)/python scripts/colab.py notebooks/*.ipynb

clean:  ## remove what was built; for a fresh start remove .venv and .cache too
	rm -rf _build .pytest_cache .ruff_cache .coverage .cache/tmp

$(STAMP): requirements.txt pyproject.toml | .cache/tmp
	@echo "Setting up .venv: 3 GB to download, 7 GB on disk, a few minutes."
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -r requirements.txt
	$(BIN)/python -c "import matplotlib.font_manager"  # its font cache, before a strict test looks
	@touch $@

.cache/tmp:
	@mkdir -p $@
