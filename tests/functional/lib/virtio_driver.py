# SPDX-License-Identifier: BSD-3-Clause
"""
The driver's side of virtqueues in a VhostFrontEnd's memory (virtio 1.2, sections 2.7 and 2.8):
chains of any shape are posted, and what the device used of them is collected.
"""
import ctypes
import struct

AVAIL_AT, USED_AT, TABLES_AT = 0x4000, 0x8000, 0xA000
NEXT, WRITE, INDIRECT = 1, 2, 4
PACKED_AVAIL, PACKED_USED = 1 << 7, 1 << 15
TABLE_BYTES = 16 * 8  # room for an indirect table of 8 descriptors
DESCRIPTOR = struct.Struct("<QIHH")
PAGE = 4096


def pages_of(address, length):
    """The numbers of the pages that these bytes lie in."""
    return range(address // PAGE, (address + length - 1) // PAGE + 1) if length else ()


def store_u16(memory, at, value):
    """One store, as a device that looks on must see it; struct.pack_into() writes zeros first."""
    ctypes.c_uint16.from_buffer(memory, at).value = value


class Ring:
    """What both layouts have in common. A chain is a list of (address, bytes)."""

    def __init__(self, memory, base, size, writable):
        self.memory, self.base, self.size = memory, base, size
        self.flags = WRITE if writable else 0
        self.free = size
        self.chains = {}  # id -> (chain, descriptors in the ring)

    def _table(self, number, chain, chained):
        """An indirect table; its address and bytes."""
        at = self.base + TABLES_AT + number % 64 * TABLE_BYTES
        for i, (address, length) in enumerate(chain):
            last = i == len(chain) - 1
            flags = self.flags | (0 if last or not chained else NEXT)
            DESCRIPTOR.pack_into(self.memory, at + 16 * i, address, length,
                                 flags if chained else 0, i + 1 if chained else flags)
        return at, 16 * len(chain)

    def event_pages(self):
        """Where the device may write at any time to ask for signals."""
        return set(pages_of(self.base + USED_AT, 4))


class SplitRing(Ring):
    """A split virtqueue."""

    def __init__(self, *args):
        super().__init__(*args)
        self.avail = self.used = 0
        self.spare = list(range(self.size))

    def post(self, chain, indirect=False):
        """Make a chain available, if there is room; False: there is none."""
        n = 1 if indirect else len(chain)
        if len(self.spare) < n or (indirect and len(self.chains) >= 64):
            return False
        heads = [self.spare.pop() for _ in range(n)]
        if indirect:
            table = self._table(self.avail, chain, True)
            DESCRIPTOR.pack_into(self.memory, self.base + 16 * heads[0], *table, INDIRECT, 0)
        else:
            for i, (address, length) in enumerate(chain):
                more = i < n - 1
                DESCRIPTOR.pack_into(self.memory, self.base + 16 * heads[i], address, length,
                                     self.flags | (NEXT if more else 0),
                                     heads[i + 1] if more else 0)
        self.chains[heads[0]] = (chain, heads)
        store_u16(self.memory, self.base + AVAIL_AT + 4 + 2 * (self.avail % self.size), heads[0])
        self.avail = (self.avail + 1) & 0xFFFF
        store_u16(self.memory, self.base + AVAIL_AT + 2, self.avail)
        return True

    def collect(self):
        """What was used since: ([(chain, bytes written)], pages of the ring that were written)."""
        done, pages = [], set()
        now, = struct.unpack_from("<H", self.memory, self.base + USED_AT + 2)
        while self.used != now:
            at = self.base + USED_AT + 4 + 8 * (self.used % self.size)
            head, length = struct.unpack_from("<II", self.memory, at)
            pages.update(pages_of(at, 8), pages_of(self.base + USED_AT, 4))
            chain, heads = self.chains.pop(head)
            self.spare += heads
            done.append((chain, length))
            self.used = (self.used + 1) & 0xFFFF
        return done, pages

    def event_pages(self):
        return super().event_pages() | set(
            pages_of(self.base + USED_AT + 4 + 8 * self.size, 2))


class PackedRing(Ring):
    """A packed virtqueue."""

    def __init__(self, *args):
        super().__init__(*args)
        self.next, self.wrap = 0, True
        self.used, self.used_wrap = 0, True
        self.ids = list(range(self.size))

    def _flags(self):
        return PACKED_AVAIL if self.wrap else PACKED_USED

    def post(self, chain, indirect=False):
        """As SplitRing.post()."""
        n = 1 if indirect else len(chain)
        if self.free < n or (indirect and len(self.chains) >= 64):
            return False
        ident, head, head_flags = self.ids.pop(0), self.next, None
        parts = [(*self._table(ident, chain, False), INDIRECT)] if indirect else [
            (address, length, self.flags | (NEXT if i < n - 1 else 0))
            for i, (address, length) in enumerate(chain)]
        for i, (address, length, flags) in enumerate(parts):
            flags |= self._flags()
            if i == 0:
                head_flags = flags
                flags ^= PACKED_AVAIL | PACKED_USED  # not yet
            DESCRIPTOR.pack_into(self.memory, self.base + 16 * self.next, address, length,
                                 ident, flags)
            self.next += 1
            if self.next == self.size:
                self.next, self.wrap = 0, not self.wrap
        store_u16(self.memory, self.base + 16 * head + 14, head_flags)
        self.chains[ident] = (chain, n)
        self.free -= n
        return True

    def collect(self):
        """As SplitRing.collect()."""
        done, pages = [], set()
        while True:
            at = self.base + 16 * self.used
            _, length, ident, flags = DESCRIPTOR.unpack_from(self.memory, at)
            used = bool(flags & PACKED_USED)
            if used != bool(flags & PACKED_AVAIL) or used != self.used_wrap:
                return done, pages
            chain, n = self.chains.pop(ident)
            self.ids.append(ident)
            self.free += n
            for _ in range(n):
                pages.update(pages_of(self.base + 16 * self.used, 16))
                self.used += 1
                if self.used == self.size:
                    self.used, self.used_wrap = 0, not self.used_wrap
            done.append((chain, length))


def written_pages(chain, length):
    """Pages of the first `length` bytes of a chain."""
    pages = set()
    for address, size in chain:
        pages.update(pages_of(address, min(size, length)))
        length -= min(size, length)
    return pages
