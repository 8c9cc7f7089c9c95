#!/bin/sh
# SPDX-License-Identifier: ISC
# wsplugin-vacation(8): who is answered, how often, and who is not.
. "${WS_TOP:?}/regress/lib.sh"

vacation() {
	vac_user=$1
	shift
	mail "$vac_user@capricorn" extension urn:wsemail:2:vacation "$@"
}
send() {	# FROM SUBJECT TO...
	send_from=$1 send_subject=$2
	shift 2
	mail "$send_from@capricorn" send -s "$send_subject" "$@" </dev/null
}
count() {	# USER SUBJECT
	mail "$1@capricorn" list -n 100 | grep -c " $2\$"
}
# In the mailbox, and all verdicts given: the queue is empty.
settled() {
	[ "$(ctl capricorn -o json show queue | grep -c '"id"')" = 0 ]
}

inst_new capricorn "plugin vacation {
	object \"$WS_TOP/plugins/vacation.so\"
	grant bodies
	grant state 1M
	grant send users
	option days 1
}" "alias all@capricorn.test to { alice@capricorn.test bob@capricorn.test }"
for u in alice bob carol; do
	inst_user capricorn $u
done
inst_start capricorn
up() { ctl capricorn show plugins | grep -q 'vacation *up'; }
ok "it is up" wait_until 10 up

like "$(vacation alice Status)" '^On: false' "nobody is away at first"
not_ok "On without a text" vacation alice On
not_ok "On until a day that is none" vacation alice On Body=x Until=tomorrow
not_ok "something else" vacation alice Sideways
like "$(vacation alice On Subject=Gone 'Body=I am <away> & far')" \
    '^Body: I am <away> & far' "on"
like "$(vacation alice Status)" '^On: true' "it says so"

ok "a message" send bob one alice@capricorn.test
ok "is answered" wait_until 10 sh -c \
    "wsmail -f capricorn/bob.rc list | grep -q Gone"
is "$(count alice one)" 1 "and has arrived"
n=$(mail bob@capricorn list | awk '/Gone/ { print $1 }')
like "$(mail bob@capricorn show "$n")" '^In-Reply-To: ' "as a reply"
like "$(mail bob@capricorn show "$n")" '^I am <away> & far' "with the text"
like "$(mail bob@capricorn show "$n")" '^From: alice@capricorn.test' \
    "in her name"
ok "another" send bob two alice@capricorn.test
ok "settled" wait_until 10 settled
is "$(count bob Gone)" 1 "is not answered again"
ok "by a list" send carol listed all@capricorn.test
ok "blind" send carol blind -b alice@capricorn.test carol@capricorn.test
ok "to herself" send alice self alice@capricorn.test
ok "settled" wait_until 10 settled
is "$(count carol Gone)$(count alice Gone)" 00 "none of these is answered"
is "$(count alice listed)$(count alice blind)$(count alice self)" 111 \
    "all have arrived"

vacation bob On 'Body=away, too' >/dev/null
ok "one who is away to another" send carol x bob@capricorn.test
ok "gets an answer" wait_until 10 sh -c \
    "wsmail -f capricorn/carol.rc list | grep -q 'Auto: x'"
ok "and it is not answered" send alice between bob@capricorn.test
ok "settled" wait_until 10 settled
is "$(count alice 'Auto: between')" 1 "an answer to one who is away"
is "$(mail bob@capricorn list | grep -c 'Auto: Auto')" 0 "ends there"

like "$(vacation alice Off)" '^On: false' "off"
ok "then" send carol later alice@capricorn.test
ok "settled" wait_until 10 settled
is "$(count carol Gone)" 0 "nobody is answered"
like "$(vacation alice On Body=x Until=2000-01-01)" '^On: true' "on, until long ago"
ok "then" send carol later2 alice@capricorn.test
ok "settled" wait_until 10 settled
is "$(count carol 'Auto: later2')" 0 "neither"

# A new start knows who was answered.
vacation alice On Subject=Gone Body=x >/dev/null
ok "unloaded" ctl capricorn plugin unload vacation
ok "loaded" ctl capricorn plugin load vacation
ok "it is up" wait_until 10 up
ok "a third one" send bob three alice@capricorn.test
ok "settled" wait_until 10 settled
is "$(count bob Gone)" 1 "is not answered within the day"
ok "it ends in order" inst_stop capricorn
finish
