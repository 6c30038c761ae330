#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# locked-instructions.sh MODULE.ko[.xz]... - the atomic instructions on memory of x86-64 modules:
# those with a lock prefix, and xchg, which needs none. A line each: MODULE SECTION OFFSET FUNCTION
# BASE INDEX SCALE DISPLACEMENT INSTRUCTION; registers named as kprobe events name them, "-" where
# there is none. What lies at a fixed address (a static variable) has the base "rip". Those of one
# bit, whose number is in a register, have that as INDEX and "bit" as SCALE: the word is 8 bytes for
# each 64 of it further on.
set -eu
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
for ko in "$@"; do
	name=$(basename "$ko" .xz)
	case $ko in *.xz) xz -dc "$ko" > "$tmp/$name" ;; *) cp "$ko" "$tmp/$name" ;; esac
	objdump -d --no-show-raw-insn "$tmp/$name" |
		awk -v module="$(basename "$name" .ko | tr - _)" '
		# The names of kprobe events: al, ax, eax and rax are %ax; r8d is %r8.
		function reg(r) {
			sub(/^%/, "", r)
			if (r == "") return "-"
			if (r ~ /^r[0-9]/) return r
			return substr(r, length(r) - 1)
		}
		/^Disassembly of section/ { section = $4; sub(/:$/, "", section) }
		/^[0-9a-f]+ <.*>:$/ { function_name = $2; gsub(/[<>:]/, "", function_name) }
		/^ *[0-9a-f]+:.*(\tlock |\txchg .*\()/ {
			if (!match($0, /-?(0x[0-9a-f]+)?\([^)]*\)/)) { print "what is this: " $0 > "/dev/stderr"; exit 1 }
			memory = substr($0, RSTART, RLENGTH)
			offset = $1; sub(/:/, "", offset)
			displacement = memory; sub(/\(.*/, "", displacement)
			inside = memory; sub(/^[^(]*\(/, "", inside); sub(/\)$/, "", inside)
			n = split(inside, part, ",")
			scale = n > 2 ? part[3] : 1
			index_reg = n > 1 ? part[2] : ""
			if (match($0, /bt[src]q? +%[a-z0-9]+,/)) {
				index_reg = substr($0, RSTART, RLENGTH - 1); sub(/^.*%/, "", index_reg)
				scale = "bit"
			}
			what = $0; sub(/^[^\t]*\t/, "", what); sub(/ *[#<].*/, "", what); gsub(/[ \t]+/, "_", what)
			print module, section, "0x" offset, function_name, (part[1] == "%rip" ? "rip" : reg(part[1])), reg(index_reg),
				scale, (displacement == "" ? 0 : displacement), what
		}'
done
