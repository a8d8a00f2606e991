#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# What bash offers for the last word of a command line:  man_completion.sh COMPLETION WORD...
# renicctl itself is none here, so that no daemon of this machine is asked.
renicctl() { false; }
. "$1"
shift
COMP_WORDS=(renicctl "$@")
COMP_CWORD=$#
_renicctl
printf '%s\n' "${COMPREPLY[@]}"
