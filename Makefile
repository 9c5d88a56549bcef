# Bare `make` lists the targets. They need Go, and `test` and `cover` gcc for the race detector; what needs Chromium or
# Docker skips without it, but `e2e`, `vault-image`, `bench-vault` and `ci`. `model` needs spin and gcc instead of Go.

FUZZTIME ?= 30s

.DEFAULT_GOAL := help
.PHONY: help test lint fmt cover e2e fuzz quickstart fakegithub vault-image bench-vault model ci

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

fuzz: ## each fuzz target for FUZZTIME (30s)
	@grep -rl --include='*_test.go' '^func Fuzz' . | xargs -r -n 1 dirname | sort -u | while read -r dir; do \
		for target in $$(grep -h -o '^func Fuzz[A-Za-z0-9_]*' $$dir/*_test.go | cut -d ' ' -f 2); do \
			echo "== $$dir $$target"; \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$dir || exit 1; \
		done; \
	done

quickstart: ## the demo on http://127.0.0.1:8080, offline with its own fake GitHub
	go run ./examples/quickstart

fakegithub: ## the fake GitHub alone on http://127.0.0.1:9090
	go run ./githubtest/cmd/fakegithub -addr 127.0.0.1:9090

vault-image: ## an image of Vault for the tests, from its Go module: where no registry can be reached
	internal/vaultimage/build

bench-vault: ## Get and Put of store/vault beside the same calls made straight with vault/api
	go test -run '^$$' -bench . -count 6 -benchtime 2000x ./store/vault | go run ./internal/benchratio

model: ## the refresh protocol's model, checked exhaustively with spin, and its mutants
	docs/model/check

ci: ## everything that must pass before a change lands
	.ci/run
