#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""fill-metadata.py DEVICE FREE - make all but FREE metadata blocks of a cache look used.

The space map counts the blocks once that nothing refers to: a checker calls them leaked, and a
cache that runs on them has a metadata device that is nearly full. For tests. One bitmap (16320
blocks) at most.
"""
import os
import struct
import sys

BLOCK = 4096
SUPERBLOCK_SALT, INDEX_SALT, BITMAP_SALT = 9031977, 160478, 240779

TABLE = []
for n in range(256):
    for _ in range(8):
        n = (n >> 1) ^ (0x82F63B78 if n & 1 else 0)
    TABLE.append(n)


def write(fd, number, data, salt):
    crc = 0xFFFFFFFF
    for byte in data[4:]:
        crc = TABLE[(crc ^ byte) & 255] ^ (crc >> 8)
    struct.pack_into("<I", data, 0, crc ^ salt)
    os.pwrite(fd, data, number * BLOCK)


def main():
    fd = os.open(sys.argv[1], os.O_RDWR)
    keep = int(sys.argv[2])
    superblock = bytearray(os.pread(fd, BLOCK, 0))
    nr_blocks, nr_allocated, index_block = struct.unpack_from("<QQQ", superblock, 64)
    index = bytearray(os.pread(fd, BLOCK, index_block * BLOCK))
    bitmap_block, nr_free = struct.unpack_from("<QI", index, 16)
    bitmap = bytearray(os.pread(fd, BLOCK, bitmap_block * BLOCK))

    free = [b for b in range(nr_blocks) if not (bitmap[16 + b // 4] >> 2 * (b % 4)) & 3]
    taken = free[: max(0, len(free) - keep)]
    for b in taken:
        bitmap[16 + b // 4] |= 2 << 2 * (b % 4)    # the upper bit alone: count 1
    struct.pack_into("<Q", superblock, 72, nr_allocated + len(taken))
    struct.pack_into("<I", index, 24, nr_free - len(taken))

    write(fd, bitmap_block, bitmap, BITMAP_SALT)
    write(fd, index_block, index, INDEX_SALT)
    write(fd, 0, superblock, SUPERBLOCK_SALT)
    os.fsync(fd)
    print("%d of %d blocks are free" % (len(free) - len(taken), nr_blocks))


main()
