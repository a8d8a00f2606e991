#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Rules of qemu-integration/renic-qemu: what it starts, and what it refuses to start.
#   renic_qemu.sh RENIC-QEMU
set -uo pipefail
renic_qemu=$1
failed=0

fail() { echo "FAILED: $*"; failed=1; }

# starts WORD ARGUMENT...: the command has that word
starts() {
	local word=$1
	shift
	"$renic_qemu" --print "$@" | tr -d '\\' | grep -qF -- "$word" || fail "no '$word' with: $*"
}

# refuses TEXT ARGUMENT...: status 2, and the message has that text
refuses() {
	local text=$1 output status
	shift
	output=$("$renic_qemu" --print "$@" 2>&1)
	status=$?
	[ $status = 2 ] || fail "status $status with: $*"
	grep -qF -- "$text" <<<"$output" || fail "no '$text' in '$output' with: $*"
}

vm=(-n vm1 -m 192M --accel tcg)
vf=(--vf /run/vm1.sock,mac=52:54:00:00:00:02)

# What a checkpoint needs.
starts 'migration.send-configuration=off' "${vm[@]}"
starts 'suppress-vmdesc=on' "${vm[@]}"
starts 'memory-backend-memfd,id=mem,size=192M,share=on' "${vm[@]}"
starts 'memory-backend-file,id=mem,size=192M,share=on,mem-path=/huge' "${vm[@]}" --hugepages /huge
starts 'unix:/run/renic-qemu/vm1.remus.qmp,server=on,wait=off' "${vm[@]}"

# NICs; MSI-X only with KVM.
starts 'socket,id=vf0,path=/run/vm1.sock,server=on,wait=off' "${vm[@]}" "${vf[@]}"
starts 'mac=52:54:00:00:00:02,romfile=,disable-modern=on,disable-legacy=off,vectors=0' "${vm[@]}" "${vf[@]}"
"$renic_qemu" --print -n vm1 -m 1G --accel kvm "${vf[@]}" | grep -q 'vectors=0' && fail "vectors=0 with KVM"
starts 'netdev=net1,mac=52:54:00:00:00:03' "${vm[@]}" "${vf[@]}" --vf /run/x.sock,mac=52:54:00:00:00:03
starts 'mq=on' "${vm[@]}" --vf /run/x.sock,mac=52:54:00:00:00:03,queues=2
"$renic_qemu" --print "${vm[@]}" "${vf[@]},modern=on" | grep -q disable-modern && fail "modern=on is not"

# The two sides are the same machine, but for how they begin.
primary=$("$renic_qemu" --print "${vm[@]}" "${vf[@]}" -- -kernel k)
standby=$("$renic_qemu" --print "${vm[@]}" "${vf[@]}" --standby -- -kernel k)
[ "${standby/-S -incoming defer /}" = "$primary" ] || fail "the standby is another machine: $standby"

# What cannot be protected is named.
refuses 'vfio-pci,host=01:00.0' "${vm[@]}" -- -device vfio-pci,host=01:00.0
refuses 'usb-host' "${vm[@]}" -- -device usb-host,vendorid=1
refuses 'a balloon' "${vm[@]}" -- -device virtio-balloon-pci,id=b
refuses 'video memory' "${vm[@]}" -- -vga std
refuses 'video memory' "${vm[@]}" -- -device virtio-vga
refuses '--shared-disks' "${vm[@]}" -- -drive file=x
starts 'file=x' "${vm[@]}" --shared-disks -- -drive file=x
refuses "renic-qemu's own" "${vm[@]}" -- -incoming tcp:0:1
refuses 'mac= is missing' "${vm[@]}" --vf /run/x.sock
refuses "unknown 'mtu=9000'" "${vm[@]}" --vf /run/x.sock,mac=52:54:00:00:00:03,mtu=9000
refuses "unknown 'modern=yes'" "${vm[@]}" "${vf[@]},modern=yes"
refuses '--name' -m 1G
refuses '--memory' -n vm1 -m lots
refuses "unknown option '--wat'" "${vm[@]}" --wat
refuses 'needs a value' -n

[ $failed = 0 ] && echo "all as it should be"
exit $failed
