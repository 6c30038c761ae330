#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Write blocks until the power goes, and remember elsewhere which of them were acknowledged.

usage: pwriter.py write LOG SECONDS DEVICE...
       pwriter.py check LOG DEVICE...

Each 4 KiB block of a device has a generation, 0 while it is unwritten (zeroes). A writer owns every
Nth block, writes the next generation of one of its blocks with O_DIRECT, makes it durable in one of
three ways (fdatasync; O_DSYNC, which becomes FUA; or several writes and one fdatasync), and only
then notes the generation in LOG. So LOG never says more than what was acknowledged; it is on a disk
of its own, not below the cache.

After the cut, each block must hold a generation not below the one in LOG, be whole, and be its own:
every 512-byte sector carries device, block and generation. A write that was under way may have
changed some sectors of its block and not others, but to nothing else than a later generation than
the acknowledged one.

LOG: per device 4 bytes a block.
"""
import mmap, os, random, struct, sys, threading, time

BLOCK, SECTOR, WRITERS, MAX = 4096, 512, 4, 1 << 16


def content(buf, dev, block, gen):
    for s in range(BLOCK // SECTOR):
        buf[s * SECTOR:(s + 1) * SECTOR] = struct.pack("<QQQQ", 0x70777269746572, dev, block, gen) * (SECTOR // 32)


def size(fd):
    return min(os.lseek(fd, 0, os.SEEK_END) // BLOCK, MAX)


class Log:
    """Direct writes of the one page that changed; never lost with a page cache."""

    def __init__(self, path, devices):
        self.fd = os.open(path, os.O_RDWR | os.O_DIRECT | os.O_DSYNC)
        self.lock = threading.Lock()
        self.page = mmap.mmap(-1, devices * MAX * 4)
        os.preadv(self.fd, [self.page], 0)

    def get(self, dev, block):
        return struct.unpack_from("<I", self.page, (dev * MAX + block) * 4)[0]

    def put(self, entries):
        with self.lock:
            pages = set()
            for dev, block, gen in entries:
                at = (dev * MAX + block) * 4
                struct.pack_into("<I", self.page, at, gen)
                pages.add(at // BLOCK * BLOCK)
            for at in pages:
                os.pwrite(self.fd, memoryview(self.page)[at:at + BLOCK], at)


def writer(n, log, dev, path, until, failures):
    try:
        buf = mmap.mmap(-1, BLOCK)
        plain = os.open(path, os.O_RDWR | os.O_DIRECT)
        fua = os.open(path, os.O_RDWR | os.O_DIRECT | os.O_DSYNC)
        blocks, rnd, count = size(plain), random.Random(time.time_ns() + n), 0
        while time.monotonic() < until:
            # Half of the writes go to an eighth of the blocks: those get cached, are hit, and get
            # clean again.
            todo = []
            for i in range(rnd.choice((1, 1, 1, 4))):
                part = 8 if rnd.random() < 0.5 else 1
                b = rnd.randrange(blocks // WRITERS // part) * WRITERS + n
                if b not in [t[1] for t in todo]:
                    todo.append((dev, b, log.get(dev, b) + 1))
            sync = len(todo) == 1 and rnd.random() < 0.3
            for d, b, gen in todo:
                content(buf, d, b, gen)
                os.pwrite(fua if sync else plain, buf, b * BLOCK)
            if not sync:
                os.fdatasync(plain)
            log.put(todo)
            count += len(todo)
        print(f"  writer {n} of device {dev}: {count} blocks acknowledged", flush=True)
    except OSError as e:
        failures.append(f"writer {n} of {path}: {e}")


def write(log_path, seconds, paths):
    log, failures = Log(log_path, len(paths)), []
    until = time.monotonic() + seconds
    threads = [threading.Thread(target=writer, args=(n, log, d, p, until, failures))
               for d, p in enumerate(paths) for n in range(WRITERS)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    sys.exit("\n".join(failures) or 0)


def check(log_path, paths):
    log, bad, acked, later = Log(log_path, len(paths)), [], 0, 0
    for dev, path in enumerate(paths):
        fd = os.open(path, os.O_RDONLY | os.O_DIRECT)
        buf = mmap.mmap(-1, 256 * BLOCK)
        blocks = size(fd)
        for first in range(0, blocks, 256):
            os.preadv(fd, [buf], first * BLOCK)
            for b in range(first, min(first + 256, blocks)):
                want = log.get(dev, b)
                acked += want != 0
                for s in range(BLOCK // SECTOR):
                    at = (b - first) * BLOCK + s * SECTOR
                    magic, d, num, gen = struct.unpack_from("<QQQQ", buf, at)
                    if magic == d == num == gen == 0:
                        ok = True
                    else:
                        whole = buf[at:at + 32] * (SECTOR // 32) == buf[at:at + SECTOR]
                        ok = whole and (magic, d, num) == (0x70777269746572, dev, b)
                    if not ok:
                        bad.append(f"{path} block {b} sector {s}: foreign or torn: magic {magic:x}, device {d}, block {num}, generation {gen}")
                    elif gen < want:
                        bad.append(f"{path} block {b} sector {s}: expected generation {want} or later, got {gen}")
                    later += ok and gen > want
    print(f"  {acked} blocks acknowledged, {later} sectors with later generations, {len(bad)} bad sectors")
    for line in bad[:20]:
        print("  " + line)
    if not acked:
        bad.append("nothing")
        print("  nothing was acknowledged: no test")
    sys.exit(1 if bad else 0)


if sys.argv[1] == "write":
    write(sys.argv[2], float(sys.argv[3]), sys.argv[4:])
else:
    check(sys.argv[2], sys.argv[3:])
