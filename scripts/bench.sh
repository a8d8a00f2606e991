#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# `make bench`: run every benchmark that the build made.
#   bench.sh BUILD_DIR
set -euo pipefail
. "$(dirname "$0")/common.sh"
cd "$TOP"
found=0
for program in "${1:?usage: bench.sh BUILD_DIR}"/bench/*_bench; do
	[ -x "$program" ] || continue
	found=1
	title "== $(basename "$program")"
	"$program"
done
[ $found = 1 ] || die "bench: this build made no benchmarks"
