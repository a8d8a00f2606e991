# SPDX-License-Identifier: BSD-3-Clause
"""The functional tests, a module a subject. run.py loads every module here."""
