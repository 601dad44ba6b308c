# SPDX-License-Identifier: ISC
# bash completion for sojourn
#
# Verbs, options and what they take are read from `sojourn help` and
# `sojourn VERB --help`: there is no second list here. Hosts are those that
# sojourn knows and the names of ~/.ssh/config and ~/.config/sojourn/config.

_sojourn_hosts() {
	local state=${XDG_STATE_HOME:-$HOME/.local/state}/sojourn

	[ ! -r "$state/known_hosts" ] || awk '
	    $0 !~ /^#/ && NF > 2 {
		if ($1 ~ /^\[[^:]*\]:/)
			sub(/\]/, "", $1) sub(/\[/, "", $1)
		else if ($1 ~ /^[^\[].*:/)
			$1 = "[" $1 "]"
		print $1
	    }' "$state/known_hosts"
	cat ~/.ssh/config "${XDG_CONFIG_HOME:-$HOME/.config}/sojourn/config" \
	    2>/dev/null | awk '
	    { sub(/^[ \t]+/, ""); sub(/[ \t]*=[ \t]*/, " ") }
	    tolower($1) == "host" {
		for (i = 2; i <= NF && $i !~ /^#/; i++)
			if ($i !~ /[*?!"%]/)
				print $i
	    }'
}

# _sojourn_value HELP OPTION: what an option takes, as the help calls it
_sojourn_value() {
	sed -n "s/^  $2 \([^ ][^ ]*\).*/\1/p" <<<"$1" | head -n 1
}

_sojourn_verbs() {
	"$1" help | sed -n 's/^  \([a-z]*\) .*/\1/p'
}

# _sojourn_offers PROGRAM WORD VERB [WORD...]: what may stand in the place of
# WORD after the others; a line "/" means names of files
_sojourn_offers() {
	local program=$1 word=$2 help usage value before= count=0 i
	shift 2
	help=$("$program" "$1" --help 2>/dev/null) || return
	usage=${help%%$'\n'*}
	for i in "${@:2}"; do
		[[ $i == -* || -n $(_sojourn_value "$help" "$before") ]] ||
		    count=$((count + 1))
		before=$i
	done
	value=$(_sojourn_value "$help" "$before")
	case $value in
	*FILE*|*KEY*) echo / ;;
	[A-Z][a-z]*) echo "$value" ;;
	esac
	[ -z "$value" ] || return
	if [[ $word == -* ]]; then
		grep -o -E -- '(^|[ |[])--?[A-Za-z][a-z-]*' <<<"$help" |
		    tr -d ' |[' | sort -u
		return
	fi
	case $count:$1:$usage in
	0:help:*) _sojourn_verbs "$program" ;;
	0:key:*) tr '|' '\n' <<<"${usage#*key }" | sed 's/^ *\([a-z]*\).*/\1/' ;;
	1:*FILE*) echo / ;;
	*SRC*)	echo /
		_sojourn_hosts | sort -u | sed 's/$/:/' ;;
	0:*TARGET*) _sojourn_hosts | sort -u ;;
	esac
}

_sojourn() {
	local line=${COMP_LINE:0:COMP_POINT} word= offers i IFS=$' \t\n'
	local -a words

	# bash's words end at : and = and @, ours at blanks only
	read -r -a words <<<"$line"
	[[ $line == *[[:blank:]] ]] || {
		word=${words[-1]}
		unset 'words[-1]'
	}
	if [ ${#words[@]} -lt 2 ]; then
		offers=$(_sojourn_verbs "$1")
	else
		offers=$(_sojourn_offers "$1" "$word" "${words[@]:1}")
	fi
	[[ $word != *@* ]] || offers=$(sed "s|^[^/]|${word%@*}@&|" <<<"$offers")
	IFS=$'\n'
	COMPREPLY=($(compgen -W "${offers//\/$'\n'/}" -- "$word"))
	if [[ ${COMPREPLY[0]-} == *: ]]; then
		compopt -o nospace 2>/dev/null
	elif [[ $offers == /* ]]; then
		compopt -o filenames 2>/dev/null
	fi
	[[ $offers != /* ]] || COMPREPLY+=($(compgen -f -- "$word"))
	# what bash replaces begins after the last of its own breaks
	for ((i = ${#word} - 1; i >= 0; i--)); do
		[[ $COMP_WORDBREAKS != *"${word:i:1}"* ]] || break
	done
	[ "$i" -lt 0 ] || COMPREPLY=("${COMPREPLY[@]#"${word:0:i + 1}"}")
}

complete -F _sojourn sojourn
