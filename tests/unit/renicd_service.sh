#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The systemd unit as it is installed: systemd understands all of it, and rates its sandbox no
# worse than THRESHOLD (0 best, 100 worst).
#   renicd_service.sh UNIT RENICD      exit 77: skipped, no systemd here
set -euo pipefail

THRESHOLD=50
command -v systemd-analyze >/dev/null || exit 77
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Where it was built, as it need not be installed. systemd wants whole paths; meson gives others.
sed "s#^ExecStart=[^ ]*#ExecStart=$(realpath "$2")#" "$1" >"$work/renicd.service"
said=$(systemd-analyze verify --man=no "$work/renicd.service" 2>&1) || said+=" (status $?)"
[ -z "$said" ] || { echo "$said"; exit 1; }
systemd-analyze security --offline=yes --no-pager --threshold="$THRESHOLD" "$work/renicd.service" | tail -n 1
