#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The programs of unit tests, as ninja's targets.

  test_programs.py BUILD_DIR NAME...    prints one path a line, relative to BUILD_DIR; exit status 1
                                        for a name that no test has
"""
import json
import os
import subprocess
import sys


def main():
    build, *names = sys.argv[1:]
    listed = subprocess.run(["meson", "introspect", "--tests", build], check=True,
                            stdout=subprocess.PIPE)
    programs = {test["name"]: test["cmd"][0] for test in json.loads(listed.stdout)}
    unknown = [name for name in names if name not in programs]
    if unknown:
        sys.exit(f"test_programs: no test in {build} is named: {' '.join(unknown)}")
    print("\n".join(sorted({os.path.relpath(programs[name], build) for name in names})))


if __name__ == "__main__":
    main()
