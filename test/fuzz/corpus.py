#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""corpus.py unpack TARGET DIR - the inputs of corpus/TARGET.hex, one a line, as files in DIR, for
libFuzzer corpus.py pack TARGET DIR - the other way: the smallest files of DIR, 16 KiB of them at
most

To renew a corpus after a long run:
    build/fuzz-T -merge=1 build/merged build/seeds/T build/corpus/T &&
        ./corpus.py pack T build/merged
"""
import pathlib
import sys

MOST = 16384


def main():
    if len(sys.argv) != 4 or sys.argv[1] not in ("pack", "unpack"):
        sys.exit(__doc__)
    target, where = sys.argv[2], pathlib.Path(sys.argv[3])
    packed = pathlib.Path(__file__).resolve().parent / "corpus" / f"{target}.hex"
    if sys.argv[1] == "unpack":
        where.mkdir(parents=True, exist_ok=True)
        for n, line in enumerate(packed.read_text().split()):
            (where / str(n)).write_bytes(bytes.fromhex(line))
        return
    inputs, size = [], 0
    for data in sorted((f.read_bytes() for f in where.iterdir()), key=lambda d: (len(d), d)):
        size += len(data)
        if size > MOST:
            break
        if data:
            inputs.append(data.hex())
    packed.write_text("".join(line + "\n" for line in inputs))
    print(f"{packed.name}: {len(inputs)} inputs")


if __name__ == "__main__":
    main()
