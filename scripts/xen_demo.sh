#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# `make xen-demo`: build everything on a fresh Debian 12, two nested Xen hosts among it, then show a
# guest that outlives its host (xen_demo.py). Cleans up after itself; exit status 0 only if each
# step was seen.
set -euo pipefail
. "$(dirname "$0")/common.sh"
cd "$TOP"

need_root "make xen-demo" xen-demo
title "Setting up"
scripts/deps.sh check
say "build: compiling into build/ (the first time takes a minute)"
scripts/build.sh build
say "images: a hypervisor, a dom0 and a guest into build-xen/ (the first time takes three minutes)"
xen-integration/testbed/images.sh build-xen build
python3 scripts/xen_demo.py
