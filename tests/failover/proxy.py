#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A cable that spoils data: forwards TCP, and at each SIGUSR1 flips a bit of what comes next.

  proxy.py LISTEN-PORT TARGET-PORT ADDRESS      prints "ready", and a line at each flip
"""
import select
import signal
import socket
import sys

FLIP_AT = 100  # a byte of the data that comes next


class Spoiler:
    def __init__(self):
        self.wanted = 0
        signal.signal(signal.SIGUSR1, self.want)

    def want(self, *_):
        self.wanted += 1

    def spoil(self, data):
        if not self.wanted or len(data) <= FLIP_AT:
            return data
        self.wanted -= 1
        print("flipped", flush=True)
        return data[:FLIP_AT] + bytes([data[FLIP_AT] ^ 4]) + data[FLIP_AT + 1:]


def forward(client, target, spoiler):
    with client, socket.create_connection(target) as server:
        other = {client: server, server: client}
        while True:
            for sock in select.select(list(other), [], [])[0]:
                data = sock.recv(1 << 16)
                if not data:
                    return
                other[sock].sendall(spoiler.spoil(data) if sock is client else data)


def main():
    listen, target, address = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    spoiler = Spoiler()
    with socket.create_server((address, listen)) as server:
        print("ready", flush=True)
        while True:
            try:
                forward(server.accept()[0], (address, target), spoiler)
            except OSError:
                pass  # one side hung up; the next connection comes


if __name__ == "__main__":
    main()
