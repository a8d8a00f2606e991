# SPDX-License-Identifier: BSD-3-Clause
"""
A JSON-RPC client of the control socket, for the functional and the VM tests, on a bare socket: they
judge the daemon's protocol (docs/protocol.md), not the project's own client library.
"""
import array
import json
import os
import select
import socket
import time
from collections import deque


class ControlError(Exception):
    """The daemon's error reply."""

    def __init__(self, error, method=""):
        super().__init__(
            f"{method}: {error.get('code')}: {error.get('message')} {error.get('data')}")
        self.code = error.get("code")
        self.message = error.get("message", "")
        self.data = error.get("data") or {}


class Closed(ConnectionError):
    """The daemon closed the connection."""


class Control:
    """One control connection."""

    def __init__(self, path, timeout=40.0):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(path)  # waits where the daemon's backlog is full
        self.socket.settimeout(timeout)
        self.timeout = timeout
        self.events = deque()
        self.fds = []
        self._buffer = bytearray()
        self._id = 0

    def close(self):
        """Hang up."""
        self.drop_fds()
        self.socket.close()

    def drop_fds(self):
        """Close the descriptors that nobody took."""
        while self.fds:
            os.close(self.fds.pop())

    def send_bytes(self, data):
        """Send as it is."""
        self.socket.sendall(data)

    def receive_line(self):
        """The next line, decoded; descriptors that came with it are in self.fds."""
        while b"\n" not in self._buffer:
            data, ancillary, _, _ = self.socket.recvmsg(1 << 16, socket.CMSG_SPACE(16 * 4))
            for level, kind, payload in ancillary:
                if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                    fds = array.array("i")
                    fds.frombytes(payload[:len(payload) - len(payload) % fds.itemsize])
                    self.fds.extend(fds)
            if not data:
                raise Closed()
            self._buffer += data
        line, _, rest = bytes(self._buffer).partition(b"\n")
        self._buffer = bytearray(rest)
        return json.loads(line)

    def _receive_reply(self):
        while True:
            message = self.receive_line()
            if isinstance(message, dict) and message.get("method") == "event":
                self.events.append(message["params"])
                continue
            return message

    def request(self, method, params=None):
        """A request object with a fresh id."""
        self._id += 1
        request = {"jsonrpc": "2.0", "id": self._id, "method": method}
        if params:
            request["params"] = params
        return request

    def call(self, method, **params):
        """Call a method; returns the result or raises ControlError. self.fds: what came with it."""
        self.drop_fds()
        request = self.request(method, params)
        self.send_bytes(json.dumps(request).encode() + b"\n")
        reply = self._receive_reply()
        if reply.get("id") != request["id"]:
            raise AssertionError(f"reply to another request: {reply}")
        if "error" in reply:
            raise ControlError(reply["error"], method)
        return reply["result"]

    __call__ = call

    def batch(self, calls):
        """[(method, params), ...] in one batch; returns the replies in the order of the calls."""
        requests = [self.request(method, params) for method, params in calls]
        self.send_bytes(json.dumps(requests).encode() + b"\n")
        replies = {reply["id"]: reply for reply in self._receive_reply()}
        return [replies[request["id"]] for request in requests]

    def refusal(self, method, **params):
        """Call what must be refused; returns the ControlError."""
        try:
            result = self.call(method, **params)
        except ControlError as error:
            return error
        raise AssertionError(f"{method} {params} was not refused: {result}")

    def wait_event(self, kind, name=None, timeout=40.0):
        """The next event of that type (and name), past or to come. Others before it are dropped."""
        deadline = time.monotonic() + timeout
        while True:
            while self.events:
                event = self.events.popleft()
                if event["type"] == kind and name in (None, event["name"]):
                    return event
            if b"\n" not in self._buffer:
                left = deadline - time.monotonic()
                if left <= 0 or not select.select([self.socket], [], [], left)[0]:
                    raise AssertionError(f"no event {kind} {name or ''} within {timeout} s")
            message = self.receive_line()
            if message.get("method") == "event":
                self.events.append(message["params"])
