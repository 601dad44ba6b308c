#!/bin/bash
# SPDX-License-Identifier: ISC
# Completion in bash: what it offers is what the program takes.
COMPLETIONS=$(readlink -f "$(dirname "$0")/../../completions/sojourn.bash")
. "$(dirname "$0")/common.sh"
. "$COMPLETIONS"

mkdir -p "$HOME/.ssh" "$XDG_STATE_HOME/sojourn"
cat >"$HOME/.ssh/config" <<'X'
# Host comment
Host plain *.example.org !not
	User alice
host short other
	HostName = long.example.org
Match host x
	HostName matched.example.org
Host %h
X
mkdir -p "$HOME/.config/sojourn"
echo 'Host=ours # not.this' >"$HOME/.config/sojourn/config"
cat >"$XDG_STATE_HOME/sojourn/known_hosts" <<'X'
# nothing
known.example.net sojourn-x25519 AAAA
[127.0.0.1]:7600 sojourn-x25519 AAAA
2001:db8::1 sojourn-x25519 AAAA
[2001:db8::2]:7600 sojourn-x25519 AAAA
X
touch file1 file2

# completes LINE WORD...: exactly these, in any order
completes() {
	local line=$1
	shift
	COMP_LINE=$line COMP_POINT=${#line} COMPREPLY=()
	_sojourn "$SOJOURN" "${line##*[ :@=]}" ""
	[ "$(printf '%s\n' "${COMPREPLY[@]}" | sort -u)" = \
	    "$(printf '%s\n' "$@" | sort -u)" ] ||
	    fail "\"$line\" gives: ${COMPREPLY[*]}"
}

[ "$(complete -p sojourn)" = "complete -F _sojourn sojourn" ] ||
    fail "not registered"
completes "sojourn " $("$SOJOURN" help | sed -n 's/^  \([a-z]*\) .*/\1/p')
completes "sojourn lo" login logout
completes "sojourn help ag" agent
completes "sojourn frobnicate "
completes "sojourn login --" --config --help --json --no-agent --server-key \
    --timeout
completes "sojourn login --json host -" -i -o -q -v --config --help --json \
    --no-agent --server-key --timeout
completes "sojourn agent --st" --stop
completes "sojourn serve --li" --listen
for verb in login logout list status open forward doctor; do
	completes "sojourn $verb " plain short other ours known.example.net \
	    127.0.0.1:7600 '[2001:db8::1]' '[2001:db8::2]:7600'
done
completes "sojourn login -v k" known.example.net
completes "sojourn login --timeout 5 k" known.example.net
completes "sojourn login bob@kn" known.example.net
completes "sojourn login 127.0.0.1:7" 7600
completes "sojourn open known.example.net "
completes "sojourn login --timeout "
completes "sojourn login -i f" file1 file2
completes "sojourn login -o S" StrictHostKeyChecking=accept-new
completes "sojourn login -o StrictHostKeyChecking=a" accept-new
completes "sojourn serve --config f" file1 file2
completes "sojourn login --config f" file1 file2
completes "sojourn key " show known new
completes "sojourn key show f" file1 file2
completes "sojourn copy f" file1 file2
completes "sojourn copy -r kn" known.example.net:
completes "sojourn copy file1 sh" short:
# all options that are offered are taken: none is "not an option"
for verb in login logout list open copy forward status doctor key agent serve; do
	COMP_LINE="sojourn $verb -"
	COMP_POINT=${#COMP_LINE} COMPREPLY=()
	_sojourn "$SOJOURN" - ""
	[ ${#COMPREPLY[@]} -gt 4 ] || fail "$verb: few options"
	for option in "${COMPREPLY[@]}"; do
		"$SOJOURN" $verb $option --help >out 2>err
		! grep -q "is not an option" err || fail "$verb $option"
	done
done
echo ok
