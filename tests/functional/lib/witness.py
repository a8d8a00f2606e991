# SPDX-License-Identifier: BSD-3-Clause
"""Two guests that exchange numbered frames while others misbehave: they lose nothing."""
from .check import wait_until


class Witness:
    """Guests on vf8 and vf9; end() judges."""

    def __init__(self, env, daemon, rate=3000, **options):
        framegen = env.framegen()
        self.daemon = daemon
        self.ends = [env.guest(daemon, framegen, number, **options) for number in (8, 9)]
        self.jobs = [end.send("mix", 50_000_000, wait=False, stream=80 + i, rate=rate,
                              dst=self.ends[1 - i].mac) for i, end in enumerate(self.ends)]

    def end(self):
        """Stop sending; all that was sent has arrived, once and in order."""
        for i, job in enumerate(self.jobs):
            wait_until(lambda vf=self.ends[i].vf: self.daemon.stats(vf)["tx_pkts"] > 100,
                       "traffic worth judging by")
            sent = job.halt()
            self.ends[1 - i].expect_whole(80 + i, sent)
