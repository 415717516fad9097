# Each target runs one command; CI runs .ci/run.

VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
FUZZTIME ?= 10s

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## build ./usher, static and reproducible
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X usher/internal/version.version=$(VERSION)' -o usher ./cmd/usher

.PHONY: test
test: ## run all tests
	go test ./...

.PHONY: race
race: ## run all tests under the race detector
	CGO_ENABLED=1 go test -race -timeout 10m ./...

.PHONY: bench
bench: ## measure against the targets, in some 17 minutes on an idle machine
	go run ./scripts/bench

.PHONY: lint
lint: ## run golangci-lint at the version that CI uses
	scripts/golangci-lint.sh run ./...

.PHONY: fmt
fmt: ## format the Go files
	scripts/golangci-lint.sh fmt ./...
	gofmt -w testdata/stan testdata/oidc

.PHONY: fuzz
fuzz: ## run each fuzz target for FUZZTIME (default 10s)
	scripts/check-fuzz.sh $(FUZZTIME)

.PHONY: servers
servers: ## test with every nats-server release of docs/reference/compatibility.md
	scripts/check-servers.sh

.PHONY: sessions
sessions: ## close sessions among 10,000 live clients, and while a part fails
	go test -count=1 -v -run '^(TestRevocation|TestRevocationDuringOutage)$$' ./app/sessions/endtoend -args -clients 10000

.PHONY: generate
generate: ## generate files; fail if a committed file was out of date
	scripts/check-generate.sh

.PHONY: cross
cross: ## build for every supported platform
	scripts/check-cross.sh

.PHONY: release-dry
release-dry: ## make a whole release in dist/ and publish nothing; the first run builds goreleaser
	$$(scripts/tool.sh goreleaser v2.17.0 github.com/goreleaser/goreleaser/v2) release --clean --snapshot $(if $(RELEASE_KEY),,--skip=sign)

.PHONY: release-check
release-check: ## make a release for linux/amd64 twice, compare both and try it, as CI does
	go run -C scripts/release . check

.PHONY: ci
ci: ## run everything CI runs
	.ci/run
