# SPDX-License-Identifier: BSD-3-Clause
"""
Open vSwitch with DPDK as a peer: a private instance (database, run directory, sockets) with one
bridge of dpdkvhostuserclient ports and two flows a pair, polled on the target's core.
"""
import glob
import os
import shutil
import subprocess

from lib.check import wait_until
from lib.process import Process

from .case import Skip

DAEMONS = "/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk"
SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
INSTALL = "scripts/deps.sh bench installs it"


def missing():
    """Why OVS cannot be measured here, or None."""
    for path in (DAEMONS, SCHEMA):
        if not os.path.exists(path):
            return f"openvswitch-switch-dpdk is not installed ({INSTALL})"
    for program in ("ovsdb-tool", "ovs-vsctl", "ovs-ofctl"):
        if not shutil.which(program):
            return f"openvswitch-switch is not installed ({INSTALL})"
    return None


class Ovs:
    """One instance. uplink "null" or None; guests connect to, and it connects to, our sockets."""

    def __init__(self, env, uplink, guests=1, cpu=1):
        why = missing()
        if why:
            raise Skip(why)
        if uplink == "memif":
            raise Skip("OVS is not measured with a memif uplink")
        self.directory = os.path.join(env.directory, "ovs")
        os.makedirs(self.directory, exist_ok=True)
        self.env = env
        self.far_end = None
        self.sockets = os.path.join(env.directory, "ovs%d.sock")
        self.generator_words = [f"--sockets={self.sockets}", "--listen"]
        self._start_database()
        self._start_switch(cpu)
        self._add_ports(uplink, guests)

    def pids(self):
        """Processes to stop while another target is measured."""
        return [self.switch.pid]

    def _environment(self):
        return {**os.environ, "OVS_RUNDIR": self.directory, "OVS_LOGDIR": self.directory,
                "OVS_DBDIR": self.directory}

    def _run(self, *argv):
        subprocess.run(argv, check=True, env=self._environment(), stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, timeout=40)

    def _spawn(self, name, argv):
        process = Process(name, ["env", *(f"{key}={self.directory}" for key in
                                          ("OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR")), *argv],
                          self.directory)
        self.env.processes.append(process)
        self.env.stack.callback(process.end)
        return process

    @property
    def _database(self):
        return f"unix:{self.directory}/db.sock"

    def _vsctl(self, *words, wait=True):
        self._run("ovs-vsctl", f"--db={self._database}", "--timeout=30",
                  *([] if wait else ["--no-wait"]), *words)

    def _start_database(self):
        self._run("ovsdb-tool", "create", f"{self.directory}/conf.db", SCHEMA)
        self._spawn("ovsdb-server", ["ovsdb-server", f"{self.directory}/conf.db",
                                     f"--remote=p{self._database}", "--no-chdir"])
        wait_until(lambda: os.path.exists(f"{self.directory}/db.sock"), "ovsdb-server")
        self._vsctl("init", wait=False)

    def _start_switch(self, cpu):
        for key, value in {"dpdk-init": "true", "dpdk-lcore-mask": "0x1",
                           "pmd-cpu-mask": hex(1 << cpu), "dpdk-socket-mem": "512",
                           "dpdk-extra": "--no-pci --in-memory"}.items():
            self._vsctl("set", "Open_vSwitch", ".", f"other_config:{key}=\"{value}\"", wait=False)
        self.switch = self._spawn("ovs-vswitchd", [DAEMONS, self._database, "--no-chdir"])
        wait_until(lambda: glob.glob(f"{self.directory}/ovs-vswitchd*.ctl"), "ovs-vswitchd", 30)

    def _add_ports(self, uplink, guests):
        self._vsctl("add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=netdev")
        for i in range(guests):
            self._vsctl("add-port", "br0", f"vhost{i}", "--", "set", "Interface", f"vhost{i}",
                        "type=dpdkvhostuserclient", f"ofport_request={i + 1}",
                        f"options:vhost-server-path={self.sockets % i}")
        flows = [(i + 1, (i ^ 1) + 1) for i in range(guests)]
        if uplink:
            self._vsctl("add-port", "br0", "uplink", "--", "set", "Interface", "uplink",
                        "type=dpdk", "ofport_request=100",
                        "options:dpdk-devargs=net_null0,no-rx=1")
            flows = [(i + 1, 100) for i in range(guests)]
        socket = f"unix:{self.directory}/br0.mgmt"
        self._run("ovs-ofctl", "del-flows", socket)
        for source, to in flows:
            self._run("ovs-ofctl", "add-flow", socket, f"in_port={source},actions=output:{to}")
