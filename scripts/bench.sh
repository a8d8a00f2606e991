#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# `make bench`: run every benchmark that the build made.
#   bench.sh BUILD_DIR
set -euo pipefail
. "$(dirname "$0")/common.sh"
cd "$TOP"

EAL=(--in-memory --no-pci --no-telemetry -m 512 --lcores 0@0)
kept=$(mktemp)
trap 'scripts/hugepages.sh return "$kept"; rm -f "$kept"' EXIT
scripts/hugepages.sh reserve 1024 "$kept"
found=0
for program in "${1:?usage: bench.sh BUILD_DIR}"/bench/*_bench; do
	[ -x "$program" ] || continue
	found=1
	title "== $(basename "$program")"
	"$program" "${EAL[@]}" --
done
[ $found = 1 ] || die "bench: this build made no benchmarks"
