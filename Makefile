# Bare `make` lists the targets. They need Go, and `test` and `cover` gcc for the race detector; what needs Chromium or
# Docker skips without it, but `e2e`, `herd`, `chaos`, `vault-image`, `bench-vault` and `ci`. `model` needs spin and gcc instead
# of Go.

FUZZTIME ?= 30s
DURATION ?= 10m

.DEFAULT_GOAL := help
.PHONY: help test lint fmt cover e2e herd chaos fuzz soak mutate bench model quickstart fakegithub vault-image bench-vault ci

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

test: ## all tests, with the race detector and in random order
	go test -race -shuffle=on ./...

lint: ## gofmt, go mod tidy -diff, go vet, golangci-lint
	.ci/run lint

fmt: ## format as the linters want it
	.ci/run fmt

cover: ## test coverage, in total here and by line in coverage.html
	go test -race -coverpkg=./... -coverprofile=coverage.out ./...
	go tool cover -html=coverage.out -o coverage.html
	go tool cover -func=coverage.out | tail -n 1

e2e: ## the browser tests; fails where there is no Chromium
	GHLOGIN_REQUIRE_BROWSER=1 go test -race -count=1 ./e2e/...

herd: ## eight replicas with 500 callers each at the moment of expiry, 100 times, and under way across rotations (12 minutes)
	GHLOGIN_REQUIRE_DOCKER=1 go test -count=1 -v -parallel 1 -timeout 40m -run '^(TestHerd|TestSteady)' ./e2e/chaos \
		-args -herd.rotations=100 -herd.callers=500 -herd.steady=60s

chaos: ## eight replicas that are killed, over a Vault that stops and a GitHub that fails, for DURATION (10m); SEED repeats one
	GHLOGIN_REQUIRE_DOCKER=1 go test -count=1 -v -timeout 0 -run '^TestFleetInChaos$$' ./e2e/chaos \
		-args -chaos.duration=$(DURATION) -chaos.seed=$(or $(SEED),0)

fuzz: ## each fuzz target for FUZZTIME (30s)
	@grep -rl --include='*_test.go' '^func Fuzz' . | xargs -r -n 1 dirname | sort -u | while read -r dir; do \
		for target in $$(grep -h -o '^func Fuzz[A-Za-z0-9_]*' $$dir/*_test.go | cut -d ' ' -f 2); do \
			echo "== $$dir $$target"; \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1s $$dir || exit 1; \
		done; \
	done

soak: ## a fleet under faults, simulated for DURATION (10m); SEED=n repeats a run
	GHLOGIN_SOAK=$(DURATION) GHLOGIN_SIM_SEED=$(SEED) go test -count=1 -timeout 0 -run TestFleet -v ./grant/sim

quickstart: ## the demo on http://127.0.0.1:8080, offline with its own fake GitHub
	go run ./examples/quickstart

fakegithub: ## the fake GitHub alone on http://127.0.0.1:9090
	go run ./githubtest/cmd/fakegithub -addr 127.0.0.1:9090

vault-image: ## an image of Vault for the tests, from its Go module: where no registry can be reached
	internal/vaultimage/build

bench-vault: ## Get and Put of store/vault in turns with the same calls made straight with vault/api; fails above 1.05
	GHLOGIN_REQUIRE_DOCKER=1 go test -run '^$$' -bench . -count 3 -benchtime 3000x ./store/vault

mutate: ## take the security checks out one by one, and see a test fail for each (RUN=regexp for some)
	go run ./internal/mutate -run '$(RUN)'

bench: ## this library beside its neighbours, ten runs, and the tables of docs/performance.md (RUNS=n for fewer)
	cd benchmarks && GOMAXPROCS=2 go test -run '^$$' -bench . -benchtime $(or $(BENCHTIME),0.3s) -count $(or $(RUNS),10) -timeout 0 . | tee bench.txt
	cd benchmarks && go run golang.org/x/perf/cmd/benchstat bench.txt && go run ./report -in bench.txt

model: ## the refresh protocol's model, checked exhaustively with spin, and its mutants
	docs/model/check

ci: ## everything that must pass before a change lands
	.ci/run
