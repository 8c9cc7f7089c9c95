#!/bin/sh
# SPDX-License-Identifier: ISC
# Latency of instant messages between two connected users, program to program:
# sent, signed, committed to the queue, given to the plug-in, taken, verified.
. "${WS_TOP:?}/regress/lib.sh"

inst_new capricorn "plugin im {
	object \"$WS_TOP/plugins/im.so\"
	grant bodies
	grant state 1M
	option strangers allow
}"
for u in alice bob; do
	inst_user capricorn $u
done
inst_start capricorn
up() { ctl capricorn show plugins | grep -q 'im *up'; }
wait_until 10 up || exit 1
HOME=$T /usr/bin/python3 "$WS_TOP/regress/bench/im_latency.py" "${N:-300}" \
    wsmail -f capricorn/alice.rc -o json im bob@capricorn.test -- \
    wsmail -f capricorn/bob.rc -o json im || exit 1
