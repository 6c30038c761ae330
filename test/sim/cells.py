#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""cells.py [-c] [-x NAME,...] POLICY CSV... - how POLICY does in each cell (trace, block size, cache
size) by mean time.

Prints, for each trace, its time relative to the best other policy (1.00: as good; less: better),
and in how many of all cells it is better than each of the others. Yardsticks (ref-*) and the
policies of -x are left out. With -c the exit status is 1 if it misses the bar: better than each
other in 80% of the cells, never more than 5% worse than the best of them.
"""
import csv
import sys


def read(paths, skip):
    cells = {}
    for path in paths:
        with open(path) as f:
            for row in csv.DictReader(f):
                if row["policy"].startswith("ref-") or row["policy"] in skip:
                    continue
                key = (row["trace"], int(row["block_kib"]), float(row["percent"]))
                cells.setdefault(key, {})[row["policy"]] = float(row["mean_us"])
    return cells


def main(argv):
    check = "-c" in argv
    skip = set()
    if "-x" in argv:
        i = argv.index("-x")
        skip = set(argv[i + 1].split(","))
        del argv[i:i + 2]
    argv = [a for a in argv if a != "-c"]
    name, cells = argv[1], read(argv[2:], skip)
    cells = {k: v for k, v in cells.items() if name in v}
    others = sorted({p for v in cells.values() for p in v} - {name})

    worst = 0
    for trace in dict.fromkeys(k[0] for k in cells):
        line = []
        for key in sorted(k for k in cells if k[0] == trace):
            best = min(others, key=lambda p: cells[key].get(p, 1e30))
            ratio = cells[key][name] / cells[key][best]
            worst = max(worst, ratio)
            line.append(f"{ratio:.2f}{'!' if ratio > 1.05 else ''} {best[:6]}")
        print(f"{trace:15}", " ".join(f"{x:12}" for x in line))
    low = 1.0
    for other in others:
        wins = sum(v[name] < v[other] for v in cells.values() if other in v)
        low = min(low, wins / len(cells))
        print(f"better than {other:14} in {wins:3} of {len(cells)}  ({wins / len(cells):.0%})")
    print(f"worst: {worst:.3f} times the best of the others")
    return 1 if check and (low < 0.8 or worst > 1.05) else 0


sys.exit(main(sys.argv))
