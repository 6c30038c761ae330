# SPDX-License-Identifier: GPL-2.0-only
"""report.py DIR KERNEL... - tables, CSV and plots of DIR/KERNEL.results (see run).

A result is "BENCH who row number". Rows of requests are in virtual nanoseconds, which are
instructions, and are shown as what they take beyond dm-linear; a sync is shown as a multiple of it;
the rest as it is.
"""
import csv
import sys

ROWS = [
    ("hit-read", "4 KiB read, cached", "over"),
    ("hit-write-dirty", "4 KiB write, cached and dirty", "over"),
    ("hit-write-writethrough", "4 KiB write, cached, writethrough", "over"),
    ("miss-read", "4 KiB read, not cached", "over"),
    ("miss-write", "4 KiB write, not cached", "over"),
    ("miss-write-all-dirty", "the same, all blocks dirty, depth 16", "over"),
    ("hit-read-1m", "1 MiB read, cached in 64 KiB blocks", "over"),
    ("hit-write-1m", "1 MiB write, cached and dirty", "over"),
    ("miss-read-1m", "1 MiB read, not cached", "over"),
    ("sync-dirty", "4 KiB write + fdatasync, cached and dirty", "times"),
    ("sync-writethrough", "the same in writethrough, against the origin alone", "times"),
    ("load", "1M blocks: table load", "ms"),
    ("resume", "1M blocks: resume", "ms"),
    ("suspend-first", "1M blocks: first suspend", "ms"),
    ("suspend-unchanged", "1M blocks: suspend, nothing changed", "ms"),
    ("suspend-some-changed", "1M blocks: suspend, 1% made dirty", "ms"),
    ("bytes-per-1024-blocks", "1M blocks: memory a block, policy smq", "bytes"),
    ("load-default", "1M blocks: table load, policy default", "ms"),
    ("resume-default", "1M blocks: resume, policy default", "ms"),
    ("resume-default-first", "1M blocks: the same, hints of another policy", "ms"),
    ("bytes-per-1024-blocks-default-first", "1M blocks: memory a block, policy default", "bytes"),
] + [(load + row, "%s: %s" % (name, label), how)
     for load, name in (("zipf-64k", "zipf 1.1, 64 KiB"), ("zipf-256k", "zipf 1.1, 256 KiB"),
                        ("zoned", "zoned 90/10:10/90, 64 KiB"), ("uniform-writes", "uniform writes, 64 KiB"))
     for row, label, how in (("-first", "IOPS at first", "plain"), ("-iops", "IOPS", "plain"), ("-hits", "hits, per mille", "plain"),
                             ("-least", "least window, % of mean", "plain"), ("-slowest", "slowest request, ms", "plain"))] + [
    ("restart-before", "zipf 1.1, 64 KiB: hits, per mille, in the minute before a clean restart", "plain"),
    ("restart-after", "the same, in the minute after it", "plain"),
]

# Requests a second: more is better.
WRITES = [
    ("writes-burst-empty", "4 KiB random writes, 4,000, depth 16, cache empty"),
    ("writes-burst-full", "the same, cache full of other, clean blocks"),
    ("writes-drain", "what is left of the first; alone: as many, in order"),
    ("writes-first-1", "first 4 KiB write to each clean block, depth 1"),
    ("writes-first-16", "the same, depth 16"),
    ("writes-sync-cached", "4 KiB write + fdatasync, cached, clean at first"),
    ("writes-sync-missed", "4 KiB write + fdatasync, not cached at first"),
    ("writes-stream", "1 MiB writes in a row, not cached, depth 4"),
    ("writes-zipf", "zipf 1.1, 70 % reads, the first minute, depth 16"),
]
# Bursts, in the long run.
BURSTS = [
    ("bursts-first", "600 random writes beside a full cache: IOPS, first burst"),
    ("bursts-iops", "the next five, each when nothing is dirty: IOPS"),
    ("bursts-least", "the slowest burst: IOPS"),
    ("bursts-slowest", "the slowest request, ms"),
]
WRITERS = [("raw", "origin alone"), ("kernel", "the kernel's"), ("writecache", "dm-writecache"),
           ("bcache", "bcache"), ("ours", "ours"), ("allocate", "write_allocate")]


def read(path):
    results = {}
    with open(path) as f:
        for line in f:
            _, who, row, number = line.split()
            results[who, row] = int(number)
    return results


def shown(results, who, row, how):
    if (who, row) not in results:
        return None
    value = results[who, row]
    if how == "over":
        return value - results["linear", row]
    if how == "times":
        return value / results["linear", row]
    return value if how == "plain" else value / (1e6 if how == "ms" else 1024)


def text(value, how):
    if value is None:
        return "-"
    return {"over": "%+d", "times": "%.3f x", "ms": "%.1f ms", "bytes": "%.1f B", "plain": "%d"}[how] % value


def ratio(results, row, to):
    """Ours, as a multiple of what @to takes."""
    if (to, row) not in results:
        return "-"
    return "%.3f" % (results["ours", row] / results[to, row])


def table(kernel, results):
    print("\nkernel %s; requests: the kernel's and ours in instructions beyond dm-linear; then ours as a ratio" % kernel)
    print("%-52s%12s%12s%14s%12s%12s%14s" % ("", "raw device", "dm-linear", "the kernel's", "ours", ": dm-linear", ": the kernel's"))
    for row, label, how in ROWS:
        if ("ours", row) not in results:
            continue
        raw, linear = (results.get((who, row), "") for who in ("raw", "linear"))
        print("%-52s%12s%12s%14s%12s%12s%14s" % (label, raw, linear,
              text(shown(results, "kernel", row, how), how), text(shown(results, "ours", row, how), how),
              ratio(results, row, "linear"), ratio(results, row, "kernel")))


def writers_table(kernel, results, rows, what):
    """What writes wait for: another layout, since there are peers, and no dm-linear."""
    if ("ours", rows[0][0]) not in results:
        return
    print("\nkernel %s; %s; write_allocate: ours, with 50 %%" % (kernel, what))
    print("%-60s" % "" + "".join("%15s" % name for _, name in WRITERS))
    for row, label in rows:
        print("%-60s" % label + "".join("%15s" % results.get((who, row), "-") for who, _ in WRITERS))


def plot(path, kernel, results):
    """Two bars a row, each row in its own scale: the kernel's is as long as the longer of the two."""
    rows = [r for r in ROWS if ("ours", r[0]) in results and ("kernel", r[0]) in results]
    out = ['<svg xmlns="http://www.w3.org/2000/svg" width="900" height="%d" font-family="sans-serif" font-size="13">'
           % (50 + 44 * len(rows)),
           '<text x="10" y="22" font-size="16">kernel %s: its own dm-cache (grey), ours (blue); shorter is better</text>' % kernel]
    for i, (row, label, how) in enumerate(rows):
        y = 40 + 44 * i
        pair = [shown(results, who, row, how) for who in ("kernel", "ours")]
        most = max(max(pair), 1e-9)
        out.append('<text x="10" y="%d">%s</text>' % (y + 22, label))
        for j, value in enumerate(pair):
            out.append('<rect x="370" y="%d" width="%.1f" height="15" fill="%s"/>'
                       % (y + 4 + 17 * j, max(380 * value / most, 1), ("#999", "#27c")[j]))
            out.append('<text x="%.1f" y="%d">%s</text>'
                       % (376 + max(380 * value / most, 1), y + 16 + 17 * j, text(value, how)))
    out.append("</svg>")
    with open(path, "w") as f:
        f.write("\n".join(out) + "\n")


def main():
    where, kernels = sys.argv[1], sys.argv[2:]
    with open(where + "/bench.csv", "w", newline="") as f:
        w = csv.writer(f)
        w.writerow(["kernel", "row", "unit", "raw device", "dm-linear", "the kernel's dm-cache", "ours"])
        for kernel in kernels:
            results = read("%s/%s.results" % (where, kernel))
            table(kernel, results)
            writers_table(kernel, results, WRITES, "requests a second")
            writers_table(kernel, results, BURSTS, "bursts")
            plot("%s/bench-%s.svg" % (where, kernel), kernel, results)
            for row, label, how in ROWS:
                if ("ours", row) in results:
                    w.writerow([kernel, row, {"bytes": "bytes per 1024 blocks", "plain": label}.get(how, "ns")]
                               + [results.get((who, row), "") for who in ("raw", "linear", "kernel", "ours")])
    with open(where + "/bench-writes.csv", "w", newline="") as f:
        w = csv.writer(f)
        w.writerow(["kernel", "requests a second"] + [name for _, name in WRITERS])
        for kernel in kernels:
            results = read("%s/%s.results" % (where, kernel))
            for row, label in WRITES + BURSTS:
                if any((who, row) in results for who, _ in WRITERS):
                    w.writerow([kernel, label] + [results.get((who, row), "") for who, _ in WRITERS])
    print("\nalso in %s/bench.csv and %s/bench-*.svg" % (where, where))


main()
