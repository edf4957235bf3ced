#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The man page is sound, and has every command, option, loss counter and exit status that there is.
# Argument: the build directory. Status 77 when there is no kvmscope in it, or no mandoc.
set -euo pipefail

here=$(dirname "$(readlink -f "$0")")
root=$(dirname "$(dirname "$here")")
build=$(readlink -f "${1:-$root/build}")
page=$root/tools/kvmscope.8
if [ ! -x "$build/kvmscope" ]; then
	echo "no $build/kvmscope"
	exit 77
fi
if ! command -v mandoc >/dev/null; then
	echo "no mandoc"
	exit 77
fi
failures=0

fail() {
	echo "$*"
	failures=$((failures + 1))
}

# need WHAT WORD: the page names it, as a word of its own.
need() {
	grep -qE -- "(^|[^[:alnum:]_-])${2//./\\.}(\$|[^[:alnum:]_-])" <<<"$text" ||
		fail "the man page does not have $1 $2"
}

lint=$(mandoc -Tlint -Wwarning "$page" 2>&1) || fail "$lint"
text=$(mandoc -Tascii "$page" | sed 's/.\x08//g')
help=$("$build/kvmscope" --help)
commands=$(sed -n '/^Commands:/,/^$/s/^  \([a-z]\+\) .*/\1/p' <<<"$help")
[ -n "$commands" ] || fail "--help lists no commands"

for command in $commands; do
	need command "$command"
	help+=$("$build/kvmscope" "$command" --help)
done
while read -r option; do
	need option "$option"
done < <(grep -oE '^ +(-., )?--[a-z-]+' <<<"$help" | grep -oE -- '--[a-z-]+' | sort -u)
while read -r loss; do
	need "loss counter" "$loss"
done < <(sed -n 's/^LOSS([A-Z_]*, \([a-z_]*\),.*/\1/p' "$root/include/kvmscope/loss.def")
while read -r state; do
	need state "$state"
done < <(sed -n '/state_names\[KS_STATES\] = {/,/}/p' "$root/src/report.c" | grep -oE '"[a-z_]+"' | tr -d '"')
[ "$failures" = 0 ]
