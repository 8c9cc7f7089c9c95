#!/bin/sh
# SPDX-License-Identifier: ISC
# One test, a script or a program, in a new directory that is gone afterwards.
set -u
test=$1
case $test in
/*)	;;
*)	test=$PWD/$test ;;
esac
: "${WS_TOP=$(cd "$(dirname "$0")/.." && pwd)}"
export WS_TOP
dir=$(mktemp -d "${TMPDIR:-/tmp}/ws.XXXXXXXX") || exit 1
# Processes with users of their own must get through to what is theirs.
[ "$(id -u)" != 0 ] || chmod 711 "$dir"
trap 'cd /; rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM
cd "$dir" || exit 1
if [ "$(head -c 2 "$test")" = '#!' ]; then
	timeout "${WS_TIMEOUT:-900}" sh "$test"
else
	timeout "${WS_TIMEOUT:-900}" "$test"
fi
