# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
#
# Completion for bash. Commands, options and their values come from kvmscope's own --help, names of
# VMs from kvmscope vms. A VM's name is whatever somebody typed: it is only ever compared and
# quoted, so there is no eval here, and no compgen -W, which would expand it.

# Splits the line up to the cursor as the shell would, for readline splits at ":" and "=" as well.
# Sets the caller's words (without quotes), cur (the last, without quotes), raw (as it was typed)
# and quote (the one that is still open).
_kvmscope_split()
{
	local line=${COMP_LINE:0:COMP_POINT} c i
	words=() cur='' raw='' quote=''
	for ((i = 0; i < ${#line}; i++)); do
		c=${line:i:1}
		if [[ $c == [[:space:]] && -z $quote ]]; then
			[[ -z $raw ]] || words+=("$cur")
			cur='' raw=''
			continue
		fi
		raw+=$c
		if [[ $c == "$quote" ]]; then
			quote=''
		elif [[ -z $quote && $c == [\'\"] ]]; then
			quote=$c
		elif [[ $c == \\ && $quote != \' ]]; then
			((++i))
			c=${line:i:1}
			raw+=$c cur+=$c
		else
			cur+=$c
		fi
	done
}

# Keeps a candidate that begins with what was typed: quoted, and without what readline keeps.
# $1: what readline takes for the word, $2: what was typed of the value, $3: the candidate
_kvmscope_offer()
{
	local text=$3 kept=$raw
	[[ $3 == "$2"* ]] || return 0
	case $quote in
	"") printf -v text %q "$3" ;;
	\') [[ $3 != *\'* ]] || return 0 ;;
	\") [[ $3 != *[\"\$\`\\!]* ]] || return 0 ;;
	esac
	[[ $kept == --*=* ]] && kept=${kept#*=}
	kept=${kept#"$quote"}
	kept=${kept%"$1"}
	[[ $text == "$kept"* ]] || return 0
	COMPREPLY+=("${text#"$kept"}")
}

# One VM a line: pid, uuid, name. Names with a character that would have to be escaped in JSON, or
# that is neither ASCII nor a letter or digit, are left out: such a VM has a pid, too.
_kvmscope_vms()
{
	local safe='^[][:alnum:] ._:@%+=,/~#&;()<>|*?!$^{}`['\''-]+$' line pid uuid name
	# A quote inside a string has a backslash before it: no name can pass for the start of an
	# object. grep, for bash's own matching takes minutes for a name of some thousand bytes.
	"$kvmscope" vms -j 2>/dev/null | LC_ALL=C grep -aoE \
		'"name":"([^"\\]|\\.)*","name_source":"[^"]*","uuid":("[^"]*"|null),"pid":[0-9]+' |
		while IFS= read -r line; do
			pid=${line##*:} line=${line%,\"pid\":*}
			uuid=${line##*:} line=${line%,\"uuid\":*}
			uuid=${uuid//\"/}
			line=${line%\",\"name_source\":*}
			name=${line#\"name\":\"}
			[[ ${#name} -le 256 && $name =~ $safe ]] || name=''
			printf '%s\t%s\t%s\n' "$pid" "${uuid/null/-}" "$name"
		done
}

# $1: as above, $2: what was typed, $3: pid, if only that will do
_kvmscope_complete_vm()
{
	local pid uuid name vms
	vms=$(_kvmscope_vms)
	if [[ -z ${3-} ]]; then
		while IFS=$'\t' read -r pid uuid name; do
			[[ -z $name ]] || _kvmscope_offer "$1" "$2" "$name"
		done <<<"$vms"
	fi
	((${#COMPREPLY[@]} == 0)) || return 0
	while IFS=$'\t' read -r pid uuid name; do
		[[ -z $pid ]] || _kvmscope_offer "$1" "$2" "$pid"
		[[ -n ${3-} || $uuid == [-] || -z $uuid ]] || _kvmscope_offer "$1" "$2" "$uuid"
	done <<<"$vms"
}

# The values that an option's help lists: "auto, always or never (...)".
_kvmscope_values()
{
	local doc
	doc=$(sed -n "s/^ *\(-., \)\?--$1=[A-Z]* *//p" <<<"$help")
	doc=$(sed 's/([^)]*)//g; s/\<or\>/ /g; s/,/ /g' <<<"$doc")
	# shellcheck disable=SC2086 # a list of words, and of our own
	printf '%s\n' $doc
}

# --help, the lines that go on from the one above joined to it. $1: the command, if any
_kvmscope_help()
{
	# shellcheck disable=SC2086 # there may be none
	"$kvmscope" $1 --help 2>/dev/null | sed -e ':a' -e '$!N' -e 's/\n  \{20,\}/ /' -e ta -e P -e D
}

_kvmscope()
{
	local kvmscope=${1/#\~/$HOME} readline=$2 words cur raw quote
	local help command='' option='' typed word pattern
	COMPREPLY=()
	kvmscope=$(type -P -- "$kvmscope") || return 0
	_kvmscope_split
	help=$(_kvmscope_help '')

	# The command is the first word that is one, as a value of an option can't be told from it.
	for word in "${words[@]:1}"; do
		if [[ $word == [a-z]* ]] && grep -q "^  $word  " <<<"$help"; then
			command=$word
			help=$(_kvmscope_help "$command")
			break
		fi
	done

	# The option whose value is being typed, by its long name.
	typed=$cur
	if [[ $cur == --*=* ]]; then
		option=${cur%%=*}
		typed=${cur#*=}
	elif ((${#words[@]} > 1)); then
		option=${words[-1]}
	fi
	case $option in
	--[a-z]*) pattern="s/^ *\(-., \)\?--\(${option#--}\)=.*/\2/p" ;;
	-[a-zA-Z]) pattern="s/^  $option, --\([a-z-]*\)=.*/\1/p" ;;
	*) pattern=d ;;
	esac
	option=$(sed -n "$pattern" <<<"$help")

	case $option in
	vm) _kvmscope_complete_vm "$readline" "$typed" ;;
	pid) _kvmscope_complete_vm "$readline" "$typed" pid ;;
	output)
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$typed")
		;;
	by | color)
		while read -r word; do
			_kvmscope_offer "$readline" "$typed" "$word"
		done < <(_kvmscope_values "$option")
		;;
	"")
		if [[ $cur == -* ]]; then
			pattern='s/^ *\(-., \)\?\(--[a-z-]*\).*/\2/p'
		elif [[ -z $command ]]; then
			pattern='/^Commands:/,/^$/s/^  \([a-z]*\)  .*/\1/p'
		else
			return 0
		fi
		while read -r word; do
			_kvmscope_offer "$readline" "$typed" "$word"
		done < <(sed -n "$pattern" <<<"$help")
		;;
	esac
}

complete -F _kvmscope kvmscope
