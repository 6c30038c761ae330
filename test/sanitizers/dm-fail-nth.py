# SPDX-License-Identifier: GPL-2.0-only
"""
Device-mapper ioctls in which exactly the Nth operation that can fail does (an allocation, or an I/O
on a device that has make-it-fail set), for N = 1, 2, 3, ... until one comes through without meeting
its fault.

    dm-fail-nth.py OPERATION DEVICE SECONDS [TABLE]

OPERATION is what the faults hit; what it needs before, and what undoes it, runs without:
    load      a table is loaded, and cleared
    resume    a loaded table is resumed, and all is removed
    suspend   a live cache is suspended, and removed
    remove    a live cache is removed
    status    of a live cache: status, table and a message

The first hundred N are tried one by one, then more and more are left out so that SECONDS suffice.
Prints how many were tried and how many of them failed. dmsetup cannot do it: the faults would hit
the shell and exec.
"""
import errno
import fcntl
import os
import struct
import sys
import time

HEAD = "=3IIIIiIIIQ128s129s7x"
SIZE = 312
CREATE, REMOVE, SUSPEND, LOAD, CLEAR, STATUS, MESSAGE = 3, 4, 6, 9, 10, 12, 14
SUSPENDED, TABLE, NOFLUSH = 1 << 1, 1 << 4, 1 << 11

control = os.open("/dev/mapper/control", os.O_RDWR)
nth_file = os.open("/proc/self/fail-nth", os.O_RDWR)
device = sys.argv[2].encode()


def ioctl(command, flags=0, payload=b"", targets=0, nth=0):
    """Returns the errno (0 if none) and whether the fault happened."""
    size = max(16384, SIZE + len(payload))
    buffer = bytearray(struct.pack(HEAD, 4, 0, 0, size, SIZE, targets, 0, flags, 0, 0, 0, device, b"") + payload)
    buffer.extend(bytes(size - len(buffer)))
    request = 3 << 30 | SIZE << 16 | 0xFD << 8 | command
    result = 0
    if nth:
        os.pwrite(nth_file, b"%d" % nth, 0)
    try:
        fcntl.ioctl(control, request, buffer)
    except OSError as e:
        result = e.errno
    happened = False
    if nth:
        happened = int(os.pread(nth_file, 20, 0).rstrip(b"\0\n")) == 0
        os.pwrite(nth_file, b"0", 0)
    return result, happened


def table_payload(line):
    start, length, target, rest = line.split(" ", 3)
    spec = struct.pack("=QQiI16s", int(start), int(length), 0, 0, target.encode()) + rest.encode() + b"\0"
    spec += bytes(-len(spec) % 8)
    return spec


def must(what, result):
    if result[0]:
        sys.exit(f"{what}: {os.strerror(result[0])}, with no fault in it")


def load(line, nth=0):
    return ioctl(LOAD, payload=table_payload(line), targets=1, nth=nth)


def remove():
    """A device that was just closed may be busy for a moment."""
    for _ in range(50):
        result = ioctl(REMOVE)
        if result[0] != errno.EBUSY:
            break
        time.sleep(0.1)
    if result[0] != errno.ENXIO:
        must("remove", result)


def up(line):
    must("create", ioctl(CREATE))
    must("load", load(line))
    must("resume", ioctl(SUSPEND))


def in_use(path):
    """What a device holds, up to the last block that is not zero, and at least 64 KiB."""
    with open(path, "rb") as f:
        image = f.read()
    return image[:max(65536, len(image.rstrip(b"\0")) + 4095 & ~4095)]


def put_back(path, image):
    """A fault may leave metadata that says needs_check, which no later attempt could use."""
    fd = os.open(path, os.O_WRONLY)
    os.pwrite(fd, image, 0)
    os.fsync(fd)
    os.close(fd)


def once(operation, line, nth):
    """One attempt. Whatever comes of it, the device is gone when this returns."""
    if operation == "load":
        must("create", ioctl(CREATE))
        result = load(line, nth)
        must("clear", ioctl(CLEAR))
    elif operation == "resume":
        must("create", ioctl(CREATE))
        must("load", load(line))
        result = ioctl(SUSPEND, nth=nth)
    else:
        up(line)
        if operation == "suspend":
            result = ioctl(SUSPEND, SUSPENDED, nth=nth)
        elif operation == "remove":
            result = ioctl(REMOVE, nth=nth)
        else:
            results = [
                ioctl(STATUS, NOFLUSH, nth=nth),
                ioctl(STATUS, TABLE, nth=nth),
                ioctl(MESSAGE, payload=bytes(8) + b"migration_threshold 4096\0", nth=nth),
                ioctl(MESSAGE, payload=bytes(8) + b"no such thing\0", nth=nth),
            ]
            result = results[0][0], any(r[1] for r in results)
    remove()
    return result


def main():
    operation, seconds = sys.argv[1], float(sys.argv[3])
    line = sys.argv[4]
    metadata = line.split()[3]
    image = in_use(metadata)
    end = time.monotonic() + seconds
    nth, step, tried, failed, errors = 1, 1, 0, 0, set()
    happened = True
    while happened and time.monotonic() < end:
        error, happened = once(operation, line, nth)
        put_back(metadata, image)
        tried += 1
        if error:
            failed += 1
            errors.add(errno.errorcode.get(error, str(error)))
        if tried >= 100 and tried % 20 == 0:
            step += 1
        nth += step
    must("without a fault", once(operation, line, 0))
    put_back(metadata, image)
    reached = f"up to the {nth - step}th" if happened else f"all {nth - step}"
    print(f"{operation}: {tried} faults tried, {reached}; {failed} made it fail {sorted(errors)}")


main()
