#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The systemd unit as it is installed: systemd understands all of it, and rates its sandbox no
# worse than THRESHOLD (0 best, 100 worst). What it does before the start mounts a hugetlbfs where
# renicd finds none (as root).
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

[ "$(id -u)" = 0 ] || exit 0
PREPARE=$(sed -n "s/^ExecStartPre=-+\/bin\/sh -c '\(.*\)'\$/\1/p" "$1") # as systemd gives it to sh
[ -n "$PREPARE" ] || { echo "no ExecStartPre= that mounts"; exit 1; }

# expect 0|1 WHEN: so many mounts of the unit's own, after it ran
expect() {
	local mounted
	sh -c "$PREPARE"
	mounted=$(awk '$2 == "/run/renicd/hugepages" && $3 == "hugetlbfs"' /proc/self/mounts | wc -l)
	[ "$mounted" = "$1" ] || { echo "$mounted mounts, expected $1 $2"; exit 1; }
}

prepare() {
	awk '$3 == "hugetlbfs" { print $2 }' /proc/self/mounts | xargs -r umount -l
	mount -t tmpfs run /run
	expect 1 "where there is no hugetlbfs"
	expect 1 "at the second start"
	umount /run/renicd/hugepages
	mkdir /run/pages /run/hugetlbfs
	mount -t hugetlbfs -o pagesize=2M none /run/hugetlbfs
	expect 1 "beside what another renicd mounted for itself"
	umount /run/renicd/hugepages
	mount -t hugetlbfs -o pagesize=2M none /run/pages
	expect 0 "beside another hugetlbfs"
}

export PREPARE
export -f expect prepare
unshare --mount --propagation private bash -euo pipefail -c prepare
