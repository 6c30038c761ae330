# SPDX-License-Identifier: GPL-2.0-only
#
# dm-cache, out of tree. `make help` lists targets and variables, from the ## comments below.

## Variables:
##   KVER=VERSION    kernel release to build for (default: the running one if its headers are
##                   installed, else the newest that has headers)
##   KDIR=DIR        its build directory (default: found from KVER)
##   C=1 W=1 V=1     passed to kbuild: sparse, more warnings, show the commands
##   CC=COMPILER     default: the one the kernel names, else gcc
##   DESTDIR=DIR     where `install` puts the modules (default: the system)
##   TEST=GLOB       which VM tests `test-vm` runs (default: all)
##   KERNEL=6.1      which kernels `test-vm` boots: 5.10 6.1 6.12 7.2 7.3, one or several
##   SUITE=trixie    which Debian suites `test-dkms-suites` and `test-deb` use: one or several
##   SIM=ARGS        what `sim` runs (default: everything; test/sim/README.md)
##   DIST=DIR        where `dist` puts the tarball (default: here)
##   KTREE=DIR       source tree of a kernel, for `compat-check`
##   DMC_WORK=DIR    where tests keep kernels and images (default: /var/tmp/dm-cache-test)

SHELL := /bin/bash
MAKEFLAGS += --no-print-directory

newest_headers = $(shell ls -d /lib/modules/*/build /usr/src/linux-headers-*-amd64 2>/dev/null | \
	sed 's,^/lib/modules/\(.*\)/build$$,\1,; s,^/usr/src/linux-headers-,,' | sort -V | tail -n 1)

ifdef KDIR
KVER ?= $(shell cat $(KDIR)/include/config/kernel.release 2>/dev/null)
else
KVER ?= $(if $(wildcard /lib/modules/$(shell uname -r)/build/Makefile),$(shell uname -r),$(newest_headers))
KDIR := $(firstword $(wildcard /lib/modules/$(KVER)/build) $(wildcard /usr/src/linux-headers-$(KVER)))
endif

SRC := $(CURDIR)/src
comma := ,
empty :=
sim_traces = $(subst $(empty) $(empty),$(comma),$(patsubst test/sim/%,%,$(wildcard test/sim/traces/*.gz)))
sim_loads = $(sim_traces),uniform,uniform-writes,zipf,zipf-flat,zoned,gen-loop,scan,shifting,stream
HEADERS = /usr/src/dm-cache-headers
INSTALL_TO = $(DESTDIR)/lib/modules/$(KVER)/updates/dm-cache

# The compiler that the headers' Makefile names may not be installed here.
named_cc = $(lastword $(shell sed -n 's/^CC *=//p' $(KDIR)/.kernelvariables 2>/dev/null | \
	sed 's/\$$(CROSS_COMPILE)//'))
ifeq ($(origin CC),default)
KBUILD_CC := $(if $(named_cc),$(if $(shell command -v $(named_cc)),,CC=gcc))
endif

# Without pahole some kernels throw the finished module away.
KBUILD_BTF := $(if $(shell command -v pahole),,CONFIG_DEBUG_INFO_BTF_MODULES=)

KBUILD = $(MAKE) -C $(KDIR) M=$(SRC) $(KBUILD_CC) $(KBUILD_BTF)

.DEFAULT_GOAL := modules
.PHONY: compat-check compat-probe test-compat modules install uninstall dkms-install dkms-remove check check-style check-symbols unit sim \
	test test-all bench test-crash test-mutations fuzz test-vm test-matrix build-all test-arch test-soak test-hostile test-debug test-dkms demo deps clean help need-headers print-kver print-kdir
.PHONY: deb dist check-modinfo test-dkms-suites test-deb test-boot test-long install-tools uninstall-tools install-headers uninstall-headers \
	install-lib uninstall-lib headers-alone

## Build:

modules: need-headers	## build the modules (default)
	@if [ -e .built-for ] && [ "$$(cat .built-for)" != "$(KDIR)" ]; then $(KBUILD) clean; fi
	@echo $(KDIR) > .built-for
	+@$(KBUILD) modules

# The shim's probes alone, on the small copy of src/ that test/compat makes.
compat-probe: need-headers
	+@$(KBUILD) version-only.o

print-kver:
	@echo $(if $(wildcard $(KDIR)/Makefile),$(KVER))

print-kdir:
	@echo $(KDIR)

need-headers:
	@if [ -z "$(KDIR)" ] || [ ! -e "$(KDIR)/Makefile" ]; then \
		echo "No kernel headers found for '$(KVER)' (KDIR '$(KDIR)')." >&2; \
		echo "Debian: apt-get install linux-headers-amd64; or name them: make KDIR=/path/to/headers" >&2; \
		exit 1; fi

clean:	## remove everything that a build made
	@if [ -n "$(KDIR)" ] && [ -e "$(KDIR)/Makefile" ]; then $(KBUILD) clean; fi
	@rm -rf .built-for src/compat/config.h src/compat/.probe src/compat/.probed
	@for d in settle pdata; do [ ! -e tools/$$d/Makefile ] || $(MAKE) -C tools/$$d clean; done
	@if [ -e test/unit/Makefile ]; then $(MAKE) -C test/unit clean; $(MAKE) -C test/fuzz clean; fi

## Install:

install: modules	## copy the modules to updates/, where modprobe prefers them, and run depmod
	install -d $(INSTALL_TO)
	find src -name '*.ko' -exec install -m 644 -t $(INSTALL_TO) {} +
	depmod $(if $(DESTDIR),-b $(DESTDIR)) $(KVER)

uninstall:	## remove what `install` copied
	rm -rf $(INSTALL_TO)
	depmod $(if $(DESTDIR),-b $(DESTDIR)) $(KVER)

install-headers: $(if $(SYMVERS),,modules) headers-alone	## what doc/example-* are built against, into /usr/src/dm-cache-headers
	install -D -m 644 $(or $(SYMVERS),src/Module.symvers) $(DESTDIR)$(HEADERS)/$(KVER)/Module.symvers

# For the package: the symbols differ with the kernel, and DKMS keeps them.
headers-alone:
	install -D -m 644 src/block-types.h $(DESTDIR)$(HEADERS)/block-types.h
	install -D -m 644 src/policies/policy.h $(DESTDIR)$(HEADERS)/policies/policy.h
	install -d $(DESTDIR)$(HEADERS)/persistent-data
	install -m 644 -t $(DESTDIR)$(HEADERS)/persistent-data \
		$(addprefix src/persistent-data/,$(addsuffix .h,array bitset block-manager btree damage transaction))

uninstall-headers:	## remove what `install-headers` copied
	rm -rf $(DESTDIR)$(HEADERS)

install-lib:	## libdmc-pdata.a, the persistent-data library for programs, and its headers
	$(MAKE) -s -C tools/pdata install DESTDIR=$(DESTDIR)

uninstall-lib:	## remove what `install-lib` copied
	rm -rf $(DESTDIR)/usr/lib/libdmc-pdata.a $(DESTDIR)/usr/include/dmc-pdata

dkms-install:	## register with DKMS, build and install; rebuilt at each kernel upgrade
	scripts/dkms-install

dkms-remove:	## undo dkms-install
	scripts/dkms-remove

install-tools:	## the command dmcache, and what assembles caches at boot: udev rules, units, initramfs parts
	scripts/tools-install $(DESTDIR)

uninstall-tools:	## remove what `install-tools` copied; not while sets run, unless told to (FORCE=1)
	scripts/tools-install --remove $(if $(FORCE),--force) $(DESTDIR)

deb:	## the packages dm-cache-dkms and dmcache, checked with lintian
	scripts/dev/make-deb

dist:	## a tarball of the last commit; the same commit gives the same bytes
	@scripts/dev/make-dist $(DIST)

## Check and test:

check: check-style check-symbols check-modinfo	## style rules, exported symbols, what modinfo says

check-style:
	scripts/dev/check-style

check-symbols: modules
	scripts/dev/check-symbols $(SRC)/Module.symvers $(KDIR)/Module.symvers

check-modinfo: modules
	scripts/dev/check-modinfo

unit:	## userspace unit tests
	test/unit/run

test-crash:	## power cuts of long random metadata workloads: some 260,000 crash states in a minute (SEED=1)
	test/unit/crash 200000 $(or $(SEED),1)

fuzz:	## libFuzzer targets, T=60 seconds each: metadata images, damaged trees, table lines, messages, policies
	test/fuzz/run $(or $(T),60)

test-mutations:	## break each rule on purpose: do the tests notice? (M='R2 transaction.c' only those)
	test/mutations/run $(M)

sim:	## run the policies over traces in userspace: tables, CSV, plots (SIM="-t zipf -p default,smq")
	@$(MAKE) -s -C test/sim
	@mkdir -p test/sim/out
	@cd test/sim && build/sim $(or $(SIM),-t $(sim_loads)) > out/sim.csv
	@test/sim/plot.py test/sim/out/sim.csv test/sim/out

test-dkms:	## dkms add, build, install, remove in a private tree
	test/packaging/run
	test/packaging/hook

test-dkms-suites:	## DKMS and the package in chroots of four Debian suites, and boot them (SUITE=trixie)
	@scripts/dev/install-deps deb dkms
	test/packaging/suites $(SUITE)

test-deb:	## the packages installed, removed, purged in a clean chroot (SUITE=bookworm)
	@scripts/dev/install-deps deb dkms
	test/packaging/suites --steps 'before clean deb tools' $(or $(SUITE),bookworm)

compat-check:	## compile for another kernel's source tree, 3.10 or newer (KTREE=DIR ARCH=x86_64)
	scripts/dev/compat-check $(KTREE) $(ARCH)

test-compat:	## unsupported kernels are refused; then compat-check for each tree in DMC_WORK/trees
	test/compat/run

test-vm:	## tests on stock kernels in QEMU (TEST=GLOB KERNEL=6.1)
	test/vm/run $(foreach k,$(KERNEL),--kernel $(k)) $(foreach t,$(TEST),'$(t)')

test-long:	## the VM tests that take too long for every run (KERNEL=6.1)
	test/vm/run --long $(foreach k,$(KERNEL),--kernel $(k))

test-boot:	## boot a real Debian with systemd, udev and its own initramfs on caches in QEMU (TEST=GLOB)
	@scripts/dev/install-deps boot
	test/boot/hooks
	test/boot/run $(foreach t,$(TEST),'$(t)')

test-matrix:	## the same on all stock kernels, with a table at the end; what passed is not run again (TEST KERNEL)
	test/matrix/run $(foreach k,$(KERNEL),--kernel $(k)) $(foreach t,$(TEST),'$(t)')

build-all:	## build for all stock kernels, without a warning
	test/matrix/build-all $(KERNEL)

test-arch:	## build for arm64, s390x, i386; unit tests on s390x and i386
	test/matrix/arch

test-debug:	## the VM tests on a kernel with KASAN, lockdep, kmemleak, built here once (TEST=GLOB); KCSAN=1: on one with that
	test/sanitizers/run $(if $(KCSAN),--kcsan) $(foreach t,$(TEST),'$(t)')

test:	## what CI runs, from a fresh Debian 12 as root: installs what it needs, then most of the above
	@test/run

test-all:	## everything, for many hours; doc/dev/testing.md says what `test` leaves out
	@test/run --all

test-soak:	## power cuts at random moments, long (CYCLES=200; about 20 s each)
	test/soak/run $(or $(CYCLES),200) $(if $(SEED),--seed $(SEED))

test-hostile:	## damaged metadata images on a real kernel (IMAGES=500)
	test/soak/hostile $(or $(IMAGES),500)

demo:	## watch a cache warm up, and survive a power cut, in QEMU
	@test/demo/run

bench:	## what a request costs beyond dm-linear: the kernel's own dm-cache and ours (KERNEL="6.1 7.3")
	@test/bench/run $(foreach k,$(KERNEL),--kernel $(k))

deps:	## apt-get what building, testing and the demo need
	scripts/dev/install-deps build test demo

help:	## this text
	@sed -n -e 's/^## \(.*:\)$$/\n\1/p' -e 's/^## \( .*\)/\1/p' -e 's/^\([a-z-]*\):[^#]*## *\(.*\)/  \1@\2/p' Makefile | \
		awk -F@ 'NF > 1 { printf "%-20s%s\n", $$1, $$2; next } { print }'
