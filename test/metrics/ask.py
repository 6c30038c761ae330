#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""ask.py PORT DASHBOARD - ask the Prometheus at that port: both of its jobs have numbers of both
sets, and each query of the dashboard has an answer.  An answer may take some scrapes: it waits for
that, two minutes at most.  Says which query has none; exit status 1."""
import json
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

LIMIT = 120


def ask(port, query):
    url = f"http://127.0.0.1:{port}/api/v1/query?" + urllib.parse.urlencode({"query": query})
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)["data"]["result"]
    except urllib.error.HTTPError as error:
        sys.exit(f"{query}: {error.read().decode()}")
    except OSError:
        return []       # it is not up yet


def wait(port, query, enough, what):
    end = time.monotonic() + LIMIT
    while not enough(ask(port, query)):
        if time.monotonic() > end:
            sys.exit(f"{what}: no answer to {query}")
        time.sleep(0.5)


def main():
    port = sys.argv[1]
    with open(sys.argv[2], encoding="utf-8") as f:
        panels = json.load(f)["panels"]
    for job in "node", "http":
        wait(port, f'dmcache_up{{job="{job}"}}',
             lambda r: {s["metric"]["name"]: s["value"][1] for s in r} == {"data": "1", "plain": "0"},
             f"the job {job}")
    for panel in panels:
        for target in panel["targets"]:
            query = target["expr"].replace("$__rate_interval", "30s").replace("$name", ".*")
            if "$" in query:
                sys.exit(f"{panel['title']}: a variable that is not known: {query}")
            wait(port, query, bool, panel["title"])
    print(f"{len(panels)} panels")


main()
