#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Install, by name, the Debian packages that are missing; nothing is fetched when all are there,
# so that a second run is quick and works offline.
#   deps.sh          build, demo
#   deps.sh check    all that `make check` needs: also Xen guests and the nested Xen hosts
#   deps.sh build    only what the compiler needs
#   deps.sh fuzz     what the compiler and the fuzzers need
#   deps.sh deb      what the compiler and the Debian packages need
#   deps.sh bench    build, and the benchmarks' peers and plots
set -euo pipefail
. "$(dirname "$0")/common.sh"

BUILD=(gcc libc6-dev make meson ninja-build pkg-config libdpdk-dev libjansson-dev libpcap-dev
	libcmocka-dev liblz4-dev libssl-dev)
# The guest (kernel, QEMU, busybox), peers (dpdk-testpmd) and tools of the tests and the demo.
RUN=(dpdk dpdk-dev qemu-system-x86 busybox-static cpio gzip python3 iproute2 iperf3 iputils-ping procps
	kmod util-linux systemd python3-prometheus-client tcpdump openssl mandoc groff-base curl
	libvirt-clients libvirt-daemon libvirt-daemon-driver-qemu)
# libFuzzer and its sanitizers' runtime: `make fuzz` only, as nothing else needs clang.
FUZZ=(clang libclang-rt-14-dev llvm)
# Peers beside testpmd and QEMU, and plots: `make bench` only.
BENCH=(openvswitch-switch-dpdk gnuplot-nox iperf3 ethtool)

# Packages, and a Debian to try them in: `make deb` and `make deb-check` only.
DEB=(debhelper debootstrap fakeroot dpkg-dev)

# Xen's libraries, and what builds the nested hosts' hypervisor: `make check` and `make xen-demo`.
XEN=(libxen-dev dpkg-dev libc6-dev zlib1g-dev)

missing() {
	local have p
	have=$(dpkg-query -W -f='${Package} ${db:Status-Status}\n' "$@" 2>/dev/null || true)
	for p in "$@"; do
		grep -qx "$p installed" <<<"$have" || echo "$p"
	done
}

case ${1:-all} in
	bench) WANT=("${BUILD[@]}" "${RUN[@]}" "${BENCH[@]}") ;;
	fuzz) WANT=("${BUILD[@]}" "${FUZZ[@]}") ;;
	build) WANT=("${BUILD[@]}") ;;
	check) WANT=("${BUILD[@]}" "${RUN[@]}" "${XEN[@]}") ;;
	deb) WANT=("${BUILD[@]}" "${DEB[@]}") ;;
	all) WANT=("${BUILD[@]}" "${RUN[@]}") ;;
	*) die "usage: deps.sh [build|check|fuzz|bench|deb|all]" ;;
esac

if ! command -v apt-get >/dev/null; then
	warn "deps: no apt-get here (this is written for Debian 12). Needed by hand: ${WANT[*]}"
	exit 0
fi
mapfile -t MISSING < <(missing "${WANT[@]}")
if [ ${#MISSING[@]} = 0 ]; then
	say "deps: all ${#WANT[@]} packages are installed"
	exit 0
fi
[ "$(id -u)" = 0 ] || die "deps: missing ${MISSING[*]}. As root: apt-get install ${MISSING[*]}"

say "deps: installing ${MISSING[*]}"
export DEBIAN_FRONTEND=noninteractive
LOG=$(mktemp)
trap 'rm -f "$LOG"' EXIT
run() {
	"$@" >"$LOG" 2>&1 </dev/null || { tail -n 15 "$LOG" >&2; die "deps: '$1 $2' failed (above). Is a Debian mirror reachable?"; }
}
run apt-get update
run apt-get install -y --no-install-recommends "${MISSING[@]}"
mapfile -t MISSING < <(missing "${WANT[@]}")
[ ${#MISSING[@]} = 0 ] || die "deps: still missing: ${MISSING[*]}"
say "deps: done"
