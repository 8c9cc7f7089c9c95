#!/bin/sh
# SPDX-License-Identifier: ISC
# Each *.in here is refused with exactly the complaints of its *.err: line,
# what was expected, what was there.
. "${WS_TOP:?}/regress/lib.sh"

here=$WS_TOP/regress/config
for in in "$here"/*.in; do
	name=$(basename "$in" .in)
	cp "$in" conf
	code=0
	wsmtpd -n -f "$T/conf" >out 2>&1 || code=$?
	is "$code" 78 "$name is refused (EX_CONFIG)"
	sed -e 's/^wsmtpd\[[0-9]*\]: //' -e "s,^$T/conf: ,," \
	    -e "s,^$T/conf:,," out >got
	is "$(cat got)" "$(cat "$here/$name.err")" "$name: what it says"
done
finish
