# make demo   install into .venv, simulate recordings, prepare, evaluate, submit; prints a score table
# make test   install into .venv, check types, style and layers, build the documentation, run the tests
# make docs   the documentation as a site in build/site
# make gallery     the pictures of docs/gallery.md (with Chromium; two minutes)
# make mutation    make mistakes in a copy of the code and see that the tests notice each (an hour on 2 cores)
# make weights     simulate sim-v1, prepare it, train what the package ships into sim-v1/trained (hours on 2 cores)
# make reference   simulate and prepare the test splits of sim-v1, and make the tables of the shipped models
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := demo
DEMO_MODELS := identity mean-motion sift vision fusion
SIM := sim-v1
VARIANTS := directions embedding head-seed-1 head-seed-2
HARDER := rigs moving reverberant
PREPARE_SIM := --pairs-per-recording 10 --min-gap 0.5 --size 320
STAMP := $(VENV)/.installed
# One BLAS thread a process: pools of processes that each start a full thread pool are tens of times slower.
export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1
export MKL_NUM_THREADS ?= 1

.PHONY: demo test check docs install perf kill fuzz slow mutation gallery weights reference clean

install: $(STAMP)

# torch comes first and pinned: other packages would otherwise bring another build of it.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: $(STAMP)
	$(BIN)/avbench simulate $(DEMO)/recordings --split train --recordings 6
	$(BIN)/avbench simulate $(DEMO)/recordings --split test --recordings 10
	$(BIN)/avbench prepare $(DEMO)/recordings -o $(DEMO)/data --pairs-per-recording 8 --size 320 --remake
	for model in $(DEMO_MODELS); do \
	  $(BIN)/avbench evaluate $(DEMO)/data --model $$model -o $(DEMO)/runs/$$model --overwrite || exit 1; done
	rm -rf $(DEMO)/board
	$(BIN)/avbench board create $(DEMO)/board --data $(DEMO)/data --title "avbench demo (simulated)"
	for model in $(DEMO_MODELS); do \
	  $(BIN)/avbench submit $(DEMO)/runs/$$model/predictions.parquet --board $(DEMO)/board --name $$model \
	    > /dev/null || exit 1; done
	@echo
	@echo "recordings   $(DEMO)/recordings"
	@echo "shards       $(DEMO)/data"
	@echo "predictions  $(DEMO)/runs/*/predictions.parquet"
	@echo "report       $(DEMO)/runs/*/report.html"
	@echo "board        $(DEMO)/board/README.md and $(DEMO)/board/index.html"
	@echo
	@$(BIN)/avbench board show $(DEMO)/board

$(SIM)/data/manifest.json: $(STAMP)
	$(BIN)/avbench simulate $(SIM)/recordings --standard
	$(BIN)/avbench prepare $(SIM)/recordings/main -o $(SIM)/data $(PREPARE_SIM)

weights: $(SIM)/data/manifest.json
	$(BIN)/avbench depths $(SIM)/data --recordings $(SIM)/recordings/main
	$(BIN)/avbench train --model fusion --preset shipped --data $(SIM)/data -o $(SIM)/trained
	for variant in $(VARIANTS); do \
	  $(BIN)/avbench train --model fusion --preset $$variant --data $(SIM)/data -o $(SIM)/trained/$$variant \
	    --work $(SIM)/trained/work || exit 1; done

reference: $(SIM)/data/manifest.json
	$(BIN)/avbench reference $(SIM)/data -o $(SIM)/reference/main
	$(BIN)/avbench reference $(SIM)/data -o $(SIM)/reference/probes --suite clean --probes --no-variants \
	  --model vision --model fusion
	for harder in $(HARDER); do \
	  $(BIN)/avbench prepare $(SIM)/recordings/$$harder -o $(SIM)/$$harder $(PREPARE_SIM) || exit 1; \
	  $(BIN)/avbench reference $(SIM)/$$harder -o $(SIM)/reference/$$harder --training-data $(SIM)/data \
	    --no-variants || exit 1; done

# The areas are three source folders of one package; the check of imports has to find them in one.
check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	rm -rf build/imports && mkdir -p build/imports/avbench
	for area in preprocessing benchmark leaderboards; do cp -R $$area/avbench/. build/imports/avbench/; done
	cd build/imports && $(CURDIR)/$(BIN)/lint-imports --config $(CURDIR)/pyproject.toml

# The theme's notice about its successor is no warning of ours.
docs: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

gallery: $(STAMP)
	$(BIN)/python tests/make_gallery.py

test: check docs
	$(BIN)/pytest -n 2

slow: $(STAMP)
	$(BIN)/pytest -m slow

kill: $(STAMP)
	$(BIN)/pytest -m kill -s tests/test_kills.py

fuzz: $(STAMP)
	$(BIN)/pytest -m fuzz -n 0 -s tests/fuzz

mutation: $(STAMP)
	$(BIN)/pytest -m mutation tests/mutations

perf: $(STAMP)
	$(BIN)/pytest -m perf -s tests/perf

clean:
	rm -rf $(VENV) $(DEMO) dist build
