#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The Debian packages of what is committed and of what is not: build-deb/*.deb.
#   deb.sh           build them
#   deb.sh recheck   try those that are there (root)
#   deb.sh check     build, and install, start, upgrade and purge them in a Debian of their own (root, a
#                    mirror the first time): build-deb/chroot is kept, changes to it are not
set -euo pipefail
. "$(dirname "$0")/common.sh"
cd "$TOP"

OUT=$TOP/build-deb
MIRROR=${DEBIAN_MIRROR:-http://deb.debian.org/debian}

build() {
	local version
	rm -rf "$OUT/src" "$OUT"/*.deb "$OUT"/*.buildinfo "$OUT"/*.changes "$OUT"/*.ddeb
	mkdir -p "$OUT/src"
	git ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' f; do
		[ ! -e "$f" ] || printf '%s\0' "$f"
	done | tar --null -T - -c | tar -x -C "$OUT/src"
	(cd "$OUT/src" && dpkg-buildpackage -us -uc -b -rfakeroot >"$OUT/build.log" 2>&1) ||
		{ tail -n 30 "$OUT/build.log" >&2; die "deb: the build failed (all of it: $OUT/build.log)"; }
	version=$(dpkg-parsechangelog -l debian/changelog -S Version)
	say "deb: $(cd "$OUT" && echo *_"${version}"_*.deb)"
	! grep -q "^dh_missing: warning" "$OUT/build.log" || warn "$(grep "^dh_missing: warning" "$OUT/build.log")"
}

# A Debian with what the packages depend on, made once.
chroot_make() {
	[ ! -e "$OUT/chroot/.ready" ] || return 0
	say "deb: debootstrap (once; a few minutes)"
	[ -e "$OUT/chroot/etc/debian_version" ] ||
		debootstrap --variant=minbase bookworm "$OUT/chroot" "$MIRROR" >"$OUT/debootstrap.log" 2>&1 ||
		die "deb: debootstrap failed: $OUT/debootstrap.log"
	cp "$OUT"/*.deb "$OUT/chroot/root/"
	# Their dependencies, and not they: the packages are what is tested.
	in_chroot "$OUT/chroot" 'apt-get update -qq && apt-get install -y -qq --no-install-recommends /root/*.deb &&
		apt-get purge -y -qq renicd librenic0 librenic-dev && rm /root/*.deb' >"$OUT/chroot.log" 2>&1 ||
		die "deb: dependencies: $OUT/chroot.log"
	touch "$OUT/chroot/.ready"
}

in_chroot() {
	local root=$1
	shift
	DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 chroot "$root" sh -c "$@"
}

# In a mount and PID namespace, on a layer above the chroot that goes with it.
check() {
	chroot_make
	unshare --mount --pid --net --fork --kill-child --propagation private \
		"$TOP/tests/deb/run.sh" "$OUT" || die "deb: the packages failed"
}

case ${1:-build} in
	build) build ;;
	check) need_root "make deb-check" deb-check; build; check ;;
	recheck) need_root "deb.sh recheck" deb-check; check ;;
	*) die "usage: deb.sh [check|recheck]" ;;
esac
