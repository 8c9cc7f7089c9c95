#!/bin/sh
# SPDX-License-Identifier: ISC
# wsplugin-limits(8): each limit, what is just within it, and who is exempt.
. "${WS_TOP:?}/regress/lib.sh"

inst_new capricorn "plugin limits {
	object \"$WS_TOP/plugins/limits.so\"
	required
	for alice@capricorn.test boss@capricorn.test
	grant bodies
	option max-size 5000
	option max-recipients 2
	option relay no
	option local capricorn.test
	option allow boss@capricorn.test
	option refuse-attachment Macro
}" "plugin types {
	object \"$WS_TOP/plugins/limits.so\"
	required
	for carol@capricorn.test
	grant bodies
	timeout 10s
	message-size 4M
	option refuse-attachment Macro
}" "plugin wrong {
	object \"$WS_TOP/plugins/limits.so\"
	for nobody@capricorn.test
	option max-size many
}"
for u in alice boss bob carol; do
	inst_user capricorn $u password
done
inst_start capricorn
up() { [ "$(ctl capricorn show plugins | grep -c ' up ')" = 2 ]; }
ok "they are up" wait_until 10 up
ok "one with a wrong option says so" wait_until 10 grep -q \
    'wrong: option max-size: expected a number, got "many"' capricorn/log

send() {	# USER OCTETS TO...
	send_from=$1 send_n=$2
	shift 2
	head -c "$send_n" /dev/zero | tr '\0' x |
	    mail "$send_from@capricorn" send -s x "$@"
}
ok "a small one" send alice 100 bob@capricorn.test
not_ok "a large one" send alice 6000 bob@capricorn.test
like "$(send alice 6000 bob@capricorn.test 2>&1)" '5000 are allowed' \
    "is told the limit"
ok "two recipients" send alice 1 bob@capricorn.test carol@capricorn.test
not_ok "three" send alice 1 bob@capricorn.test carol@capricorn.test \
    boss@capricorn.test
not_ok "the third one blind" send alice 1 -b boss@capricorn.test \
    bob@capricorn.test carol@capricorn.test
like "$(send alice 1 x@elsewhere.test 2>&1)" 'may not send to x@elsewhere' \
    "to another domain"
ok "the boss may" send boss 6000 bob@capricorn.test carol@capricorn.test \
    alice@capricorn.test
exec </dev/null
# attach USER NAME...: to bob, its body from standard input
attach() {
	attach_user=$1
	shift
	/usr/bin/python3 "$WS_TOP/regress/system/attach.py" ca/ca.crt \
	    "capricorn.test:$PORT_capricorn:$attach_user:$attach_user-secret-capricorn" \
	    bob@capricorn.test "$@"
}
ok "an attachment" attach alice Note
refused='Macro is not allowed \(refuse-attachment\)'
like "$(attach alice Macro)" "$refused" "one that is refused"
like "$(attach alice Note Memo Macro)" "$refused" "the third one"
like "$(attach alice - Macro)" "$refused" "behind a node without an element"
like "$(attach alice Note - - Memo - Macro)" "$refused" "behind several"
like "$(attach carol '300*Note' Macro)" "$refused" \
    "behind more than there may be namespaces"
like "$(attach carol '60000*Note' Macro)" "$refused" "behind very many"
head -c 4500000 /dev/zero | tr '\0' x >large
like "$(attach carol Note 2>&1 <large)" 'too large to be looked at' \
    "not in one that it is not shown"
ok "nodes without an element" attach alice - -
ok "the boss may" attach boss Macro
ok "it ends in order" inst_stop capricorn
finish
