#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# What a second try makes of results: second_try in tests/lib.sh.
set -euo pipefail

here=$(dirname "$(readlink -f "$0")")
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
RESULTS=$dir/results
# shellcheck source=tests/lib.sh
. "$here/../lib.sh"
bad=0

# line STATUS GROUP NAME SECONDS WHY
line() {
	printf '%s\t%s\t%s\t%s\t%s\n' "$@"
}

# merged WHAT: $RESULTS is what is in "expected".
merged() {
	cmp -s expected "$RESULTS" || {
		echo "$1:"
		diff expected "$RESULTS" || true
		bad=1
	}
}

first() {
	line ok 6.12 steal 3.5 note
	line FAIL 6.12 "net arp" 2.1 "counts: 1, not 2"
	line FAIL 7.3 "net arp" 2.2 why
	line SKIP 6.12 "disk nvme" 0 "no NVMe here"
	line time 6.12 smp1 300.1 ""
}

first >"$RESULTS"
line ok 6.12 "net arp" 1.9 "" >second
line time 6.12 smp1 9.0 "" >>second
second_try second
{
	first | sed -n 1p
	line ok 6.12 "net arp" 1.9 "at the second try; "
	first | sed -n '3,$p'
} >expected
merged "passed when tried again, of that kernel only"

first >"$RESULTS"
line FAIL 6.12 "net arp" 1.8 "counts: 3, not 2" >second
second_try second
{
	first | sed -n 1p
	cat second
	first | sed -n '3,$p'
} >expected
merged "failed again"

first >"$RESULTS"
line FAIL 6.12 "boot smp1" 0 "status 124" >second
second_try second
first >expected
merged "did not boot"

first >"$RESULTS"
: >second
second_try second
merged "left nothing"

first >"$RESULTS"
line FAIL 6.12 steal 1 "was ok" >second
second_try second
merged "what passed is not tried again"

exit $bad
