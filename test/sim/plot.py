#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""plot.py CSV DIR - tables and plots of what build/sim printed.

For each trace and block size: a table of mean time and miss ratio on standard output, and in DIR
two plots (SVG) of them against the size of the cache.
"""
import csv
import os
import sys

W, H, LEFT, TOP, RIGHT, BOTTOM = 760, 420, 70, 30, 190, 50


def colour(i, n):
    return f"hsl({360 * i // max(n, 1)},70%,{40 + 12 * (i % 2)}%)"


def svg(title, unit, sizes, curves):
    """One plot; curves: name -> values, one for each size."""
    top = max(max(v) for v in curves.values()) * 1.05 or 1

    def x(i):
        return LEFT + (W - LEFT - RIGHT) * i / max(len(sizes) - 1, 1)

    def y(v):
        return TOP + (H - TOP - BOTTOM) * (1 - v / top)

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{W}" height="{H}" font-family="sans-serif" font-size="12">',
           f'<rect width="{W}" height="{H}" fill="white"/>', f'<text x="{LEFT}" y="18" font-size="14">{title}</text>']
    for i, size in enumerate(sizes):
        out.append(f'<text x="{x(i):.0f}" y="{H - BOTTOM + 18}" text-anchor="middle">{size:g}%</text>')
    for k in range(6):
        v = top * k / 5
        out.append(f'<line x1="{LEFT}" y1="{y(v):.0f}" x2="{W - RIGHT}" y2="{y(v):.0f}" stroke="#ddd"/>')
        out.append(f'<text x="{LEFT - 6}" y="{y(v) + 4:.0f}" text-anchor="end">{v:.4g}</text>')
    out.append(f'<text x="{LEFT}" y="{H - 8}">{unit}, against cache size in percent of the blocks used</text>')
    for n, (name, values) in enumerate(curves.items()):
        points = " ".join(f"{x(i):.1f},{y(v):.1f}" for i, v in enumerate(values))
        out.append(f'<polyline points="{points}" fill="none" stroke="{colour(n, len(curves))}" stroke-width="1.5"/>')
        out.append(f'<text x="{W - RIGHT + 10}" y="{TOP + 14 * n + 6}" fill="{colour(n, len(curves))}">{name}</text>')
    return "\n".join(out + ["</svg>\n"])


def main(argv):
    path, directory = argv[1], argv[2]
    os.makedirs(directory, exist_ok=True)
    plots = {}
    with open(path) as f:
        for row in csv.DictReader(f):
            key = (row["trace"], int(row["block_kib"]))
            plots.setdefault(key, {}).setdefault(row["policy"], {})[float(row["percent"])] = row
    for (trace, block), policies in plots.items():
        sizes = sorted(next(iter(policies.values())))
        print(f"\n{trace}, {block} KiB: mean time in us (miss ratio) at {', '.join(f'{s:g}%' for s in sizes)}")
        for name, rows in sorted(policies.items(), key=lambda p: sum(float(r["mean_us"]) for r in p[1].values())):
            print(f"  {name:14}", "  ".join(f"{float(rows[s]['mean_us']):8.0f} ({float(rows[s]['miss_ratio']):.3f})" for s in sizes))
        for column, unit in (("miss_ratio", "miss ratio"), ("mean_us", "mean time in us")):
            curves = {n: [float(r[s][column]) for s in sizes] for n, r in policies.items()}
            name = os.path.join(directory, f"{trace}-{block}-{column}.svg")
            with open(name, "w") as f:
                f.write(svg(f"{trace}, {block} KiB blocks", unit, sizes, curves))
    return 0


sys.exit(main(sys.argv))
