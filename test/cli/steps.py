#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Each command of dmcache, with each of its steps failing in turn, in the world of fake.sh.

steps.py LIB DIR SHELL [SCENARIO... | N/M]     N/M: every M-th of all, from the N-th on

A step is a call that changes something: dmsetup create, reload, suspend, resume, remove, message;
dd to a device, wipefs, mv, sync. Number k fails, for every k: once, and then for good (the same
step on the same thing, when it is tried again or undone). And all get a signal, as by Ctrl-C, when
a call of dmsetup has done its work. After it:
  - the world is as it was before, or what is different is named in what dmcache said, with what to
    do next;
  - no device is left suspended; if it cannot be woken up, the command that helps is said;
  - a cache that runs in writeback mode is one by its labels and by the tab; dirty blocks are known
    to be there;
  - what is on the origin has not changed, and nothing but dmsetup was called while a device was
    suspended;
  - with what was said done, the same command works, and leads to the same as if nothing had failed.
"""
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
DMCACHE = HERE.parents[1] / "scripts/dmcache"
DEVICES = (("hdd", 4, "11111111-01"), ("ssd", 10, "22222222-01"), ("meta", 8, "22222222-03"))
MAKE, STOP = "create c --origin D/hdd --cache D/ssd --yes", "stop c"
BESIDE = "create c --origin D/hdd --cache D/ssd --metadata D/meta --label-origin --yes"
NONE = "create c --origin D/hdd --yes"
# NAME: (what comes before, the command); "dirty N", "size DEV MB" and "zap DEV" are done to the world.
SCENARIOS = {
    "create": ([], MAKE),
    "create-beside": ([], BESIDE),
    "create-without": ([], NONE),
    "assemble": ([MAKE, STOP], "assemble c"),
    "assemble-dirty": ([BESIDE, "dirty 7", STOP], "assemble c"),
    "assemble-drop": ([MAKE, "dirty 7", STOP], "assemble --drop-cache c"),
    "stop": ([MAKE], STOP),
    "stop-dirty": ([BESIDE, "dirty 7"], STOP),
    "stop-flush": ([MAKE, "dirty 7"], "stop --flush c"),
    "attach": ([NONE], "attach c --cache D/ssd --yes"),
    "attach-label": ([BESIDE, "detach c --yes"], "attach c --cache D/ssd --metadata D/meta --yes"),
    "detach": ([MAKE, "dirty 7"], "detach c --yes"),
    "detach-label": ([BESIDE, "dirty 7"], "detach c --yes"),
    "detach-lost": ([MAKE, "dirty 7"], "detach --lost c --yes"),
    "set": ([MAKE, "dirty 7"], "set c --mode writethrough --policy mq b=2"),
    "set-writeback": (["create c --origin D/hdd --cache D/ssd --mode writethrough --policy mq --yes"], "set c --mode writeback"),
    "flush": ([MAKE, "dirty 7"], "flush c"),
    "resize": ([BESIDE, "size hdd 6", "size ssd 14"], "resize c"),
    "resize-stopped": ([MAKE, STOP, "size hdd 6"], "resize c"),
    "check": ([MAKE, STOP], "check c"),
    "repair": ([MAKE, STOP], "repair --yes c"),
    "label-erase": ([MAKE, STOP], "label --erase --yes D/ssd"),
}


def same_order(table):
    """A cache's table with its feature words in order and without what is so anyway."""
    words = table.split()
    if len(words) > 7 and words[2] == "cache":
        n = 8 + int(words[7])
        words[8:n] = sorted(words[8:n])
        text = " ".join(words)
        return re.sub(r" (\d+) migration_threshold 2048\b", lambda m: f" {int(m[1]) - 2}", text)
    return table


class World:
    def __init__(self, lib, where, shell, devices):
        self.devices, self.dir, self.w, self.shell = devices, where, where / "w", shell.split()
        self.tab, self.saved = where / "tab", where / "saved"
        self.env = dict(os.environ, DMCACHE_TAB=str(self.tab), DMCACHE_RUN=str(where / "run"), DMCACHE_LIB=str(self.w / "lib"),
                        TMPDIR=str(where), DMCACHE_FLUSH_IDLE="5", PATH=f"{self.w}/bin:{os.environ['PATH']}")
        make = "".join(f"fake_device {n} {mb} {u}\n" for n, mb, u in devices)
        subprocess.run(["sh", "-euc", f"LIB={lib} W={self.w} HERE={HERE}\n. {HERE}/fake.sh\nfake_world\n{make}"], check=True)

    def run(self, words):
        cmd = [*self.shell, str(DMCACHE), *words.replace("D/", f"{self.w}/dev/").split()]
        done = subprocess.run(cmd, env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=60, check=False,
                              start_new_session=True)
        return done.returncode, done.stdout

    def do(self, words):
        what, *args = words.split()
        if what == "dirty":
            (self.w / "dirty").write_text(args[0] + "\n")
        elif what == "size":
            os.truncate(self.w / "dev" / args[0], int(args[1]) << 20)
            (self.w / "sys/class/block" / args[0] / "size").write_text(f"{int(args[1]) * 2048}\n")
        else:
            rc, said = self.run(words)
            if rc:
                sys.exit(f"{words}: status {rc}: {said}")

    def parts(self):
        return [self.w, self.tab, self.dir / "tab.state", self.dir / "run"]

    def save(self):
        self.saved.mkdir()
        for p in self.parts():
            if p.exists():
                subprocess.run(["cp", "-a", "--sparse=always", p, self.saved / p.name], check=True)

    def restore(self):
        for p in self.parts():
            if p.is_dir():
                shutil.rmtree(p)
            elif p.exists():
                p.unlink()
            if (self.saved / p.name).exists():
                subprocess.run(["cp", "-a", "--sparse=always", self.saved / p.name, p], check=True)

    def fail(self, k, how):
        steps = self.w / "steps"
        steps.mkdir(exist_ok=True)
        (steps / "count").write_text("0\n")
        (steps / "fail").write_text(f"{k}\n")
        if how:
            (steps / how).touch()

    def failed(self):
        f = self.w / "steps/failed"
        return f.read_text().strip() if f.exists() else ""

    def label(self, dev):
        best = {}
        data = (self.w / "dev" / dev).read_bytes()[:8192]
        if not all(data[s:].startswith(b"dm-cache label ") for s in (0, 4096)):
            return {}
        for slot in (data[:4096], data[4096:]):
            words = dict(x.split("=", 1) for x in slot.rstrip(b"\0").decode("ascii", "replace").splitlines() if "=" in x)
            if int(words.get("seq", 0)) > int(best.get("seq", 0)):
                best = words
        return best

    def look(self):
        """What there is, as {name: text}: names are what dmcache has to say if that part is not as it was."""
        seen = {}
        nodes = {(d / "dev").read_text().strip(): d.name for d in (self.w / "sys/class/block").iterdir()}
        names = {(d / "node").read_text().strip(): d.name for d in (self.w / "dm").iterdir()}
        for d in (self.w / "dm").iterdir():
            table = re.sub(r"\b\d+:\d+\b", lambda m: names.get(nodes[m[0]], nodes[m[0]]), (d / "table").read_text().strip())
            seen[d.name if "-" in d.name else "c"] = same_order(table) + (" inactive" if (d / "inactive").exists() else "")
        lines = self.tab.read_text() if self.tab.exists() else ""
        seen["tab"] = lines.strip()
        for dev, _, _ in self.devices:
            label = self.label(dev)
            keys = ("state", "dirty", "mode", "policy", "policy_args", "length", "size", "origin_size", "role")
            text = " ".join(f"{k}={label.get(k)}" for k in keys) if label and label["state"] != "detached" else ""
            if label.get("role") == "origin":
                text += f" cache {label['cache_member'] != '-'}"
            seen[dev] = text
        return seen

    def suspended(self):
        return [d.name for d in (self.w / "dm").iterdir() if (d / "suspended").exists()]

    def origin(self):
        return hashlib.md5((self.w / "dev/hdd").read_bytes()[1 << 20:4 << 20]).hexdigest()

    def lies(self):
        """What labels and tab say that is not so; a running cache, or dirty blocks, that the next boot would not know of."""
        wrong = []
        running = self.w / "dm/c/table"
        table = running.read_text() if running.exists() else ""
        writeback = " cache " in table and " writeback " in table
        dirty = int((self.w / "dirty").read_text())
        label = self.label("ssd")
        if writeback and not (label.get("state") in ("open", "opening") and label.get("dirty") != "0"):
            wrong.append(f"a cache runs in writeback mode, its label says {label}")
        if writeback and re.search(r"^c \S+ none", self.tab.read_text() if self.tab.exists() else "", re.M):
            wrong.append("a cache runs in writeback mode, the tab says none")
        if dirty and label.get("dirty") == "0" and label["state"] != "detached":
            wrong.append(f"{dirty} blocks are dirty, the label says 0")
        return wrong


def follow(world, said):
    """Do what dmcache said is to be done about what it could not undo."""
    for line in sorted(said.splitlines(), key=lambda x: "SUSPENDED" not in x):
        if not re.search("could not be undone:|SUSPENDED|is left:|it is stopped, but", line):
            continue
        what = line.split("; next: ", 1)[1] if "; next: " in line else ""
        if what.startswith("make it: "):
            old = what.removeprefix("make it: ")
            lines = [x for x in world.tab.read_text().splitlines() if not x.startswith("c ")] if world.tab.exists() else []
            world.tab.write_text("".join(x + "\n" for x in [*lines, *([] if old.startswith("no line") else [old])]))
        elif what.startswith("dmsetup reload"):
            subprocess.run(["sh", "-c", what], env=world.env, check=False)
        elif what.startswith("dmsetup"):
            subprocess.run(["sh", "-c", what], env=world.env, check=False, stderr=subprocess.DEVNULL)
        elif what.startswith("rm "):
            subprocess.run(["sh", "-c", what], check=False)
        else:
            for c in what.split("; "):
                if c.startswith("dmcache label --erase"):
                    world.run(c.removeprefix("dmcache ") + " --yes")
                elif re.match("dmcache (set|assemble|stop|flush|resize|detach)", c):
                    world.run(c.removeprefix("dmcache "))


def all_done(now, good, said):
    return "dmcache: interrupted" in said and now == good


def wrong_after(world, before, good, words, rc, said, for_good):
    """What is wrong after a step failed, a line each."""
    wrong = []
    now = world.look()
    # What is stopped stays so: the labels are to be closed then.
    stopped = words.startswith("stop") and not now.get("c")
    # A signal may come when all is done.
    want = good if rc == 0 or stopped or all_done(now, good, said) else before
    if rc and "; next: " not in said and "dmcache: interrupted" not in said:
        wrong.append("no next command is said")
    if re.search(r"not found$|[Ss]yntax error|parameter not set|unbound|bad number|Illegal number", said):
        wrong.append("an error of the shell")
    for name in sorted({*want, *now}):
        if want.get(name, "") == now.get(name, ""):
            continue
        # What was said of the mode, a label has to say of the blocks.
        if rc == 0 and "in writethrough mode this time" in said and now.get(name) == want[name].replace("dirty=unknown", "dirty=0"):
            continue
        if stopped and name in [d for d, _, _ in DEVICES] and "its labels may say that it runs; next: dmcache assemble c" in said:
            continue
        if not re.search(rf"(^|[ /(]){re.escape(name)}\b", said.replace(words, "")) or "next" not in said:
            wrong.append(f"{name} is '{now.get(name, '')}', not '{want.get(name, '')}', and that is not said")
        elif rc and not for_good and not stopped:
            wrong.append(f"{name} is '{now.get(name, '')}', not '{want.get(name, '')}': that could have been undone")
    for name in world.suspended():
        if not for_good or not re.search(rf"{name} is SUSPENDED.*; next: dmsetup", said):
            wrong.append(f"{name} is suspended")
    if not world.suspended():
        wrong += world.lies()
    asleep = world.w / "steps/asleep"
    if asleep.exists() and "stop" not in words:
        wrong.append(asleep.read_text())
    return wrong


def again(world, good, words, said):
    """With the fault gone and done what was said, the command works."""
    shutil.rmtree(world.w / "steps")
    follow(world, said)
    rc, said = world.run(words)
    if rc:
        return [f"the same again: status {rc}: {said}"]
    now = world.look()
    return [f"the same again: {n} is '{now.get(n)}', not '{good.get(n)}'" for n in sorted({*good, *now}) if good.get(n) != now.get(n)]


def scenario(world, name):
    """(steps, list of what was wrong)"""
    setup, words = SCENARIOS[name]
    for x in setup:
        world.do(x)
    world.save()
    before, origin = world.look(), world.origin()
    world.fail(0, "")
    rc, said = world.run(words)
    if rc:
        return 0, [f"without a fault: status {rc}: {said}"]
    steps, good, found = (world.w / "steps/log").read_text().splitlines(), world.look(), []
    for k, step in enumerate(steps, 1):
        for how in ("", "for-good", "signal") if step.startswith("dmsetup") else ("", "for-good"):
            world.restore()
            world.fail(k, how)
            rc, said = world.run(words)
            what = world.failed()
            wrong = wrong_after(world, before, good, words, rc, said, how == "for-good")
            if rc and not all_done(world.look(), good, said):
                wrong += again(world, good, words, said)
            if world.origin() != origin:
                wrong.append("the origin has changed")
            found += [f"step {k} of {len(steps)} ({what.replace(str(world.w), '')} {how}), status {rc}: {x}\n"
                      f"      said: {said.strip()}" for x in wrong]
    return len(steps), found


def main():
    lib, where, shell, *names = sys.argv[1:]
    if names and "/" in names[0]:
        first, step = map(int, names[0].split("/"))
        names = list(SCENARIOS)[first - 1::step]
    failed = 0
    for name in names or SCENARIOS:
        place = pathlib.Path(where) / name
        place.mkdir()
        devices = [d for d in DEVICES if d[0] != "meta" or any("meta" in x for x in (*SCENARIOS[name][0], SCENARIOS[name][1]))]
        steps, found = scenario(World(lib, place, shell, devices), name)
        shutil.rmtree(place)
        print(f"{name}: {steps} steps, {len(found)} wrong", flush=True)
        for x in found:
            print(f"  {x}", flush=True)
        failed |= bool(found) or not steps
    sys.exit(failed)


if __name__ == "__main__":
    main()
