GOLANGCI = go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

.DEFAULT_GOAL := help
.PHONY: help test demo split run conformance interop chaos mutants compat bench compare bench-once release-check lint fmt

help: ## print this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

test: ## run every test, on Postgres and SQLite (GOTESTFLAGS adds flags)
	go test -race -shuffle=on $(GOTESTFLAGS) ./...

demo: ## show a task that survives kill -9
	go run ./internal/proof/demo

split: ## run servers, workers and a producer as separate processes, and kill and restart them
	go run ./internal/proof/split

run: ## run the quickstart server
	go run ./examples/quickstart

conformance: ## run the official MCP conformance suite, on SQLite and Postgres (needs npm)
	go run ./internal/proof/conformance

interop: ## run the official clients of both protocol generations, on SQLite and Postgres (needs npm)
	go run ./internal/proof/interop

SEED = 1
DURATION = 60s
DATABASE = postgres
chaos: ## check the invariants while faults are injected (SEED=1 DURATION=60s DATABASE=postgres|sqlite)
	go run ./internal/proof/chaos -seed $(SEED) -duration $(DURATION) -database $(DATABASE)

mutants: ## check that chaos finds nodes that are broken on purpose
	.ci/mutants

compat: ## build and test with the oldest River promised (compat/oldest.mod)
	go run ./internal/proof/compat

bench: ## measure speed beside a baseline, in wall and CPU time (JSON=file RUN=regexp BENCHFLAGS=-quick)
	go run ./internal/proof/bench $(if $(JSON),-json '$(JSON)') $(if $(RUN),-run '$(RUN)') $(BENCHFLAGS)

compare: ## compare the CPU time of operations with another checkout (AGAINST=directory RUN=regexp COMPAREFLAGS=-judge)
	go run ./internal/proof/compare -against '$(AGAINST)' $(if $(RUN),-run '$(RUN)') $(COMPAREFLAGS)

BENCHTIME = 1x
bench-once: ## run each Go benchmark once (BENCHTIME=500x to measure)
	go test -run '^$$' -bench . -benchtime $(BENCHTIME) ./internal/e2e/... ./store/... ./mcpserver

release-check: ## check go.mod, licences, doc comments, and the API since the last tag
	go run ./internal/proof/release

lint: ## check the code, its imports and its format
	$(GOLANGCI) run

fmt: ## format the code (FMTFLAGS=--diff only shows)
	$(GOLANGCI) fmt $(FMTFLAGS)
