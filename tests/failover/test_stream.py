# SPDX-License-Identifier: BSD-3-Clause
"""What goes over the replication cable: damaged data, and peers that are not what they should be."""
import os
import signal
import subprocess
import sys
import time

import network
from host import PORT

HERE = os.path.dirname(os.path.realpath(__file__))
PROXY_PORT = PORT + 1


def test_a_damaged_stream_is_never_applied(lab):
    """Bits flip on the cable: the checkpoint is refused, the connection made anew, and a
    failover afterwards finds a right guest."""
    address = network.REPLICATION_IP[lab.standby.name]
    with subprocess.Popen(
            [*network.inside(f"host-{lab.standby.name}"), sys.executable,
             os.path.join(HERE, "proxy.py"), str(PROXY_PORT), str(PORT), address],
            stdout=subprocess.PIPE, text=True) as proxy:
        try:
            assert proxy.stdout.readline() == "ready\n"
            lab.restart_remus({"peer": f"{address}:{PROXY_PORT}"}, {})
            reconnects = lab.primary.status()["stats"]["reconnects"]
            for _ in range(5):
                proxy.send_signal(signal.SIGUSR1)
                assert proxy.stdout.readline() == "flipped\n"
                lab.primary.wait_status(
                    lambda status, n=reconnects: status["stats"]["reconnects"] > n
                    and status["state"] == "protected", "connected anew")
                reconnects = lab.primary.status()["stats"]["reconnects"]
                lab.check()
            lab.lose_primary()
        finally:
            proxy.kill()
    lab.rebuild()


def test_a_standby_with_another_machine_is_refused(lab):
    """Another kind of NIC, of which QEMU says nothing before it loads the state."""
    lab.primary.end_remus()
    lab.standby.vf_words = ",modern=on"
    lab.boot_standby()
    lab.primary.start_remus("primary")
    error = lab.primary.wait_status(lambda status: "differs" in status["error"], "refused")["error"]
    assert "its machine differs" in error and "PCI 0:" in error, error
    assert lab.standby.status()["state"] == "waiting"
    lab.standby.vf_words = ""
    lab.boot_standby()
    lab.wait_protected()
    lab.check()
    lab.lose_primary()
    lab.rebuild()


def make_authority(folder, name):
    """A CA, and certificates of it for both hosts: {host: options of renic-remus}."""
    def openssl(*words):
        subprocess.run(["openssl", *words], check=True, cwd=folder, capture_output=True)

    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl("req", "-x509", *key, "-days", "2", "-subj", f"/CN={name}", "-keyout", f"{name}.key",
            "-out", f"{name}.pem")
    tls = {}
    for host in "ab":
        mine = f"{name}-{host}"
        openssl("req", *key, "-subj", f"/CN=host-{host}", "-keyout", f"{mine}.key",
                "-out", f"{mine}.csr")
        openssl("x509", "-req", "-in", f"{mine}.csr", "-CA", f"{name}.pem",
                "-CAkey", f"{name}.key", "-CAcreateserial", "-days", "2", "-out", f"{mine}.pem")
        tls[host] = {"plain": False, "tls": {
            "cert": os.path.join(folder, f"{mine}.pem"),
            "key": os.path.join(folder, f"{mine}.key"),
            "ca": os.path.join(folder, f"{name}.pem")}}
    return tls


def test_a_peer_with_a_wrong_certificate_gets_nothing(lab):
    folder = lab.run.join("certificates")
    os.makedirs(folder, exist_ok=True)
    right, wrong = make_authority(folder, "right"), make_authority(folder, "wrong")
    primary, standby = lab.primary.name, lab.standby.name
    lab.restart_remus(right[primary], wrong[standby], wait=False)
    time.sleep(1.5)
    status = lab.primary.status()
    assert status["state"] == "connecting" and status["error"], f"a wrong certificate: {status}"
    assert lab.standby.status()["state"] == "waiting"
    lab.restart_remus(right[primary], right[standby])
    lab.check()
    lab.lose_primary()
    lab.rebuild_plain()
