#!/bin/sh
# SPDX-License-Identifier: ISC
# Plug-ins on real installations: verdicts at delivery and when users send,
# extension requests, grants that were not given, plug-ins that crash, hang
# and lie beside mail that is none of theirs, and wsctl plugin under way.
. "${WS_TOP:?}/regress/lib.sh"

ECHO=$WS_TOP/regress/system/plug_echo.so
SENDING=$WS_TOP/regress/system/plug_sending.so

# say SUBJECT [TO]: alice sends it; the MessageId
say() {
	mail alice@capricorn send -s "$1" "${2:-bob@capricorn.test}" \
	    </dev/null 2>&1 | sed -n 's/.*(\(.*@capricorn.test\)).*/\1/p'
}
# outcome MSGID: what became of it, when it is known: event, result, reason
outcome() {
	wait_until 20 grep -Eq \
	    "ev=(deliver|taken|relay) .*msgid=$1 .*result=" capricorn/log || :
	grep -E "ev=(deliver|taken|relay) .*msgid=$1 .*result=" capricorn/log |
	    head -n 1 | sed 's/.*ev=\([a-z]*\) .*result=/\1 /'
}
state() {
	ctl capricorn -o json show plugins | tr '{' '\n' |
	    sed -n "s/.*\"name\":\"$1\",\"state\":\"\([^\"]*\)\".*/\1/p"
}
is_state() { [ "$(state "$1")" = "$2" ]; }
# ext IDENTIFIER XML: what a plug-in answers alice, or what wsmail says
ext() {
	printf '%s' "$2" | mail alice@capricorn -o json extension "$1" 2>&1 |
	    sed 's/\\"/"/g'
}

inst_new capricorn "queue retry min 1s max 2s jitter 0%" \
"plugin echo {
	object \"$ECHO\"
	priority 100
	for \"bob@capricorn.test\" \"alice@capricorn.test\"
	timeout 2s
	memory 64M
	grant bodies
	grant state 64K
	grant send users
}" "plugin bare {
	object \"$ECHO\"
	priority 200
	for \"carol@capricorn.test\"
	timeout 2s
}" "plugin desk {
	object \"$ECHO\"
	priority 300
	address \"desk@capricorn.test\"
	for \"desk@capricorn.test\"
	option word \"desk \"
}" "plugin sender {
	object \"$SENDING\"
	grant bodies
	timeout 2s
	option word \"s:\"
}"
cp "$WS_TOP/regress/system/plug_program.py" "$T/program"
chmod 755 "$T/program"
cat >>capricorn/conf <<-END
plugin python {
	program "$T/program"
	for erin@capricorn.test
	grant exec
	option refuse "not this"
}
END
inst_user capricorn alice
inst_user capricorn bob
inst_user capricorn erin
inst_user capricorn carol
inst_user capricorn dave
ok "the configuration is right" wsmtpd -n -f capricorn/conf
wsmtpd -nv -f capricorn/conf >printed.conf
ok "printed, it parses" wsmtpd -n -f printed.conf
is "$(wsmtpd -nv -f printed.conf)" "$(cat printed.conf)" "to the same"

# --- what wsmtpd -n says of plug-ins ----------------------------------------
# bad PATTERN NAME LINE...: a plug-in with these lines besides
bad() {
	bad_want=$1 bad_name=$2
	shift 2
	{ cat capricorn/conf; echo "plugin bad {"; printf '%s\n' "$@"; echo "}"; } \
	    >bad.conf
	like "$(wsmtpd -n -f bad.conf 2>&1)" "$bad_want" "$bad_name"
}
bad 'plugin bad: /nowhere.so: No such file' "no object" 'object /nowhere.so'
cp "$ECHO" open.so
chmod 666 open.so
bad "open.so: others than root may write" "an object that all may write to" \
    "object $T/open.so"
bad "$T: expected a file" "a directory" "object $T"
bad 'alice@capricorn.test is a user' "a user's address" "object $ECHO" \
    'address alice@capricorn.test'
bad "desk@capricorn.test is another plug-in's" "an address twice" \
    "object $ECHO" 'address desk@capricorn.test'
bad 'x@y.test is in no domain' "an address elsewhere" "object $ECHO" \
    'address x@y.test'
bad 'is not in its scope' "an address that it is not for" "object $ECHO" \
    'address z@capricorn.test' 'for bob@capricorn.test'
bad 'grant send x@y.test: no such domain' "a sender elsewhere" \
    "object $ECHO" 'grant send x@y.test'

inst_start capricorn
for p in echo bare desk sender python; do
	ok "$p is up" wait_until 10 is_state "$p" up
done

# --- at delivery ------------------------------------------------------------
is "$(outcome "$(say hello)")" "deliver ok" "continue: delivered"
like "$(outcome "$(say 'refuse 550 no way')")" 'permfail reason="no way"' \
    "refused with its text"
like "$(outcome "$(say 'refuse 99 x')")" 'permfail' "with a code of none"
like "$(outcome "$(say taken)")" 'taken ok' "taken over"
like "$(outcome "$(say body)")" 'permfail' "the body is seen"
like "$(outcome "$(say body carol@capricorn.test)")" 'permfail reason="no body"' \
    "not without its grant"
like "$(outcome "$(say later)")" 'permfail reason=later' "a verdict later"
id=$(say defer)
like "$(outcome "$id")" 'tempfail reason="for the test"' "deferred"
ok "and tried again" wait_until 20 grep -q "ev=deliver .*msgid=$id .*result=ok" \
    capricorn/log
id=$(say hold)
like "$(outcome "$id")" 'held by plug-in echo: for the test' "held"
qid=$(ctl capricorn -o json show queue | tr '{' '\n' | grep held | head -n 1 |
    sed 's/.*"id":"\([0-9a-f]*\)".*/\1/')
ok "released by wsctl schedule" ctl capricorn schedule all
ok "it is delivered" wait_until 20 grep -q \
    "ev=deliver .*msgid=$id .*result=ok" capricorn/log
like "$(outcome "$(say count)")" 'reason=1$' "state is kept"
like "$(outcome "$(say count)")" 'reason=2$' "and read"
like "$(outcome "$(say fill)")" 'Disk quota exceeded' "up to its quota"
like "$(outcome "$(say count carol@capricorn.test)")" 'not permitted' \
    "none without a grant"
like "$(outcome "$(say 'send dave@capricorn.test carol@capricorn.test')")" \
    'sent 553' "mail as a user outside its scope is refused"
like "$(outcome "$(say 'send x@elsewhere.test carol@capricorn.test')")" \
    'sent 553' "and as a stranger"
is "$(outcome "$(say 'send bob@capricorn.test dave@capricorn.test')")" \
    "deliver ok" "as one inside it is sent"
like "$(outcome "$(say 'send carol@capricorn.test bob@capricorn.test' \
    carol@capricorn.test)")" 'not permitted' "not without a grant"
is "$(mail dave@capricorn list | grep -c 'from a plug-in')" 1 "it arrived"
like "$(outcome "$(say hello desk@capricorn.test)")" \
    'permfail reason="the program for this address did not take it"' \
    "a mapped address whose plug-in does not take it"
like "$(outcome "$(say 'desk taken' desk@capricorn.test)")" 'taken ok' \
    "and when it does"

# --- a plug-in that is a program, written from wsplug(8) alone --------------
is "$(outcome "$(say hello erin@capricorn.test)")" "deliver ok" \
    "a program lets pass"
like "$(outcome "$(say 'not this' erin@capricorn.test)")" \
    'permfail reason="by a program"' "and refuses"
head -c 50000 /dev/zero | tr '\0' x >large
like "$(mail alice@capricorn send -s 'not this' erin@capricorn.test <large 2>&1)" \
    queued "a large one, whose payload is in a file"
ok "is refused, too" wait_until 10 sh -c \
    "[ \$(grep -c 'by a program' capricorn/log) -ge 2 ]"
like "$(outcome "$(say raw erin@capricorn.test)")" \
    'permfail reason="\?\?\?\[2J\?\?\."' "a text that is none"
ok "and the bounce can be read" wait_until 10 sh -c \
    "wsmail -f capricorn/alice.rc list | grep -q 'Undelivered: raw'"
for w in channel short; do
	ok "it is up" wait_until 20 is_state python up
	id=$(say $w erin@capricorn.test)
	like "$(outcome "$id")" tempfail "$w: no message of ours"
	ok "$w: its process is ended" wait_until 20 grep -q \
	    'plug-in python closed its channel, says queue' capricorn/log
	ctl capricorn remove "$(ctl capricorn -o json show queue | tr '{' '\n' |
	    grep erin | head -n 1 | sed 's/.*"id":"\([0-9a-f]*\)".*/\1/')" \
	    >/dev/null 2>&1 || :
	sed 's/closed its channel, says/closed its channel, said/' \
	    capricorn/log >log.seen
	cat log.seen >capricorn/log
done
bad 'expected grant exec' "a program without its grant" "program $T/program"

# --- what it can reach ------------------------------------------------------
tries=$(outcome "$(say try)")
reached=$(printf '%s' "$tries" | sed 's/.*reason="\?//; s/"$//')
# Its own directory is its root, where there is a chroot.
like "$reached" '^(open:/ open:\.\. )?\| ?$' "nothing but its own directory"
bare=$(outcome "$(say try carol@capricorn.test)" | sed 's/.*reason="\?//; s/"$//')
like "$bare" '^\| ?$' "without state not even that"
is "$(ls /tmp/plug-was-here 2>/dev/null)" "" "no file of its"

# --- when users send --------------------------------------------------------
like "$(mail alice@capricorn send -s 's:refuse 553 not you' dave@capricorn.test \
    </dev/null 2>&1)" 'not you' "a user is told why"
like "$(mail alice@capricorn send -s 's:defer' dave@capricorn.test \
    </dev/null 2>&1)" 'for the test' "or to try again"
mail alice@capricorn send -s 's:replace' dave@capricorn.test </dev/null >/dev/null
ok "a replaced message arrives" wait_until 10 sh -c \
    "wsmail -f capricorn/dave.rc list | grep -q 'was replace'"
n=$(mail dave@capricorn list | awk '/was replace/ { print $1 }')
like "$(mail dave@capricorn show "$n")" '^Signature: good' "signed as it is"
like "$(mail dave@capricorn show "$n")" '^replaced' "with its new body"
not_ok "no message in its place" mail alice@capricorn send -s 's:replace-bad' \
    dave@capricorn.test
ok "taken over, the sender is told that it is sent" mail alice@capricorn send \
    -s 's:taken' dave@capricorn.test
id=$(say 's:hold' dave@capricorn.test)
like "$(ctl capricorn show queue)" 'held by plug-in sender' "held in the queue"
is "$(mail dave@capricorn list | grep -c 's:hold')" 0 "and not delivered"
ok "released" ctl capricorn schedule all
is "$(outcome "$id")" "deliver ok" "it is"

# --- extension requests -----------------------------------------------------
like "$(ext urn:test:echo '<Who xmlns="urn:q"><word>w-x</word></Who>')" \
    '<Who xmlns="urn:t">alice@capricorn.test 2 1 w' "it knows who asks"
like "$(ext urn:test:echo '<a xmlns="urn:q"><b c="1"/></a>')" \
    '<a xmlns="urn:q"><b c="1"></b></a>' "an answer of XML"
like "$(ext urn:test:echo '<No/>')" 'you may not' "a refusal"
like "$(ext urn:test:echo '<Bad/>')" 'is no XML' "an answer that is no XML"
like "$(ext urn:test:nobody '<a/>')" 'no plug-in for this' "an unknown one"

# --- plug-ins that do harm --------------------------------------------------
# Mail to dave has nothing to do with them, and goes on meanwhile.
t_harm() {
	harm_id=$(say "$1")
	harm_start=$(date +%s%N)
	is "$(outcome "$(say hello dave@capricorn.test)")" "deliver ok" \
	    "$1: other mail goes on"
	harm_ms=$((($(date +%s%N) - harm_start) / 1000000))
	[ "$harm_ms" -lt 1500 ] || echo "# it took $harm_ms ms"
	like "$(outcome "$harm_id")" 'tempfail' "$1: tried again"
	ok "$1: out of service after a while" wait_until 40 is_state echo \
	    "out of service"
	ok "$1: and then the mail goes without it" wait_until 20 grep -q \
	    "ev=deliver .*msgid=$harm_id .*result=ok" capricorn/log
	ok "$1: enabled again" ctl capricorn plugin enable echo
	ok "$1: it is up" wait_until 10 is_state echo up
}
for w in crash loop leak exit close garbage result silent; do
	t_harm "$w"
done
# Removed by the administrator while the plug-in has it.
id=$(say silent)
echo_busy() { ctl capricorn -o json show plugins | tr '{' '\n' |
    grep '"name":"echo"' | grep -q '"open":1,'; }
ok "at the plug-in" wait_until 10 echo_busy
qid=$(sed -n "s/.*ev=accept id=\([0-9a-f]*\) msgid=$id .*/\1/p" capricorn/log)
ok "removed" ctl capricorn remove "$qid"
ok "the plug-in fails" wait_until 20 sh -c \
    "! wsctl -s capricorn/c.sock -o json show queue | grep -q '$id'"
ok "and comes again" wait_until 20 is_state echo up
is "$(outcome "$(say twice)")" "deliver ok" "a second verdict is none"
ok "and ends the plug-in" wait_until 10 grep -q \
    'echo: a verdict for a call that there is not' capricorn/log
ok "which comes again" wait_until 10 is_state echo up
for p in queue local keys soap frontend control; do
	is "$(ctl capricorn -o json show processes | tr '{' '\n' |
	    grep "\"process\":\"$p\"" | grep -c '"restarts":0')" \
	    "$(ctl capricorn -o json show processes | tr '{' '\n' |
	    grep -c "\"process\":\"$p\"")" "$p has never ended"
done
is "$(outcome "$(say hello)")" "deliver ok" "and all is well"

# --- at run time ------------------------------------------------------------
ok "disabled" ctl capricorn plugin disable echo
is "$(outcome "$(say 'refuse 550 no')")" "deliver ok" "it is not asked"
ok "enabled" ctl capricorn plugin enable echo
like "$(outcome "$(say 'refuse 550 no')")" permfail "it is"
ok "unloaded" ctl capricorn plugin unload echo
is "$(state echo | sed 's/ending/unloaded/')" unloaded "it says so"
is "$(outcome "$(say 'refuse 550 no')")" "deliver ok" "it is not asked"
ok "loaded" ctl capricorn plugin load echo
like "$(outcome "$(say 'refuse 550 no')")" permfail "it is, at once"
ok "another priority" ctl capricorn plugin priority echo 999
like "$(ctl capricorn show plugins)" 'echo +up +999' "is shown"
not_ok "a priority that is none" ctl capricorn plugin priority echo 1000
not_ok "a plug-in that is none" ctl capricorn plugin load nobody
pid=$(ctl capricorn -o json show plugins | tr '{' '\n' |
    sed -n 's/.*"name":"bare".*"pid":\([0-9]*\).*/\1/p')
sed 's/option word "s:"/option word "t:"/' capricorn/conf >conf.new
cat conf.new >capricorn/conf
ok "reload" ctl capricorn reload
is "$(ctl capricorn -o json show plugins | tr '{' '\n' |
    sed -n 's/.*"name":"bare".*"pid":\([0-9]*\).*/\1/p')" "$pid" \
    "what did not change goes on"
like "$(mail alice@capricorn send -s 't:refuse 553 changed' dave@capricorn.test \
    </dev/null 2>&1)" 'changed' "what changed is as it says now"
cp capricorn/conf conf.good
printf 'plugin open {\n\tobject "%s"\n' "$ECHO" >>capricorn/conf
not_ok "a block that is left open" ctl capricorn reload
cat conf.good >capricorn/conf
ok "the next reload knows nothing of it" ctl capricorn reload
awk '/^plugin bare/ { skip = 1 } !skip { print } /^}/ { skip = 0 }' \
    capricorn/conf >conf.new
cat conf.new >capricorn/conf
ok "reload without one" ctl capricorn reload
ok "it is gone" wait_until 10 is_state bare ""
is "$(outcome "$(say 'refuse 550 no' carol@capricorn.test)")" "deliver ok" \
    "and not asked"

# Load, unload and order while mail comes: each message once.
i=0
while [ $i -lt 60 ]; do
	say "load $i" >/dev/null
	case $((i % 6)) in
	0)	ctl capricorn plugin unload echo >/dev/null ;;
	1)	ctl capricorn plugin load echo >/dev/null ;;
	2)	ctl capricorn plugin priority echo $i >/dev/null ;;
	3)	ctl capricorn plugin disable echo >/dev/null ;;
	4)	ctl capricorn plugin enable echo >/dev/null ;;
	esac
	i=$((i + 1))
done
all_here() { [ "$(mail bob@capricorn list -n 500 | grep -c ' load [0-9]*$')" = 60 ]; }
ok "under load: all arrive" wait_until 30 all_here
is "$(mail bob@capricorn list -n 500 | grep -o ' load [0-9]*$' | sort | uniq -d)" \
    "" "none twice"
ok "it ends in order" inst_stop capricorn
finish
