# SPDX-License-Identifier: BSD-3-Clause
"""The cable from renic-remus to its standby, which can be cut in the middle of an epoch.

It forwards TCP and knows the stream's frames (replicator/stream.h) as far as that needs.
"""
import select
import socket
import struct
import threading

HEADER = struct.Struct("<III")  # type, length of the payload, checksum
FRAME_END = 7
CONNECT_S = 5
CHUNK = 1 << 16


class Epochs:
    """Where in the primary's stream one is."""

    def __init__(self):
        self.header, self.payload = b"", 0  # of the frame under way: what came, what is to come
        self.ends = self.since_end = 0
        self.epoch_bytes = 0  # of the last whole epoch

    def go_on(self, data):
        """By so many bytes."""
        at = 0
        while at < len(data):
            n = min(HEADER.size - len(self.header) or self.payload, len(data) - at)
            if len(self.header) < HEADER.size:
                self.header += data[at:at + n]
                if len(self.header) == HEADER.size:
                    self.payload = HEADER.unpack(self.header)[1]
            else:
                self.payload -= n
            at += n
            self.since_end += n
            if len(self.header) == HEADER.size and not self.payload:
                self.end_frame()

    def end_frame(self):
        if HEADER.unpack(self.header)[0] == FRAME_END:
            self.epoch_bytes, self.since_end = self.since_end, 0
            self.ends += 1
        self.header = b""


class Cable(threading.Thread):
    """From `address` to `target`, both (IP, port); one connection at a time."""

    def __init__(self, address, target):
        super().__init__(daemon=True)
        self.target, self.server = target, socket.create_server(address)
        self.lock = threading.Lock()  # of what follows
        self.ends = ()  # of the connection
        self.epochs, self.cut_at = Epochs(), None  # (of which epoch on, at which byte of it)
        self.was_cut = threading.Event()
        self.start()

    def cut_within_an_epoch(self, fraction, timeout):
        """So far into the next one; nobody gets through after that. How many bytes of it came."""
        with self.lock:
            self.cut_at = self.epochs.ends + 1, max(1, int(fraction * self.epochs.epoch_bytes))
        if not self.was_cut.wait(timeout):
            raise TimeoutError("no epoch came")
        return self.cut_at[1]

    def mend(self):
        with self.lock:
            self.cut_at = None
            self.was_cut.clear()

    def close(self):
        self.server.shutdown(socket.SHUT_RDWR)
        self.hang_up()

    def run(self):
        while True:
            try:
                client = self.server.accept()[0]
            except OSError:
                self.server.close()
                return
            self.hang_up()
            if self.was_cut.is_set():
                client.close()
                continue
            try:
                server = socket.create_connection(self.target, CONNECT_S)
            except OSError:
                client.close()
                continue
            with self.lock:
                self.ends, self.epochs = (client, server), Epochs()
            threading.Thread(target=self.forward, args=self.ends, daemon=True).start()

    def hang_up(self):
        with self.lock:
            for end in self.ends:
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def pass_on(self, data):
        """What of it goes to the standby."""
        with self.lock:
            self.epochs.go_on(data)
            if not self.cut_at or self.epochs.ends < self.cut_at[0] \
                    or self.epochs.since_end < self.cut_at[1]:
                return data
            self.was_cut.set()
            return data[:len(data) - (self.epochs.since_end - self.cut_at[1])]

    def forward(self, client, server):
        other = {client: server, server: client}
        with client, server:
            try:
                while not self.was_cut.is_set():
                    for end in select.select(list(other), [], [])[0]:
                        data = end.recv(CHUNK)
                        if not data:
                            return
                        other[end].sendall(self.pass_on(data) if end is client else data)
            except OSError:
                pass  # one side hung up
