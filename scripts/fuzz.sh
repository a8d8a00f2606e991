#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# `make fuzz [T=seconds] [ONLY=target]`: libFuzzer over every target of tests/fuzz, one after the
# other, with ASan and UBSan, T seconds each. It begins with the committed corpus; what it learns
# and what it finds is kept in build-fuzz/finds, named at the end.
#   fuzz.sh [seconds [target...]]
set -uo pipefail
. "$(dirname "$0")/common.sh"
cd "$TOP" || exit 1

command -v clang >/dev/null || die "fuzz: no clang here; scripts/deps.sh installs it"
seconds=${1:-60}
[[ $seconds =~ ^[1-9][0-9]*$ ]] || die "usage: fuzz.sh [seconds [target...]]"
shift $(($# > 0))
finds=$TOP/build-fuzz/finds

if [ ! -e build-fuzz/build.ninja ]; then
	mkdir -p build-fuzz
	CC=clang meson setup build-fuzz -Dfuzz=true -Dbuildtype=debugoptimized \
		-Db_sanitize=address,undefined -Db_lundef=false >build-fuzz/setup.log 2>&1 ||
		{ cat build-fuzz/setup.log >&2; die "fuzz: meson setup failed (above)"; }
fi
ninja -C build-fuzz --quiet fuzz-targets >build-fuzz/build.log || { cat build-fuzz/build.log; exit 1; }
if [ $# = 0 ]; then
	for folder in tests/fuzz/corpus/*/; do set -- "$@" "$(basename "$folder")"; done
fi

export ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
bad=0
for name in "$@"; do
	[ -x "build-fuzz/tests/fuzz/fuzz_$name" ] || die "fuzz: no target '$name'"
	mkdir -p "$finds/$name/corpus"
	dict=
	[ ! -e "tests/fuzz/$name.dict" ] || dict=-dict=tests/fuzz/$name.dict
	title "== $name, $seconds s"
	# -rss_limit_mb: the address space that DPDK and the sanitizers take is not counted.
	nice -n 10 timeout -k 10 $((seconds + 60)) "build-fuzz/tests/fuzz/fuzz_$name" \
		-max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=8192 \
		$dict -print_final_stats=1 -artifact_prefix="$finds/$name/" \
		"$finds/$name/corpus" "tests/fuzz/corpus/$name" >"$finds/$name/log" 2>&1 ||
		{ bad=$((bad + 1)); tail -n 40 "$finds/$name/log"; }
	grep -E '^stat::(number_of_executed_units|average_exec_per_sec|peak_rss_mb)|^#.*DONE' "$finds/$name/log"
done
say "fuzz: $# targets, $bad with finds; logs, inputs and what was learnt: $finds"
[ "$bad" = 0 ]
