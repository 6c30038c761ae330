# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# help.sh - dmcache --help, and dmcache COMMAND --help.

help_for() {
	case $1 in
	'') cat << 'END' ;;
usage: dmcache COMMAND ...

  create NAME --origin DEV --cache DEV   put a cache before a device; what is on the origin stays
  assemble NAME | --all | --device DEV   make /dev/mapper/NAME of its members
  stop NAME | --all                      take it apart, cleanly
  status [--json] [NAME]                 what it does, and what would be lost if the cache device died now
  top [NAME]                             the same, live
  flush NAME                             write everything back, while it is in use
  set NAME --mode M --policy P KEY=VALUE change a running cache
  attach NAME --cache DEV                give a cache to a device that is in use
  detach NAME                            take it away
  resize NAME                            take over a larger origin or cache device
  check NAME   repair NAME               the metadata of a set that is stopped
  list                                   the sets that are known
  doctor                                 is all well, now and for the next boot; what to do if not
  label DEV                              what its label says
  size DEV | 100G                        blocks, metadata and memory of a cache of that size
  probe DEV                              for udev

dmcache COMMAND --help says more of one. Exit status: 0 done, 1 failed, 2 usage, 3 a member is missing, 4 refused,
5 in use, 6 no such set, 7 lock, 8 not confirmed, 9 switched off by the kernel's command line.
END
	create) cat << 'END' ;;
usage: dmcache create NAME --origin DEV [--cache DEV [--metadata DEV]] [options]

  --metadata DEV        metadata there; else it is carved from the cache device
  --mode MODE           writeback (default), writethrough, passthrough
  --policy NAME         default: the module's default
  --set KEY=VALUE       a tunable of policy or core, may be repeated
  --block-size SIZE     a multiple of 32K; default 64K, larger for very large caches
  --metadata-size SIZE  of the part that is carved
  --label-origin        a label on the origin too: for a new one, all that is on it is lost
  --wipe                what is on the fast devices may go
  --no-tab              no line in /etc/dmcachetab
  --dry-run             say what would be done, and stop
  --yes                 do not ask
Without --cache: only the device; dmcache attach gives it a cache while it is in use.
END
	assemble) cat << 'END' ;;
usage: dmcache assemble NAME... | --all | --device DEV

  --all          all sets of /etc/dmcachetab without noauto, and all that labels name
  --device DEV   the set that DEV is a member of
  --degraded     if the cache is missing and the origin is known to be complete: from the origin alone
  --force        in spite of dmcache.assemble=off
  --drop-cache   forget all that the cache holds, blocks that only it has too; if it is missing: go on without it for good
END
	stop) cat << 'END' ;;
usage: dmcache stop [--flush] NAME... | --all

Blocks that only the cache holds stay there, for the next assembly.
  --flush   write them back first, so that the origin is complete
END
	attach) cat << 'END' ;;
usage: dmcache attach NAME --cache DEV [--metadata DEV] [options]

Gives a cache to a device that dmcache made without one, mounted or not. Options are those of create:
  --mode --policy --set --block-size --metadata-size --wipe --dry-run --yes
A file system that is mounted from a plain device must be unmounted once, for create.
END
	detach) cat << 'END' ;;
usage: dmcache detach [--lost] [--yes] NAME

Writes everything back and takes the cache away; the device stays in use.
  --lost   the cache device is broken: write nothing back; what only it had is lost
END
	size) echo "usage: dmcache size [--block-size SIZE] DEV | SIZE" ;;
	label) echo "usage: dmcache label [--erase [--yes]] DEV" ;;
	list) echo "usage: dmcache list [--names]" ;;
	resize) cat << 'END' ;;
usage: dmcache resize NAME

Takes over what the origin or the cache device have grown by, whether the set runs or not.
END
	check | repair) cat << END ;;
usage: dmcache check NAME
       dmcache repair [--yes] NAME

Of a set that is stopped. Repaired metadata are written to a file, checked, and take the place of the old ones only then.
END
	status) cat << 'END' ;;
usage: dmcache status [--json] [NAME...]

Without a name: all that run. --json: an array with an object for each.
END
	top) cat << 'END' ;;
usage: dmcache top [--interval SECONDS] [--count N] [NAME]

Requests and moved blocks a second. Without a name: the first that runs.
END
	doctor) cat << 'END' ;;
usage: dmcache doctor [--quiet]

Looks at modules, Secure Boot, udev, units, the initramfs, /etc/dmcachetab, labels and all sets; changes nothing. What is wrong
is said with what to do. Status 1 if anything is.
  --quiet   only what is wrong
END
	flush) cat << 'END' ;;
usage: dmcache flush NAME

Writes all dirty blocks back; nothing becomes dirty meanwhile. It may be interrupted: mode and policy are then as they were
before, what was written back stays so, and the next flush goes on.
END
	set) cat << 'END' ;;
usage: dmcache set NAME [--mode writeback|writethrough|passthrough] [--policy NAME] [KEY=VALUE...]

All of it or nothing. dmcache status shows the tunables. A label keeps them for the next assembly; options of the tab win over it.
END
	*) help_for '' ;;
	esac
}
