# Siren: what there is to make. `make help` lists it.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# Everything is built in the one way that the images are: so tests run what is shipped, and packages are compiled once.
export CGO_ENABLED := 0
export GOFLAGS := -trimpath

GO ?= go
TOOL = $(GO) tool -modfile=go.tools.mod
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null)
FUZZTIME ?= 20s

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: install
install: ## install what Siren needs from Debian: RabbitMQ, Redis, ffmpeg (asks for nothing when all is there)
	@scripts/install

.PHONY: build
build: ## build bin/siren
	$(GO) build -ldflags "-X main.version=$(VERSION)" -o bin/siren ./cmd/siren

.PHONY: demo
demo: install build ## watch real media jobs go through three lanes (INPUT=video uses your own)
	bin/siren demo $(if $(INPUT),--input "$(INPUT)")

.PHONY: test
test: install build ## run all tests, on real RabbitMQ, Redis and ffmpeg
	$(GO) test -p 1 -timeout 15m ./... # one package at a time: most of them run servers, and wait for them

.PHONY: test-matrix
test-matrix: install ## run what talks to a broker or a store on every RabbitMQ and Redis (ONLY=rabbitmq-4.3 runs one); half an hour
	scripts/test-matrix $(ONLY)

.PHONY: e2e
e2e: install ## end-to-end tests on the cluster that KUBECONFIG names, or in kind (E2E=Pattern runs some); see scripts/e2e
	scripts/e2e $(E2E)

.PHONY: chart
chart: ## lint the Helm chart and run its unit tests
	scripts/chart

.PHONY: race
race: install ## run all tests with the race detector
	CGO_ENABLED=1 $(GO) test -race -p 1 -timeout 30m ./...

.PHONY: lint
lint: ## golangci-lint, with the arrows of docs/ARCHITECTURE.md as rules
	$(TOOL) golangci-lint run
	for f in scripts/* .ci/run; do bash -n "$$f"; done

.PHONY: fmt
fmt: ## format the code
	$(TOOL) golangci-lint fmt

.PHONY: generate
generate: ## write the generated docs anew
	$(GO) run ./docs/gen
	$(GO) run ./cmd/siren docs docs

.PHONY: verify
verify: generate ## check that generated files and go.mod are up to date
	$(GO) mod tidy -diff
	git diff --exit-code -- docs charts
	@new=$$(git status --porcelain --untracked-files=all -- docs charts); [ -z "$$new" ] || { echo "not committed: $$new"; exit 1; }

.PHONY: bench
bench: install build ## measure Siren beside the raw client library; see docs/benchmarks.md
	$(GO) run ./test/bench $(BENCHFLAGS)
	$(if $(BENCHFLAGS),,$(GO) test -run '^$$' -bench . -count 5 ./scaler ./internal/redis/...)

.PHONY: fuzz
fuzz: ## fuzz every decoder and the scaler's properties, FUZZTIME each (20s)
	scripts/fuzz $(FUZZTIME)

.PHONY: faults
faults: install ## break a real fleet at random, and check that nothing is lost or there twice (FAULTS_DURATION, FAULTS_SEED, …; see scripts/faults)
	@scripts/faults

.PHONY: clean
clean: ## remove what was built
	rm -rf bin demo-report.html
