# SPDX-License-Identifier: BSD-3-Clause
"""Labs: programs of their own that measure, and print their results as a last line of JSON."""
import functools
import json
import shutil
import subprocess
import sys

from harness.case import Skip


def need(programs, how):
    """All of them, or the side is skipped; how: what installs them."""
    for program in programs:
        if not shutil.which(program):
            raise Skip(f"{program} is not installed (scripts/deps.sh{how} installs it)")


@functools.lru_cache(maxsize=None)
def outcome(path, words, timeout):
    """The lab's results, and None; or None, and what went wrong: it would again."""
    try:
        done = subprocess.run([sys.executable, path, *words], stdout=subprocess.PIPE, text=True,
                              check=True, timeout=timeout)
        return json.loads(done.stdout.splitlines()[-1]), None
    except (OSError, subprocess.SubprocessError, ValueError, IndexError) as problem:
        return None, str(problem)


def run(path, *words, timeout):
    """One run of a lab serves all cases that ask for the same: its results."""
    results, problem = outcome(path, words, timeout)
    if problem is not None:
        raise RuntimeError(problem)
    return results
