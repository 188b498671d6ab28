# Everything a newcomer needs: `make run`, `make test`, `make demo`. `make help` lists the rest.

CARGO ?= cargo
# What users run is optimised; `make run PROFILE=dev` builds in a fraction of the time.
PROFILE ?= release
TARGET_DIRECTORY := $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)

profile_directory = $(TARGET_DIRECTORY)/$(if $(filter dev,$(1)),debug,$(1))
server = $(call profile_directory,$(PROFILE))/artifactapi-server

.DEFAULT_GOAL := help
.PHONY: help build run demo test e2e bench fmt lint doc

help: ## list the targets
	@sed -n 's/^\([a-z0-9]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | awk -F '\t' '{ printf "  %-8s %s\n", $$1, $$2 }'

build: ## build the server
	$(CARGO) build --locked --profile $(PROFILE) --package artifactapi-server

run: build ## start the embedded server on port 8000, data in ./data
	LISTEN_ADDR=$(or $(LISTEN_ADDR),:8000) DATA_DIR=$(or $(DATA_DIR),./data) exec $(server)

demo: build ## see a miss and a hit with the real pip and npm
	e2e/demo.sh $(server)

# One build with the features of all members, so that the server under test, the unit tests and
# the suite share their dependencies. The suite then runs the server that was built here: other
# than the shipped one it holds the fail points of the tests, but nothing that could set them.
test: ## run every test, the suite with the real clients included
	e2e/setup.sh
	$(CARGO) build --locked --workspace --all-targets
	ARTIFACTAPI_SERVER=$(call profile_directory,dev)/artifactapi-server $(CARGO) test --locked --workspace

e2e: ## run only the suite with the real clients
	e2e/setup.sh
	$(CARGO) test --locked --package e2e

bench: build ## compare with nginx, another registry, and replicas with one server, as ratios of one run
	e2e/bench.sh $(server)

fmt: ## format the code
	$(CARGO) fmt --all

lint: ## check format, lints and documentation as CI does
	.ci/run lint

doc: ## build the documentation
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --locked --workspace --no-deps
