#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# What is shipped beside the programs: units as tight as promised, a man page with every option.
set -euo pipefail

root=$(dirname "$(dirname "$(dirname "$(readlink -f "$0")")")")
build=$(readlink -f "${1:-$root/build}")
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
failures=0

fail() {
	echo "$*"
	failures=$((failures + 1))
}

for tool in systemd-analyze mandoc; do
	command -v "$tool" >/dev/null || {
		echo "no $tool"
		exit 77
	}
done
sed 's,/usr/sbin/kvmscoped,/bin/true,; /^Documentation/d' "$root/packaging/systemd/kvmscoped.service" >"$tmp/kvmscoped.service"
# the score in tenths; it fails where it is over the threshold
systemd-analyze security --offline=yes --no-pager --threshold=25 "$tmp/kvmscoped.service" >"$tmp/score" 2>&1 ||
	fail "the unit is not as tight as it was: $(tail -n 1 "$tmp/score")"
systemd-analyze verify "$tmp/kvmscoped.service" >"$tmp/verify" 2>&1 || fail "$(cat "$tmp/verify")"
mandoc -Tlint -Wwarning "$root/tools/kvmscoped.8" >"$tmp/lint" 2>&1 || fail "$(cat "$tmp/lint")"
text=$(mandoc -Tascii "$root/tools/kvmscoped.8" | sed 's/.\x08//g')
while read -r option; do
	grep -qE -- "$option([^a-z-]|\$)" <<<"$text" || fail "the man page does not have $option"
done < <("$build/kvmscoped" --help | grep -oE -- '--[a-z-]+')
exit $((failures > 0))
