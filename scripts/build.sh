#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Set a build folder up, if it is not, and compile.
#   build.sh DIR [--tests[=NAME,...]] [meson options...]
#                 --tests: only what the unit tests need, all or those named
#   build.sh --clean
set -euo pipefail
. "$(dirname "$0")/common.sh"
cd "$TOP"

if [ "${1:-}" = --clean ]; then
	rm -rf build build-asan build-tsan build-werror build-fuzz
	exit 0
fi
dir=${1:?usage: build.sh DIR [--tests[=NAME,...]] [meson options...]}
shift
tests=
if [[ "${1:-}" =~ ^--tests(=.*)?$ ]]; then
	tests=$1
	shift
fi
if [ ! -e "$dir/build.ninja" ]; then
	mkdir -p "$dir"
	meson setup "$dir" "$@" >"$dir/setup.log" 2>&1 || { cat "$dir/setup.log" >&2; die "meson setup $dir failed (above)"; }
fi
targets=()
case $tests in
--tests) targets=(meson-test-prereq) ;;
--tests=*)
	IFS=, read -ra names <<<"${tests#--tests=}"
	# The tests that meson.build has now, not when the folder was set up.
	ninja -C "$dir" --quiet build.ninja >"$dir/setup.log" || { cat "$dir/setup.log" >&2; exit 1; }
	programs=$(scripts/test_programs.py "$dir" "${names[@]}")
	mapfile -t targets <<<"$programs"
	;;
esac
ninja -C "$dir" --quiet "${targets[@]}" | { grep -vx 'ninja: no work to do.' || true; }
