#!/bin/sh
# SPDX-License-Identifier: ISC
# Mistakes of users and administrators: each has a message of its own and the
# sysexits(3) code that the manuals name, and nothing from elsewhere reaches a
# terminal as it came.
. "${WS_TOP:?}/regress/lib.sh"

# fails CODE PATTERN NAME COMMAND...: that exit, and PATTERN on standard error
fails() {
	t_want=$1 t_pat=$2 t_name=$3
	shift 3
	t_code=0
	"$@" >out 2>err || t_code=$?
	if [ "$t_code" = "$t_want" ] && grep -Eq -- "$t_pat" err; then
		t_result 0 "$t_name"
	else
		t_result 1 "$t_name"
		echo "# exit $t_code, want $t_want with $t_pat: $*"
		t_diag err
	fi
}
# Redirections that a command as arguments cannot have.
to_full() { "$@" >/dev/full; }
to_none() { "$@" >&-; }
from_none() { "$@" <&-; }
# $1 a file to have on standard input
from() { t_file=$1; shift; "$@" <"$t_file"; }
json() { "$@" >json.out; python3 -m json.tool <json.out >/dev/null; }
# rc NAME LINE...: alice's account with other lines in place of hers
rc() {
	t_rc=$1.rc
	cp capricorn/alice.rc "$t_rc"
	shift
	for t_line; do
		sed "/^${t_line%% *} /d" "$t_rc" >rc.new
		echo "$t_line" >>rc.new
		cat rc.new >"$t_rc"
	done
	chmod 600 "$t_rc"
}

# Whose file of accounts is nobody's.
HOME=$T
export HOME

inst_ca
inst_new capricorn 'limit http-header-timeout 1s' 'limit message-size 1M'
inst_user capricorn alice
inst_user capricorn bob
inst_user capricorn carol
fails 69 'No such file' "wsctl without a daemon" ctl capricorn show stats
fails 69 'refused' "wsmail without a daemon" mail alice@capricorn list
inst_start capricorn

# --- logging in -------------------------------------------------------------
rc wrong "password-command echo nonsense"
fails 77 'login|password|authenti' "a wrong password" wsmail -f wrong.rc list
rc nouser "account nobody@capricorn.test" "ca $T/ca/ca.crt" \
    "server 127.0.0.1:$PORT_capricorn" "auth mac" "password-command echo x"
fails 77 'login|password|authenti' "a user that does not exist" \
    wsmail -f nouser.rc list
rc down "server 127.0.0.1:$(free_port)"
fails 69 'refused' "a server that is down" wsmail -f down.rc list
{ echo "account alice@scorpio.test"; sed 1d capricorn/alice.rc; } >other.rc
chmod 600 other.rc
fails 69 'TLS.*scorpio' "a certificate of another domain" \
    wsmail -f other.rc list
rc anchor "ca $T/nowhere.crt"
fails 78 'nowhere.crt' "no file of anchors" wsmail -f anchor.rc list
rc broken "password-command exit 3"
fails 78 'password-command: failed' "a password-command that fails" \
    wsmail -f broken.rc list
rc silent "password-command true"
fails 78 'password-command: no output' "a password-command without output" \
    wsmail -f silent.rc list
rc lines "password-command cat $T/capricorn/alice.password; seq 100000 || kill \$\$"
ok "only the first line of its output is the password" \
    wsmail -f lines.rc list

wsctl ca issue -d ca -o capricorn user alice@capricorn.test >/dev/null
key=$T/capricorn/alice@capricorn.test.key
rc cert "auth certificate" "key $key" \
    "certificate $T/capricorn/alice@capricorn.test.crt"
ok "login by certificate" wsmail -f cert.rc list
chmod 644 "$key"
fails 78 'mode 644.*chmod 600' "a key that others may read" \
    wsmail -f cert.rc list
rm "$key"
fails 78 'key: No such file' "no key" wsmail -f cert.rc list

# --- the file of accounts ---------------------------------------------------
fails 78 'nowhere.rc.*setup' "no file of accounts" wsmail -f nowhere.rc list
rc loose
for mode in 644 640 620; do
	chmod $mode loose.rc
	fails 78 'loose.rc.*chmod 600' "accounts of mode $mode" \
	    wsmail -f loose.rc list
done
: >empty.rc
chmod 600 empty.rc
fails 78 'no account' "an empty file of accounts" wsmail -f empty.rc list
fails 78 'no account' "an account that is not there" \
    wsmail -f capricorn/alice.rc -a eve@capricorn.test list
rc word "colour blue"
fails 78 'word.rc:[0-9]+: expected' "a keyword that is none" \
    wsmail -f word.rc list

# --- setup ------------------------------------------------------------------
pass="cat $T/capricorn/alice.password"
server=127.0.0.1:$PORT_capricorn
printf '# no end of line' >new.rc
chmod 600 new.rc
ok "setup adds to a file whose last line has no end" wsmail -f new.rc setup \
    -c ca/ca.crt -s "$server" -p "$pass" alice@capricorn.test
ok "and the account works" wsmail -f new.rc list
is "$(head -n 1 new.rc)" "# no end of line" "and the line is as it was"
mkdir elsewhere
ok "and works in another directory" sh -c \
    'cd elsewhere && wsmail -f ../new.rc list'
fails 78 'already' "setup twice" wsmail -f new.rc setup -c ca/ca.crt \
    -s "$server" -p "$pass" alice@capricorn.test
fails 77 'nothing was written' "setup with a wrong password" \
    wsmail setup -w none.rc -c ca/ca.crt -s "$server" -p 'echo no' \
    alice@capricorn.test
ok "which leaves no file" test ! -e none.rc
fails 66 'nowhere.crt' "setup with a file that is not there" \
    wsmail setup -w none.rc -c nowhere.crt -s "$server" -p "$pass" \
    alice@capricorn.test

# --- sending ----------------------------------------------------------------
echo Hello >text
send() { from "$1" mail alice@capricorn send -s "$2" "$3"; }
fails 67 'eve@capricorn' "a recipient who does not exist" \
    send text one eve@capricorn.test
fails 64 'address' "a recipient that is no address" send text one bob
printf 'a\0b\n' >nul
fails 65 'standard input' "a text with NUL" send nul one bob@capricorn.test
printf 'a\377b\n' >latin
fails 65 'UTF-8' "a text that is not UTF-8" send latin one bob@capricorn.test
printf 'a\033[2Jb\n' >escape
fails 65 'control' "a text with ESC" send escape one bob@capricorn.test
fails 65 'subject' "a subject with ESC" \
    send text "$(cat escape)" bob@capricorn.test
fails 66 'standard input' "no standard input" from_none mail \
    alice@capricorn send -s one bob@capricorn.test

# The front end closes a connection on which nothing comes for a second.
slow() { { sleep 3; cat text; } | "$@"; }
is "$(slow mail alice@capricorn send -s slow carol@capricorn.test 2>&1 >out)" \
    "" "a text that takes longer than the server waits: no complaint"
like "$(cat out)" queued "and it is sent"
perl -e 'print "x" x 9000000' >huge
fails 65 '413 Content Too Large' "more than the server takes" \
    send huge huge bob@capricorn.test
# Of what is wrong in a command line the network is not asked.
for args in 'send -s x' 'send bob' 'send -i short bob@capricorn.test' \
    'send -i 0123456789abcdef@scorpio.test bob@capricorn.test' \
    'send -r one' 'show 0' 'list -n 0' 'list -s never' delete; do
	fails 64 . "$args, and no server" from text wsmail -f down.rc $args
done
fails 64 '16 to 64 .*@capricorn.test' "a MessageId that is none" \
    from text mail alice@capricorn send -i short bob@capricorn.test

# --- what others wrote ------------------------------------------------------
# CSI as one character, a right-to-left override and mark: XML carries them.
printf 'x\302\2332Jy\342\200\256z\342\200\217\n' >csi
ok "a text with C1 and bidirectional controls" \
    send csi "$(cat csi)" bob@capricorn.test
ok "arrives" mail bob@capricorn wait -e -t 30
for cmd in list "show 1" "verify 1"; do
	ok "$cmd" mail bob@capricorn $cmd
	mail bob@capricorn $cmd >out 2>err
	not_ok "$cmd is free of them" sh -c \
	    'LC_ALL=C grep -l "$(printf "\302\233\\|\342\200[\216\217\256]")" out err'
done
like "$(mail bob@capricorn show 1)" '^Subject: x.u\{9b\}2Jy.u\{202e\}z' \
    "they are shown as text"
for cmd in list "show 1" "verify 1" "delete 99" "wait -e"; do
	mail bob@capricorn -o json $cmd >json.out 2>err || :
	ok "$cmd: valid JSON" python3 -m json.tool json.out
	not_ok "$cmd: nothing for a terminal" grep -q \
	    "$(printf '\302\233\\|\342\200[\216\217\256]')" json.out
done

# --- replying ---------------------------------------------------------------
sed 's/^password-command /&cat; /' capricorn/bob.rc >eats.rc
chmod 600 eats.rc
ok "a password-command that reads, at a reply" \
    from text wsmail -f eats.rc send -r 1
ok "the reply arrives" mail alice@capricorn wait -e -t 30
like "$(mail alice@capricorn show 1)" '^Hello$' "with its text"

# --- ids, and where output goes ---------------------------------------------
for cmd in show verify delete; do
	fails 69 'no such message' "$cmd of an id that is not there" \
	    mail bob@capricorn $cmd 99
	fails 64 'invalid' "$cmd of an id that is none" \
	    mail bob@capricorn $cmd one
done
fails 69 'no such' "a reply to an id that is not there" \
    from text mail bob@capricorn send -r 99
ok "save" mail bob@capricorn save 1 saved
fails 73 'saved: File exists' "save over a file" mail bob@capricorn save 1 saved
fails 65 'text: not XML' "verify of a file that is none" mail bob@capricorn \
    verify -f text
fails 66 'nowhere' "verify of a file that is not there" \
    mail bob@capricorn verify -f nowhere
perl -e 'print "line\n" x 100000' >long
ok "a long text" send long long bob@capricorn.test
wait_until 30 mail bob@capricorn show 2
for cmd in list "show 1" "show 2" "verify 1" "wait -e"; do
	fails 74 'No space' "$cmd to a full device" \
	    to_full mail bob@capricorn $cmd
	fails 74 'Bad file' "$cmd without standard output" \
	    to_none mail bob@capricorn $cmd
done
{ mail bob@capricorn show 2 2>err || echo $? >code; } | head -n 1 >out
is "$(cat code)" 141 "a reader that leaves ends it as it ends others"
is "$(cat err)" "" "and nothing is said of it"

# --- wsctl ------------------------------------------------------------------
for what in queue stats limits sandbox processes "mailbox bob@capricorn.test"
do
	ok "show $what: valid JSON" json ctl capricorn -o json show $what
done
fails 67 'no such user' "the mailbox of nobody" \
    ctl capricorn show mailbox eve@capricorn.test
fails 65 'no such message' "a message that is not there" \
    ctl capricorn show message 0123456789abcdef
fails 65 'no such message' "its removal" ctl capricorn remove 0123456789abcdef
fails 64 'possibilities are' "a word that is none" ctl capricorn shwo
fails 74 'No space' "wsctl to a full device" to_full ctl capricorn show stats
fails 74 'Bad file' "wsctl without standard output" \
    to_none ctl capricorn show stats
fails 74 'No space' "wsctl ca to a full device" to_full wsctl ca list -d ca
fails 66 'nowhere' "no authority" \
    wsctl ca issue -d nowhere domain aries.test
fails 66 'standard input' "no password" from_none wsctl -u capricorn/users \
    user add -p - eve@capricorn.test
fails 67 'no such user' "the removal of nobody" \
    wsctl -u capricorn/users user remove eve@capricorn.test
echo nonsense >>capricorn/conf
fails 78 'has errors' "reload of a configuration with errors" \
    ctl capricorn reload
ok "which changed nothing" mail alice@capricorn list
if [ "$(id -u)" = 0 ]; then
	cp "$(command -v wsctl)" wsctl
	fails 77 'not permitted|Permission denied' "the socket of another" \
	    setpriv --reuid 65534 --regid 65534 --clear-groups ./wsctl \
	    -s capricorn/c.sock stop
fi
ok "the daemon ends in order" inst_stop capricorn
finish
