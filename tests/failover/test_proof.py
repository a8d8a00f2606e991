# SPDX-License-Identifier: BSD-3-Clause
"""That this rung can fail: the same guest, replicated but without output commit."""
import random
import time

FAILOVERS = 5


def test_without_output_commit_ticks_run_backwards_at_most_failovers(lab):
    """Every frame is exempted from being held (hold_exempt): the world sees what the backup never
    had, and then sees it again."""
    seen = 0
    for _ in range(FAILOVERS):
        lab.forget_backwards()
        time.sleep(random.uniform(0.1, 0.4))
        lab.primary.kill()
        lab.wait_taken_over()
        lab.wait_ticks_from(lab.primary)
        seen += bool(lab.watcher.backwards(lab.mark))
        lab.rebuild()
    assert seen > FAILOVERS // 2, f"ticks ran backwards at {seen} of {FAILOVERS} failovers only"


test_without_output_commit_ticks_run_backwards_at_most_failovers.settings = {
    "hold_exempt": "ip or arp or ip6", "load": False}
