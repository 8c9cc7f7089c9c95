#!/bin/sh
# SPDX-License-Identifier: ISC
# wsplugin-im(8): instant messages to those who are there, and where they go
# when nobody is; who may reach whom; presence.
. "${WS_TOP:?}/regress/lib.sh"

im() {	# USER METHOD...
	im_user=$1
	shift
	mail "$im_user@capricorn" -o json extension urn:wsemail:2:im "$@"
}
register() {	# USER: the location's name on standard output
	im "$1" Register | sed -n 's/.*<Location>\([0-9a-f]*\)<.*/\1/p'
}
send() {	# FROM SUBJECT TO... : an instant message
	send_from=$1 send_subject=$2
	shift 2
	mail "$send_from@capricorn" send -I -s "$send_subject" "$@" </dev/null
}
count() {	# USER SUBJECT
	mail "$1@capricorn" list -n 100 | grep -c " $2\$"
}
settled() {
	[ "$(ctl capricorn -o json show queue | grep -c '"id"')" = 0 ]
}

# Writes what those who connect say.
hears() {
	exec perl -MIO::Socket::INET -e '$l = IO::Socket::INET->new(Listen => 5,
	    LocalAddr => "127.0.0.1") or die; $| = 1; print $l->sockport, "\n";
	    while ($c = $l->accept) { print while <$c>; }'
}
: >heard
hears >heard &
hears_pid=$!
trap 'kill $hears_pid; t_clean' EXIT
wait_until 10 grep -q . heard
hears_port=$(head -n 1 heard)

inst_new capricorn "plugin im {
	grant connect 127.0.0.1 port $hears_port
	object \"$WS_TOP/plugins/im.so\"
	grant bodies
	grant state 1M
	option ack 4
	option locations 2
	option contacts 5
	option block dave@capricorn.test
	option backlog 65536
}"
inst_new scorpio "route capricorn.test to 127.0.0.1 port $PORT_capricorn" \
    "plugin im {
	object \"$WS_TOP/plugins/im.so\"
	grant bodies
	grant state 1M
	option expiry 10
	option locations 64
	option strangers refuse
}"
for u in alice bob carol dave; do
	inst_user capricorn $u
done
inst_user scorpio eve
inst_start capricorn scorpio
up() { ctl capricorn show plugins | grep -q 'im *up'; }
ok "it is up" wait_until 10 up
# This one never comes back; it is looked for at the end.
eloc=$(mail eve@scorpio -o json extension urn:wsemail:2:im Register |
    sed -n 's/.*<Location>\([0-9a-f]*\)<.*/\1/p')
begun=$(date +%s)

ok "to one who is not there" send alice early bob@capricorn.test
ok "settled" wait_until 20 settled
is "$(count bob early)" 1 "it is in the mailbox"
like "$(im bob Contacts)" 'alice@capricorn.test</Address><Access>asks<' \
    "and that she asks is kept"
ok "he allows her" im bob Allow Address=Alice@Capricorn.test
like "$(im bob Contacts)" 'alice@capricorn.test</Address><Access>allowed<' \
    "it says so"
ok "to be dropped" send alice drop -D bob@capricorn.test
ok "settled" wait_until 20 settled
is "$(count bob drop)" 0 "it is nowhere"

loc=$(register bob)
like "$loc" '^[0-9a-f]{32}$' "a location"
im bob Take Location=$loc Wait=20 >take1 &
pid=$!
ok "to one who is there" send alice hello bob@capricorn.test
wait $pid
like "$(cat take1)" '<Subject>hello</Subject>' "he has it"
like "$(cat take1)" 'Number=.*1.*<ds:Signature' "with its signature"
im bob Take Location=$loc After=1 Wait=0 >take2
not_ok "once" grep -q Subject take2
ok "settled" wait_until 20 settled
is "$(count bob hello)" 0 "and not in the mailbox"

# Two programs of one user: both are told, one is enough.
loc2=$(register bob)
not_ok "more locations than may be" im bob Register
ok "to both" send alice both bob@capricorn.test
like "$(im bob Take Location=$loc After=1 Wait=10)" '<Subject>both<' "the one"
like "$(im bob Take Location=$loc2 Wait=10)" '<Subject>both<' "the other"
im bob Take Location=$loc After=2 Wait=0 >out
ok "settled" wait_until 20 settled
is "$(count bob both)" 0 "one acknowledged it"
like "$(im bob Take Location=$loc2 Wait=0)" '<Subject>both<' \
    "the other may still take it"
ok "it leaves" im bob Unregister Location=$loc2
not_ok "is gone" im bob Take Location=$loc2 Wait=0

# Taken, and never acknowledged.
ok "one more" send alice lost bob@capricorn.test
like "$(im bob Take Location=$loc After=2 Wait=10)" '<Subject>lost<' "shown"
ok "it is not acknowledged" wait_until 20 settled
is "$(count bob lost)" 1 "so it is in the mailbox"
not_ok "and the program is taken for gone" im bob Take Location=$loc Wait=0

loc=$(register bob)
not_ok "another's location" im alice Take Location=$loc Wait=0
not_ok "a number that is none" im bob Take Location=$loc After=x
not_ok "a longer wait than there is" im bob Take Location=$loc Wait=241
not_ok "a method that is none" im bob Dance
not_ok "an address that is none" im bob Allow Address=alice
not_ok "oneself" im bob Allow Address=bob@capricorn.test
not_ok "a presence that is none" im bob SetPresence State=asleep
head -c 40000 /dev/zero | tr '\0' x >big
ok "too large for the backlog" mail alice@capricorn send -I -s big \
    bob@capricorn.test <big
ok "settled" wait_until 20 settled
is "$(count bob big)" 1 "is in the mailbox"
ok "not an instant one" mail alice@capricorn send -s plain bob@capricorn.test \
    </dev/null
ok "settled" wait_until 20 settled
is "$(count bob plain)" 1 "is in the mailbox"

# Who may.
ok "he blocks her" im bob Block Address=alice@capricorn.test
ok "then" send alice blocked bob@capricorn.test
ok "settled" wait_until 20 settled
is "$(count bob blocked)" 0 "is nowhere"
like "$(mail alice@capricorn list)" 'postmaster@capricorn' "it was refused"
ok "she that is nobody to him" im bob Forget Address=alice@capricorn.test
ok "blocked by the administrator, if allowed" im bob Allow \
    Address=dave@capricorn.test
ok "then" send dave administered bob@capricorn.test
ok "settled" wait_until 20 settled
is "$(count bob administered)" 0 "is refused"
like "$(mail dave@capricorn list)" 'postmaster@capricorn' "he is told"
for i in 1 2 3 4; do
	im bob Allow Address=friend$i@scorpio.test >/dev/null
done
not_ok "more contacts than may be" im bob Allow Address=friend5@scorpio.test
for i in 1 2 3 4; do
	im bob Forget Address=friend$i@scorpio.test >/dev/null
done

# Presence, to whom he has allowed and who has asked.
ok "she asks for his" im alice Ask Address=bob@capricorn.test
like "$(im bob Take Location=$loc Wait=10)" \
    '<Request><Address>alice@capricorn.test' "he is asked"
aloc=$(register alice)
im alice Take Location=$aloc Wait=0 >out
not_ok "she is not told yet" grep -q Presence out
ok "he allows it" im bob Allow Address=alice@capricorn.test
like "$(im alice Take Location=$aloc Wait=10)" \
    'bob@capricorn.test</Address><State>available<' "she is told"
ok "away" im bob SetPresence State=away 'Text=gone <fishing>'
like "$(im alice Take Location=$aloc After=1 Wait=10)" \
    '<State>away</State><Text>gone &lt;fishing' "she is told"
im carol Ask Address=alice@capricorn.test >/dev/null
like "$(im alice Contacts)" 'away.*carol@capricorn.test</Address><Access>asks' \
    "all in one list"
not_ok "carol sees nothing" sh -c 'wsmail -f capricorn/carol.rc -o json \
    extension urn:wsemail:2:im Contacts | grep -q "<State>a"'
ok "invisible" im bob SetPresence State=invisible
like "$(im alice Take Location=$aloc After=2 Wait=10)" '<State>offline<' \
    "is as not there"
im bob SetPresence State=available >/dev/null
ok "he leaves" im bob Unregister Location=$loc
like "$(im alice Take Location=$aloc After=4 Wait=10)" '<State>offline<' \
    "she is told"

# A program that listens, where that is granted.
like "$(im carol Register Address=127.0.0.1 Port=1 2>&1)" 'not granted' \
    "an address that is not granted"
like "$(im carol Register Address=127.0.0.1 2>&1)" 'belong together' \
    "an address without a port"
cloc=$(im carol Register Address=127.0.0.1 "Port=$hears_port" |
    sed -n 's/.*<Location>\([0-9a-f]*\)<.*/\1/p')
ok "is told its location" wait_until 10 grep -q "^$cloc\$" heard
im carol Allow Address=alice@capricorn.test >/dev/null
ok "a message" send alice woken carol@capricorn.test
twice() { [ "$(grep -c "^$cloc\$" heard)" = 2 ]; }
ok "makes it be told again" wait_until 10 twice
like "$(im carol Take Location=$cloc Wait=0)" '<Subject>woken<' \
    "and it comes and takes it"
ok "it leaves" im carol Unregister Location=$cloc

# Many that wait do not keep out who would not have to: Python sends them.
ok "forty held requests, and one more is answered" /usr/bin/python3 \
    "$WS_TOP/regress/system/im_held.py" "$PORT_scorpio" ca/ca.crt \
    scorpio.test eve "$(cat scorpio/eve.password)" 40

# From elsewhere, by a hop.
loc=$(register bob)
im bob Allow Address=eve@scorpio.test >/dev/null
im bob Take Location=$loc Wait=20 >take3 &
pid=$!
ok "from another domain" mail eve@scorpio send -I -s hop bob@capricorn.test \
    </dev/null
wait $pid
like "$(cat take3)" '<Subject>hop<' "he has it at once"
im bob Take Location=$loc After=1 Wait=0 >out

# The plug-in is unloaded while one waits and one is not acknowledged.
im alice Take Location=$aloc After=7 Wait=60 >held &
pid=$!
held() { ctl capricorn show stats | grep -q 'open_calls *1$'; }
ok "held" wait_until 10 held
ok "a last one" send alice last bob@capricorn.test
like "$(im bob Take Location=$loc After=1 Wait=10)" '<Subject>last<' "shown"
ok "unloaded" ctl capricorn plugin unload im
wait $pid
ok "whoever waited has an answer" grep -q Events held
ok "settled" wait_until 20 settled
is "$(count bob last)" 1 "what nobody acknowledged is in the mailbox"
ok "loaded" ctl capricorn plugin load im
ok "it is up" wait_until 10 up
like "$(im bob Contacts)" 'alice@capricorn.test</Address><Access>allowed<' \
    "contacts are kept"
not_ok "locations are not" im bob Take Location=$loc Wait=0
over() { [ $(($(date +%s) - begun)) -ge 12 ]; }
ok "an expiry and a bit" wait_until 15 over
like "$(mail eve@scorpio extension urn:wsemail:2:im Take Location=$eloc \
    Wait=0 2>&1)" 'no such location' "later one has ended that nobody used"
finish
