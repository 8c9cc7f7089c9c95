#!/bin/sh
# SPDX-License-Identifier: ISC
# On-demand attachments with wsmail(1), between two domains: sent, shown,
# fetched with a token that nobody sees; and gone on with, whatever dies.
. "${WS_TOP:?}/regress/lib.sh"

inst_new capricorn 'limit attachment-size 200M'
inst_new scorpio
inst_user capricorn alice
inst_user capricorn carol certificate
inst_user scorpio bob
inst_user scorpio eve password
wsctl ca issue -d ca -o capricorn user carol@capricorn.test >/dev/null
printf 'certificate %s\nkey %s\n' "$T/capricorn/carol@capricorn.test.crt" \
    "$T/capricorn/carol@capricorn.test.key" >>capricorn/carol.rc
route="route \"capricorn.test\" to \"127.0.0.1\" port $PORT_capricorn"
echo "$route" >>scorpio/conf
echo "route \"scorpio.test\" to \"127.0.0.1\" port $PORT_scorpio" >>capricorn/conf
inst_start capricorn scorpio
HOME=$T/home
export HOME
mkdir "$HOME" down
there="-H 127.0.0.1:$PORT_capricorn"
newest() {	# USER@NAME
	mail "$1" list -n 1 | awk '$1 ~ /^[0-9]+$/ { print $1; exit }'
}
came() {	# USER@NAME SUBJECT
	mail "$1" list -n 1 | grep -q -- "$2"
}
head -c 5000000 /dev/urandom >plan.pdf
printf 'hello\n' >"a note.txt"
: >empty

# --- sent, shown --------------------------------------------------------------
ok "a message with three files" mail alice@capricorn send -A plan.pdf \
    -N 'the plan' -A 'a note.txt' -A empty -t application/x-nothing \
    -s three -b eve@scorpio.test bob@scorpio.test </dev/null
ok "it comes" wait_until 20 came bob@scorpio three
ok "to the blind one, too" wait_until 20 came eve@scorpio three
is "$(ls "$HOME/.wsmail-uploads")" "" "nothing is left to go on with"
n=$(newest bob@scorpio)
mail bob@scorpio show "$n" >shown
like "$(cat shown)" 'Attachment 1: plan.pdf, 5000000 octets, application/pdf' \
    "it shows the first"
like "$(cat shown)" '^    the plan' "its description"
like "$(cat shown)" "SHA-256 $(sha256sum <plan.pdf | cut -d' ' -f1)" \
    "its digest"
like "$(cat shown)" 'Attachment 2: a note.txt, 6 octets, text/plain' "the second"
like "$(cat shown)" 'Attachment 3: empty, 0 octets, application/x-nothing' \
    "the third"
like "$(mail bob@scorpio -o json show "$n" 2>&1 ||
    wsmail -f scorpio/bob.rc -o json show "$n")" \
    '"attachments":\[\{"number":1,.*"size":5000000,' "as JSON"

# --- fetched ---------------------------------------------------------------------
# shellcheck disable=SC2086
ok "fetched, all" mail bob@scorpio fetch $there -o down "$n"
ok "the same octets" cmp plan.pdf down/plan.pdf
ok "of the second" cmp 'a note.txt' 'down/a note.txt'
ok "of the third" cmp empty down/empty
is "$(ls -A down | wc -l)" 3 "and no more files"
# shellcheck disable=SC2086
like "$(mail bob@scorpio fetch $there -o down "$n" 1 2>&1)" 'File exists' \
    "never over what is there"
# shellcheck disable=SC2086
ok "one by its name, under another" mail eve@scorpio fetch $there -o other \
    "$(newest eve@scorpio)" plan.pdf
ok "the same octets" cmp plan.pdf other
like "$(cat capricorn/log)" 'ev=fetch .*user=eve@scorpio.test' \
    "the sender's log has who"
like "$(cat scorpio/log)" 'ev=token .*user=eve.*to=capricorn.test' \
    "who vouched for whom, too"
# shellcheck disable=SC2086
not_ok "what is not in it" mail bob@scorpio fetch $there "$n" 4
not_ok "nothing of a message without" mail bob@scorpio fetch 99

# --- names that mean harm ----------------------------------------------------------
inst_user capricorn dave password
od() {	# as dave, by a client that sends any name
	/usr/bin/python3 "$WS_TOP/regress/system/ondemand.py" ca/ca.crt \
	    "capricorn.test:$PORT_capricorn:dave:dave-secret-capricorn" "$@"
}
# shellcheck disable=SC2046
ok "a message with such" od send bob@scorpio.test $(
    for name in ../../up .profile -rf 'C:\windows\x' "$(printf \
        'photo\342\200\256gpj.exe')" a/ "$(printf 'a\357\273\277b')"; do
	od upload-as "$name" "a note.txt"
    done)
named() { mail bob@scorpio list -n 1 | grep -q files; }
ok "it comes" wait_until 20 named
mkdir names
# shellcheck disable=SC2086
ok "fetched" mail bob@scorpio fetch $there -o names "$(newest bob@scorpio)"
is "$(cd names && LC_ALL=C ls -A | tr '\n' ' ')" "$(printf \
    '_profile _rf attachment a\357\273\277b photo_gpj.exe up x ')" \
    "each has a name of its own there, and no other"

# --- what its owner does ---------------------------------------------------------------
mail alice@capricorn attach list >list
is "$(wc -l <list)" 3 "attach list"
id=$(sed -n 's/^\([0-9a-f]*\) .*plan.pdf.*/\1/p' list)
like "$(mail alice@capricorn attach show "$id")" \
    'for eve@scorpio.test, fetched 1 times' "attach show: who"
like "$(wsmail -f capricorn/alice.rc -o json attach show "$id")" \
    '"Recipient":\{"Address":"bob@scorpio.test"' "as JSON"
ok "revoke" mail alice@capricorn attach revoke "$id" bob@scorpio.test
rm down/plan.pdf
# shellcheck disable=SC2086
like "$(mail bob@scorpio fetch $there -o down "$n" 1 2>&1)" \
    'no such attachment' "and he gets it no more"
ok "grant" mail alice@capricorn attach grant "$id" bob@scorpio.test
head -c 100000 /dev/urandom >plan2.pdf
is "$(mail alice@capricorn attach update "$id" plan2.pdf)" "version 2" "update"
# shellcheck disable=SC2086
like "$(mail bob@scorpio fetch $there -o down "$n" 1 2>&1)" \
    'there is a version 2' "the recipient is told"
ok "and has what was signed" cmp plan.pdf down/plan.pdf
# shellcheck disable=SC2086
ok "the newest" mail bob@scorpio fetch $there -o down/new -v newest "$n" 1
ok "is that" cmp plan2.pdf down/new
ok "expire" mail alice@capricorn attach expire "$id" never
ok "withdraw" mail alice@capricorn attach withdraw "$id"
rm down/plan.pdf
# shellcheck disable=SC2086
not_ok "and it is gone" mail bob@scorpio fetch $there -o down "$n" 1
not_ok "not for others" mail carol@capricorn attach show "$id"

# --- interrupted ------------------------------------------------------------------------
head -c 150000000 /dev/urandom >large
up_octets() {	# so many are there
	[ "$(ctl capricorn -o json show stats 2>/dev/null | tr '{' '\n' |
	    sed -n 's/.*"attach_received_octets".*"value":\([0-9]*\).*/\1/p')" -gt "$1" ]
}
wsmail -f capricorn/carol.rc send -A large -s large bob@scorpio.test \
    <empty >out 2>&1 &
pid=$!
ok "an upload goes on" wait_until 20 up_octets 8000000
kill -9 $pid
wait $pid 2>/dev/null
is "$(ls "$HOME/.wsmail-uploads" | wc -l)" 1 "one is left to go on with"
wsmail -f capricorn/carol.rc send -A large -s large bob@scorpio.test \
    <empty >out 2>&1 &
pid=$!
ok "it goes on" wait_until 20 up_octets 16000000
kill -9 "$(inst_pid capricorn attach)" "$(inst_pid capricorn frontend)" 2>/dev/null
ok "whatever dies" wait $pid
t_diag out
ok "it comes" wait_until 20 came bob@scorpio large
n=$(newest bob@scorpio)
size() { [ "$(stat -c %s down/.wsmail-*.part 2>/dev/null || echo 0)" -gt "$1" ]; }
# shellcheck disable=SC2086
wsmail -f scorpio/bob.rc fetch $there -o down "$n" >out 2>&1 &
pid=$!
ok "a fetch goes on" wait_until 20 size 8000000
kill -9 $pid
wait $pid 2>/dev/null
# shellcheck disable=SC2086
wsmail -f scorpio/bob.rc fetch $there -o down "$n" >out 2>&1 &
pid=$!
ok "and on" wait_until 20 size 16000000
kill -9 "$(inst_pid capricorn attach)"
kill -9 "$(inst_pid capricorn soap)"
ok "whatever dies" wait $pid
t_diag out
ok "and it has the same octets" cmp large down/large
is "$(ls -A down | grep -c part)" 0 "without a part"

# A part that is not what it should be is found out.
rm down/large
# shellcheck disable=SC2086
wsmail -f scorpio/bob.rc fetch $there -o down "$n" >out 2>&1 &
pid=$!
wait_until 20 size 4000000
kill -9 $pid
wait $pid 2>/dev/null
printf x | dd of="$(echo down/.wsmail-*.part)" conv=notrunc 2>/dev/null
# shellcheck disable=SC2086
like "$(mail bob@scorpio fetch $there -o down "$n" 2>&1)" \
    'not what was signed' "a part that was altered"
# shellcheck disable=SC2086
ok "is begun anew" mail bob@scorpio fetch $there -o down "$n"
ok "and right" cmp large down/large
ok "it ends in order" inst_stop capricorn scorpio
finish
