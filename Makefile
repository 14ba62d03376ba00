GOLANGCI = go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

.DEFAULT_GOAL := help
.PHONY: help test demo run conformance lint fmt

help: ## print this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

test: ## run every test, on Postgres and SQLite (GOTESTFLAGS adds flags)
	go test -race -shuffle=on $(GOTESTFLAGS) ./...

demo: ## watch tasks survive what a program does not
	go run ./internal/proof/demo

run: ## run the quickstart server
	go run ./examples/quickstart

conformance: ## run the official MCP conformance suite (needs npm)
	go run ./internal/proof/conformance

lint: ## check the code, its imports and its format
	$(GOLANGCI) run

fmt: ## format the code (FMTFLAGS=--diff only shows)
	$(GOLANGCI) fmt $(FMTFLAGS)
