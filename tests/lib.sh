# shellcheck shell=bash
# shellcheck disable=SC2016 # jq's variables
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Results and assertions, on the host's side. A check is a function check_NAME that looks at what
# run_NAME has left in its working directory; its assertions print what is wrong, and go on: what is
# silent is right.
#
# Needs: RESULTS: a file that gets a line "status<TAB>group<TAB>name<TAB>seconds<TAB>why or note" a test.

tests=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")

# Keys are sorted, so that texts can be compared. gojq where it is: it starts in a tenth of the time, and for all
# kernels some ten thousand questions are asked.
if command -v gojq >/dev/null; then
	jq() {
		gojq "$@"
	}
else
	jq() {
		command jq -S "$@"
	}
fi

# result ok|FAIL|SKIP GROUP NAME SECONDS [WHY]: one test has ended. Standard input, if it failed, is
# shown indented.
result() {
	local status=$1 group=$2 name=$3 seconds=$4 why=${5:-} fd
	exec {fd}>>"$RESULTS"
	flock "$fd" # there may be another kernel's suite beside us
	printf '%s\t%s\t%s\t%s\t%s\n' "$status" "$group" "$name" "$seconds" "${why//[[:cntrl:]]/ }" >&"$fd"
	if [ "$status" = ok ]; then
		echo "ok $group: $name ($seconds s)${why:+   $why}"
	else
		echo "$status $group: $name: $why ($seconds s)"
	fi
	[ "$status" != FAIL ] || sed 's/^/    /' | tail -n 60
	exec {fd}>&-
}

# took GROUP NAME BEGIN: how long that was, from BEGIN to now; for the table, it is no test.
took() {
	printf 'time\t%s\t%s\t%s\n' "$1" "$2" \
		"$(awk "BEGIN { printf \"%.1f\", $EPOCHREALTIME - $3 }")" >>"$RESULTS"
}

# second_try FILE: what has failed in RESULTS, and has another result in FILE, has that one.
second_try() {
	local merged
	merged=$(awk -F '\t' -v OFS='\t' '
		second {
			if ($1 != "time") {
				if ($1 == "ok") $5 = "at the second try; " $5
				again[$2, $3] = $0
			}
			next
		}
		$1 == "FAIL" && ($2, $3) in again { print again[$2, $3]; next }
		{ print }' second=1 "$1" second=0 "$RESULTS")
	printf '%s\n' "$merged" >"$RESULTS"
}

# timed GROUP NAME COMMAND...: a test that is a command. Status 77 is SKIP, for which it says why
# in its last line.
timed() {
	local group=$1 name=$2 out status=0 begin=$EPOCHREALTIME seconds
	shift 2
	out=$("$@" 2>&1 </dev/null) || status=$?
	seconds=$(awk "BEGIN { printf \"%.1f\", $EPOCHREALTIME - $begin }")
	case $status in
	0) result ok "$group" "$name" "$seconds" ;;
	77) result SKIP "$group" "$name" "$seconds" "$(tail -n 1 <<<"$out")" ;;
	*) result FAIL "$group" "$name" "$seconds" "status $status" <<<"$out" ;;
	esac
}

# names_of FILE...: the scenarios in there, in their order.
names_of() {
	sed -n 's/^run_\([a-z0-9_]*\)() {$/\1/p' "$@"
}

# tap_is_whole RESULT: a program of cmocka's has come to its end.
tap_is_whole() {
	local planned
	planned=$(sed -n 's/^1\.\.\([0-9]*\)$/\1/p' "$1")
	[ "${planned:-0}" -gt 0 ] || failed "$1: no plan of tests"
	[ "$(grep -cE '^(not )?ok [0-9]' "$1")" = "${planned:-0}" ] ||
		failed "$1: $(grep -cE '^(not )?ok [0-9]' "$1") of ${planned:-0} tests; its end: $(tail -n 1 "$1")"
}

# within_record RESULT: what the programs cost the verifier of $series, by bpf_tests, is what was recorded.
within_record() {
	local status=0
	"$tests/kernels/verifier" check "$series" "$1" 2>why || status=$?
	case $status in
	0) ;;
	77) note "$(tail -n 1 why)" ;;
	*) failed "the verifier's record can't be looked at: $(cat why)" ;;
	esac
}

# judge GROUP NAME DIR: checks what a scenario has left in DIR, and prints its line.
judge() {
	local group=$1 name=$2 dir=$3 title status seconds why
	title=${name//_/ }
	status=$(cat "$dir/status" 2>/dev/null || echo "no status")
	seconds=$(cat "$dir/seconds" 2>/dev/null || echo 0)
	case $status in
	0)
		(cd "$dir" && "check_$name") >"$dir/check.log" 2>&1 || true
		if [ ! -s "$dir/check.log" ]; then
			result ok "$group" "$title" "$seconds" "$(cat "$dir/note" 2>/dev/null)"
			return
		fi
		why=$(head -n 1 "$dir/check.log")
		;;
	77)
		result SKIP "$group" "$title" "$seconds" "$(tail -n 1 "$dir/log")"
		return
		;;
	*)
		why="the scenario ended with $status"
		cat "$dir/log" >"$dir/check.log" 2>/dev/null
		;;
	esac
	result FAIL "$group" "$title" "$seconds" "$why" <"$dir/check.log"
}

# --- assertions

failed() {
	echo "$*"
}

# note TEXT: shown behind "ok".
note() {
	printf '%s' "${*}; " >>note
}

# value FILE PROGRAM [OPTION...]: what jq makes of the reports in FILE.
value() {
	local file=$1 program=$2
	shift 2
	jq -s -c -L "$tests" "$@" "include \"lib\"; $program" "$file"
}

# same WHAT EXPECTED FILE PROGRAM: as JSON.
same() {
	local what=$1 expected got
	expected=$(jq -c -n "$2") || expected="no JSON: $2"
	got=$(value "$3" "$4" 2>&1) || true
	[ "$got" = "$expected" ] || failed "$what: $got, not $expected"
}

# holds WHAT FILE PROGRAM [OPTION...]: it yields true; must() in lib.jq helps to tell what else.
holds() {
	local what=$1 got
	shift
	got=$(value "$@" 2>&1) || true
	[ "$got" = true ] || failed "not so: $what: $(printf %.600s "$got")"
}

# complete_or_told FILE: nothing was lost, or runs that the kernel has skipped (and so, but only so, ends of
# requests, of which no run has more than one), and then it says so. Live, ends alone: a machine's own kernel may skip runs and not count them.
complete_or_told() {
	holds "$1: complete, or what is missing is told" "$1" '[complete, losses] |
		must(. == [true, {}] or (.[0] == false and (.[1] | keys) - ["disk_ends_missed", "recursion_misses"] == [] and
			(.[1].recursion_misses > 0 and (.[1].disk_ends_missed // 0) <= .[1].recursion_misses or $live)))' --argjson live "$([ -n "${LIVE:-}" ] && echo true || echo false)"
	[ "$(value "$1" losses)" = '{}' ] || note "told: $(value "$1" losses)"
}

# adds_up FILE VM: each vCPU's parts are its wall time, and that is the interval's, to the nanosecond.
adds_up() {
	holds "$2: the parts are the whole" "$1" \
		'[vm($vm)[].vcpus[] | [split_sum, .wall_ns]] | must(all(.[]; .[0] == .[1]))' --arg vm "$2"
	holds "$2: the whole is the interval" "$1" \
		'[.[] | .elapsed_ns as $e | .vms[] | select(.name == $vm).vcpus[] | .wall_ns - $e] |
		must(length > 0 and all(.[]; . == 0))' --arg vm "$2"
}

# status_is FILE STATUS: of a run of scope.
status_is() {
	local got
	got=$(cat "$1.status")
	[ "$got" = "$2" ] || failed "$1: exit status $got, not $2: $(tail -n 3 "$1.err")"
}

# says FILE PATTERN: a line in there.
says() {
	grep -qE -- "$2" "$1" || failed "$1 has no line '$2': $(head -n 5 "$1")"
}

says_not() {
	! grep -qE -- "$2" "$1" || failed "$1 has: $(grep -E -m 1 -- "$2" "$1")"
}

# lines_are FILE N
lines_are() {
	local got
	got=$(wc -l <"$1")
	[ "$got" = "$2" ] || failed "$1 has $got lines, not $2: $(head -n 5 "$1")"
}

# at_most WHAT NUMBER LIMIT
at_most() {
	awk -v got="$2" -v limit="$3" 'BEGIN { exit !(got <= limit) }' || failed "$1: $2, more than $3"
}

# serves FILE BUT: all that the rules and the dashboard ask for is in an exposition, but what matches BUT.
serves() {
	local name
	while read -r name; do
		grep -qE "^(# TYPE )?$name[{ ]" "$1" || failed "$1 has no $name, which is asked for in packaging/"
	done < <(grep -ohP '(?<![:a-z_.])kvmscope_[a-z0-9_]+' "$tests"/../packaging/{prometheus/kvmscope.rules.yml,grafana/kvmscope.json} |
		sort -u | grep -vE "$2")
}

# answer FILE: what kvmguest's last line says, as "out=N mmio=N ...", to be evaluated.
answer() {
	sed -n 's/^done //p' "$1.out"
}
