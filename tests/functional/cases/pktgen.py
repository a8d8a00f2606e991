# SPDX-License-Identifier: BSD-3-Clause
"""renic-pktgen, the benchmarks' generator: it finds no fault with renicd, and every fault there is."""
import json
import os
import subprocess

from lib.case import case
from lib.check import check, equal, wait_until
from lib.env import BUILD

PKTGEN = os.path.join(BUILD, "bench", "pktgen", "renic-pktgen")
RULES = ("lost", "repeated", "reordered", "early", "corrupt", "misdelivered")


def command(daemon, uplink, *arguments):
    """The words of a generator that plays guests of this daemon and the far end of its uplink."""
    far_end = f"net_memif0,role=client,socket={uplink},socket-abstract=no,id=0"
    return [PKTGEN, f"--control={daemon.socket}", f"--far-end={far_end}", "--json=-",
            "--memory=64", "--warm-up=50ms", *arguments]


def run(env, *words):
    """Run it to its end; (exit status, report)."""
    done = subprocess.run(words, cwd=env.directory, stdout=subprocess.PIPE, check=False,
                          stderr=subprocess.PIPE, text=True, timeout=25)
    check(done.returncode in (0, 1), f"status {done.returncode}: {done.stderr}")
    return done.returncode, json.loads(done.stdout)


def counts(report):
    """The rules' counters that are not zero."""
    return {rule: report[rule] for rule in RULES if report[rule]}


@case(rows={
    "out": {"arguments": ["--rate=20k"]},
    "sizes": {"arguments": ["--rate=20k", "--size=64,777,1500"]},
    "guests": {"arguments": ["--vfs=3", "--rate=20k", "--size=imix", "--flow=both",
                             "--mergeable"]},
    "pair": {"arguments": ["--vfs=2", "--rate=20k", "--flow=pair"]},
    "virtio_user": {"arguments": ["--driver=virtio-user", "--vfs=2", "--rate=20k"]},
    "listening": {"arguments": ["--listen", "--sockets=g%d.sock", "--rate=20k"]},
    "protected": {"arguments": ["--vfs=2", "--rate=20k", "--epoch=10ms"]},
    "protected_late": {"arguments": ["--rate=20k", "--epoch=5ms", "--commit-after=23ms"]},
})
def pktgen_finds_no_fault(env, arguments):
    """What the daemon promises, the generator sees, flow by flow."""
    daemon, uplink = env.renicd_on_memif()
    if "--listen" in arguments:
        arguments = [word.replace("g%d", f"{env.directory}/g%d") for word in arguments]
    status, report = run(env, *command(daemon, uplink, "--time=600ms", *arguments))
    equal(counts(report), {}, "rules broken")
    equal(status, 0, "exit status")
    equal(report["received"], report["sent"], "received")
    check(report["sent"] > 100, f"{report['sent']} frames sent")
    equal(daemon.call("vf_list"), [], "VFs left behind")
    if "epochs" in report:
        check(report["epochs"]["commits"] > 0, "commits")
        check(report["epochs"]["held_max_pkts"] > 0, "frames held")


@case(rows={"skip": {"rule": "lost"}, "repeat": {"rule": "repeated"},
            "swap": {"rule": "reordered"}})
def pktgen_sees_a_wrong_number(env, rule):
    """A sender that numbers wrongly is found out, by the right name."""
    fault = {"lost": "skip", "repeated": "repeat", "reordered": "swap"}[rule]
    daemon, uplink = env.renicd_on_memif()
    status, report = run(env, *command(daemon, uplink, "--count=3000", "--rate=50k",
                                       "--drain=200ms", f"--fault={fault}"))
    equal(status, 1, "exit status")
    equal(counts(report).keys(), {rule} if rule != "repeated" else {rule, "lost"}, "rules broken")
    equal(report[rule], 3, rule)


@case
def pktgen_sees_frames_that_the_daemon_drops(env):
    """With another MAC address than the VF's, all is dropped: lost."""
    daemon, uplink = env.renicd_on_memif()
    daemon.call("vf_create", name="gen0", mac="02:00:00:00:77:77", role="server",
                socket=env.socket_of("gen0"))
    status, report = run(env, *command(daemon, uplink, "--count=1000", "--drain=200ms"))
    equal(status, 1, "exit status")
    equal(counts(report), {"lost": 1000}, "rules broken")
    equal(report["daemon"]["drops"], 1000, "drops that the daemon tells of")


@case
def pktgen_sees_frames_let_out_early(env):
    """Commits that the generator did not give, by a second client, let frames out early."""
    daemon, uplink = env.renicd_on_memif()
    generator = subprocess.Popen(
        command(daemon, uplink, "--rate=20k", "--time=1500ms", "--epoch=20ms",
                "--last-commit=5"),
        cwd=env.directory, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    env.stack.callback(generator.kill)

    def sealed():
        groups = daemon.call("group_list")
        return groups and groups[0]["sealed_epochs"] >= 2 and groups[0]["epoch"]

    epoch = wait_until(sealed, "epochs that the generator does not commit")
    daemon.call("checkpoint_commit", group="gen0", epoch=epoch - 1)
    output, _ = generator.communicate(timeout=20)
    report = json.loads(output)
    equal(generator.returncode, 1, "exit status")
    equal(list(counts(report)), ["early"], "rules broken")


@case
def pktgen_waits_in_vain_for_what_is_discarded(env):
    """What was committed came; of the rest nothing, after its discard neither."""
    daemon, uplink = env.renicd_on_memif()
    status, report = run(env, *command(daemon, uplink, "--time=300ms", "--rate=20k",
                                       "--epoch=10ms", "--last-commit=5", "--drain=200ms"))
    equal(counts(report), {}, "rules broken")
    equal(status, 0, "exit status")
    check(0 < report["received"] < report["sent"], f"{report['received']} frames received")


@case
def pktgen_searches_the_rate_without_loss(env):
    """A search ends, and its answer is a trial that passed."""
    daemon, uplink = env.renicd_on_memif()
    _, report = run(env, *command(daemon, uplink, "--search", "--resolution=25", "--time=200ms",
                                  "--drain=200ms"))
    trials = report["search"]["trials"]
    check(trials, "trials")
    best = max([trial["rate_pps"] for trial in trials if trial["passed"]], default=0)
    equal(report["search"]["best_pps"], best, "highest rate")


@case
def pktgen_names_an_option_that_makes_no_sense(env):
    """Before anything is started."""
    done = subprocess.run([PKTGEN, "--control=x", "--vfs=999"], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, check=False, timeout=10)
    equal(done.returncode, 2, "exit status")
    equal(done.stderr, "renic-pktgen: --vfs=999: expected a whole number from 1 to 256\n", "error")
