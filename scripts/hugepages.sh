#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# 2 MiB huge pages, which DPDK keeps its buffers in and renicd its egress logs.
#   hugepages.sh reserve MIB [FILE]   see to it that MIB are free; how many pages were added goes
#                                     to FILE, for `return`
#   hugepages.sh return FILE          give back what `reserve` added, as far as it is free
#   hugepages.sh show
set -euo pipefail
. "$(dirname "$0")/common.sh"

field() { awk -v f="$1:" '$1 == f { print $2 }' /proc/meminfo; }
total() { cat /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages; }
free_pages() { cat /sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages; }
# The kernel finds what it can and says nothing when that is less than was asked for.
set_total() { echo "$1" >/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages; }

reserve() {
	local want=$(($1 / 2)) file=${2:-} had free got
	[ -d /sys/kernel/mm/hugepages/hugepages-2048kB ] || die "hugepages: this kernel has no 2 MiB pages"
	had=$(total) free=$(free_pages)
	[ -z "$file" ] || echo 0 >"$file"
	if [ "$free" -ge "$want" ]; then
		say "hugepages: $free of $had 2 MiB pages are free, $want are needed"
		return
	fi
	[ "$(id -u)" = 0 ] || die "hugepages: $want free 2 MiB pages are needed, $free are. As root: scripts/hugepages.sh reserve $1"
	set_total $((had + want - free)) 2>/dev/null || true
	if [ "$(free_pages)" -lt "$want" ]; then
		# Memory is there but in pieces: let the kernel put it together, then ask again.
		echo 1 >/proc/sys/vm/compact_memory 2>/dev/null || true
		set_total $((had + want - free)) 2>/dev/null || true
	fi
	got=$(($(total) - had))
	[ -z "$file" ] || echo "$got" >"$file"
	if [ "$(free_pages)" -ge "$want" ]; then
		say "hugepages: reserved $got more 2 MiB pages ($had before): $want are free, as needed"
		return
	fi
	set_total "$had" 2>/dev/null || true
	[ -z "$file" ] || echo 0 >"$file"
	die "hugepages: refused: only $((free + got)) of $want free pages could be had, so none were kept.
  Memory available: $(($(field MemAvailable) / 1024)) MiB; $((want * 2)) MiB in 2 MiB pieces are needed.
  Close large programs and try again; or reserve at boot, when memory is whole:
  add 'hugepages=$((had + want - free))' to the kernel's command line (GRUB_CMDLINE_LINUX in /etc/default/grub)
  and run update-grub. In a container or small VM, reserve them on its host."
}

give_back() {
	local added now
	added=$(cat "$1" 2>/dev/null || true)
	added=${added:-0}
	[ "$added" -gt 0 ] || return 0
	now=$(total)
	set_total $((now > added ? now - added : 0)) 2>/dev/null || return 0
	echo 0 >"$1"
	say "hugepages: gave back the $added pages that were added"
}

case ${1:-} in
	reserve) [[ ${2:-} =~ ^[0-9]+$ ]] || die "usage: hugepages.sh reserve MIB [FILE]"; reserve "$2" "${3:-}" ;;
	return) [ -n "${2:-}" ] || die "usage: hugepages.sh return FILE"; give_back "$2" ;;
	show) say "hugepages: $(free_pages) of $(total) 2 MiB pages are free" ;;
	*) die "usage: hugepages.sh reserve MIB [FILE] | return FILE | show" ;;
esac
