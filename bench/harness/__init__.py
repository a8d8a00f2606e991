# SPDX-License-Identifier: BSD-3-Clause
"""What the benchmarks share: the machine, the targets that are measured, the table of cases."""
