# SPDX-License-Identifier: BSD-3-Clause
"""What the functional tests are written with: standard library only."""
