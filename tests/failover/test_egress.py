# SPDX-License-Identifier: BSD-3-Clause
"""replicate_egress: what was committed and had not left yet goes along to the backup, so that not
even a datagram that nobody sends again is lost in a failover."""
import random
import time

import network

ROUNDS = 3
BEHIND_S = (0.1, 0.3)  # for so long nothing leaves, while checkpoints go on


def close_uplink(host):
    """The wire behind renicd goes: committed frames wait."""
    network.ip("link", "set", host.daemon.tap, "down", netns=f"host-{host.name}")


def lost_numbers(ticks):
    """Numbers between the lowest and the highest that nobody has seen."""
    seen = {tick.number for tick in ticks}
    return sorted(set(range(min(seen), max(seen) + 1)) - seen)


def test_no_committed_datagram_is_lost(lab):
    """Kill -9 of everything, at once and with frames that were committed and could not leave. The
    guest's numbered datagrams then have no gap: what was sent before the checkpoint that runs on
    was seen, and the rest is sent again."""
    for number in range(ROUNDS):
        lab.forget_backwards()
        lab.wait_ticks_from(lab.primary)
        time.sleep(random.uniform(*BEHIND_S))
        if number:
            close_uplink(lab.primary)
            time.sleep(random.uniform(*BEHIND_S))
        lab.primary.kill()
        lab.wait_taken_over()
        lab.wait_ticks_from(lab.primary)
        lost = lost_numbers(lab.watcher.ticks[lab.mark:])
        assert not lost, f"round {number}: {len(lost)} datagrams are lost: {lost[:5]}"
        lab.rebuild()
    lab.forget_backwards()


# With a modern NIC too, which the other tests do not have.
test_no_committed_datagram_is_lost.settings = {"replicate_egress": True, "load": False,
                                               "vf_words": ",modern=on"}
