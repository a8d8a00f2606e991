# SPDX-License-Identifier: BSD-3-Clause
# A thin front for meson, the scripts and the tests. `make help` lists the targets.

PREFIX ?= /usr/local
# Not lib64 or lib/TRIPLET, between which meson guesses: this one the loader always knows.
LIBDIR ?= lib
DESTDIR ?=
BUILD := build

.DEFAULT_GOAL := help
.PHONY: help deps build demo failover-demo xen-demo check fuzz bench install deb deb-check clean distclean

# make fuzz: seconds for each target, and which (default: all). ONLY: of make bench too
T ?= 60
ONLY ?=

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

deps: ## install the Debian packages that are missing (root)
	@scripts/deps.sh

build: ## build the daemon, renicctl and librenic into build/
	@scripts/deps.sh build
	@scripts/build.sh $(BUILD)

demo: ## a real Linux guest whose frames leave when its checkpoint is committed (root)
	@scripts/demo.sh

failover-demo: ## two hosts: a guest and its TCP transfer outlive kill -9 of all on one (root)
	@scripts/failover_demo.sh

xen-demo: ## two nested Xen hosts: a PV guest and its TCP transfer outlive kill -9 of one (root)
	@scripts/xen_demo.sh

check: ## every test: unit, sanitizers, functional, VM, warnings as errors (root)
	@scripts/check.sh

fuzz: ## hostile input for T=60 seconds a target (clang; tests/fuzz)
	@scripts/deps.sh fuzz
	@scripts/fuzz.sh $(T) $(ONLY)

bench: build ## measure beside testpmd and OVS, on two cores, into build-bench/ (root; ONLY=case)
	@scripts/deps.sh bench
	@scripts/bench.sh $(BUILD) $(ONLY)

install: build ## install under DESTDIR and PREFIX (default /usr/local)
	@meson configure $(BUILD) -Dprefix=$(PREFIX) -Dlibdir=$(LIBDIR) >/dev/null
	@DESTDIR=$(abspath $(DESTDIR)) meson install -C $(BUILD)
	@[ -n "$(DESTDIR)" ] || ldconfig

deb: ## build the Debian packages into build-deb/
	@scripts/deps.sh deb
	@scripts/deb.sh

deb-check: ## build them, then install, start, upgrade and purge them in a chroot (root)
	@scripts/deps.sh deb
	@scripts/deb.sh check

clean: ## remove what was built; the guest's kernel is kept
	@scripts/build.sh --clean

distclean: ## remove every build folder
	@rm -rf build build-*
