# SPDX-License-Identifier: BSD-3-Clause
"""What a standby of renic-remus may not say: that it holds what it could not take over."""
from lib.case import case
from lib.check import check, equal, wait_until
from lib.remus import Hosts, WAIT_S


def group_of(host):
    """State and term of the host's group."""
    group = host.daemon.call("group_get", name="vf1")
    return group["state"], group["term"]


@case(timeout=60)
def what_the_standbys_vf_would_refuse_is_never_held(env):
    """One queue pair there, two here. Had it been held, the next hello would tell, and its frames
    leave."""
    hosts = Hosts(env, start=False)
    hosts.a.daemon.call("vf_delete", name="vf1")
    hosts.a.daemon.call("vf_create", name="vf1", mac="02:00:00:00:00:01", queues=2,
                        socket=hosts.a.path("vf1.sock"))
    hosts.b.start("standby")
    hosts.a.start("primary")

    def committed_after(times):
        refusals = 2 * times  # of the disconnection, and of the state
        wait_until(lambda: hosts.b.log().count("2 queue pairs") >= refusals, "refusals", WAIT_S)
        return hosts.a.daemon.call("group_get", name="vf1")["committed_epoch"]
    passed = committed_after(1)  # the first copy, of which nothing is held
    equal(committed_after(3), passed, "committed epoch after more refusals")
    check("with its checkpoint" not in hosts.a.log(), f"the primary: {hosts.a.log()}")
    equal(hosts.b.status()["epoch"], 0, "the epoch that the standby holds")
    equal(group_of(hosts.b), ("standby", 1), "the standby's group")
    check("-> protected" not in hosts.a.log(), f"the primary: {hosts.a.log()}")
