#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Fetch and unpack, without installing anything, what a Xen host of the testbed consists of.
#   packages.sh CACHE        then CACHE/stage is the root of it, CACHE/version its kernel's version
set -euo pipefail
CACHE=${1:?usage: packages.sh CACHE}
mkdir -p "$CACHE/debs"
CACHE=$(cd "$CACHE" && pwd)
APT=(-o APT::Sandbox::User=root)

die() { echo "xen testbed: $*" >&2; exit 1; }

# The newest kernel that the metapackage names.
kernel_package() {
	LC_ALL=C apt-cache depends linux-image-amd64 2>/dev/null |
		awk '$1 == "Depends:" && $2 ~ /^linux-image-[0-9]/ { print $2; exit }'
}

[ ! -e "$CACHE/stage.done" ] || exit 0
[ -n "$(kernel_package)" ] || apt-get update >/dev/null 2>&1 || die "apt-get update failed: is a Debian mirror reachable?"
kernel=$(kernel_package)
[ -n "$kernel" ] || die "no linux-image-amd64 in the package lists"

# Xen's tools with the libraries that they load, the kernel, and what dom0 and the guests run.
PACKAGES=("$kernel" xen-hypervisor-4.17-amd64 xen-utils-4.17 xen-utils-common xenstore-utils
	libxenmisc4.17 libxencall1 libxenevtchn1 libxenforeignmemory1 libxengnttab1 libxenstore4
	libxentoollog1 libxentoolcore1 libxenhypfs1 libxendevicemodel1 libyajl2 busybox-static bash
	iproute2 libc6 libncurses6 libtinfo6 libuuid1 liblzma5 libzstd1 zlib1g libgcc-s1 libbz2-1.0
	liblzo2-2 libbsd0 libmd0 libmnl0 libcap2 libdb5.3 libelf1 libxtables12 libtirpc3 libbpf1
	libselinux1 libpcre2-8-0 libgssapi-krb5-2 libkrb5-3 libk5crypto3 libkrb5support0 libkeyutils1
	libcom-err2 libext2fs2 libblkid1)
cd "$CACHE/debs"
missing=()
for package in "${PACKAGES[@]}"; do
	compgen -G "${package}_*.deb" >/dev/null || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ] && ! apt-get "${APT[@]}" download "${missing[@]}" >/dev/null 2>&1; then
	apt-get update >/dev/null 2>&1 || true # the lists are older than the mirror
	apt-get "${APT[@]}" download "${missing[@]}" >/dev/null || die "cannot download ${missing[*]}"
fi

stage=$CACHE/stage
rm -rf "$stage"
mkdir -p "$stage"/usr/{bin,sbin,lib,lib64}
for dir in bin sbin lib lib64; do ln -s "usr/$dir" "$stage/$dir"; done
for deb in *.deb; do dpkg --fsys-tarfile "$deb" | tar -x --keep-directory-symlink -C "$stage"; done
basename "$kernel" | sed 's/^linux-image-//' >"$CACHE/version"
depmod -b "$stage" "$(cat "$CACHE/version")"
touch "$CACHE/stage.done"
echo "xen testbed: unpacked Xen 4.17 and $kernel"
