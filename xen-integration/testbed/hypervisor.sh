#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Build Debian's Xen hypervisor with shadow paging, without which it cannot log the dirty pages of
# PV guests; Debian's own is built without. About 80 s on two cores; done once.
#   hypervisor.sh CACHE      (after packages.sh) then CACHE/xen-shadow is there
set -euo pipefail
CACHE=$(cd "${1:?usage: hypervisor.sh CACHE}" && pwd)
VERSION=4.17.5+72-g01140da4e8-1 # bookworm's; it runs with the newer tools of its updates

die() { echo "xen testbed: $*" >&2; exit 1; }

[ ! -e "$CACHE/xen-shadow" ] || exit 0
work=$CACHE/hypervisor
mkdir -p "$work"/{lists/partial,cache/archives/partial,tools}
cd "$work"

# A source list of this build's own: the machine's mirrors, their sources.
{
	cat /etc/apt/sources.list.d/*.sources 2>/dev/null | awk 'BEGIN { RS = ""; ORS = "\n\n" } /(^|\n)Types: deb(\n|$)/' |
		sed 's/^Types: deb$/Types: deb-src/; /^#/d' >sources.sources
	sed -n 's/^deb /deb-src /p' /etc/apt/sources.list 2>/dev/null >sources.list || true
}
list=sources.sources
[ -s "$list" ] || list=sources.list
[ -s "$list" ] || die "no Debian mirror in /etc/apt"
APT=(-o "Dir::Etc::sourcelist=$work/$list" -o Dir::Etc::sourceparts=/dev/null
	-o "Dir::State::lists=$work/lists" -o "Dir::Cache=$work/cache" -o APT::Sandbox::User=root)

# The tools that its build needs beside a compiler, unpacked and not installed.
if [ ! -e tools/usr/bin/bison ]; then
	(cd tools && apt-get -o APT::Sandbox::User=root download bison flex m4 libfl2 >/dev/null && for deb in *.deb; do dpkg -x "$deb" .; done)
fi
if [ ! -d source/xen ]; then
	apt-get "${APT[@]}" update >update.log 2>&1 || die "cannot read the mirror's sources: $work/update.log"
	apt-get "${APT[@]}" source --download-only "xen=$VERSION" >source.log 2>&1 || die "cannot fetch Xen's source: $work/source.log"
	dpkg-source -x xen_*.dsc source >unpack.log 2>&1 || die "cannot unpack Xen's source: $work/unpack.log"
fi
export PATH=$work/tools/usr/bin:$PATH BISON_PKGDATADIR=$work/tools/usr/share/bison
export M4=$work/tools/usr/bin/m4 LD_LIBRARY_PATH=$work/tools/usr/lib/x86_64-linux-gnu
build() { make -s XEN_TARGET_ARCH=x86_64 PYTHON=/usr/bin/python3 "$@" >>"$work/build.log" 2>&1 || die "Xen did not build: $work/build.log"; }
cd source/xen
sed 's/^# CONFIG_SHADOW_PAGING is not set/CONFIG_SHADOW_PAGING=y/' "$CACHE"/stage/boot/xen-4.17-amd64.config >.config
build olddefconfig
grep -q '^CONFIG_SHADOW_PAGING=y' .config || die "Xen's configuration lost CONFIG_SHADOW_PAGING"
build -j"$(nproc)" XEN_BUILD_DATE=now XEN_COMPILE_DATE=now xen
cp xen "$CACHE/xen-shadow"
echo "xen testbed: built the hypervisor with shadow paging"
