#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""A disk with a volatile write cache, for power-cut tests: an NBD server over a raw file.

usage: volatile-disk.py FILE SOCKET lose|tear|any [SEED]

A write stays in memory, in pieces of 4 KiB, until a FLUSH that follows its completion, or goes to
the file at once if it is FUA. On SIGTERM (power cut) what is still in memory is lost: all of it
with `lose`, about half of the pieces, chosen by SEED, with `tear`. With `any`, a random part of it
is lost: nothing, all, or something between, whole pieces or single sectors of 512 bytes; and of a
piece that is written again before a FLUSH, the older contents may have reached the disk, in part.
On SIGUSR1 (orderly shutdown) all of it is written. Prints what it did when it ends. One client at a
time.
"""
import os, random, signal, socket, struct, sys

PIECE, SECTOR = 4096, 512
MAGIC, OPT_MAGIC, REPLY_MAGIC = b"NBDMAGIC", b"IHAVEOPT", 0x3e889045565a9
OPT_EXPORT, OPT_ABORT, OPT_INFO, OPT_GO = 1, 2, 6, 7
REP_ACK, REP_INFO, REP_UNSUP = 1, 3, (1 << 31) + 1
FLAGS = 1 | 4 | 8 | 32                      # has flags, FLUSH, FUA, TRIM
READ, WRITE, DISC, FLUSH, TRIM = 0, 1, 2, 3, 4
FUA = 1


class Disk:
    def __init__(self, path, rng=None):
        self.rng = rng                      # `any`: older contents may go to the file
        self.fd = os.open(path, os.O_RDWR)
        self.size = os.fstat(self.fd).st_size
        self.pending = {}                   # piece number -> its newest contents
        self.flushes = self.writes = 0

    def piece(self, n):
        return self.pending.get(n) or os.pread(self.fd, PIECE, n * PIECE)

    def read(self, off, length):
        first, last = off // PIECE, (off + length - 1) // PIECE
        if not any(n in self.pending for n in range(first, last + 1)):
            return os.pread(self.fd, length, off)
        data = b"".join(self.piece(n) for n in range(first, last + 1))
        return data[off - first * PIECE:][:length]

    def write(self, off, data):
        self.writes += 1
        pos = 0
        while pos < len(data):
            n, at = divmod(off + pos, PIECE)
            part = data[pos:pos + PIECE - at]
            if len(part) < PIECE:
                old = self.piece(n)
                part = old[:at] + part + old[at + len(part):]
            if self.rng and n in self.pending and self.rng.random() < 0.3:
                self.keep_sectors(n, 0.5)
            self.pending[n] = part
            pos += PIECE - at

    def keep_sectors(self, n, share):
        """Some of the piece's sectors go to the file; the piece stays pending."""
        data = self.pending[n]
        for at in range(0, PIECE, SECTOR):
            if self.rng.random() < share:
                os.pwrite(self.fd, data[at:at + SECTOR], n * PIECE + at)

    def cut(self):
        """The power goes: any part of what is pending gets lost. Returns how much was kept, in pieces."""
        share, kept = self.rng.choice((0, 0.1, 0.5, 0.9, 1)), 0
        for n in self.pending:
            if self.rng.random() < 0.2:
                self.keep_sectors(n, share)
            elif self.rng.random() < share:
                os.pwrite(self.fd, self.pending[n], n * PIECE)
                kept += 1
        return kept

    def keep(self, pieces):
        for n in pieces:
            data = self.pending.pop(n)
            os.pwrite(self.fd, data, n * PIECE)

    def flush(self):
        self.flushes += 1
        self.keep(list(self.pending))


def exact(sock, n):
    buf = bytearray()
    while len(buf) < n:
        part = sock.recv(n - len(buf))
        if not part:
            raise EOFError
        buf += part
    return bytes(buf)


def handshake(sock, disk):
    sock.sendall(MAGIC + OPT_MAGIC + struct.pack(">H", 3))
    exact(sock, 4)
    while True:
        _, opt, length = struct.unpack(">8sII", exact(sock, 16))
        exact(sock, length)

        def reply(kind, data=b""):
            sock.sendall(struct.pack(">QIII", REPLY_MAGIC, opt, kind, len(data)) + data)

        if opt == OPT_EXPORT:
            sock.sendall(struct.pack(">QH", disk.size, FLAGS))
            return True
        if opt in (OPT_GO, OPT_INFO):
            reply(REP_INFO, struct.pack(">HQH", 0, disk.size, FLAGS))
            reply(REP_ACK)
            if opt == OPT_GO:
                return True
        elif opt == OPT_ABORT:
            reply(REP_ACK)
            return False
        else:
            reply(REP_UNSUP)


def serve(sock, disk):
    """Until the client leaves; what it did not flush stays pending."""
    while True:
        _, flags, kind, cookie, off, length = struct.unpack(">IHHQQI", exact(sock, 28))
        data, error = b"", 0
        if kind == WRITE:
            body = exact(sock, length)
        if kind in (READ, WRITE) and off + length > disk.size:
            error = 22
        elif kind == READ:
            data = disk.read(off, length)
        elif kind == WRITE:
            disk.write(off, body)
            if flags & FUA:
                disk.keep([n for n in range(off // PIECE, (off + length - 1) // PIECE + 1)])
        elif kind == FLUSH:
            disk.flush()
        elif kind == DISC:
            return
        elif kind != TRIM:
            error = 22
        sock.sendall(struct.pack(">IIQ", 0x67446698, error, cookie) + data)


class End(Exception):
    pass


def main():
    path, name, how = sys.argv[1:4]
    seed = int(sys.argv[4]) if len(sys.argv) > 4 else 0
    rng = random.Random(f"{seed} {os.path.basename(path)}")
    disk = Disk(path, rng if how == "any" else None)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(name)
    listener.listen(1)

    def end(signum, _):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        raise End(signum)

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGUSR1, end)
    try:
        while True:
            sock, _ = listener.accept()
            try:
                if handshake(sock, disk):
                    serve(sock, disk)
            except (EOFError, ConnectionError):
                pass
    except End as e:
        orderly = e.args[0] == signal.SIGUSR1
    pieces = list(disk.pending)
    if not orderly and how == "any":
        kept = disk.cut()
        print(f"{os.path.basename(path)}: {disk.writes} writes, {disk.flushes} flushes, {len(pieces)} pieces of "
              f"{PIECE} not flushed, {kept} of them kept whole, some in part, seed {seed}")
        os.unlink(name)
        return
    if not orderly and how == "tear":
        pieces = [n for n in pieces if rng.random() < 0.5]
    elif not orderly:
        pieces = []
    disk.keep(pieces)
    print(f"{os.path.basename(path)}: {disk.writes} writes, {disk.flushes} flushes, "
          f"{len(disk.pending)} pieces of {PIECE} lost, {len(pieces)} unflushed ones kept, seed {seed}")
    os.unlink(name)


main()
