# SPDX-License-Identifier: BSD-3-Clause
"""The control client (tests/lib/control.py), by the names that this suite uses."""
import os
import sys

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../lib"))

# pylint: disable=wrong-import-position,unused-import
from control import Closed, Control as Rpc, ControlError as RpcError  # noqa: E402,F401
