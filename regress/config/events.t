#!/bin/sh
# SPDX-License-Identifier: ISC
# wsemail-log(5) has each event that the sources log, and no other.
. "${WS_TOP:?}/regress/lib.sh"

cd "$WS_TOP" || exit 1
# What is given to log_event(), and to the queue's updates.
cat lib/*.c wsmtpd/*.c wsqueue/*.c wslocal/*.c wsattach/*.c wsplug/*.c | tr '\n' ' ' |
    grep -oE '\.ev = [^;,}]*|update_new\([^)]*|op_event\([^)]*' | grep -oE '"[a-z]+"' |
    tr -d '"' | sort -u >"$T/code"
# Of user and administrator, by ctl_cmds[].
sed -n '/^\.Ss Events/,/^\.El/s/^\.It Cm //p' man/wsemail-log.5 | sort -u \
    >"$T/page"
for e in $(cat "$T/code"); do
	ok "$e is in wsemail-log(5)" grep -qx "$e" "$T/page"
done
for e in $(cat "$T/page"); do
	ok "$e is logged" sh -c "grep -qx '$e' '$T/code' ||
	    grep -q 'ev=$e' '$WS_TOP'/wsmtpd/*.c '$WS_TOP'/wsqueue/*.c"
done
finish
