#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# `make bench`: the egress log alone (bench/egress_log_bench), then the daemon beside its peers
# (bench/run.py), into build-bench/.
#   bench.sh BUILD_DIR [CASE...]     cases: those whose name contains the word; default: all
set -euo pipefail
. "$(dirname "$0")/common.sh"
cd "$TOP"

need_root "make bench" bench
build=${1:?usage: bench.sh BUILD_DIR [CASE...]}
shift
[ -x "$build/bench/pktgen/renic-pktgen" ] || die "bench: $build has no renic-pktgen"
[ "$(nproc)" -ge 2 ] || die "bench: two cores are needed, one for the daemon and one for the generator"
kept=$(mktemp)
trap 'scripts/hugepages.sh return "$kept"; rm -f "$kept"' EXIT
scripts/hugepages.sh reserve 4096 "$kept"

words=()
for name in "$@"; do words+=(-k "$name"); done
if [ $# = 0 ]; then
	mkdir -p build-bench
	title "== egress_log_bench"
	"$build/bench/egress_log_bench" --in-memory --no-pci --no-telemetry -m 512 --lcores 0@1 -- -r 3 -t 0.3 |
		tee build-bench/egress_log.txt
fi
RENICD=$build python3 bench/run.py "${words[@]}"
