#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# make install: the configuration goes where kvmscoped reads it, and one that is there stays.
# Argument: the build directory. Status 77 when nothing is built in it.
set -euo pipefail

root=$(dirname "$(dirname "$(dirname "$(readlink -f "$0")")")")
build=$(readlink -f "${1:-$root/build}")
if [ ! -x "$build/kvmscoped" ]; then
	echo "no $build/kvmscoped"
	exit 77
fi
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
failures=0

fail() {
	echo "$*"
	failures=$((failures + 1))
}

# install_to DIR VARIABLE...: what is built, and nothing is built for it. No -j nor B of whoever runs us.
install_to() {
	local to=$1
	shift
	MAKEFLAGS='' make -C "$root" -o all B="$build" install DESTDIR="$to" "$@" >"$dir/log" 2>&1 ||
		fail "make install $*: $(tail -n 3 "$dir/log")"
}

conf=$(strings -a "$build/kvmscoped" | grep -xE '/[a-z/]+/kvmscoped\.conf')
install_to "$dir/local"
[ -x "$dir/local/usr/local/sbin/kvmscope" ] || fail "no kvmscope: $(find "$dir/local")"
cmp -s "$root/packaging/kvmscoped.conf" "$dir/local/$conf" ||
	fail "the program reads $conf, and this is not it: $(find "$dir/local" -name kvmscoped.conf)"
grep -qx 'ExecStart=/usr/local/sbin/kvmscoped' "$dir/local/usr/local/lib/systemd/system/kvmscoped.service" ||
	fail "the unit: $(grep ExecStart= "$dir/local/usr/local/lib/systemd/system/kvmscoped.service")"
echo 'max-cpu = 2' >"$dir/local/$conf"
install_to "$dir/local"
[ "$(cat "$dir/local/$conf")" = 'max-cpu = 2' ] || fail "an edited configuration was overwritten"
grep -q "^$dir/local$conf is kept as it is" "$dir/log" || fail "nothing says that it was kept: $(cat "$dir/log")"
install_to "$dir/other" prefix=/opt/kvmscope sysconfdir=/opt/etc
grep -qx 'ExecStart=/opt/kvmscope/sbin/kvmscoped --config=/opt/etc/kvmscope/kvmscoped.conf' \
	"$dir/other/opt/kvmscope/lib/systemd/system/kvmscoped.service" || fail "the unit does not tell of another place"
[ -e "$dir/other/opt/etc/kvmscope/kvmscoped.conf" ] || fail "no configuration in another place"
exit $((failures > 0))
