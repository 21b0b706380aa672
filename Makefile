# Five verbs, the same on a laptop and in CI. A fresh machine needs Python 3.11 or newer, and make.
PYTHON ?= python3
STACK  ?= dev
BIN    := .venv/bin
SOURCES := __main__.py contract.py infra agent client local policy package tools bootstrap bench examples tests
ACTIONLINT := github.com/rhysd/actionlint/cmd/actionlint@v1.7.12
# uv is pinned with everything else; pip is used once, to fetch it.
UV_VERSION := $(shell sed -n 's/^uv==\([^ ]*\).*/\1/p' requirements-dev.txt)

# Importing the AWS provider without compiled files takes seconds each time.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
# Every target with a description makes no file of its own name.
.PHONY: $(shell sed -n 's/^\([a-z-]*\):.*## .*/\1/p' $(firstword $(MAKEFILE_LIST)))

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 18

setup: .venv/installed ## create .venv with everything pinned

.venv/installed: requirements-dev.txt
	@command -v $(PYTHON) >/dev/null || { echo "There is no $(PYTHON) on the PATH: install Python 3.11 or newer, or run make PYTHON=/path/to/python3.11"; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed and $(PYTHON) is older: run make PYTHON=/path/to/python3.11"; exit 2; }
	@echo "Installing the pinned packages into .venv ..."
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --require-hashes -r requirements-dev.txt
	@touch $@

demo: setup ## stream one answer through the whole chain on loopback, then the same answer buffered
	@$(BIN)/python -m local demo

# Twice as many processes as a small machine has cores: much of a test is waiting. Each takes whole files.
PYTEST := $(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder --ignore tests/web

test: setup ## the tests of every part, over real sockets; under three minutes
	@$(PYTEST) -m "not whole and not engine"

test-whole: setup ## the tests of whole chains, packages and checkouts, and of the pages' commands
	@$(PYTEST) -m "whole and not engine" || { [ $$? -eq 1 ] && echo "What failed runs once more, alone:" && \
		$(BIN)/python -m pytest --ignore tests/web --last-failed --last-failed-no-failures none -m "whole and not engine"; }

# The version is the module's own (tools/engine/go.mod); the engine's tests ask for it.
engine: ## build the Pulumi engine that its tests run; needs Go, and some minutes
	@command -v go >/dev/null || { echo "There is no go on the PATH: install Go, or put a whole Pulumi installation on the PATH"; exit 2; }
	@cd tools/engine && version=$$(go list -m -f '{{.Version}}' github.com/pulumi/pulumi/pkg/v3) && \
		go build -trimpath -ldflags "-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=$$version" \
		-o ../../.build/engine/bin/pulumi github.com/pulumi/pulumi/pkg/v3/cmd/pulumi

test-engine: engine setup ## run the Pulumi program in that engine, against an emulated AWS
	@$(BIN)/python -m pytest -m engine tests/engine tests/infra

web: setup ## build the chat page with the installed Node or a pinned one; rebuilt only when its sources change
	@$(BIN)/python -m tools.page

test-web: web ## the page's tests: its client in Node, the page in Chromium (installed with apt where permitted)
	@$(BIN)/python -m tools.browser
	@$(BIN)/python -m tools.node web npm test --silent
	@$(BIN)/python -m pytest tests/web

local: setup ## keep the whole chain up on loopback until Ctrl-C
	@$(BIN)/python -m local up

lint: workflows ## ruff, the format check, the strict type checker, and `make workflows`
	@$(BIN)/ruff check $(SOURCES)
	@$(BIN)/ruff format --check $(SOURCES)
	@$(BIN)/mypy $(SOURCES)

workflows: setup ## the workflows of .github: zizmor, and actionlint where go is installed
	@$(BIN)/zizmor --offline --no-progress --quiet .github
	@if command -v go >/dev/null; then go run $(ACTIONLINT); else echo "actionlint was skipped: there is no go on the PATH."; fi

format: setup ## rewrite the sources in the house format
	@$(BIN)/ruff check --fix $(SOURCES)
	@$(BIN)/ruff format $(SOURCES)

docs: setup ## build the documentation site in .build/site; a broken link fails the build
	@$(BIN)/python -m tools.site

bench: setup ## run the benchmarks, each beside a peer; prints a table and writes bench/report.md
	@$(BIN)/python -m bench

soak: setup ## many streams for a minute, then every fault in turn while streams run (about four minutes)
	@$(BIN)/python -m bench.soak

package: setup ## build the agent's deployment package for AgentCore
	@$(BIN)/python -m package.build

sbom: setup ## the agent's bill of materials with licences, CycloneDX, in dist/agent.cdx.json; dist/agent-licences.txt
	@mkdir -p dist
	@$(BIN)/cyclonedx-py requirements --output-reproducible --mc-type application agent/requirements.txt -o dist/agent.cdx.json
	@$(BIN)/python -m tools.licences --bill dist/agent.cdx.json --list dist/agent-licences.txt

release-files: sbom ## build what a release offers besides the sources: dist/page.zip (the built page) and the bill of materials
	@$(BIN)/python -m tools.page --zip dist/page.zip

audit: setup ## check every pinned package for known advisories; fails if a package cannot be looked up
	@$(BIN)/pip-audit --strict --require-hashes --disable-pip -r agent/requirements.txt
	@$(BIN)/pip-audit --strict --require-hashes --disable-pip -r requirements-dev.txt

preview: setup ## pulumi preview of STACK (needs the Pulumi CLI); REPORT=FILE saves its report
	@$(BIN)/python -m tools.preview --stack $(STACK) $(if $(REPORT),--report $(REPORT))

preview-offline: setup ## the same without an AWS account, Pulumi state or secrets, as for a fork's pull request
	@$(BIN)/python -m tools.preview --stack $(STACK) --offline $(if $(REPORT),--report $(REPORT))

drift: setup ## fail if STACK was changed outside Pulumi; changes nothing
	@$(BIN)/python -m tools.preview --stack $(STACK) --drift $(if $(REPORT),--report $(REPORT))

up: setup ## package, check, preview, ask, deploy, doctor, step by step (needs the Pulumi CLI and AWS credentials)
	@$(BIN)/python -m tools.deploy --stack $(STACK)

deliver: setup ## the same without confirmation; if the doctor fails, PREVIOUS=TAG is deployed again
	@$(BIN)/python -m tools.deploy --stack $(STACK) --yes --previous "$(PREVIOUS)"

preview-comment: setup ## put the previews of .build/reports on their pull request (in a workflow)
	@$(BIN)/python -m tools.github comment --reports .build/reports

drift-issue: setup ## open an issue for each stack in .build/reports (in a workflow)
	@$(BIN)/python -m tools.github issue --reports .build/reports

release-upload: setup ## attach the files of dist/ to their release (in a workflow)
	@$(BIN)/python -m tools.github release --files dist

doctor: setup ## check a deployed STACK over HTTP and through the AWS APIs; names the failing layer
	@$(BIN)/python -m client doctor --stack $(STACK)

lock: setup ## recompile the pinned requirement files from the .in files; pins that still fit stay
	@$(BIN)/uv pip compile -q $(UPGRADE) --universal --python-version 3.11 --generate-hashes --custom-compile-command "make lock" --overrides requirements-overrides.in requirements-dev.in -o requirements-dev.txt
	@$(BIN)/uv pip compile -q $(UPGRADE) --universal --python-version 3.11 --generate-hashes --custom-compile-command "make lock" -c requirements-dev.txt requirements.in -o requirements.txt
	@$(BIN)/uv pip compile -q $(UPGRADE) --python-version 3.13 --python-platform aarch64-manylinux_2_28 --generate-hashes --custom-compile-command "make lock" -c requirements-dev.txt agent/requirements.in -o agent/requirements.txt
	@$(BIN)/uv pip compile -q $(UPGRADE) --universal --python-version 3.11 --generate-hashes --custom-compile-command "make lock" web/requirements.in -o web/requirements.txt
	@$(BIN)/uv pip compile -q $(UPGRADE) --universal --python-version 3.11 --generate-hashes --custom-compile-command "make lock" bench/cdk/requirements.in -o bench/cdk/requirements.txt

upgrade: setup ## recompile them with the newest releases that are at least a week old
	@$(MAKE) --no-print-directory lock UPGRADE="--upgrade --exclude-newer 'P7D'"

clean: ## remove everything that make made
	rm -rf .venv .local .build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
