#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The packages' life in a Debian of their own: installed, started, upgraded under a running daemon,
# removed, purged; afterwards no file is there that was not there before.
# scripts/deb.sh runs it in namespaces of its own:  run.sh BUILD_DEB
set -euo pipefail

out=$1
root=$out/root
mkdir -p "$out/layer" "$root"
mount -t tmpfs layer "$out/layer"
mkdir "$out/layer/upper" "$out/layer/work"
mount -t overlay -o "lowerdir=$out/chroot,upperdir=$out/layer/upper,workdir=$out/layer/work" root "$root"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount -t tmpfs dev "$root/dev"
for node in null zero random urandom tty; do
	touch "$root/dev/$node"
	mount --bind "/dev/$node" "$root/dev/$node"
done
mkdir "$root/dev/hugepages" "$root/dev/shm"
mount -t hugetlbfs -o pagesize=2M none "$root/dev/hugepages"
mount -t tmpfs run "$root/run"
mkdir "$root/run/mount" # umount(8) makes it where it is not
cp "$out"/*.deb "$root/root/"

fail() { echo "deb: $*" >&2; exit 1; }
inside() { DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 chroot "$root" "$@"; }
files() { (cd "$root" && find . -xdev ! -path './var/log/*' ! -path './var/cache/*' ! -path './var/lib/dpkg/*' \
	! -path './var/lib/apt/*' ! -path './root/*' ! -path './etc/ld.so.cache' ! -path './tmp/*' | sort; ls "$root/run" "$root/dev/hugepages"); }
answers() {
	for _ in $(seq 100); do
		inside renicctl version >/dev/null 2>&1 && return
		sleep 0.1
	done
	cat "$out/renicd.log" >&2
	fail "renicd does not answer"
}
start() {
	chroot "$root" renicd -c /etc/renicd.json >"$out/renicd.log" 2>&1 &
	pid=$!
	answers
}
stop() { kill "$pid"; wait "$pid" || fail "renicd ended with status $?"; }

files >"$out/before"
inside sh -c 'dpkg -i /root/librenic0_*.deb /root/librenic-dev_*.deb /root/renicd_*.deb' >"$out/install.log" 2>&1 ||
	{ tail -n 20 "$out/install.log" >&2; fail "installation"; }
echo "ok installed"

inside renicd -t -c /etc/renicd.json
inside sh -c 'pkgconf --version >/dev/null 2>&1 || true; test -e /lib/systemd/system/renicd.service -a -e /usr/include/renic.h'
for page in man1/renicctl.1 man3/librenic.3 man7/renic-protocol.7 man8/renicd.8; do
	[ -e "$root/usr/share/man/$page.gz" ] || [ -e "$out/chroot/etc/dpkg/dpkg.cfg.d/docker" ] || fail "no manual page $page"
done
start
inside renicctl vf create vm1 >/dev/null
[ "$(inside renicctl -j vf list | grep -c '"vm1"')" = 1 ] || fail "no VF"
inside test -S /run/renicd/metrics.sock || fail "no metrics"
echo "ok started"

# An upgrade unpacks the new program under the running one, which is then restarted.
inside sh -c 'dpkg -i /root/renicd_*.deb' >"$out/upgrade.log" 2>&1 || fail "upgrade: $out/upgrade.log"
answers
stop
start
[ "$(inside renicctl -j vf list | grep -c '"vm1"')" = 1 ] || fail "the VF did not come back"
stop
echo "ok upgraded"

# As the unit does where /dev/hugepages has pages of another size.
mkdir "$root/run/renicd/hugepages"
mount -t hugetlbfs -o pagesize=2M renicd "$root/run/renicd/hugepages"
inside apt-get remove -y -qq renicd >"$out/remove.log" 2>&1 || fail "removal"
inside test -e /etc/renicd.json || fail "removal took the configuration"
inside apt-get purge -y -qq renicd librenic0 librenic-dev >>"$out/remove.log" 2>&1 || fail "purge"
files >"$out/after"
diff "$out/before" "$out/after" >&2 || fail "files left behind, or missing (above)"
echo "ok purged"
echo "deb: 4 passed, 0 failed"
