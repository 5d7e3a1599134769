# Siren: what there is to make. `make help` lists it.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# Everything is built in the one way that the images are: so tests run what is shipped, and packages are compiled once.
export CGO_ENABLED := 0
# Without the gRPC of Google's storage client, which speaks HTTP here: 19 MB less.
export GOFLAGS := -trimpath -tags=disable_grpc_modules

GO ?= go
TOOL = $(GO) tool -modfile=go.tools.mod
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null | sed 's/^v//')
FUZZTIME ?= 20s

# go test, with a line for each package, the output of tests that failed, and a list of those that took over 10 s.
TEST = mkdir -p bin; $(TOOL) gotestsum --format-hide-empty-pkg --jsonfile-timing-events bin/test.json \
	--post-run-command "sh -c 'echo Tests over 10 s:; $(TOOL) gotestsum tool slowest --threshold 10s --jsonfile bin/test.json'" --
# The packages that take longest begin first.
LONGEST = ./test/faults ./test/system ./cmd/siren ./internal/rabbit

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: install
install: ## install what Siren needs from Debian: RabbitMQ, Redis, ffmpeg, libvips (asks for nothing when all is there)
	@scripts/install

.PHONY: build
build: ## build bin/siren
	$(GO) build -ldflags "-s -w -X github.com/polyglot-media/siren/cmd/siren/app.version=$(VERSION)" -o bin/siren ./cmd/siren

.PHONY: dist
dist: ## make a release's files in dist/: programs for amd64 and arm64, chart, SBOMs, SHA256SUMS; publishes nothing
	@VERSION="$(VERSION)" scripts/dist

.PHONY: dist-check
dist-check: ## the same, and once more in another folder: the bytes have to be the same
	@export VERSION="$(VERSION)"; scripts/dist; scripts/dist check

.PHONY: demo
demo: install build ## watch real media jobs go through three lanes (INPUT=video uses your own; KEEP=1 stays, with the web page)
	bin/siren demo $(if $(INPUT),--input "$(INPUT)") $(if $(KEEP),--keep)
	@$(if $(KEEP),,echo "To look at lanes, workers and jobs in a browser: make demo KEEP=1, or bin/siren demo --keep")

.PHONY: test
test: install build ## run all tests, on real RabbitMQ, Redis and ffmpeg
	@$(TEST) -parallel 3 -timeout 15m $(LONGEST) ./...

.PHONY: test-matrix
test-matrix: install ## run what talks to a broker or a store on every RabbitMQ and Redis (ONLY=rabbitmq-4.3 runs one); half an hour
	scripts/test-matrix $(ONLY)

.PHONY: e2e
e2e: install ## end-to-end tests on the cluster that KUBECONFIG names, or in kind (E2E=Pattern runs some); see scripts/e2e
	scripts/e2e $(if $(E2E),'$(E2E)')

.PHONY: chart
chart: ## lint the Helm chart and run its unit tests
	scripts/chart

.PHONY: players
players: install build ## play what jobs make in Chromium, with hls.js, and read playlists with m3u8-parser; a minute
	@scripts/players

.PHONY: page
page: install build ## drive the gateway's web page and examples/upload in Chromium, on a fleet with jobs; two minutes (PAGEFLAGS=-scale: a large fleet)
	@scripts/page $(PAGEFLAGS)

.PHONY: race
race: install ## run all tests with the race detector
	CGO_ENABLED=1 $(GO) test -race -p 1 -timeout 30m ./...

.PHONY: lint
lint: ## golangci-lint, with the arrows of docs/ARCHITECTURE.md as rules
	$(TOOL) golangci-lint run
	for f in scripts/* .ci/run; do bash -n "$$f"; done

.PHONY: shape
shape: ## count how large the packages are, what they show, and which of their files need each other in a circle
	@$(GO) run ./test/shape

.PHONY: fmt
fmt: ## format the code
	$(TOOL) golangci-lint fmt

.PHONY: generate
generate: ## write the generated docs, and the gateway's web page
	$(GO) run ./docs/gen
	$(GO) run ./cmd/siren docs docs
	$(GO) generate ./internal/gateway/page

.PHONY: pictures
pictures: install build ## make the pictures of README.md and docs again (ONLY=media, demo, lanes or page makes some)
	$(GO) run ./docs/pictures $(ONLY)

.PHONY: verify
verify: generate ## check that generated files and go.mod are up to date
	$(GO) mod tidy -diff
	git diff --exit-code -- docs charts lanes internal/gateway/page/dist
	@new=$$(git status --porcelain --untracked-files=all -- docs charts lanes internal/gateway/page/dist); [ -z "$$new" ] || { echo "not committed: $$new"; exit 1; }

.PHONY: bench
bench: install build ## measure Siren beside the raw client library; see docs/benchmarks.md
	$(GO) run ./test/bench $(BENCHFLAGS)
	$(if $(BENCHFLAGS),,$(GO) test -run '^$$' -bench . -count 5 ./scaler/law ./internal/redis/...)

.PHONY: bench-law
bench-law: ## play loads through the scaling law and its rivals (SEEDS=8; SIREN_TRACES names the folder of the Azure trace)
	$(GO) run ./test/benchlaw -seeds $(or $(SEEDS),8) $(BENCHFLAGS)

.PHONY: real
real: install build ## play a trace on a real local fleet and in the simulator, side by side; a quarter of an hour (REALFLAGS=-h lists what may be said)
	$(GO) run ./test/real $(REALFLAGS)

.PHONY: fuzz
fuzz: ## fuzz every decoder and the scaler's properties, FUZZTIME each (20s)
	scripts/fuzz $(FUZZTIME)

.PHONY: faults
faults: install ## break a real fleet at random, and check that nothing is lost or there twice (FAULTS_DURATION, FAULTS_SEED, …; see scripts/faults)
	@scripts/faults

.PHONY: clean
clean: ## remove what was built
	rm -rf bin dist demo-report.html
