#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""check-metrics.py DOCUMENT < METRICS - are these numbers in the text format of Prometheus, and are
their families those of the table in DOCUMENT?  As promtool looks at them, and without it: each
family stands in one piece behind its HELP and TYPE, no series is there twice, counters and no
others end in _total, labels are quoted, values are numbers.  Says what is wrong; exit status 1."""
import re
import sys

SAMPLE = re.compile(r'(\w+)(?:\{((?:\w+="[^"\\\n]*",?)*)\})? (-?[0-9.]+)')
HEAD = re.compile(r"# (HELP|TYPE) (dmcache_\w+) (.+)")


def check(lines, documented):
    kinds, helped, series, current = {}, set(), set(), None
    for line in lines:
        if m := HEAD.fullmatch(line):
            what, name, text = m.groups()
            if what == "HELP":
                if name in helped:
                    yield f"{name}: twice"
                helped.add(name)
            elif text not in ("counter", "gauge") or name in kinds or name not in helped:
                yield f"{name}: TYPE {text}"
            else:
                kinds[name] = text
                current = name
                if (text == "counter") != name.endswith("_total"):
                    yield f"{name}: a {text}"
            continue
        m = SAMPLE.fullmatch(line)
        if not m:
            yield f"no sample: {line}"
        elif m.group(1) != current:
            yield f"{m.group(1)} among {current}"
        else:
            key = m.group(1), m.group(2)
            if key in series:
                yield f"twice: {line}"
            series.add(key)
            float(m.group(3))
    for name in kinds:
        if documented.get(name) != kinds[name]:
            yield f"{name}, a {kinds[name]}, is not so in the document"
    if any(label and 'state="running"} 1' in label for label in lines):
        for name in set(documented) - set(kinds):
            yield f"{name} is in the document, and not here"


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        documented = dict(re.findall(r"^\| `(dmcache_\w+)` \| (\w+) \|", f.read(), re.M))
    faults = list(check(sys.stdin.read().splitlines(), documented))
    print("\n".join(faults))
    return 1 if faults or not documented else 0


sys.exit(main())
