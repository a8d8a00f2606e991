# SPDX-License-Identifier: BSD-3-Clause
"""The benchmarks, a module a subject. A case is a row: see harness/case.py."""
