# SPDX-License-Identifier: BSD-3-Clause
"""renicd's control socket for the tests (docs/protocol.md): JSON-RPC 2.0, a message a line."""
import json
import select
import socket
import time


class ControlError(Exception):
    def __init__(self, method, error):
        super().__init__(f"{method}: {error.get('message')} ({error.get('code')})")
        self.code = error.get("code")
        self.data = error.get("data") or {}


class Control:
    def __init__(self, path, timeout=10):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(timeout)
        self.sock.connect(path)
        self.buffer = b""
        self.next_id = 1
        self.events = []

    def _message(self):
        while b"\n" not in self.buffer:
            data = self.sock.recv(65536)
            if not data:
                raise ConnectionError("renicd closed the control connection")
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\n", 1)
        return json.loads(line)

    def __call__(self, method, **params):
        """Call a method; its result, or ControlError."""
        request = {"jsonrpc": "2.0", "id": self.next_id, "method": method, "params": params}
        self.next_id += 1
        self.sock.sendall(json.dumps(request).encode() + b"\n")
        while True:
            message = self._message()
            if message.get("method") == "event":
                self.events.append(message["params"])
            elif "error" in message:
                raise ControlError(method, message["error"])
            else:
                return message["result"]

    def wait_event(self, type_, name, timeout=5):
        """Wait for an event (after events_subscribe); returns it."""
        end = time.monotonic() + timeout
        while True:
            for event in self.events:
                if event["type"] == type_ and event["name"] == name:
                    self.events.remove(event)
                    return event
            left = end - time.monotonic()
            if left <= 0 or (b"\n" not in self.buffer
                             and not select.select([self.sock], [], [], left)[0]):
                raise TimeoutError(f"no event {type_} of {name} within {timeout} s")
            message = self._message()
            if message.get("method") == "event":
                self.events.append(message["params"])

    def close(self):
        self.sock.close()
