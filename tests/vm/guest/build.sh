#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Make the test guest: Debian's cloud kernel, unpacked and not installed, and an initramfs of
# busybox, the virtio modules and agent.c. Kept in CACHE; the kernel is fetched once.
#   build.sh CACHE [FLAVOUR]   then CACHE/vmlinuz, CACHE/initrd.gz and CACHE/colo_shim.so are there
# FLAVOUR amd64 instead of cloud-amd64: also e1000, which the cloud kernel lacks, and bonding.
set -euo pipefail
HERE=$(cd "$(dirname "$0")" && pwd)
CACHE=${1:?usage: build.sh CACHE [FLAVOUR]}
FLAVOUR=${2:-cloud-amd64}
mkdir -p "$CACHE"
CACHE=$(cd "$CACHE" && pwd)
exec 9>"$CACHE/.lock"
flock 9

die() { echo "guest image: $*" >&2; exit 1; }

# apt's dependency of the metapackage names the newest kernel, e.g. linux-image-6.1.0-40-cloud-amd64.
kernel_package() {
	LC_ALL=C apt-cache depends "linux-image-$FLAVOUR" 2>/dev/null |
		awk '$1 == "Depends:" && $2 ~ /^linux-image-[0-9]/ { print $2; exit }'
}

fetch_kernel() {
	local work=$CACHE/kernel.new package
	rm -rf "$work"
	mkdir "$work"
	package=$(kernel_package)
	if [ -z "$package" ] || ! (cd "$work" && apt-get -o APT::Sandbox::User=root download "$package") >/dev/null 2>&1; then
		# The package lists are missing or older than the mirror.
		apt-get update >/dev/null 2>&1 || die "apt-get update failed: is a Debian mirror reachable?"
		package=$(kernel_package)
		[ -n "$package" ] || die "no linux-image-$FLAVOUR in the package lists"
		(cd "$work" && apt-get -o APT::Sandbox::User=root download "$package") >/dev/null ||
			die "cannot download $package"
	fi
	dpkg -x "$work"/linux-image-*.deb "$work"
	rm "$work"/linux-image-*.deb
	rm -rf "$CACHE/kernel"
	mv "$work" "$CACHE/kernel"
	echo "guest image: unpacked $package"
}

build_initrd() {
	local version modules=("$@")
	root=$(mktemp -d)
	trap 'rm -rf "$root"' EXIT
	version=$(ls "$CACHE/kernel/lib/modules")
	mkdir -p "$root"/{bin,dev,proc,sys,tmp,lib/modules}
	cp "$(command -v busybox)" "$root/bin/busybox"
	ln -s busybox "$root/bin/sh"
	${CC:-gcc} -std=gnu17 -O2 -Wall -Wextra -Werror -static -s -o "$root/bin/agent" "$HERE/agent.c"
	for module in "${modules[@]}"; do
		cp "$CACHE/kernel/lib/modules/$version/kernel/$module.ko" "$root/lib/modules/"
	done
	install -m 755 "$HERE/init.sh" "$root/init"
	(cd "$root" && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0) | gzip -1 >"$CACHE/initrd.new"
	mv "$CACHE/initrd.new" "$CACHE/initrd.gz"
	cp "$CACHE/kernel/boot/vmlinuz-$version" "$CACHE/vmlinuz"
}

[ -e "$CACHE/kernel/boot" ] || fetch_kernel
up_to_date=yes
for source in "$HERE"/colo_shim.c "$HERE"/agent.c "$HERE"/init.sh "$HERE"/build.sh "$CACHE/kernel"; do
	[ "$CACHE/initrd.gz" -nt "$source" ] || up_to_date=no
done
[ $up_to_date = no ] || exit 0
${CC:-gcc} -std=gnu17 -O2 -Wall -Wextra -Werror -fPIC -shared -o "$CACHE/colo_shim.so" "$HERE/colo_shim.c"
modules=(drivers/virtio/virtio{,_ring,_pci,_pci_modern_dev,_pci_legacy_dev}
	drivers/net/{virtio_net,net_failover} net/core/failover)
[ "$FLAVOUR" != amd64 ] ||
	modules+=(drivers/net/ethernet/intel/e1000/e1000 net/tls/tls drivers/net/bonding/bonding)
build_initrd "${modules[@]}"
echo "guest image: $(du -h "$CACHE/initrd.gz" | cut -f1) initramfs, kernel $(ls "$CACHE/kernel/lib/modules")"
