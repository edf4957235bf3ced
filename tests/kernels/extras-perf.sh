# shellcheck shell=dash
# shellcheck disable=SC2016,SC2154 # jq variables; set by lib-vm.sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Scenario: `perf kvm stat` sees the same exits. Counts are equal, wall times agree. What both print
# is left in exits.txt and perf.txt, and side by side, for README.md, in beside.md.

# Instructions are the clock: a time is the same whatever else this machine does.
options_the_same_exits_as_perf() {
	if ! command -v perf >/dev/null; then
		echo "no perf here"
		return 1
	fi
	printf '%s\n' --icount --file "$(command -v perf):/bin/perf"
}

# A process of perf's own, so that perf sees all of it; it stays until the reports are there, so
# that they can tell its name. No poll may run meanwhile.
run_the_same_exits_as_perf() {
	scope_start scope exits -j
	scope=$scope_pid
	scope_start text exits
	mkfifo hold words
	exec 9<>hold
	perf kvm --host stat record -o perf.data -a \
		sh -c 'exec -a qemu-system-x86_64 "$0" "$@"' "$KVMGUEST" -name guest=web1 --hold \
		--out 211 --cpuid 503 --hlt 101 --mmio 53 --rdmsr 307 --hlt-wake-us 3000 \
		<hold 9<&- >words 2>record.err &
	perf=$!
	started $perf
	grep -m 1 '^done' words
	scope_report scope "$scope"
	scope_report text "$scope_pid"
	cp scope.out exits.json
	cp text.out exits.txt
	exec 9<&-
	wait $perf
	scope_end text "$scope_pid"
	scope_end scope "$scope"
	perf kvm --host -i perf.data stat report >perf.txt 2>&1 # it is stderr
	rm perf.data hold words
}

# perf_rows FILE: what `perf kvm stat report` says, as JSON, in ns. Its average has two decimals.
perf_rows() {
	local us=' +([0-9.]+)us'
	sed -nE "s/^ *([^ ].*[^ ]) +([0-9]+) +[0-9.]+% +[0-9.]+%$us$us$us .*/\1;\2;\4;\5/p" "$1" |
		jq -Rn '[inputs / ";" | {reason: (.[0] | ascii_downcase), count: (.[1] | tonumber),
		max: (.[2] | tonumber * 1000), avg: (.[3] | tonumber * 1000)}]'
}

# The two read the clock one after the other, at both events, and perf takes two events more in
# between: some hundred instructions, of which each is a nanosecond there. Once in a while the
# timer's interrupt falls between the two reads.
apart_max=1000
interrupt_max=50000

# An exit that no entry follows, as the last OUT's, has no duration yet; perf does not count it.
check_the_same_exits_as_perf() {
	lines_are exits.json 1
	holds complete exits.json '[complete, losses] | must(. == [true, {}])'
	says_not record.err '[Ll]ost'
	says_not perf.txt '[Ll]ost'
	perf_rows perf.txt >perf.json
	holds "perf saw what the guest did" perf.json '.[0] | map({(.reason): .count}) | add |
		[.io, .cpuid, .hlt, .npf, .msr >= 509] | must(. == [211, 503, 101, 55, true])'
	value exits.json '[vm("web1")[].exits[] | . as $e |
		($perf[0][] | select(.reason == $e.reason)) // {} |
		{reason: $e.reason, counts: [.count, $e.latency.count],
		averages: [.avg, $e.latency.sum / $e.latency.count], maxima: [.max, $e.latency.max]}]' \
		--slurpfile perf perf.json >compared
	holds "the same reasons" compared \
		'[.[0][].reason] | must(sort == ($perf[0] | map(.reason) | sort))' --slurpfile perf perf.json
	holds "counts are equal" compared '.[0] | must(all(.[]; .counts | .[0] == .[1]))'
	holds "sums within 0.1 %, $apart_max ns an exit, and an interrupt" compared \
		'[.[0][] | [.reason, .counts[0], .averages[]] | select(.[1] as $n |
		($n * (.[3] - .[2]) | abs) > $n * (0.001 * .[2] + $apart) + $interrupt)] |
		must(. == [])' --argjson apart $apart_max --argjson interrupt $interrupt_max
	holds "maxima within 0.1 %, $apart_max ns, and an interrupt" compared \
		'[.[0][] | [.reason, .maxima[]] | select(
		(.[2] - .[1] | abs) > 0.001 * .[1] + $apart + $interrupt)] | must(. == [])' \
		--argjson apart $apart_max --argjson interrupt $interrupt_max
	note "averages $(apart averages) ns apart, maxima $(apart maxima)"
	beside >beside.md
}

beside() {
	echo "| exit | counts | average, us | total, ms | maximum, us |"
	echo "|---|---|---|---|---|"
	jq -r 'def f($by; $digits): map(. / $by * pow(10; $digits) | round / pow(10; $digits) | tostring) |
			join(" / ");
		sort_by(-.counts[0])[] | .counts as $n |
		"| `\(.reason)` | \($n | f(1; 0)) | \(.averages | f(1000; 2)) | " +
		"\([.averages[] * $n[0]] | f(1e6; 3)) | \(.maxima | f(1000; 2)) |"' compared
}

# apart averages|maxima: by how much kvmscope's are more than perf's, over the reasons.
apart() {
	jq -r --arg what "$1" 'map(.[$what] | .[1] - .[0] | round) | "\(min) to \(max)"' compared
}
