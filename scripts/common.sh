# SPDX-License-Identifier: BSD-3-Clause
# Sourced by the scripts here: where the repository is, and how a script talks to a person.
# Colours only where standard output is a terminal and NO_COLOR is not set.

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ] && [ "${TERM:-dumb}" != dumb ]; then
	BOLD=$'\e[1m' DIM=$'\e[2m' RED=$'\e[31m' GREEN=$'\e[32m' YELLOW=$'\e[33m' RESET=$'\e[0m'
else
	BOLD='' DIM='' RED='' GREEN='' YELLOW='' RESET=''
fi

say() { printf '%s\n' "$*"; }
title() { printf '\n%s%s%s\n' "$BOLD" "$*" "$RESET"; }
warn() { printf '%s%s%s\n' "$YELLOW" "$*" "$RESET" >&2; }
die() { printf '%s%s%s\n' "$RED" "$*" "$RESET" >&2; exit 1; }

need_root() {
	[ "$(id -u)" = 0 ] || die "$1 needs root: it makes network namespaces, taps and huge pages. Try: sudo make $2"
}
