#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Make the images of the testbed: dom0's initramfs with renicd and its tools, the guests' one, the
# kernel; and the two hypervisors. Fetched and built once; renicd's part is made again when it is
# newer.
#   images.sh CACHE BUILD     BUILD: where renicd was built
# Then CACHE has xen, xen-shadow, vmlinuz, vmlinux, dom0.cpio, domu.cpio.gz.
set -euo pipefail
HERE=$(cd "$(dirname "$0")" && pwd)
TESTS=$(cd "$HERE/../../tests" && pwd)
STOPS=$(cd "$HERE/../../bench/xen" && pwd)/stops.c
CACHE=${1:?usage: images.sh CACHE BUILD} BUILD=$(cd "${2:?usage: images.sh CACHE BUILD}" && pwd)
mkdir -p "$CACHE"
CACHE=$(cd "$CACHE" && pwd)
exec 9>"$CACHE/.lock"
flock 9
"$HERE/packages.sh" "$CACHE"
"$HERE/hypervisor.sh" "$CACHE"

stage=$CACHE/stage version=$(cat "$CACHE/version")
XEN=usr/lib/xen-4.17/bin
LIBS=$stage/usr/lib/x86_64-linux-gnu:$stage/usr/lib/xen-4.17/lib/x86_64-linux-gnu

up_to_date() { # FILE SOURCE...
	local file=$1 source
	shift
	for source in "$@"; do [ "$file" -nt "$source" ] || return 1; done
}

skeleton() { # ROOT
	rm -rf "$1"
	mkdir -p "$1"/usr/{bin,sbin,lib,lib64} "$1"/{dev,proc,sys,tmp,run,etc,root,share,var/lib,var/log/xen}
	local dir
	for dir in bin sbin lib lib64; do ln -s "usr/$dir" "$1/$dir"; done
	cp "$stage/bin/busybox" "$1/bin/"
	(cd "$1/bin" && for name in $(./busybox --list); do [ "$name" = busybox ] || ln -sf busybox "$name"; done)
	mknod "$1/dev/console" c 5 1
	mknod "$1/dev/null" c 1 3
}

modules() { # ROOT MODULE...
	local root=$1 file
	shift
	for module in "$@"; do modprobe -d "$stage" -S "$version" --show-depends "$module"; done |
		sed -n 's/^insmod \([^ ]*\).*/\1/p' | sort -u | while read -r file; do
		file=${file#"$stage"}
		mkdir -p "$root/$(dirname "$file")"
		cp "$stage/$file" "$root/$file"
	done
	cp "$stage/lib/modules/$version"/modules.{builtin,order,builtin.modinfo} "$root/lib/modules/$version/"
	depmod -b "$root" "$version"
}

# A program of the unpacked packages, with the libraries that it loads.
staged() { # ROOT FILE...
	local root=$1 file lib
	shift
	for file in "$@"; do
		mkdir -p "$root/$(dirname "$file")"
		cp -L --remove-destination "$stage/$file" "$root/$file" # not through a link to busybox
		{ "$stage/lib64/ld-linux-x86-64.so.2" --library-path "$LIBS" --list "$stage/$file" 2>/dev/null || true; } |
			sed -n 's/.*=> \(\/[^ ]*\) .*/\1/p' | while read -r lib; do
			mkdir -p "$root/$(dirname "${lib#"$stage"}")"
			cp -L "$lib" "$root/${lib#"$stage"}"
		done
	done
}

# A program of this machine's, with its libraries; those of the build go to /usr/lib.
ours() { # ROOT TARGET FILE
	local root=$1 lib at
	install -D "$3" "$root/$2"
	ldd "$3" | sed -n 's/.*=> \(\/[^ ]*\) .*/\1/p' | while read -r lib; do
		case $lib in /lib/* | /usr/lib/*) at=$root$lib ;; *) at=$root/usr/lib/$(basename "$lib") ;; esac
		mkdir -p "$(dirname "$at")"
		cp -L "$lib" "$at"
	done
}

pack() { (cd "$1" && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0); }

kernel() {
	up_to_date "$CACHE/vmlinux" "$CACHE/stage.done" "$HERE/images.sh" && return
	gunzip -c "$stage/boot/xen-4.17-amd64.gz" >"$CACHE/xen"
	cp "$stage/boot/vmlinuz-$version" "$CACHE/vmlinuz"
	# Guests start in 1 s with the ELF file that is inside the compressed image, in 8 with that.
	python3 - "$CACHE/vmlinuz" "$CACHE/vmlinux" <<'PY'
import lzma
import sys
image = open(sys.argv[1], "rb").read()
with open(sys.argv[2], "wb") as out:
    out.write(lzma.LZMADecompressor().decompress(image[image.index(b"\xfd7zXZ\0"):]))
PY
}

domu() {
	local root=$CACHE/domu.root
	up_to_date "$CACHE/domu.cpio.gz" "$CACHE/stage.done" "$HERE"/{images.sh,domu-init} "$TESTS"/{vm/guest/agent.c,xen/guest/hostile.c} "$STOPS" && return
	skeleton "$root"
	modules "$root" xen-netfront xen-gntalloc xen-evtchn 8021q
	${CC:-gcc} -std=gnu17 -O2 -static -s -o "$root/bin/agent" "$TESTS/vm/guest/agent.c"
	${CC:-gcc} -std=gnu17 -D_GNU_SOURCE -O2 -static -s -o "$root/bin/hostile" "$TESTS/xen/guest/hostile.c" \
		-lxenstore -lxengnttab -lxenevtchn -lxentoolcore -lxentoollog -lxencall
	${CC:-gcc} -std=gnu17 -O2 -static -s -o "$root/bin/stops" "$STOPS"
	install -m 755 "$HERE/domu-init" "$root/init"
	pack "$root" | gzip -1 >"$CACHE/domu.new"
	mv "$CACHE/domu.new" "$CACHE/domu.cpio.gz"
	rm -rf "$root"
}

dom0() {
	local root=$CACHE/dom0.root name pmds
	up_to_date "$CACHE/dom0.cpio" "$CACHE/stage.done" "$HERE"/{images.sh,dom0-init} "$HERE/../vif-renic" \
		"$BUILD/renicd/renicd" "$BUILD/cli/renicctl" "$BUILD/replicator/renic-remus" "$BUILD"/lib/librenic/librenic.so.*.* && return
	skeleton "$root"
	cp -L "$stage/lib64/ld-linux-x86-64.so.2" "$root/lib64/"
	staged "$root" bin/bash bin/ip "$XEN"/{xl,xenstored,xenconsoled,xenconsole,libxl-save-helper,xen-init-dom0} \
		usr/lib/x86_64-linux-gnu/lib{z.so.1,gcc_s.so.1} usr/lib/xen-common/bin/xen-utils-wrapper
	for name in "$stage"/usr/bin/xenstore*; do
		[ -L "$name" ] || staged "$root" "usr/bin/$(basename "$name")"
	done
	cp -a "$stage"/usr/bin/xenstore* "$root/usr/bin/"
	for name in xl xenstored xenconsoled; do ln -sf "/$XEN/$name" "$root/usr/sbin/$name"; done
	cp -a "$stage/etc/xen" "$root/etc/"
	cp -a "$stage/usr/lib/xen-common" "$root/usr/lib/"
	install -m 755 "$HERE/../vif-renic" "$root/etc/xen/scripts/vif-renic"
	ours "$root" usr/sbin/renicd "$BUILD/renicd/renicd"
	ours "$root" usr/bin/renicctl "$BUILD/cli/renicctl"
	# librenic is found beside the program that was built; drivers are loaded by DPDK itself.
	pmds=$(echo /usr/lib/x86_64-linux-gnu/dpdk/pmds-*)
	for name in net_af_packet net_null net_tap mempool_ring mempool_stack bus_vdev; do
		ours "$root" "$pmds/$(basename "$pmds"/librte_$name.so.*.*)" "$(ls "$pmds"/librte_$name.so.*.* | head -n 1)"
		(cd "$root/$pmds" && f=$(ls librte_$name.so.*.*) && ln -sf "$f" "${f%.*}")
	done
	ours "$root" usr/bin/renic-remus "$BUILD/replicator/renic-remus"
	modules "$root" xenfs xen-privcmd xen-gntdev xen-gntalloc xen-evtchn xen-netback 9p 9pnet_virtio \
		virtio_pci virtio_net virtio_console bridge tun af_packet
	install -m 755 "$HERE/dom0-init" "$root/init"
	pack "$root" >"$CACHE/dom0.new"
	mv "$CACHE/dom0.new" "$CACHE/dom0.cpio"
	rm -rf "$root"
}

kernel
domu
dom0
echo "xen testbed: dom0 $(du -h "$CACHE/dom0.cpio" | cut -f1), guests $(du -h "$CACHE/domu.cpio.gz" | cut -f1), kernel $version"
