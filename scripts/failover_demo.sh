#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# `make failover-demo`: set everything up on a fresh Debian 12, then show a guest that outlives its
# host (failover_demo.py). Cleans up after itself; exit status 0 only if each step was seen.
set -euo pipefail
. "$(dirname "$0")/common.sh"
cd "$TOP"

HUGE_MIB=768
need_root "make failover-demo" failover-demo
kept=$(mktemp)
trap 'scripts/hugepages.sh return "$kept"; rm -f "$kept"' EXIT
trap 'exit 130' INT TERM

title "Setting up"
scripts/deps.sh
say "build: compiling into build/ (the first time takes a minute)"
scripts/build.sh build
scripts/hugepages.sh reserve "$HUGE_MIB" "$kept"
tests/vm/guest/build.sh build-vm
python3 scripts/failover_demo.py
