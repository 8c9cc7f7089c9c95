#!/bin/sh
# SPDX-License-Identifier: ISC
# wsmail im: three users chat, in terminals that know no escape sequences and
# in ones that do.
. "${WS_TOP:?}/regress/lib.sh"

inst_new capricorn "plugin im {
	object \"$WS_TOP/plugins/im.so\"
	grant bodies
	grant state 1M
	option strangers allow
}"
for u in alice bob carol; do
	inst_user capricorn $u
	mkdir $u.home
done
inst_start capricorn
up() { ctl capricorn show plugins | grep -q 'im *up'; }
ok "it is up" wait_until 10 up
chat() {	# USER [ARGUMENT ...]
	chat_u=$1
	shift
	echo "env HOME=$T/$chat_u.home wsmail -f $T/capricorn/$chat_u.rc im $*"
}

cat >script <<END
open a 120 dumb $(chat alice bob@capricorn.test)
see a here as alice@capricorn.test
open b 90 xterm-256color $(chat bob)
see b here as bob@capricorn.test
type a hello bob\\r
see b alice@capricorn.test> hello bob
see a alice@capricorn.test> hello bob
# What is being typed stays, and what comes is not mixed with it.
type a half a
type b gr\\xc3\\xbc\\xc3\\x9fe\\r
see a bob@capricorn.test> grüße
see a bob@capricorn.test> half a
type a \\x20line\\r
see b alice@capricorn.test> half a line
# Longer than the terminal is wide: one row, its end, then its beginning.
type b 0123456789 abcdefghijklmnopqrstuvwxyz 0123456789 abcdefghijklmnopqrstuvwxyz 0123456789 ABCDEFGHIJKLMNOPQRSTUVWXYZ
see b UVWXYZ
type b \\x01
see b > 0123456789 abc
type b \\x05\\x7f\\x7f\\x7f\\x17\\x15short\\r
see a bob@capricorn.test> short
# Half a character, a lone end of one, and a control of the upper half.
type b x\xc3\x1b[D\x1b[Da\xa9\xc2\x9bb\xe2\x82\r
see a bob@capricorn.test> abx
# Keys: the arrows, and the line before.
type a abd\\x1b[Dc\\r
see b alice@capricorn.test> abcd
type a \\x1b[A\\x1b[H=\\r
see b alice@capricorn.test> =abcd
size a 30
type a in a narrow window\\r
see b in a narrow window
size a 120
# A third, and a circle of all.
open c 100 vt100 $(chat carol)
see c here as carol@capricorn.test
type c hi\\r
see c to whom?
type c /to alice@capricorn.test, bob@capricorn.test\\r
see c alice@capricorn.test and 1 more>
type c all of you\\r
see a carol@capricorn.test [bob@capricorn.test,carol@capricorn.test]> all of you
see b [alice@capricorn.test,carol@capricorn.test]> all of you
type a \\t
see a bob@capricorn.test and 1 more>
type a yes\\r
see c alice@capricorn.test> yes
see b alice@capricorn.test [alice@capricorn.test,carol@capricorn.test]> yes
type c /frobnicate\\r
see c /frobnicate: no such command
type c //slash\\r
see a carol@capricorn.test> /slash
type c /to nobody\\r
see c expected an address
type c /to nobody@capricorn.test\\r
type c are you there\\r
see c that was not done
# What a terminal could take amiss does not reach it.
type c /to alice@capricorn.test\\r
see c alice@capricorn.test>
type c \\xe2\\x80\\xaeright to left\\r
see a \\u{202e}right to left
# Presence.
type b /ask alice@capricorn.test\\r
type a /allow bob@capricorn.test\\r
see b alice@capricorn.test is available
type a /away at lunch\\r
see b alice@capricorn.test is away: at lunch
type b /who\\r
see b away: at lunch
# Stopped and continued, then the server forgets everything.
signal a STOP
signal a CONT
type a after a rest\\r
see c after a rest
not a timed out
type a /quit\\r
end a 0
see b alice@capricorn.test is offline
END
/usr/bin/python3 "$WS_TOP/regress/system/im_chat.py" <script >result 2>&1
while IFS= read -r line; do
	case $line in
	"ok "*)	ok "${line#ok }" true ;;
	"#"*)	echo "$line" ;;
	*)	ok "${line#not ok }" false ;;
	esac
done <result

# The history, and what programs make of it.
hist=alice.home/.wsmail-im/alice@capricorn.test/bob@capricorn.test
like "$(cat $hist)" 'alice@capricorn.test	hello bob' "what was said is kept"
is "$(stat -c %a $hist)" 600 "for the user alone"
cat >script <<END
open a 60 dumb $(chat alice bob@capricorn.test)
see a > hello bob
see a > grüße
type a \\x03
end a 0
END
is "$(/usr/bin/python3 "$WS_TOP/regress/system/im_chat.py" <script | grep -c ^ok)" 3 \
    "it is shown when they talk again"

# Without a terminal: a line, a message.
mkfifo keep
HOME=$T/bob.home mail bob@capricorn -o json im <keep >bob.out 2>&1 &
pid=$!
exec 4>keep
ok "a program waits" wait_until 10 grep -q here bob.out
printf 'one\ntwo\n' | HOME=$T/alice.home mail alice@capricorn im \
    bob@capricorn.test >alice.out
is $? 0 "lines of a pipe"
ok "arrive" wait_until 10 grep -q \
    '"from":"alice@capricorn.test".*"good":true,"text":"two"' bob.out
is "$(grep -c '"text":"one"' bob.out)" 1 "each once"
# The server is started anew under it.
inst_stop capricorn
inst_start capricorn 4>&-
ok "it finds its way back" wait_until 40 grep -q 'here again' bob.out
echo three | HOME=$T/alice.home mail alice@capricorn im bob@capricorn.test \
    >alice.out
ok "and has what comes then" wait_until 10 grep -q '"text":"three"' bob.out
exec 4>&-
wait $pid
is $? 0 "the end of its input ends it"
printf 'm\374ll\n' | HOME=$T/alice.home mail alice@capricorn im \
    bob@capricorn.test >alice.out 2>&1
is $? 65 "octets that are no UTF-8"
like "$(cat alice.out)" 'not sent: the text is not UTF-8' "are not sent"
{ head -c 1048577 /dev/zero | tr '\0' x; echo; } | HOME=$T/alice.home \
    mail alice@capricorn im bob@capricorn.test >alice.out 2>&1
is $? 65 "a line longer than may be"
echo bad | HOME=$T/alice.home mail alice@capricorn im nobody@capricorn.test \
    >alice.out 2>&1
is $? 69 "a recipient that there is not"
finish
