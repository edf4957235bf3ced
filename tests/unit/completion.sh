#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# packaging/kvmscope.bash, called as bash calls it. --help is the real program's, so that what it
# lists and what completion makes of it can't part; the VMs are hostile ones.
# Argument: the build directory. Status 77 when there is no kvmscope in it.
set -euo pipefail

here=$(dirname "$(readlink -f "$0")")
root=$(dirname "$(dirname "$here")")
build=$(readlink -f "${1:-$root/build}")
if [ ! -x "$build/kvmscope" ]; then
	echo "no $build/kvmscope"
	exit 77
fi
export REAL=$build/kvmscope LC_ALL=C.UTF-8
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export PATH=$dir:$PATH VMS=$dir/vms.json
cd "$dir"
mkdir -p sub
touch sub/file

cat >kvmscope <<'END'
#!/bin/bash
if [ "$*" = "vms -j" ]; then
	cat "$VMS"
else
	exec "$REAL" "$@"
fi
END
chmod +x kvmscope

# vm PID UUID NAME: the name as JSON has it, without its quotes.
vm() {
	printf '%s{"name":"%s","name_source":"cmdline","uuid":%s,"pid":%s,"platform":"qemu","vcpus":[{"id":0,"tid":7}],"nics":[{"name":"vnet0"}],"disks":[],"cgroup":"/"}' \
		"$separator" "$3" "$2" "$1"
	separator=,
}

{
	separator=
	printf '{"schema":"kvmscope/1","report":"vms","vms":['
	vm 101 '"5b0c7c64-5d3f-4c4e-8d6e-1f1a2b3c4d5e"' web1
	vm 102 null web2
	vm 103 null 'db 1'
	# shellcheck disable=SC2016 # what they hold must not run
	vm 104 null 'a$(touch ran)b'
	# shellcheck disable=SC2016
	vm 105 null 'x`touch ran`y'
	vm 106 null 'semi;touch ran'
	vm 107 null "tick'y"
	vm 108 null 'q\"uote'
	vm 109 null 'evil\u001b]52;c;aGk=\u0007'
	vm 110 null 'newline\nweb9'
	vm 111 null 'fo\",\"name\":\"forged\",\"name_source\":\"x\",\"uuid\":null,\"pid\":1,'
	vm 112 null 'Müller'
	vm 113 null $'\u202ebidi'
	vm 114 null $'c1\u009b'
	vm 115 null 'pid:4711'
	vm 116 null 'k=v'
	vm 117 null '*'
	vm 118 null "$(printf 'z%.0s' {1..4096})"
	printf ']}\n'
} >vms.json

# shellcheck source=packaging/kvmscope.bash disable=SC1091
. "$root/packaging/kvmscope.bash"
failures=0

# expect LINE WANTED...: with the cursor at the end of LINE. readline's own idea of the word is
# what follows its last break, outside quotes.
expect() {
	local line=$1 readline got want
	shift
	readline=${line##*[ =:\'\"]}
	[[ $line != *'\ '* ]] || readline=${line##*[!\\] }
	COMP_LINE=$line COMP_POINT=${#line} COMPREPLY=()
	# bash gives these, too; nothing here reads them
	# shellcheck disable=SC2034
	COMP_WORDS=("$line") COMP_CWORD=0
	_kvmscope kvmscope "$readline" '' || true
	got=$(printf '%s\n' "${COMPREPLY[@]}" | sort)
	want=$(printf '%s\n' "$@" | sort)
	if [ "$got" != "$want" ]; then
		printf '%s\n  gives: %s\n  wants: %s\n' "$line" "${got//$'\n'/ | }" "${want//$'\n'/ | }"
		failures=$((failures + 1))
	fi
}

# expect_some LINE WANTED...: these, and perhaps more.
expect_some() {
	local line=$1 word
	shift
	COMP_LINE=$line COMP_POINT=${#line} COMPREPLY=()
	_kvmscope kvmscope "${line##* }" '' || true
	for word in "$@"; do
		if [[ " ${COMPREPLY[*]} " != *" $word "* ]]; then
			echo "$line: no $word among ${COMPREPLY[*]}"
			failures=$((failures + 1))
		fi
	done
}

expect_some 'kvmscope ' check cpu exits vms
expect 'kvmscope exi' exits
expect 'kvmscope --json exi' exits
expect 'kvmscope exits ' ''
expect_some 'kvmscope exits -' --by --counts --vm --json --output --help
expect 'kvmscope cpu --cou' ''
expect 'kvmscope exits --by ' reason vcpu userspace port mmio msr hypercall page-fault
expect 'kvmscope exits --by=u' userspace
expect 'kvmscope exits -b us' userspace
expect 'kvmscope --color ' auto always never
expect 'kvmscope -o su' sub
expect 'kvmscope --output=sub/f' sub/file

expect 'kvmscope -n web' web1 web2
expect 'kvmscope exits --vm web2' web2
expect 'kvmscope --vm=web1' web1
expect 'kvmscope -n d' 'db\ 1'
expect 'kvmscope -n db\ ' 'db\ 1'
expect "kvmscope -n 'd" 'db 1'
expect 'kvmscope -n "d' 'db 1'
expect 'kvmscope -n pid:4' 4711
expect 'kvmscope -n pid:' 4711
expect 'kvmscope -n k=' v
expect 'kvmscope -n M' Müller
expect 'kvmscope -p 11' 110 111 112 113 114 115 116 117 118
expect 'kvmscope -n 10' 101 102 103 104 105 106 107 108 109
expect 'kvmscope -n 5b0c' 5b0c7c64-5d3f-4c4e-8d6e-1f1a2b3c4d5e
expect 'kvmscope -n nothing' ''

expect 'kvmscope -n a' 'a\$\(touch\ ran\)b'
# shellcheck disable=SC2016
expect 'kvmscope -n x' 'x\`touch\ ran\`y'
# shellcheck disable=SC2016
expect 'kvmscope -n "x' ''
expect 'kvmscope -n semi' 'semi\;touch\ ran'
expect "kvmscope -n 't" ''
expect 'kvmscope -n t' "tick\\'y"
for hidden in q evil newline forged fo c1 z; do
	expect "kvmscope -n $hidden" ''
done

if [ -e ran ]; then
	echo "a VM's name was executed"
	failures=$((failures + 1))
fi
[ "$failures" = 0 ]
