#!/bin/sh
# SPDX-License-Identifier: ISC
# wsplugin-exec(8): each exit status, programs that hang, that do not read,
# that leave children, that eat memory, and what they can reach.
. "${WS_TOP:?}/regress/lib.sh"

mkdir bin
cat >bin/judge <<'E2'
#!/bin/sh
case $WSEMAIL_SUBJECT in
pass)	exit 0 ;;
stdin)	grep -q '<Body>hello' || exit 1; echo "read it"; exit 77 ;;
facts)	echo "$WSEMAIL_SENDER $WSEMAIL_RECIPIENT $1"; exit 69 ;;
later)	echo "not yet"; exit 75 ;;
mine)	exit 99 ;;
hold)	echo wait; exit 100 ;;
odd)	echo "no idea"; exit 3 ;;
hang)	sleep 100 & sleep 100 ;;
orphan)	sleep 100 >/dev/null & exit 0 ;;
loud)	yes | head -c 1000000; exit 77 ;;
net)	exec 2>/dev/null
	perl -MIO::Socket::INET -e 'exit(IO::Socket::INET->new(PeerAddr =>
	    "127.0.0.1:1", Proto => "udp") ? 0 : 1)' && echo network
	cat "$0.secret" && echo secret
	echo x >/tmp/exec-was-here && echo wrote
	echo "| nothing"; exit 77 ;;
esac
E2
chmod 755 bin bin/judge
echo secret >bin/judge.secret
chmod 600 bin/judge.secret

say() {
	echo hello | mail alice@capricorn send -s "$1" bob@capricorn.test \
	    2>&1 | sed -n 's/.*(\(.*@capricorn.test\)).*/\1/p'
}
outcome() {
	wait_until 20 grep -Eq "ev=(deliver|taken) .*msgid=$1 .*result=" \
	    capricorn/log || :
	grep -E "ev=(deliver|taken) .*msgid=$1 .*result=" capricorn/log |
	    head -n 1 | sed 's/.*ev=\([a-z]*\) .*result=/\1 /'
}

inst_new capricorn "plugin judge {
	object \"$WS_TOP/plugins/exec.so\"
	grant bodies
	grant exec \"$T/bin\"
	timeout 20s
	option program \"$T/bin/judge\"
	option argument arg
	option timeout 2
	option at-a-time 2
}" "plugin wrong {
	object \"$WS_TOP/plugins/exec.so\"
	grant exec
	for nobody@capricorn.test
	option program \"/nowhere\"
}" "plugin denied {
	object \"$WS_TOP/plugins/exec.so\"
	for carol@capricorn.test
	option program \"/bin/true\"
}"
inst_user capricorn alice
inst_user capricorn bob
inst_user capricorn carol
ok "the configuration is right" wsmtpd -n -f capricorn/conf
inst_start capricorn
up() { ctl capricorn show plugins | grep -q "^judge *up"; }
ok "it is up" wait_until 10 up
ok "a program that is not there is said" wait_until 10 grep -q \
    'wrong: /nowhere: No such file' capricorn/log

is "$(outcome "$(say pass)")" "deliver ok" "0: goes on"
like "$(outcome "$(say stdin)")" 'permfail reason="read it"' \
    "the message is on standard input"
like "$(outcome "$(say facts)")" \
    'permfail reason="alice@capricorn.test bob@capricorn.test arg"' \
    "69: refused; facts and arguments"
like "$(outcome "$(say later)")" 'tempfail reason="not yet"' "75: later"
like "$(outcome "$(say mine)")" 'taken ok' "99: taken"
like "$(outcome "$(say hold)")" 'held by plug-in judge: wait' "100: held"
like "$(outcome "$(say odd)")" 'tempfail reason="the program failed"' \
    "any other: later"
like "$(cat capricorn/log)" 'exit status 3: no idea' "and in the log"
like "$(outcome "$(say hang)")" 'tempfail reason="the program was late"' \
    "one that hangs is killed"
is "$(outcome "$(say orphan)")" "deliver ok" "one that leaves a child"
like "$(outcome "$(say loud)")" 'permfail reason=y$' "one that prints a lot"
like "$(outcome "$(say net)")" 'permfail reason="\| nothing"' \
    "no network, no files of others"
is "$(ls /tmp/exec-was-here 2>/dev/null)" "" "nothing written"
for i in 1 2 3 4 5 6; do
	say hang >hang.$i
done
id=$(say pass)
is "$(outcome "$id")" "deliver ok" "a good one behind six that hang"
none() { ! pgrep -f 'sleep 100' >/dev/null; }
ok "nothing of theirs is left" wait_until 10 none
echo | mail alice@capricorn send -s pass carol@capricorn.test >sent
ok "without grant exec it does not run" wait_until 20 grep -q \
    'denied: /bin/true: ' capricorn/log
ok "it ends in order" inst_stop capricorn
finish
