# Every target sets up .venv by itself; the first one takes some minutes.
PY := .venv/bin/python
# Five test processes share two cores, one thread each: browsers, leases and kills make a quarter of the tests wait. Each
# takes whole files, the longest first (tests/conftest.py), so that what is made once for a file is made once.
PYTEST := OMP_NUM_THREADS=1 $(PY) -m pytest -n 5 --durations 15

.PHONY: help setup check fix test suite soak demo demo-real claims claims-100x bench vllm harness lock sbom security

help:
	@echo "make demo   run the whole loop on the village: base model, labels, SFT, reward model, PPO, report"
	@echo "make demo-real  the same loop on SmolLM2-135M in real English, under an hour; SEED=1; DATA=DIR adds people's data"
	@echo "make claims  test every claim of the paper on the village, SEED=1; 61 minutes predicted, less after make demo"
	@echo "make claims-100x  a base 100 times as large for the fifth claim; most of a day, goes on where it was stopped"
	@echo "make test   all tests, on SQLite and PostgreSQL"
	@echo "make check  format, lint, types, layers"
	@echo "make fix    format, mend what the linter can, and write docs/reference"
	@echo "make soak   the full counts: kills, fuzz, load (up to 75 minutes)"
	@echo "make bench  speed and memory beside the peers, in one table; MODEL=DIR adds the API under load"
	@echo "make vllm   the same API with vLLM as the engine, in an environment of its own"
	@echo "make harness  two tasks held against lm-evaluation-harness, in an environment of its own"
	@echo "make lock   write requirements.lock, the hashes of all that constraints.txt pins, and the locks of the scanners"
	@echo "make sbom   the bill of materials as CycloneDX, build/sbom.json"
	@echo "make security  scanners against our own servers on this machine, in environments of their own; TOOLS, WITHOUT, MODEL, PROMPTS"

setup:
	@scripts/setup.sh

check: setup
	$(PY) -m ruff format --check tutelage tests benchmarks security docs
	$(PY) -m ruff check tutelage tests benchmarks security docs
	$(PY) -m mypy
	OMP_NUM_THREADS=1 $(PY) -m pytest -q tests/test_layers.py

fix: setup
	$(PY) -m ruff check --fix tutelage tests benchmarks security docs
	$(PY) -m ruff format tutelage tests benchmarks security docs
	$(PY) -m tutelage.cli.reference docs/reference/cli.md
	$(PY) -m tutelage.cli.api docs/reference/python.md
	$(PY) -m tutelage.feedback.app.api.schema docs/reference/openapi.json
	$(PY) -m tutelage.serve.api.openapi docs/reference/model-api.json

# Types take a minute of one core, and the tests' processes do not fill two. The layers are tested by `check`.
test: setup
	@$(MAKE) --no-print-directory --jobs 2 check suite

suite: setup
	$(PYTEST) -m "not soak and not vllm and not harness" --ignore tests/test_layers.py

soak: setup
	$(PYTEST) -m soak

demo: setup
	.venv/bin/tutelage run recipes/village.toml

demo-real: setup
	.venv/bin/tutelage run recipes/smollm2.toml $(if $(SEED),--set seed=$(SEED)) $(if $(DATA),--set starter.data=$(DATA))

claims: setup
	.venv/bin/tutelage claims --seed $(or $(SEED),1)
	.venv/bin/tutelage report runs/village-seed$(or $(SEED),1)

claims-100x: setup
	.venv/bin/tutelage claims smaller-100x --seed $(or $(SEED),1)

bench: setup
	scripts/vllm.sh
	scripts/trl.sh
	$(PY) -m benchmarks --vllm .venv-vllm/bin/python --trl .venv-trl/bin/python --trl-ppo .venv-trl-ppo/bin/python \
		$(if $(MODEL),--model $(MODEL))

vllm: setup
	scripts/vllm.sh
	TUTELAGE_VLLM_PYTHON=.venv-vllm/bin/python $(PY) -m pytest -m vllm

harness: setup
	scripts/harness.sh
	TUTELAGE_HARNESS_PYTHON=.venv-harness/bin/python $(PY) -m pytest -m harness

lock: setup
	scripts/lock.sh

sbom: setup
	$(PY) -m security.sbom build/sbom.json

security: setup
	scripts/security.sh
	OMP_NUM_THREADS=1 $(PY) -m security $(if $(TOOLS),--tools $(TOOLS)) $(if $(WITHOUT),--without $(WITHOUT)) \
		$(if $(MODEL),--model $(MODEL)) $(if $(PROMPTS),--prompts $(PROMPTS))
