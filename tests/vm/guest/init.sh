#!/bin/busybox sh
# SPDX-License-Identifier: BSD-3-Clause
# PID 1 of a test guest. The kernel's command line may carry ip=ADDRESS/LENGTH, or probe: say that
# this machine runs a guest, and end.
/bin/busybox mount -t devtmpfs dev /dev
exec </dev/console >/dev/console 2>&1
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
ip=10.9.0.2/24
for word in $(cat /proc/cmdline); do
	case $word in
	ip=*) ip=${word#ip=} ;;
	probe) echo GUEST-PROBED; poweroff -f ;;
	esac
done
echo "$ip" >/ip

# nic up|down: load or unload the driver and set the address; tests use it too.
cat >/bin/nic <<'NIC'
#!/bin/sh
case $1 in
up)
	for m in failover net_failover virtio_net e1000; do
		[ -e /lib/modules/$m.ko ] || continue
		[ -d /sys/module/$m ] || insmod /lib/modules/$m.ko || echo "GUEST-ERROR insmod $m"
	done
	n=0
	while [ ! -e /sys/class/net/eth0 ] && [ $n -lt 100 ]; do n=$((n + 1)); sleep 0.05; done
	ip addr add $(cat /ip) dev eth0
	ip link set eth0 up
	;;
down)
	ip link set eth0 down
	rmmod virtio_net
	;;
esac
NIC
chmod 755 /bin/nic

for m in virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci; do
	insmod /lib/modules/$m.ko || echo "GUEST-ERROR insmod $m"
done
ip link set lo up
nic up
agent serve &
read -r uptime _ </proc/uptime
echo "GUEST-UP $uptime"
# The harness sends a command a line. `read` and eval rather than an interactive shell: no prompt,
# no echo, no line editing.
stty -echo </dev/ttyS0
while :; do
	setsid sh -c 'while read -r line; do eval "$line"; done' </dev/ttyS0 >/dev/ttyS0 2>&1
done
