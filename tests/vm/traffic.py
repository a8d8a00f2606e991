# SPDX-License-Identifier: BSD-3-Clause
"""Traffic from the uplink's side: the other end of what guest/agent.c does."""
import contextlib
import os
import re
import socket
import struct
import subprocess
import threading
import time
import zlib

ECHO, SINK, SOURCE, COUNTER = 7, 9, 19, 4000
ETH_P_ALL = 3
SO_RCVBUFFORCE = 33  # not in the socket module


class Ping:
    """ping in the background; result() waits for its end."""

    def __init__(self, address, count, interval_s=0.05, wait_s=5):
        self.process = subprocess.Popen(
            ["ping", "-n", "-i", str(interval_s), "-c", str(count), "-W", str(wait_s), address],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def result(self):
        """(sent, received, sequence numbers in order of arrival, round-trip times in ms)"""
        text = self.process.communicate()[0]
        match = re.search(r"(\d+) packets transmitted, (\d+) received", text)
        if not match:
            raise RuntimeError(f"ping: {text.strip()}")
        replies = re.findall(r"icmp_seq=(\d+) ttl=\d+ time=([\d.]+) ms", text)
        return (int(match[1]), int(match[2]), [int(seq) for seq, _ in replies],
                [float(rtt) for _, rtt in replies])


def ping(address, count=5, interval_s=0.05, wait_s=5):
    return Ping(address, count, interval_s, wait_s).result()


def wait_reachable(address, timeout=45):
    """Until one ping is answered; for a link that has just come (back) up."""
    end = time.monotonic() + timeout
    while True:
        if subprocess.run(["ping", "-n", "-c", "1", "-W", "1", address], check=False,
                          stdout=subprocess.DEVNULL).returncode == 0:
            return
        if time.monotonic() > end:
            raise TimeoutError(f"{address} did not answer a ping within {timeout} s")


def connect(address, port, timeout=30):
    return socket.create_connection((address, port), timeout)


def read_all(sock):
    data = bytearray()
    while chunk := sock.recv(1 << 16):
        data += chunk
    return bytes(data)


def upload(address, size):
    """Send random bytes to the guest's sink; raises unless it got exactly these."""
    data = os.urandom(size)
    with connect(address, SINK) as sock:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        answer = read_all(sock).decode()
    expected = f"{size} {zlib.crc32(data):08x}\n"
    if answer != expected:
        raise AssertionError(f"sent {expected.strip()}, the guest got {answer.strip()}")


def download(address, size):
    """Fetch bytes from the guest's source; raises unless length and checksum are right."""
    with connect(address, SOURCE) as sock:
        sock.sendall(f"{size}\n".encode())
        data = read_all(sock)
    body, crc = data[:-8], data[-8:].decode(errors="replace")
    if len(body) != size or f"{zlib.crc32(body):08x}" != crc:
        raise AssertionError(f"asked for {size} bytes, got {len(body)}, CRC {crc} expected")


class EchoStream:
    """One TCP connection to the guest's echo service that lives until finish(): random bytes go
    there, and every one of them must come back, in order."""

    CHUNK = 8192

    def __init__(self, address, gap_s=0.002, timeout=60):
        self.sock = connect(address, ECHO, timeout)
        self.gap_s, self.sent, self.got = gap_s, [0, 0], [0, 0]  # bytes and CRC-32
        self.problem = None
        self.ending = threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(work,), daemon=True)
                        for work in (self.send, self.receive)]
        for thread in self.threads:
            thread.start()

    @staticmethod
    def note(tally, data):
        tally[:] = tally[0] + len(data), zlib.crc32(data, tally[1])

    def run(self, work):
        try:
            work()
        except OSError as error:
            self.problem = self.problem or error

    def send(self):
        while not self.ending.is_set():
            data = os.urandom(self.CHUNK)
            self.sock.sendall(data)
            self.note(self.sent, data)
            time.sleep(self.gap_s)
        self.sock.shutdown(socket.SHUT_WR)

    def receive(self):
        while data := self.sock.recv(1 << 16):
            self.note(self.got, data)

    def finish(self):
        """End the stream; raises unless all came back. How many bytes there were."""
        self.ending.set()
        for thread in self.threads:
            thread.join(60)
        self.sock.close()
        if self.problem or self.sent != self.got:
            raise AssertionError(f"TCP stream: sent (bytes, CRC) {self.sent}, came back "
                                 f"{self.got}; {self.problem}")
        return self.sent[0]


class NumberedSender(threading.Thread):
    """Numbered datagrams to a guest's counter, until finish()."""

    def __init__(self, address, interval_s=0.002):
        super().__init__(daemon=True)
        self.address, self.interval_s, self.sent = address, interval_s, 0
        self.ending = threading.Event()
        self.start()

    def run(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            while not self.ending.is_set():
                # Its test is over where there is no way there any more.
                with contextlib.suppress(OSError):
                    sock.sendto(struct.pack(">I", self.sent) + bytes(60), (self.address, COUNTER))
                self.sent += 1
                time.sleep(self.interval_s)

    def finish(self):
        """Stop sending; how many were sent."""
        self.ending.set()
        self.join()
        return self.sent


def counted(address):
    """What the guest's counter saw: received, next, lost, late."""
    with connect(address, COUNTER) as sock:
        words = read_all(sock).decode().split()
    return dict(zip(words[::2], map(int, words[1::2])))


def wait_counted(address, sent, timeout=10):
    """Wait for the guest's counter to have seen number sent-1; then as counted()."""
    end = time.monotonic() + timeout
    while (tally := counted(address))["next"] < sent and time.monotonic() < end:
        time.sleep(0.05)
    return tally


class NumberedReceiver(threading.Thread):
    """Numbers of the datagrams that a guest sends here, in order of arrival."""

    def __init__(self, address="0.0.0.0", port=0):
        super().__init__(daemon=True)
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
        self.sock.bind((address, port))
        self.sock.settimeout(0.1)
        self.port = self.sock.getsockname()[1]
        self.numbers = []
        self.ending = threading.Event()
        self.start()

    def run(self):
        while not self.ending.is_set():
            try:
                self.numbers.append(struct.unpack_from(">I", self.sock.recv(2048))[0])
            except socket.timeout:
                pass

    def wait(self, count, timeout=10):
        """Wait for `count` datagrams; the numbers so far."""
        end = time.monotonic() + timeout
        while len(self.numbers) < count and time.monotonic() < end:
            time.sleep(0.01)
        return list(self.numbers)

    def finish(self):
        self.ending.set()
        self.join()
        self.sock.close()


class Capture(threading.Thread):
    """Every frame with this source MAC that comes out of an interface: what left renicd."""

    def __init__(self, interface, source_mac):
        super().__init__(daemon=True)
        self.source = bytes.fromhex(source_mac.replace(":", ""))
        self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
        self.sock.bind((interface, 0))
        self.sock.settimeout(0.05)
        self.frames = []
        self.ending = threading.Event()
        self.start()

    def run(self):
        while not self.ending.is_set():
            try:
                frame, address = self.sock.recvfrom(65536)
            except socket.timeout:
                continue
            except OSError:  # the interface went down or away
                return
            if frame[6:12] == self.source and address[2] != socket.PACKET_OUTGOING:
                self.frames.append(frame)

    def finish(self):
        self.ending.set()
        self.join()
        self.sock.close()
        return self.frames
