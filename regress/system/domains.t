#!/bin/sh
# SPDX-License-Identifier: ISC
# Two domains, end to end: logins, Bcc, aliases, fan-out, refusals, bounces,
# replies, and processes that die under way.
. "${WS_TOP:?}/regress/lib.sh"

inst_new capricorn 'alias "staff@capricorn.test" to { "alice@capricorn.test", "bob@scorpio.test" }' \
    'queue retry min 1s max 2s jitter 0%'
inst_new scorpio 'queue retry min 1s max 2s jitter 0%'
echo "route \"scorpio.test\" to \"127.0.0.1\" port $PORT_scorpio" >>capricorn/conf
echo "route \"capricorn.test\" to \"127.0.0.1\" port $PORT_capricorn" >>scorpio/conf
inst_user capricorn alice
inst_user capricorn carol password
inst_user scorpio bob
inst_user scorpio dave
wsctl ca issue -d ca -o capricorn user alice@capricorn.test >/dev/null
cat >capricorn/cert.rc <<END
account alice@capricorn.test
server 127.0.0.1:$PORT_capricorn
ca $T/ca/ca.crt
auth certificate
certificate $T/capricorn/alice@capricorn.test.crt
key $T/capricorn/alice@capricorn.test.key
END
chmod 600 capricorn/cert.rc
inst_start capricorn scorpio

body() { printf 'one\n  two <&> "three"\n'; }

body >text

# has USER@DOMAIN COUNT: that many messages are in the mailbox
has() {
	[ "$(mail "$1" -o json list | grep -o '"messageid"' | wc -l)" = "$2" ]
}

ok "alice sends to bob by MAC" mail alice@capricorn send -s first bob@scorpio.test <text
ok "bob waits until it is there" mail bob@scorpio wait -e -t 30
like "$(mail bob@scorpio list)" '1 .*alice@capricorn.test.*first' "bob's list has it"
is "$(mail bob@scorpio show 1 | sed '1,/^$/d')" "$(body)" "its text is unchanged"
ok "its signature is good" mail bob@scorpio verify 1
ok "carol sends with her password in TLS" mail carol@capricorn send -s second bob@scorpio.test <text
ok "alice sends with her certificate" wsmail -f capricorn/cert.rc send -s third bob@scorpio.test <text
ok "all three are there" wait_until 30 has bob@scorpio 3

ok "bob saves one" mail bob@scorpio save 1 saved.xml
ok "the saved message verifies" mail bob@scorpio verify -f "$T/saved.xml"
ok "xmlsec1 alone verifies it" xmlsec1 --verify --trusted-pem ca/ca.crt \
    --id-attr:Id http://securitylab.cis.upenn.edu/WSEmail:theMessage saved.xml
sed 's/two/2wo/' saved.xml >changed.xml
mail bob@scorpio verify -f "$T/changed.xml" >out 2>&1
is "$?" 65 "a changed one is not good (65)"
like "$(cat out)" 'SIGNATURE NOT GOOD' "and says so loudly"
not_ok "xmlsec1 refuses it, too" xmlsec1 --verify --trusted-pem ca/ca.crt \
    --id-attr:Id http://securitylab.cis.upenn.edu/WSEmail:theMessage changed.xml

body | mail alice@capricorn send -s x nobody@capricorn.test >out 2>&1
is "$?" 67 "an unknown local user is refused at the edge (67)"
ok "a user unknown to the peer is taken" mail alice@capricorn send -s lost nobody@scorpio.test <text
ok "and bounced" wait_until 30 has alice@capricorn 1
like "$(mail alice@capricorn show 1)" '^From: postmaster@capricorn.test' "by postmaster"
like "$(mail alice@capricorn show 1)" 'nobody@scorpio.test' "naming the recipient"
ok "signed" mail alice@capricorn verify 1

ok "Bcc and several domains" mail alice@capricorn send -s many -b dave@scorpio.test \
    bob@scorpio.test carol@capricorn.test <text
ok "dave has it" wait_until 30 has dave@scorpio 1
ok "carol has it" wait_until 30 has carol@capricorn 1
is "$(mail dave@scorpio show 1 | grep -c dave)" 0 "dave is not named in it"

ok "to an alias with a member elsewhere" mail carol@capricorn send -s staff staff@capricorn.test <text
ok "alice has it" wait_until 30 has alice@capricorn 2
ok "bob has it, forwarded" wait_until 30 has bob@scorpio 5
ok "bob replies" mail bob@scorpio send -r 1 <text
ok "alice has the reply" wait_until 30 has alice@capricorn 3
like "$(mail alice@capricorn show 3)" '^Subject: Re: first' "with its subject"

id=0123456789abcdef0123456789abcdef@capricorn.test
ok "a MessageId of the sender's" mail alice@capricorn send -i $id -s once bob@scorpio.test <text
ok "the same again is the same" mail alice@capricorn send -i $id -s once bob@scorpio.test <text
not_ok "but not for another message" mail alice@capricorn send -i $id -s other bob@scorpio.test <text
ok "it arrives" wait_until 30 has bob@scorpio 6
ok "bob deletes two" mail bob@scorpio delete 1 2
mail bob@scorpio delete 1 >/dev/null 2>&1
is "$?" 69 "what is gone cannot be deleted (69)"
mail bob@scorpio show 1 >/dev/null 2>&1
is "$?" 69 "or shown (69)"
echo wrong >capricorn/carol.password
mail carol@capricorn list >/dev/null 2>&1
is "$?" 77 "a wrong password is refused (77)"

# Each try has the whole text.
again() {
	body | mail alice@capricorn send -i "$2" -s "$1" bob@scorpio.test
}

# Each process dies while mail is on its way; nothing is lost or doubled.
n=4
for p in soap keys relay queue local frontend; do
	for d in capricorn scorpio; do
		kill -9 "$(inst_pid $d $p)"
		wait_until 30 again "$p" "kill-$p-$d-0123456789@capricorn.test"
		n=$((n + 1))
	done
done
ok "after 12 kills all mail is there" wait_until 60 has bob@scorpio $n
is "$(mail bob@scorpio -o json list | grep -o '"messageid":"[^"]*"' | sort | uniq -d)" "" "and none twice"
is "$(ctl capricorn -o json show queue | grep -c kill-)" 0 "the queue is empty"
ok "both end in order" inst_stop capricorn scorpio
finish
