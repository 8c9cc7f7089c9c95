#!/bin/sh
# SPDX-License-Identifier: ISC
# Runs the tests with prove(1): every *.t below here, or those whose name
# below regress/ begins with an argument (unit, unit/test_wire, system).
#	regress.sh [-j jobs] [name ...]
set -eu
WS_TOP=$(cd "$(dirname "$0")/.." && pwd)
export WS_TOP
jobs=1
while getopts j: o; do
	case $o in
	j)	jobs=$OPTARG ;;
	*)	echo "usage: $0 [-j jobs] [name ...]" >&2; exit 64 ;;
	esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || set -- ''

cd "$WS_TOP"
tests=
for name; do
	name=${name#regress/}
	# The long ones first, so that no processor waits for them at the end.
	found=$(find regress -name '*.t' -type f -path "regress/$name*" |
	    sort | awk '/system|interop/ { print; next } { rest[n++] = $0 }
	    END { for (i = 0; i < n; i++) print rest[i] }')
	[ -n "$found" ] || { echo "no test regress/$name*" >&2; exit 64; }
	tests="$tests $found"
done
# A sanitizer's find must fail the test even where the exit status is lost.
: "${ASAN_OPTIONS=detect_leaks=1:abort_on_error=0}"
: "${UBSAN_OPTIONS=print_stacktrace=1}"
export ASAN_OPTIONS UBSAN_OPTIONS
exec prove -j "$jobs" --timer --exec "sh $WS_TOP/regress/run.sh" $tests
