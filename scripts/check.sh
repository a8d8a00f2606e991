#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# `make check`: all rungs of the ladder, each also when one below it failed; ends with the totals
# of all rungs in one line. A rung is a command that prints "name: N passed, N failed"; one that
# does not is itself one test.
#   check.sh [rung...]      default: all of  build werror unit sanitized tsan functional vm failover xen
#                           first_hour deb
set -uo pipefail
. "$(dirname "$0")/common.sh"
cd "$TOP" || exit 1

RUNGS=(build werror unit sanitized tsan functional vm failover xen first_hour deb)
# A rung that hangs is a failure, not a hang of the whole: how long each may take, seconds, and all
# of them together. Some twice of what they take on two cores that do nothing else.
declare -A LIMIT_S=([build]=400 [werror]=400 [unit]=300 [sanitized]=600 [tsan]=400
	[functional]=1100 [vm]=600 [failover]=600 [xen]=1500 [first_hour]=300 [deb]=600)
TOTAL_S=4200
HUGE_MIB=1536
passed=0 failed=0 skipped=0
running= # the rung at work: its timeout(1)
give_back() { scripts/hugepages.sh return "$work/hugepages"; }

export ASAN_OPTIONS=abort_on_error=0:detect_stack_use_after_return=1
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
export TSAN_OPTIONS=exitcode=66:history_size=7:print_suppressions=0:suppressions=$TOP/tests/tsan.supp

build() { scripts/build.sh build; }

# The release flags: other warnings than a sanitized build has.
werror() { scripts/build.sh build-werror -Dwerror=true; }

# unit_in DIR NAME [test...]
unit_in() {
	local dir=$1 name=$2
	shift 2
	rm -f "$dir/meson-logs/testlog.json"
	meson test -C "$dir" --no-rebuild --print-errorlogs --timeout-multiplier 4 "$@" >"$work/meson.log" 2>&1 ||
		tail -n 5 "$work/meson.log"
	scripts/unit_totals.py "$dir" "$name"
}

unit() { unit_in build unit; }

# Sanitized code that is optimized more, or tells more than lines, takes twice as long to compile.
SANITIZED=(-Doptimization=1 -Ddebug=true -Dc_args=-g1 -Db_lundef=false)

sanitized() {
	scripts/build.sh build-asan --tests "${SANITIZED[@]}" -Db_sanitize=address,undefined || return
	unit_in build-asan sanitized
}

# The tests in which threads meet: docs/threads.md.
TSAN_TESTS=(dirty_log lcore log_pool qp_2_lcores switch_2_lcores vf_2_lcores output_commit_2_lcores
	suspend_2_lcores protection_2_lcores group_inside_2_lcores replicator_2_lcores
	protection_model_2_lcores standby_2_lcores stress_device_2_lcores stress_device_3_lcores ask
	vhost_ring capture_ring metrics librenic_call librenic_checkpoint librenic_event
	control_server remus_staging)

tsan() {
	scripts/build.sh build-tsan --tests="$(IFS=, && echo "${TSAN_TESTS[*]}")" "${SANITIZED[@]}" \
		-Db_sanitize=thread || return
	unit_in build-tsan tsan "${TSAN_TESTS[@]}"
}

functional() { python3 tests/functional/run.py; }
vm() { python3 tests/vm/run.py; }
failover() { python3 tests/failover/run.py; }
xen() { python3 tests/xen/run.py; }
first_hour() { python3 tests/vm/first_hour.py; }
deb() { scripts/deps.sh deb && scripts/deb.sh check; }

# Seconds that rung $1 may take: its own limit, or what is left of the whole.
limit_s() {
	local left=$((TOTAL_S - SECONDS)) own=${LIMIT_S[$1]:-240}
	echo $((left < own ? left : own))
}

# In a process group of its own, which timeout(1) makes and ends: a hang's children end too.
rung() {
	local name=$1 started=$SECONDS limit status totals tee
	limit=$(limit_s "$name")
	title "== $name"
	mkfifo "$work/$name.pipe"
	tee "$work/$name.log" <"$work/$name.pipe" &
	tee=$!
	set -m # else what runs beside a script ignores SIGINT, and so do the daemons under test
	timeout -k 10 $((limit > 0 ? limit : 1)) "$0" --rung "$work" "$name" >"$work/$name.pipe" 2>&1 </dev/null &
	running=$!
	set +m
	wait "$running"
	status=$?
	running=
	wait "$tee"
	[ $status != 124 ] && [ $status != 137 ] || say "$name: no end after $limit s"
	totals=$(grep -oE "^$name: [0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?\$" "$work/$name.log" | tail -n 1)
	read -r p f s <<<"$(grep -oE '[0-9]+' <<<"$totals" | tr '\n' ' ')"
	p=${p:-0} f=${f:-0} s=${s:-0}
	if [ "$status" != 0 ] && [ "$f" = 0 ]; then
		f=1
	elif [ "$status" = 0 ] && [ -z "$totals" ]; then
		p=1
	fi
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
	summary+=("$(printf '%-11s %4d passed %3d failed  %4d s of %4d' "$name" "$p" "$f" $((SECONDS - started)) "$limit")")
}

# Ctrl-C reaches none that has a process group of its own: it is passed on, and waited for.
stop() {
	trap '' INT TERM HUP
	[ -z "$running" ] || { kill -"$1" "$running"; wait "$running"; }
	exit 130
}

if [ "${1:-}" = --rung ]; then # by rung() alone
	work=$2
	trap : INT TERM HUP # what runs gets them too, and is waited for while it cleans up
	"$3"
	exit
fi
need_root "make check" check
work=$(mktemp -d)
trap 'give_back; rm -rf "$work"' EXIT
for signal in INT TERM HUP; do
	trap "stop $signal" "$signal"
done
scripts/deps.sh check || exit 1
scripts/hugepages.sh reserve "$HUGE_MIB" "$work/hugepages" || exit 1
summary=()
[ $# -gt 0 ] || set -- "${RUNGS[@]}"
for name in "$@"; do
	[[ " ${RUNGS[*]} " == *" $name "* ]] || die "check: no rung '$name'; there are: ${RUNGS[*]}"
	rung "$name"
done

title "== totals"
give_back
printf '%s\n' "${summary[@]}"
totals="$passed passed, $failed failed"
[ "$skipped" = 0 ] || totals+=", $skipped skipped"
printf '%-36s %4d s of %4d\n' "" "$SECONDS" "$TOTAL_S"
echo "$totals"
[ "$failed" = 0 ]
