#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""make.py [--check] - draw the pictures of the documents as SVG, into this folder.

--check writes nothing; exit status 1 if a picture is not what this script draws. check-style runs
it. Colours follow the reader's light or dark scheme; each picture has a background of its own, so
that it can be read where the scheme is not known.
"""
import os
import sys
from html import escape

STYLE = """
  svg { font: 14px sans-serif }
  .bg { fill: #ffffff } text { fill: #1f2328 } .small { font-size: 12px }
  .box { fill: #f0f3f6; stroke: #57606a } .fast { fill: #ddf4ff; stroke: #0969da }
  .slow { fill: #fff1e5; stroke: #bc4c00 } .dirty { fill: #bc4c00 } .clean { fill: #0969da }
  .line { stroke: #57606a; stroke-width: 1.5; fill: none } .head { fill: #57606a }
  .late { stroke-dasharray: 5 4 } .mono { font-family: monospace }
  @media (prefers-color-scheme: dark) {
    .bg { fill: #0d1117 } text { fill: #e6edf3 }
    .box { fill: #21262d; stroke: #8b949e } .fast { fill: #0c2d6b; stroke: #58a6ff }
    .slow { fill: #5a1e02; stroke: #f0883e } .dirty { fill: #f0883e } .clean { fill: #58a6ff }
    .line { stroke: #8b949e } .head { fill: #8b949e }
  }
"""


class Picture:
    def __init__(self, width, height, title):
        self.out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
                    f'viewBox="0 0 {width} {height}" role="img">',
                    f"<title>{escape(title)}</title>", f"<style>{STYLE}</style>",
                    '<defs><marker id="head" markerWidth="9" markerHeight="8" refX="8" refY="4" '
                    'orient="auto-start-reverse"><path class="head" d="M0 0 L9 4 L0 8 z"/></marker></defs>',
                    f'<rect class="bg" width="{width}" height="{height}"/>']

    def text(self, x, y, what, kind="", anchor="middle"):
        self.out.append(f'<text x="{x}" y="{y}" text-anchor="{anchor}" class="{kind}">'
                        f"{escape(what)}</text>")

    def box(self, x, y, w, h, lines, kind="box", text=""):
        """A box with its lines of text in the middle; lines after the first are smaller."""
        self.out.append(f'<rect class="{kind}" x="{x}" y="{y}" width="{w}" height="{h}" rx="6"/>')
        top = y + h / 2 + 5 - 9 * (len(lines) - 1)
        for i, line in enumerate(lines):
            self.text(x + w / 2, top + 18 * i, line, f"{text} small" if i else text)

    def arrow(self, points, label="", at=None, late=False, both=False, anchor="start"):
        d = "M" + " L".join(f"{x} {y}" for x, y in points)
        start = ' marker-start="url(#head)"' if both else ""
        self.out.append(f'<path class="line{" late" if late else ""}" d="{d}"{start} '
                        'marker-end="url(#head)"/>')
        if label:
            self.text(*(at or points[0]), label, "small", anchor)

    def blocks(self, x, y, dirty):
        """A row of cached blocks; those with a number in dirty have the other colour."""
        for i in range(8):
            kind = "dirty" if i in dirty else "clean"
            self.out.append(f'<rect class="{kind}" x="{x + 20 * i}" y="{y}" width="16" '
                            'height="16" rx="2"/>')

    def svg(self):
        return "\n".join(self.out) + "\n</svg>\n"


def overview():
    p = Picture(720, 330, "An application, the cached device, and the devices below it")
    p.box(250, 15, 220, 40, ["application, file system, LVM"])
    p.arrow([(360, 55), (360, 90)], "reads and writes", (370, 78))
    p.box(210, 92, 300, 52, ["/dev/mapper/data", "the cached device: dm-cache"])
    p.arrow([(290, 144), (170, 196)], "blocks that are used often", (215, 165), anchor="end")
    p.arrow([(430, 144), (550, 196)], "all other blocks", (505, 165))
    p.box(40, 198, 260, 100, ["", ""], "fast")
    p.text(170, 222, "SSD: cache and metadata")
    p.blocks(92, 234, {2, 5})
    p.out.append('<rect class="dirty" x="62" y="270" width="12" height="12" rx="2"/>')
    p.text(80, 281, "dirty: on the SSD only", "small", "start")
    p.box(420, 198, 260, 100, ["disk: origin", "keeps what was on it"], "slow")
    p.arrow([(300, 230), (418, 230)], "write back", (359, 222), late=True, anchor="middle")
    p.arrow([(420, 266), (302, 266)], "promote", (361, 284), anchor="middle")
    p.text(360, 320, "Dirty blocks are lost if the SSD dies; in writethrough mode there are none.",
           "small")
    return p


def mode(title, dirty):
    p = Picture(560, 200, title)
    p.box(20, 70, 120, 50, ["application"])
    p.box(380, 20, 150, 64, ["", ""], "fast")
    p.text(455, 42, "SSD")
    for i in range(6):
        kind = "dirty" if i in dirty else "clean"
        p.out.append(f'<rect class="{kind}" x="{397 + 20 * i}" y="54" width="16" height="16" '
                     'rx="2"/>')
    p.box(380, 116, 150, 56, ["disk"], "slow")
    return p


def mode_writeback():
    p = mode("writeback: a write goes to the SSD and is acknowledged", {1, 4})
    p.arrow([(140, 86), (378, 52)], "1  write", (175, 62))
    p.arrow([(378, 72), (140, 104)], "2  acknowledged", (205, 113))
    p.arrow([(455, 84), (455, 114)], "3  written back, later", (320, 104), late=True)
    p.text(280, 192, "If the SSD dies, the dirty blocks are lost.", "small")
    return p


def mode_writethrough():
    p = mode("writethrough: a write goes to both and is then acknowledged", set())
    p.arrow([(140, 82), (378, 52)], "1  write", (175, 60))
    p.arrow([(140, 110), (378, 144)], "1  write", (175, 138))
    p.arrow([(200, 96), (142, 96)], "2  acknowledged, when both have it", (206, 101))
    p.text(280, 192, "If the SSD dies, nothing is lost.", "small")
    return p


def mode_passthrough():
    p = mode("passthrough: reads and writes go to the disk", set())
    p.arrow([(140, 104), (378, 144)], "reads and writes", (175, 142), both=True)
    p.arrow([(140, 84), (378, 52)], "a write drops the cached block", (175, 52), late=True)
    p.text(280, 192, "If the SSD dies, nothing is lost.", "small")
    return p


def migration():
    p = Picture(780, 420, "The states of a migration")
    rows = [
        ("MG_DRAINING", "claimed; bios that it excludes are still in flight"),
        ("MG_DRAINED", "none of those is left"),
        ("MG_COPYING", "kcopyd, or a bio that overwrites the block"),
        ("MG_COPIED", "a writeback: its block is volatile from here on"),
        ("MG_COMMIT", "devices flushed, metadata changed and committed"),
        ("MG_COMMITTED", "table changed, block unlocked, parked bios go on"),
    ]
    by = ["mg_start()", "the last bio out", "engine", "kcopyd's thread", "engine",
          "commit worker", "engine: mg_finish()"]
    for i, (name, what) in enumerate(rows):
        y = 44 + 62 * i
        p.box(40, y, 360, 40, [name, what])
        p.arrow([(220, y - 22), (220, y - 2)], by[i], (230, y - 9))
    p.arrow([(220, 394), (220, 414)], by[6], (230, 409))
    p.arrow([(400, 250), (470, 250), (470, 374), (402, 374)],
            "a writeback: no metadata to change", (480, 312), late=True)
    p.text(440, 68, "A mark moves nothing: it starts at MG_COMMIT.", "small", "start")
    p.text(440, 90, "An error at any step goes to mg_finish(),", "small", "start")
    p.text(440, 106, "which leaves mapping and dirtiness as they were.", "small", "start")
    return p


def metadata_tree():
    p = Picture(760, 330, "The trees on the metadata device")
    p.box(20, 130, 130, 60, ["superblock", "block 0"])
    rows = [
        ("mapping_root", "B+tree", "array of u64, one a cblock", "oblock << 16 | flags"),
        ("dirty_root", "B+tree", "bitset, one bit a cblock", "format 2 only"),
        ("discard_root", "B+tree", "bitset, one bit a dblock", "what holds nothing of value"),
        ("hint_root", "B+tree", "array of u32, one a cblock", "what the policy wants to keep"),
        ("sm_root", "index", "bitmaps, two bits a block", "and a B+tree for counts above 2"),
    ]
    for i, (root, how, what, more) in enumerate(rows):
        y = 14 + 60 * i
        p.arrow([(150, 160), (200, 160), (200, y + 22), (350, y + 22)], root, (210, y + 16))
        p.box(352, y, 90, 44, [how])
        p.arrow([(442, y + 22), (488, y + 22)])
        p.box(490, y, 250, 44, [what, more])
    p.text(20, 322, "Only block 0 is overwritten in place; everything else is copied on write.",
           "small", "start")
    return p


PICTURES = {
    "overview": overview,
    "mode-writeback": mode_writeback,
    "mode-writethrough": mode_writethrough,
    "mode-passthrough": mode_passthrough,
    "migration": migration,
    "metadata-tree": metadata_tree,
}


def main():
    here = os.path.dirname(os.path.realpath(__file__))
    wrong = 0
    for name, draw in PICTURES.items():
        path = os.path.join(here, name + ".svg")
        new = draw().svg()
        old = open(path).read() if os.path.exists(path) else None
        if old == new:
            continue
        if "--check" in sys.argv[1:]:
            print(f"doc/pictures/{name}.svg: not what make.py draws; run doc/pictures/make.py")
            wrong = 1
        else:
            with open(path, "w") as f:
                f.write(new)
    for f in os.listdir(here):
        if f.endswith(".svg") and f[:-4] not in PICTURES:
            print(f"doc/pictures/{f}: make.py does not draw it")
            wrong = 1
    return wrong


sys.exit(main())
