#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# steps.sh STEP... - runs inside a chroot of a Debian suite (see host.sh), as root, with the sources
# in /dmc/src and the package, if there is one, in /dmc/deb. Each check prints `CHECK NAME ok` or
# `CHECK NAME failed: WHY`; what the programs said is in /dmc/log.
set -u
cd /dmc/src || exit 2
log=/dmc/log
K1=$(cat /dmc/kernel)
K2=${K1%-amd64}-cloud-amd64
name=dm-cache
version=$(sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' dkms.conf)
modules=$(sed -n 's/^BUILT_MODULE_NAME.*="\(.*\)"/\1/p' dkms.conf | sort)

# A check is open until it is said to be well: the first thing wrong is what is reported.
wrong=
bad() { [ -n "$wrong" ] || wrong=$1; }
check() { # NAME: ends the check
	if [ -z "$wrong" ]; then echo "CHECK $1 ok"; else echo "CHECK $1 failed: $wrong"; fi
	echo "--- $1: ${wrong:-ok}" >> $log
	wrong=
}
# run COMMAND...: its words go to the log and to $said
run() {
	local st
	echo "+ $*" >> $log
	said=$("$@" 2>&1)
	st=$?
	printf '%s\n' "$said" >> $log
	return $st
}
last() { printf '%s' "$said" | tail -n 2 | tr '\n' ' '; }

ours_in() {
	find "/lib/modules/$1/updates" -name 'dm-cache*.ko*' -printf '%f\n' 2> /dev/null |
		sed 's/\.ko.*//' | sort
}
initrd_has() { lsinitramfs "/boot/initrd.img-$1" | grep -E '/dm-cache[^/]*\.ko'; }
plain() {
	case $1 in *.xz) xz -dc "$1" ;; *.zst) zstd -dcq "$1" ;; *.gz) gzip \
		-dc "$1" ;; *) cat "$1" ;; esac
}
# The kernel's own modules of our names: what they hold, wherever depmod finds them
kernels_own() {
	(cd "/lib/modules/$1" && find kernel -name 'dm-cache*.ko*' -exec md5sum {} + | sort -k2)
}

# all_there KERNEL: all of them, in one place, and modprobe takes them, with nothing of the kernel's
# that we replace
all_there() {
	local m f
	[ "$(ours_in "$1")" = "$modules" ] || {
		bad "$1 has in updates/: $(ours_in "$1" | tr '\n' ' ')"
		return
	}
	for m in $modules; do
		f=$(modinfo -k "$1" -n "$m" 2>&1)
		case $f in /lib/modules/$1/updates/dkms/*) ;; *) bad "modinfo -n $m: $f" ;; esac
		f=$(modprobe -S "$1" -nv "$m" 2>&1 | grep -o '[^ ]*dm-cache[^ ]*')
		[ -n "$f" ] || bad "modprobe -nv $m finds nothing"
		! grep -q -v '/updates/dkms/' <<< "$f" || bad "modprobe -nv $m takes $f"
	done
	for m in $(modinfo -k "$1" -F depends dm-cache | tr ',' ' '); do
		case $m in dm-persistent-data | dm-bio-prison) bad "dm-cache depends on the kernel's $m" ;; esac
	done
}

none_there() {
	local f
	[ -z "$(ours_in "$1")" ] || bad "left in updates/: $(ours_in "$1" | tr '\n' ' ')"
	[ ! -e "/lib/modules/$1/updates" ] || bad "/lib/modules/$1/updates is still there"
	f=$(modinfo -k "$1" -n dm-cache 2>&1)
	case $f in /lib/modules/$1/kernel/drivers/md/dm-cache.ko*) ;; *) bad \
		"modinfo -n dm-cache: $f" ;; esac
	[ "$(kernels_own "$1")" = "$(cat "/dmc/own-$1")" ] || bad "the kernel's own modules changed"
}

# initrd_ours KERNEL, initrd_kernels KERNEL: whose are in the initramfs, byte for byte
initrd_ours() {
	local t f
	initrd_has "$1" | grep -q updates/dkms/dm-cache.ko ||
		bad "$1's initramfs does not hold ours: $(initrd_has "$1" | tr '\n' ' ')"
	! initrd_has "$1" | grep -q '/kernel/' || bad "$1's initramfs holds the kernel's too"
	t=$(mktemp -d)
	unmkinitramfs "/boot/initrd.img-$1" "$t"
	f=$(find "$t" -path '*updates/dkms/dm-cache.ko*')
	[ -n "$f" ] &&
		[ "$(plain "$f" | md5sum)" = "$(plain "$(modinfo -k "$1" -n dm-cache)" |
		md5sum)" ] ||
		bad "$1's initramfs holds another dm-cache.ko than updates/dkms"
	rm -rf "$t"
}
initrd_kernels() {
	initrd_has "$1" | grep -q kernel/drivers/md/dm-cache.ko ||
		bad "$1's initramfs lacks the kernel's dm-cache: $(initrd_has "$1" | tr '\n' ' ')"
	! initrd_has "$1" | grep -q updates/ || bad "$1's initramfs holds ours still"
}

# Everything that an installation may change: names, modes, sizes, times; and what depmod wrote, by
# what it holds. Without what python writes beside programs that others start.
state() {
	find /etc /usr /opt /srv /lib/modules /boot /var/lib ! -path '/var/lib/dpkg*' ! \
		-path '/var/lib/apt*' ! -path '/var/lib/systemd*' \
		! -path '/boot/initrd*' ! -path '/var/lib/initramfs-tools*' ! -path '/var/lib/dkms/mok*' ! -path '*/__pycache__*' ! -path '/lib/modules/*/modules.*' \
		! -path '/usr/lib/modules/*/modules.*' \( -type d -printf '%p %m\n' -o -type l \
		-printf '%p -> %l\n' -o -printf '%p %m %s %T@\n' \) 2> /dev/null |
		sort
	md5sum /lib/modules/*/modules.dep /lib/modules/*/modules.alias \
		/lib/modules/*/modules.symbols
}

# nothing_since FILE: what state() says is what it said when it wrote that
nothing_since() {
	state > /dmc/state-now
	cmp -s "$1" /dmc/state-now ||
		bad "left behind or changed: $(diff "$1" /dmc/state-now | grep '^[<>]' | head -n 3 |
		tr '\n' ' ')"
}

# ----- steps -----

step_before() {
	local k
	if grep -q '^ *sign_tool\|sign_tool=' /etc/dkms/framework.conf 2> /dev/null; then
		# dkms before 3.0 makes no key: the machine's owner does, and names the script that
		# dkms brings along.
		openssl req -new -x509 -nodes -days 3650 -subj "/CN=DKMS module signing key/" \
			-newkey rsa:2048 \
			-keyout /root/mok.priv -outform DER -out /root/mok.der > /dev/null 2>&1
		echo 'sign_tool="/etc/dkms/sign_helper.sh"' >> /etc/dkms/framework.conf
	fi
	# What the machine needs to boot from here.
	cp /dmc/src/test/packaging/boot-script /etc/initramfs-tools/scripts/dmc
	printf '%s\n' virtio_pci 9pnet_virtio 9p brd >> /etc/initramfs-tools/modules
	run update-initramfs -u -k "$K1" || bad "update-initramfs: $(last)"
	kernels_own "$K1" > "/dmc/own-$K1"
	[ -s "/dmc/own-$K1" ] || bad "kernel $K1 has no dm-cache of its own"
	initrd_kernels "$K1"
	state > /dmc/state-before
	check precondition
}

step_headers() {
	state > /dmc/state-was
	if run scripts/dkms-install "9.9.9-none"; then
		bad "a kernel that is not there: no error"
	fi
	mv "/lib/modules/$K1/build" /root/build
	if run make dkms-install; then bad "no headers: no error"; fi
	grep -q "apt-get install linux-headers-$K1" <<< "$said" ||
		bad "no headers: does not say what to install: $(last)"
	if run scripts/dkms-install "$K1"; then bad "named kernel without headers: no error"; fi
	grep -q "linux-headers-$K1" <<< "$said" ||
		bad "named kernel without headers: does not say what to install: $(last)"
	mv /root/build "/lib/modules/$K1/build"
	run make dkms-remove || bad "dkms-remove: $(last)"
	nothing_since /dmc/state-was
	check no-headers
}

step_install() {
	run make dkms-install || bad "make dkms-install: $(last)"
	all_there "$K1"
	check install
	initrd_ours "$K1"
	grep -q "initrd.img-$K1 holds a dm-cache" <<< "$said" ||
		bad "nothing was said about the initramfs"
	check initramfs
	signed "$K1"
	check signed
}

# The signature is one of the machine owner's key over this very module.
signed() {
	local m f key=/var/lib/dkms/mok.pub n t
	[ -e $key ] || key=/root/mok.der
	[ -e $key ] || { bad "there is no machine owner's key"; return; }
	t=$(mktemp -d)
	openssl x509 -inform DER -in $key -out "$t/key.pem"
	for m in $modules; do
		f=$(modinfo -k "$1" -n "$m")
		[ "$(modinfo -k "$1" -F signer "$m")" = "DKMS module signing key" ] || {
			bad "$m: signer is '$(modinfo -k "$1" -F signer "$m")'"
			continue
		}
		# module, PKCS#7 message, 12 bytes of which the last 4 say the length of the
		# message, a magic line of 28 bytes
		plain "$f" > "$t/ko"
		[ "$(tail -c 28 "$t/ko")" = "~Module signature appended~" ] ||
			bad "$m: no signature at its end"
		n=$((16#$(tail -c 32 "$t/ko" | head -c 4 | od -An -tx1 | tr -d ' \n')))
		head -c -$((n + 40)) "$t/ko" > "$t/code"
		tail -c $((n + 40)) "$t/ko" | head -c $n > "$t/sig"
		openssl cms -verify -binary -inform DER -in "$t/sig" -content "$t/code" \
			-certificate "$t/key.pem" -certfile "$t/key.pem" \
			-nointern -noverify -out /dev/null 2> "$t/err" ||
			openssl smime -verify -binary -inform DER -in "$t/sig" -content "$t/code" \
				-certfile "$t/key.pem" -nointern -noverify \
				-out /dev/null 2> "$t/err" ||
				bad "$m: signature does not verify: $(tail -n 1 "$t/err")"
		# The check can fail: another byte, another result.
		printf x >> "$t/code"
		if openssl smime -verify -binary -inform DER -in "$t/sig" -content "$t/code" \
				-certfile "$t/key.pem" -nointern -noverify \
			-out /dev/null 2> /dev/null; then bad \
			"$m: the signature verifies over anything"; fi
	done
	rm -rf "$t"
}

step_upgrade() {
	run sh -c "dpkg -i /debs/linux-*.deb" || bad "dpkg -i of a second kernel: $(last)"
	kernels_own "$K2" > "/dmc/own-$K2.moved"
	run dkms status
	grep -q "^${name}[/,].*$K2.*installed" <<< "$said" ||
		bad "dkms status: $(grep "$K2" <<< "$said")"
	all_there "$K2"
	initrd_ours "$K2"
	check kernel-upgrade
}

step_skip() {
	local old=2.6.32-5-amd64
	mkdir -p "/lib/modules/$old"
	cp -a "/lib/modules/$K1/build" "/lib/modules/$old/build"
	if run scripts/dkms-install $old; then bad "an unsupported kernel alone: no error"; fi
	grep -q "kernel $old is not supported: skipped" <<< "$said" ||
		bad "an unsupported kernel: not said to be skipped: $(last)"
	run dkms add -m $name -v "$version"
	run /usr/lib/dkms/dkms_autoinstaller start $old ||
		bad "the installation of an unsupported kernel fails: $(last)"
	[ -z "$(ours_in $old)" ] || bad "modules were installed for $old"
	run make dkms-install ||
		bad "dkms-install with an unsupported kernel beside the others: $(last)"
	grep -q "kernel $old is not supported: skipped" <<< "$said" ||
		bad "beside others: not said to be skipped"
	[ -z "$(ours_in $old)" ] || bad "modules were installed for $old"
	rm -rf /lib/modules/$old
	check unsupported-skipped
	# The same run built for both kernels.
	all_there "$K1"
	all_there "$K2"
	check every-kernel
}

step_remove() {
	run make dkms-remove || bad "make dkms-remove: $(last)"
	kernels_own "$K2" > "/dmc/own-$K2"
	none_there "$K1"
	none_there "$K2"
	initrd_kernels "$K1"
	initrd_kernels "$K2"
	run dkms status
	! grep -q $name <<< "$said" || bad "dkms status: $said"
	[ ! -e "/usr/src/$name-$version" ] || bad "/usr/src/$name-$version stays behind"
	[ ! -e "/var/lib/dkms/$name" ] || bad "/var/lib/dkms/$name stays behind"
	check remove
	state > /dmc/state-clean
}

# By hand, as dkms' manual has it: from a folder, no --force.
step_plain() {
	rm -rf /root/tree
	cp -r /dmc/src /root/tree
	run dkms add /root/tree || bad "dkms add: $(last)"
	run dkms build -m $name -v "$version" -k "$K1" || bad "dkms build: $(last)"
	run dkms install -m $name -v "$version" -k "$K1" || bad "dkms install: $(last)"
	all_there "$K1"
	initrd_ours "$K1"
	run dkms remove -m $name -v "$version" --all || bad "dkms remove: $(last)"
	none_there "$K1"
	initrd_kernels "$K1"
	rm -rf /root/tree "/usr/src/$name-$version"
	same_as_before plain-dkms
}

# The package alone, without the steps before it.
step_clean() { state > /dmc/state-clean; }

same_as_before() {
	nothing_since /dmc/state-clean
	check "$1"
}

step_deb() {
	local deb
	deb=$(ls /dmc/deb/dm-cache-dkms_*.deb)
	run dpkg -i "$deb" || bad "dpkg -i: $(last)"
	all_there "$K1"
	[ ! -e "/lib/modules/$K2" ] || all_there "$K2"
	initrd_ours "$K1"
	run dpkg -V dm-cache-dkms || bad "dpkg -V: $(last)"
	check deb-install
	# The same package again is an upgrade to dpkg.
	run dpkg -i "$deb" || bad "dpkg -i again: $(last)"
	all_there "$K1"
	check deb-reinstall
	run dpkg -r dm-cache-dkms || bad "dpkg -r: $(last)"
	none_there "$K1"
	initrd_kernels "$K1"
	check deb-remove
	run dpkg -P dm-cache-dkms || bad "dpkg -P: $(last)"
	same_as_before deb-purge
}

# The package with the command and what assembles caches at boot; with the kernel's own modules
# here. The trigger of initramfs-tools makes the initramfs of the newest kernel anew.
step_tools() {
	local deb f newest
	newest=$(linux-version list | linux-version sort | tail -n 1)
	deb=$(ls /dmc/deb/dmcache_*.deb)
	run dpkg -i "$deb" || bad "dpkg -i: $(last)"
	! grep -q ' lacks ' <<< "$said" || bad "dpkg -i: $(grep ' lacks ' <<< "$said")"
	run dpkg -V dmcache || bad "dpkg -V: $(last)"
	run dmcache size 10G || bad "dmcache size: $(last)"
	grep -q 'cache blocks' <<< "$said" || bad "dmcache size says: $(last)"
	[ -s /usr/share/man/man8/dmcache.8.gz ] && [ -s /usr/share/man/man5/dmcachetab.5.gz ] ||
		bad "no manual pages"
	run lsinitramfs "/boot/initrd.img-$newest"
	for f in usr/sbin/dmcache usr/lib/dmcache/boot usr/lib/dmcache/assemble.sh \
		usr/lib/dmcache/settle \
		usr/lib/udev/rules.d/62-dmcache.rules; do
		grep -qx "$f" <<< "$said" || bad "the initramfs lacks $f"
	done
	check tools-install
	run dpkg -i "$deb" || bad "dpkg -i again: $(last)"
	check tools-reinstall
	run dpkg -r dmcache || bad "dpkg -r: $(last)"
	run lsinitramfs "/boot/initrd.img-$newest"
	! grep -q 'sbin/dmcache$' <<< "$said" || bad "the initramfs still has dmcache"
	check tools-remove
	run dpkg -P dmcache || bad "dpkg -P: $(last)"
	same_as_before tools-purge
}

# What the machine boots into: an older version of ours is installed, in the initramfs too, and the
# new one is built.
step_older() {
	rm -rf /root/older
	cp -r /dmc/src /root/older
	sed -i 's/^PACKAGE_VERSION=.*/PACKAGE_VERSION="0.0.1"/' /root/older/dkms.conf
	sed -i 's/\(define DMC_VERSION\).*/\1 "0.0.1"/' /root/older/src/version.h
	run /root/older/scripts/dkms-install "$K1" || bad "installing 0.0.1: $(last)"
	[ "$(modinfo -k "$K1" -F version dm-cache)" = 0.0.1 ] || bad "0.0.1 is not installed"
	initrd_ours "$K1"
	scripts/dkms-source "/usr/src/$name-$version" || bad "dkms-source"
	run dkms add -m $name -v "$version" || bad "dkms add: $(last)"
	run dkms build -m $name -v "$version" -k "$K1" || bad "dkms build: $(last)"
	check older-version
}

for s in "$@"; do
	echo "=== $s" >> $log
	"step_$s"
done
