# SPDX-License-Identifier: BSD-3-Clause
"""A client for QEMU's machine protocol (qemu/docs/interop/qmp-spec): commands and events."""
import json
import select
import socket
import time


class QmpError(Exception):
    pass


class Qmp:
    def __init__(self, path, timeout=20):
        end = time.monotonic() + timeout
        while True:
            self.sock = socket.socket(socket.AF_UNIX)
            try:
                self.sock.connect(path)
                break
            except OSError:
                self.sock.close()
                if time.monotonic() > end:
                    raise
                time.sleep(0.02)
        self.sock.settimeout(timeout)
        self.buffer = b""
        self.events = []
        self._message()  # greeting
        self("qmp_capabilities")

    def _message(self):
        while b"\n" not in self.buffer:
            data = self.sock.recv(65536)
            if not data:
                raise QmpError("QEMU closed the connection")
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\n", 1)
        return json.loads(line)

    def __call__(self, command, **arguments):
        """Run a command; its return value, or QmpError."""
        request = {"execute": command, "arguments": arguments}
        self.sock.sendall(json.dumps(request).encode() + b"\n")
        while True:
            message = self._message()
            if "event" in message:
                self.events.append(message["event"])
            elif "error" in message:
                raise QmpError(f"{command}: {message['error']['desc']}")
            else:
                return message["return"]

    def wait_event(self, name, timeout):
        """Wait until an event of this name has been seen, and forget it."""
        end = time.monotonic() + timeout
        while name not in self.events:
            left = end - time.monotonic()
            if left <= 0 or (b"\n" not in self.buffer
                             and not select.select([self.sock], [], [], left)[0]):
                raise QmpError(f"no {name} event within {timeout} s")
            message = self._message()
            if "event" in message:
                self.events.append(message["event"])
        self.events.remove(name)

    def close(self):
        self.sock.close()
