#!/bin/sh
# SPDX-License-Identifier: ISC
# Asks ProVerif for each line of pv.expect (make formal).  Says so and is
# content where there is none.
#	pv.sh [query]		only lines of that query
# PROVERIF names the program, PV_SECONDS what a line may take.
set -u
dir=$(cd "$(dirname "$0")" && pwd)
: "${PROVERIF=proverif}" "${PV_SECONDS=1800}"
command -v "$PROVERIF" >/dev/null || {
	echo "formal: ProVerif is not installed: attach.pv was not checked"
	exit 0
}
tmp=$(mktemp -d "${TMPDIR:-/tmp}/ws-pv.XXXXXXXX") || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
failed=0
checks=$(sed -n 's/^(\*\([A-Z_0-9]*\)\*).*/\1/p' "$dir/attach.pv" |
    grep -vxE 'T[0-9]+|I[0-9]|SEC|CACHE' | sort -u)

# $1 scene, $2 query, $3 checks that are off: the model with that.
variant() {
	awk -v keep="+$1+$2+" -v off="+$3+" '
	match($0, /^\(\*[A-Za-z_0-9]+\*\)/) {
		name = substr($0, 3, RLENGTH - 4)
		if (name ~ /^(T[0-9]+(rs)?|I[0-9]|SEC|reach|open|CACHE)$/) {
			if (!index(keep, "+" name "+"))
				next
		} else if (index(off, "+" name "+"))
			next
	}
	{ print }' "$dir/attach.pv"
}

grep -v '^#' "$dir/pv.expect" | grep . >"$tmp/lines"
while read -r scene query off want; do
	[ $# = 0 ] || [ "$1" = "$query" ] || continue
	[ "$off" = - ] || for c in $(echo "$off" | tr + ' '); do
		echo "$checks" | grep -qx "$c" || {
			echo "FAIL: $c is no check of attach.pv"
			failed=1
		}
	done
	variant "$scene" "$query" "$off" >"$tmp/m.pv"
	timeout "$PV_SECONDS" "$PROVERIF" "$tmp/m.pv" >"$tmp/out" 2>&1 \
	    </dev/null
	got=$(sed -n 's/^RESULT.* is \(true\|false\)\.$/\1/p
	    s/^RESULT.*\(cannot\) be proved.*/\1/p' "$tmp/out")
	if [ "$got" = "$want" ]; then
		echo "ok: $scene $query without $off: $want"
	else
		echo "FAIL: $scene $query without $off: $want is wanted"
		[ -n "$got" ] && echo "	it says $got" || tail -n 5 "$tmp/out"
		failed=1
	fi
done <"$tmp/lines"
exit $failed
