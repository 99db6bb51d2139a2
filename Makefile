# SPDX-License-Identifier: Apache-2.0
# Names for the scripts that do the work. `make` alone lists them. ARGS is handed on: make demo ARGS=--once
.DEFAULT_GOAL := help
.PHONY: bench-scale bench-tls bench-wire crash endure fuzz help build test soak bench demo lint fmt reference man install clean

TIME ?= 60
PREFIX ?= /usr/local

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build mallad, malla-proxy and malla in release mode
	@scripts/build $(ARGS)

test: ## build and run all tests (needs root)
	@scripts/test $(ARGS)

soak: ## kill the daemon under load 20 times, 60 s away each, and count what clients saw; ARGS="--rounds 2 --away 1"
	@scripts/soak $(ARGS)

crash: ## end the daemon at every system call of a change that outlives it, and compare the maps after each restart (needs root)
	@swift build --build-tests
	@MALLA_CRASH=all stdbuf -oL swift test --skip-build --no-parallel --filter NodeTests.CrashTests

endure: ## run two nodes for long and break things meanwhile: an hour, or minutes with ARGS=--short (needs root)
	@Benchmarks/endure $(ARGS)

bench: ## measure beside HAProxy, nginx and Envoy (needs root)
	@Benchmarks/run $(ARGS)

bench-scale: ## measure changes of a mesh of 1,000 services, 100,000 endpoints (needs root); ARGS=SECONDS of churn
	@swift build -c release --product bench-scale --scratch-path .build-release
	@.build-release/release/bench-scale $(ARGS)

bench-tls: ## measure records and handshakes of TLS, and count a record's instructions
	@Benchmarks/tls/run

bench-wire: ## count instructions and allocations of a request, and of a route's match, and hold them to their bounds
	@Benchmarks/wire/run

bench-http: ## measure HTTP/1.1, HTTP/2 and gRPC beside the same peers (needs root)
	@Benchmarks/run --only http --only http2 --only grpc $(ARGS)

demo: ## start a node and a small app and show the mesh at work (needs root); ARGS=--once ends by itself
	@deploy/demo/run $(ARGS)

fuzz: ## fuzz the parsers, TIME seconds each (60)
	@TIME="$(TIME)" Fuzz/run $(ARGS)

lint: ## check form: Swift format, shell scripts, licence lines, the systemd unit
	@scripts/lint

fmt: ## format the Swift files in place
	@scripts/lint --fix

reference: ## write the generated pages of docs/reference anew
	@scripts/reference $(ARGS)

man: ## write man pages into .build/man; make install takes them along
	@scripts/man debug

install: build ## install programs and the systemd unit under PREFIX (/usr/local)
	@DESTDIR="$(DESTDIR)" scripts/install "$(PREFIX)"

clean: ## remove what builds have left
	@rm -rf .build .build-* && echo "removed .build"
