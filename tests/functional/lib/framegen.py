# SPDX-License-Identifier: BSD-3-Clause
"""The frame generator as an object: guests that send, receive and judge numbered frames."""
import json
import os
import select
import struct
import subprocess
import time
from collections import deque

from .check import PATIENCE, Failure, equal, wait_until
from .process import Process

_numbers = iter(range(1, 1 << 30))
FAR_PORT = 63
OUTSIDE = "02:00:00:00:09:99"  # an address that no guest has


class Job:
    """A running or finished `send`."""

    def __init__(self, framegen, number, stream, count):
        self.framegen = framegen
        self.number = number
        self.stream = stream
        self.count = count
        self.sent = None

    def wait(self, timeout=10.0):
        """Until the port has taken all; returns self."""
        timeout *= PATIENCE
        deadline = time.monotonic() + timeout
        while self.sent is None:
            left = deadline - time.monotonic()
            if left <= 0:
                raise Failure(f"stream {self.stream}: {self.count} frames not taken "
                              f"within {timeout} s")
            self.framegen.read_event(left)
        return self

    def done(self):
        """Has the port taken all? Does not wait."""
        if self.sent is None:
            self.framegen.read_event(0)
        return self.sent is not None

    def halt(self):
        """End it; returns how many were sent."""
        for job in self.framegen.command(f"halt job={self.number}")["jobs"]:
            if job["job"] == self.number and job["stream"] == self.stream:
                self.sent = job["sent"]
        self.framegen.jobs.pop(self.number, None)
        if self.sent is None:
            raise Failure(f"job {self.number} was not running")
        return self.sent


class Port:
    """One port of framegen: a guest, or the far end of the uplink."""

    def __init__(self, framegen, number, mac=None, vf=None):
        self.framegen = framegen
        self.number = number
        self.mac = mac
        self.vf = vf

    def send(self, kind="ipv4", count=1, wait=True, **options):
        """
        Send numbered frames; options as framegen's `send` has them (queue, size, rate, dst, src,
        vlan, stream, seq, step, flip); without a dst the frames go to an address outside.
        Returns a Job, finished unless wait is false.
        """
        options.setdefault("dst", OUTSIDE)
        words = "".join(f" {key}={value}" for key, value in options.items() if value is not None)
        reply = self.framegen.command(
            f"send port={self.number} kind={kind} count={count}{words}")
        job = Job(self.framegen, reply["job"], reply["stream"], count)
        job.sent = self.framegen.early.pop(job.number, None)
        if job.sent is None:
            self.framegen.jobs[job.number] = job
        return job.wait() if wait and count else job

    def raw(self, data, queue=0):
        """Send one frame of these bytes."""
        self.framegen.command(f"raw port={self.number} queue={queue} hex={data.hex()}")

    def stats(self):
        """All that framegen knows of the port."""
        return self.framegen.command(f"stats port={self.number}")

    def received(self, stream=None):
        """Number of frames received, of one stream or of all."""
        rx = self.stats()["rx"]
        if stream is None:
            return rx["pkts"]
        return rx["streams"].get(str(stream), {}).get("received", 0)

    def stream(self, stream):
        """The verdict on one stream; None if nothing came."""
        return self.stats()["rx"]["streams"].get(str(stream))

    def expect_whole(self, stream, count, first=0, timeout=10.0):
        """The frames first..first+count-1 of the stream arrive, each once, in order, unharmed."""
        wait_until(lambda: self.received(stream) >= count, timeout=timeout,
                   what=f"{count} frames of stream {stream} at port {self.number}")
        verdict = self.stream(stream)
        wanted = {"received": count, "unique": count, "lost": 0, "repeated": 0, "reordered": 0,
                  "corrupt": 0, "min": first, "max": first + count - 1}
        equal({key: verdict[key] for key in wanted}, wanted,
              f"stream {stream} at port {self.number}")
        return verdict

    def expect_silence(self, seconds=0.3):
        """Nothing arrives for that long."""
        before = self.received()
        time.sleep(seconds)
        equal(self.received(), before, f"frames at port {self.number} while none may come")

    def clear(self):
        """Forget what was received."""
        self.framegen.command(f"clear port={self.number}")

    def rx(self, on):
        """Poll the receive rings, or leave them alone."""
        self.framegen.command(f"rx port={self.number} on={int(on)}")

    def note(self, on=True):
        """Note arrival times from now on."""
        self.framegen.command(f"note port={self.number} on={int(on)}")

    def arrivals(self):
        """The noted arrivals: [(monotonic ns, stream, count, min, max, queue)]."""
        path = os.path.join(self.framegen.directory, f"arrivals{self.number}")
        self.framegen.command(f"arrivals port={self.number} file={path}")
        with open(path, "rb") as f:
            return [row[:6] for row in struct.iter_unpack("<QIIIIII", f.read())]

    def stop(self):
        """Stop the port, as a driver does that goes down."""
        self.framegen.command(f"stop port={self.number}")

    def start(self):
        """Start it again."""
        self.framegen.command(f"start port={self.number}")

    def close(self):
        """Remove it: the driver resets the device and goes."""
        self.framegen.command(f"close port={self.number}")


class Framegen:
    """A framegen process."""

    def __init__(self, binary, directory, memory_mb=64, mbufs=16384, cpu=0):
        number = next(_numbers)
        self.directory = directory
        self.process = Process(
            f"framegen{number}",
            [binary, "--lcores", f"0@{cpu}", "--no-pci", "--in-memory", "--single-file-segments",
             f"--file-prefix=renic-test-{os.getpid()}-{number}", "--no-telemetry",
             "--iova-mode=va", "-m", str(memory_mb), "--", str(mbufs)],
            directory, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.jobs = {}
        self.early = {}
        self._replies = deque()
        self._buffer = b""
        self._ready = False
        os.set_blocking(self.process.popen.stdout.fileno(), False)

    def wait_ready(self):
        """Until it takes commands."""
        deadline = time.monotonic() + 20 * PATIENCE
        while not self._ready:
            self.read_event(deadline - time.monotonic())
            if time.monotonic() > deadline:
                raise Failure("framegen does not start")

    def _handle(self, line):
        if not line.startswith(b"{"):
            return
        message = json.loads(line)
        if message.get("event") == "ready":
            self._ready = True
        elif message.get("event") == "sent":
            job = self.jobs.pop(message["job"], None)
            if job:
                job.sent = message["sent"]
            else:
                # It came in one piece with the reply to `send`, which nobody has read yet.
                self.early[message["job"]] = message["sent"]
        else:
            self._replies.append(message)

    def read_event(self, timeout):
        """Take in what framegen says, waiting for at most `timeout` seconds."""
        fd = self.process.popen.stdout.fileno()
        if not select.select([fd], [], [], max(timeout, 0))[0]:
            return
        data = os.read(fd, 1 << 20)
        if not data:
            raise Failure(f"framegen ended with status {self.process.wait()}: "
                          f"{self.process.log_tail(5)}")
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            self._handle(line)

    def post(self, line):
        """Give a command without waiting for its reply; then call reply()."""
        self.process.popen.stdin.write(line.encode() + b"\n")
        self.process.popen.stdin.flush()

    def reply(self, timeout=15.0):
        """The next reply."""
        timeout *= PATIENCE
        deadline = time.monotonic() + timeout
        while not self._replies:
            if time.monotonic() > deadline:
                raise Failure(f"framegen does not answer within {timeout} s")
            self.read_event(deadline - time.monotonic())
        reply = self._replies.popleft()
        if not reply["ok"]:
            raise Failure(f"framegen: {reply['error']}")
        return reply

    def command(self, line, timeout=15.0):
        """Give a command; returns its reply."""
        self.post(line)
        return self.reply(timeout)

    def memsum(self):
        """Sum over the memory shared with the daemon."""
        return self.command("memsum")["sum"]

    def post_guest(self, number, socket, server, queues=1, packed=True, mac=None, mtu=9000,
                   **options):
        """Begin to add a guest. As a server it comes up once renicd has connected: see reply()."""
        args = {"path": socket, "server": int(server), "queues": queues,
                "packed_vq": int(packed), "queue_size": 1024}
        if mac:
            args["mac"] = mac
        args.update(options)
        words = ",".join(f"{key}={value}" for key, value in args.items())
        self.post(f"add port={number} args={words} queues={queues} mtu={mtu}")
        return Port(self, number, mac)

    def add_memif(self, socket, number=FAR_PORT, queues=1):
        """The far end of an uplink net_memif0,role=server."""
        self.command(f"add port={number} driver=net_memif descriptors=1024 queues={queues} "
                     f"args=role=client,socket={socket},socket-abstract=no,id=0")
        port = Port(self, number)
        wait_until(lambda: port.stats()["link"], "memif link up")
        return port

    def quit(self):
        """End it in an orderly way: its guests' devices are closed."""
        if self.process.alive():
            try:
                self.post("quit")
                self.process.wait()
            except (BrokenPipeError, subprocess.TimeoutExpired):
                pass
        self.process.kill()

    def kill(self):
        """kill -9: the front-ends are gone without a word."""
        self.process.kill()
