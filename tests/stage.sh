# SPDX-License-Identifier: ISC
# Sourced first by tests that run the real server, which does not run as root:
# as root the test goes on as an unprivileged user in network and process
# namespaces of its own, with copies of the programs and of its directory: the
# tree may be in a place others cannot enter. What takes longer than LIMIT_S is
# ended with all it started. SOJOURN names the program; PROGRAMS the variables
# that name more of them, BESIDE what else of tests/ is needed, CAPABILITIES
# what it keeps of root's.
LIMIT_S=${LIMIT_S:-120}

stage_as_root() {
	local code here name space= stage words
	stage=$(mktemp -d)
	trap "rm -rf '$stage'" EXIT
	here=$(cd "$(dirname "$0")" && pwd)
	"$SOJOURN" serve >"$stage/out" 2>&1 && exit 1
	grep -q 'does not run as root' "$stage/out" || exit 1
	mkdir "$stage/bin" "$stage/tests"
	for name in stage.sh "$(basename "$here")" ${BESIDE:-}; do
		cp -r "$here/../$name" "$stage/tests"
	done
	# A link may be there before what it leads to is built.
	for name in "$(dirname "$SOJOURN")"/*.so.?; do
		[ ! -e "$name" ] || cp "$name" "$stage/bin"
	done
	words="GUARDED=1 LD_LIBRARY_PATH=$stage/bin"
	for name in SOJOURN ${PROGRAMS:-}; do
		cp "${!name}" "$stage/bin"
		words="$words $name=$stage/bin/$(basename "${!name}")"
	done
	chmod -R a+rX "$stage"
	unshare -n true 2>/dev/null && space='unshare -n'
	unshare -n -p -f --kill-child --mount-proc true 2>/dev/null &&
	    space='unshare -n -p -f --kill-child --mount-proc'
	timeout -k 5 "$LIMIT_S" $space \
	    sh -c '[ "$0" = none ] || ip link set lo up; "$@"' \
	    "${space:-none}" setpriv --reuid 65534 --regid 65534 \
	    --clear-groups ${CAPABILITIES:+--inh-caps "$CAPABILITIES" \
	    --ambient-caps "$CAPABILITIES"} env $words PYTHONDONTWRITEBYTECODE=1 \
	    bash "$stage/tests/$(basename "$here")/$(basename "$0")" "$@"
	code=$?
	[ "$code" != 124 ] || echo "FAILED: not done in $LIMIT_S s" >&2
	exit "$code"
}

[ "$(id -u)" != 0 ] || stage_as_root "$@"
[ -n "${GUARDED:-}" ] ||
	GUARDED=1 exec timeout -k 5 "$LIMIT_S" bash "$0" "$@"
