# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# help.sh - dmcache --help, and dmcache COMMAND --help.

help_for() {
	case $1 in
	'') cat << 'END' ;;
usage: dmcache COMMAND ...

  create NAME --origin DEV --cache DEV   put a cache in front of a device, and keep its data
  assemble NAME | --all | --device DEV   make /dev/mapper/NAME from its devices
  stop NAME | --all                      remove /dev/mapper/NAME cleanly
  status [--json] [NAME]                 activity, and what would be lost with the cache device
  top [NAME]                             the same, once a second
  metrics [NAME]                         all numbers, for Prometheus
  flush NAME                             write all dirty blocks back while the set is in use
  set NAME --mode M --policy P KEY=VALUE change a running cache
  attach NAME --cache DEV                add a cache to a device that is in use
  detach NAME                            remove the cache; the device stays in use
  resize NAME                            use the new size of a larger origin or cache device
  check NAME   repair NAME               check or repair the metadata of a stopped set
  dump NAME                              show marks and partial blocks in that metadata
  settle NAME                            write the partial blocks of a stopped set back
  list                                   list the known sets
  doctor                                 check the installation and all sets; say how to mend them
  label DEV                              show or erase the label of a device
  size DEV | 100G                        blocks, metadata and memory of a cache of that size
  probe DEV                              for udev

dmcache COMMAND --help describes one command.
Exit status: 0 done, 1 failed, 2 usage, 3 a device is missing, 4 refused, 5 in use, 6 no such set,
7 locked, 8 not confirmed, 9 switched off on the kernel's command line.
END
	create) cat << 'END' ;;
usage: dmcache create NAME --origin DEV [--cache DEV [--metadata DEV]] [options]

  --metadata DEV        device for the metadata (default: a part of the cache device)
  --mode MODE           writeback (default), writethrough, passthrough
  --policy NAME         default: the module's default
  --set KEY=VALUE       a tunable of the policy or the target; may be repeated. In writeback mode
                        write_allocate=25 unless set: writes do not wait for the origin; 0: off
  --block-size SIZE     a multiple of 32K; default 64K, larger for very large caches
  --metadata-size SIZE  size of that part
  --label-origin        also write a label on the origin, which loses all its data
  --wipe                overwrite what is on the cache and metadata devices, and on the origin with
                        --label-origin; without it they must be empty
  --no-tab              write no line to /etc/dmcachetab
  --dry-run             print what would be done, and change nothing
  --yes                 do not ask
Without --cache the device gets no cache; dmcache attach adds one while it is in use.
END
	assemble) cat << 'END' ;;
usage: dmcache assemble [--degraded | --drop-cache] NAME... | --all | --device DEV
       dmcache assemble --origin DEV NAME

  --all          all sets of /etc/dmcachetab without noauto, and all sets that labels name
  --device DEV   the set that DEV belongs to
  --origin DEV   DEV is the origin, whose UUID has changed (mkfs) and was not noted before a crash
  --degraded     without the cache, if it is missing and the origin is known to be complete
  --force        despite dmcache.assemble=off
  --drop-cache   discard the contents of the cache, dirty blocks too; if the cache is missing,
                 go on without it for good
END
	stop) cat << 'END' ;;
usage: dmcache stop [--flush] [--keep-partial] NAME... | --all

Dirty blocks stay in the cache until the next assembly. Only partial ones are written back, so that
the kernel's own dm-cache opens it.
  --flush          write all back first, so that the origin is complete
  --keep-partial   leave partial blocks in the cache, too
END
	attach) cat << 'END' ;;
usage: dmcache attach NAME --cache DEV [--metadata DEV] [options]

Adds a cache to a device that dmcache made without one, even while it is mounted.
Options as of create: --mode --policy --set --block-size --metadata-size --wipe --dry-run --yes
A file system that is mounted from a plain device must be unmounted once, for dmcache create.
END
	detach) cat << 'END' ;;
usage: dmcache detach [--lost] [--yes] NAME

Writes all dirty blocks back and removes the cache; the device stays in use.
If the set runs without its cache, it is given up for good.
  --lost   the cache device is broken: write nothing back; dirty blocks are lost
END
	size) echo "usage: dmcache size [--block-size SIZE] DEV | SIZE" ;;
	label) echo "usage: dmcache label [--erase [--yes]] DEV" ;;
	list) echo "usage: dmcache list [--names]" ;;
	resize) cat << 'END' ;;
usage: dmcache resize NAME

Uses the new size of an origin or cache device that has grown, whether the set runs or not.
END
	check | repair) cat << END ;;
usage: dmcache check NAME
       dmcache repair [--yes] NAME

For a stopped set. repair writes to a file, checks it, and only then replaces the metadata.
END
	dump) cat << 'END' ;;
usage: dmcache dump NAME

For a stopped set: shows what cache_dump does not, and changes nothing. Was it shut down, how many
blocks are dirty, which blocks are partial and what of them is there?
END
	settle) cat << 'END' ;;
usage: dmcache settle NAME
       dmcache settle --metadata DEV --cache DEV --origin DEV

For a stopped set: writes its partial blocks back to the origin and removes them from the cache, so
that the kernel's own dm-cache opens it. It needs no module.
  --metadata, --cache, --origin DEV   the devices of a table that dmcache did not make
END
	status) cat << 'END' ;;
usage: dmcache status [--json] [NAME...]

Without a name: all running sets. --json: an array with one object for each.
END
	top) cat << 'END' ;;
usage: dmcache top [--interval SECONDS] [--count N] [NAME]

Requests and moved blocks per second. Without a name: the first running set.
END
	metrics) cat << 'END' ;;
usage: dmcache metrics [--textfile FILE | --http] [NAME...]

All numbers in the text format of Prometheus. Without a name: all sets, also stopped ones.
  --textfile FILE   write them to FILE, which is replaced as a whole; its name ends in .prom
  --http            answer one HTTP request on the standard input, for dmcache-metrics.socket
END
	doctor) cat << 'END' ;;
usage: dmcache doctor [--quiet]

Checks modules, Secure Boot, udev, units, the initramfs, /etc/dmcachetab, labels and all sets.
Changes nothing. Each fault is printed with what to do; the status is 1 if there is one.
  --quiet   print only faults
END
	flush) cat << 'END' ;;
usage: dmcache flush NAME

Writes all dirty blocks back; no block becomes dirty meanwhile. If it is interrupted, mode and
policy are restored, and the next flush goes on from there.
END
	set) cat << 'END' ;;
usage: dmcache set NAME [--mode writeback|writethrough|passthrough] [--policy NAME] [KEY=VALUE...]

Changes all of it or nothing. dmcache status shows the tunables. The labels keep them for the next
assembly, where the options of /etc/dmcachetab win.
END
	*) help_for '' ;;
	esac
}
