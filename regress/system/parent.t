#!/bin/sh
# SPDX-License-Identifier: ISC
# The parent: start, what is confined by what, restart of any process that is
# killed, reload taken whole or not at all, the end in order.
. "${WS_TOP:?}/regress/lib.sh"

children="control frontend keys relay queue local attach soap"

# The whole service answers: control reaches those who answer, frontend listens.
serves() {
	ctl a show queue && ctl a show mailbox alice@a.test &&
	    ctl a show stats && listens "$PORT_a"
}

listens() {
	perl -MIO::Socket::INET -e 'exit(IO::Socket::INET->new(
	    PeerAddr => "127.0.0.1", PeerPort => $ARGV[0]) ? 0 : 1)' "$1"
}

is_other_pid() {
	t_now=$(inst_pid a "$1")
	[ -n "$t_now" ] && [ "$t_now" != 0 ] && [ "$t_now" != "$2" ]
}

limit_is() {
	ctl a -o json show limits |
	    grep -q "\"limit\":\"$1\",\"value\":$2,"
}

inst_new a 'soap processes 2' 'limit control-connections 4'
inst_user a alice
inst_start a
ok 'it serves' serves

# --- what there is
is "$(ctl a -o json show processes | grep -c '"state":"runs"')" 10 \
    'parent, seven processes and two of soap'
is "$(ctl a -o json show sandbox | grep -c 'no-new-privs')" 10 \
    'each gave up new privileges'
like "$(cat a/log)" 'ready$' 'the log says ready'
if [ "$(id -u)" = 0 ]; then
	is "$(ctl a -o json show sandbox | grep -c 'chroot uid')" 9 \
	    'started by root: chroot and a user for each child'
else
	like "$(cat a/log)" 'not started by root: .*without chroot' \
	    'not started by root: the log says what is missing'
fi
for p in $children; do
	like "$(ctl a -o metrics show stats)" "^wsemail_${p}_up\{.*\} 1" \
	    "$p is in the metrics"
done
is "$(ctl a -o metrics show stats | tail -n 1)" '# EOF' 'which end'

# --- a second one
not_ok 'a second daemon on the spool is refused' \
    wsmtpd -d -L "$WS_TOP/wsmtpd" -f a/conf
ok 'and the first does not mind' serves

# --- death
for p in $children; do
	pid=$(inst_pid a "$p")
	kill -9 "$pid"
	ok "$p is started again" wait_until 20 is_other_pid "$p" "$pid"
	ok "and all is well without it having been there" \
	    wait_until 20 serves
	like "$(cat a/log)" "\(pid $pid\) was killed by signal 9" \
	    'the log says what happened'
done
is "$(ctl a -o json show processes | grep -c '"restarts":1}')" 8 \
    'each was counted'
pid=$(inst_pid a relay)
kill -9 "$pid"
wait_until 20 is_other_pid relay "$pid"
like "$(cat a/log)" 'relay is started again in [1-9]' \
    'the second short life is answered more slowly'

# --- who may
ok 'the read-only socket shows' wsctl -s a/ro.sock show processes
for c in stop reload 'log verbose' 'pause relay' trace 'remove 1'; do
	t_code=0
	# shellcheck disable=SC2086
	wsctl -s a/ro.sock $c >/dev/null 2>&1 || t_code=$?
	is "$t_code" 77 "it refuses: $c"
done
like "$(cat a/log)" 'ev=control .*result=refused' 'refusals are logged'
# Four that say nothing, then one more, then one on the other socket.
perl -MIO::Socket::UNIX -e '
	my @s = map { IO::Socket::UNIX->new(Peer => "a/c.sock") } 1 .. 4;
	$| = 1;
	my $deadline = time + 10;
	my $rc;
	do { $rc = system("wsctl -s a/c.sock show limits >full 2>&1") >> 8 }
	    until $rc != 0 || time > $deadline;
	print $rc, "\n";
	print system("wsctl -s a/ro.sock show limits >/dev/null 2>&1") >> 8,
	    "\n"' >codes
is "$(cat codes)" "75
0" 'limit control-connections, for each socket apart'
like "$(cat full)" 'too many control connections' 'the user is told'
ok 'it is over when they are gone' wait_until 10 ctl a show limits

# --- reload
cp a/conf conf.good
echo 'listen on nowhere port x' >>a/conf
t_code=0
ctl a reload >out 2>&1 || t_code=$?
is "$t_code" 78 'a wrong configuration is refused'
like "$(cat out)" 'the old configuration stays' 'with a sentence'
ok 'the old one stays' serves
sed "s/limit control-connections 4/limit control-connections 5/" \
    conf.good >a/conf
ok 'a right one is taken' ctl a reload
ok 'its limit holds' limit_is control-connections 5
chmod 600 a/a.test.crt
mv a/a.test.crt a/gone
not_ok 'one that names a missing file is refused' ctl a reload
mv a/gone a/a.test.crt
ok 'the limit still holds' limit_is control-connections 5

old=$PORT_a
PORT_a=$(free_port)
sed "s/port $old/port $PORT_a/" conf.good >a/conf
ok 'another port' ctl a reload
ok 'is listened on' wait_until 10 serves
not_ok 'and the old one no longer' listens "$old"

echo 'nonsense' >>a/conf
pid=$(inst_pid a parent)
kill -HUP "$pid"
ok 'SIGHUP with a wrong one is logged' \
    wait_until 10 grep -q 'the old configuration stays' a/log
sed "s/port $old/port $PORT_a/; s/connections 4/connections 6/" \
    conf.good >a/conf
kill -HUP "$pid"
ok 'SIGHUP with a right one takes it' \
    wait_until 10 limit_is control-connections 6

# --- users
not_ok 'no mailbox of nobody' ctl a show mailbox bob@a.test
inst_user a bob
ok 'a user who is added is there' ctl a show mailbox bob@a.test
ok 'and can be removed' wsctl -f a/conf user remove bob@a.test

# --- the end
ok 'stop' ctl a stop
t_code=0
wait "$t_pid_a" || t_code=$?
t_pid_a=
is "$t_code" 0 'the daemon ends with 0'
not_ok 'no control socket is left' test -e a/c.sock
not_ok 'and no read-only one' test -e a/ro.sock
not_ok 'nobody listens' listens "$PORT_a"
t_code=0
ctl a show stats 2>/dev/null || t_code=$?
is "$t_code" 69 'wsctl without a daemon'

# --- in the background, with a manager that waits for word
perl -MIO::Socket::UNIX -MSocket -e '
	my $s = IO::Socket::UNIX->new(Type => SOCK_DGRAM,
	    Local => "notify") or die;
	open(my $r, ">", "bound") or die; close($r);
	alarm 60;
	$s->recv(my $m, 100); print "$m\n"' >told &
manager=$!
wait_until 10 test -e bound
ok 'in the background' env NOTIFY_SOCKET="$T/notify" \
    wsmtpd -L "$WS_TOP/wsmtpd" -f a/conf
wait "$manager"
is "$(cat told)" 'READY=1' 'NOTIFY_SOCKET is told'
ok 'it serves when the command returns' serves
pid=$(inst_pid a relay)
kill -STOP "$pid"
ok 'one that hangs holds up the end' ctl a stop
not_ok 'but not for ever' kill -0 "$pid"

# --- a process that cannot start
mkdir lib
for p in control frontend keys relay soap; do
	ln -s "$WS_TOP/wsmtpd/wsmtpd-$p" "lib/wsmtpd-$p"
done
ln -s "$WS_TOP/wslocal/wslocal" lib/wslocal
ln -s "$WS_TOP/wsattach/wsattach" lib/wsattach
printf '#!/bin/sh\nexit 3\n' >lib/wsqueue
chmod 755 lib/wsqueue
t_code=0
wsmtpd -d -L lib -f a/conf >out 2>&1 || t_code=$?
is "$t_code" 1 'the first start fails when one of them does'
like "$(cat out)" 'queue .*exited with status 3' 'it is named'
like "$(cat out)" 'queue could not start' 'and that is why'
t_code=0
wsmtpd -L lib -f a/conf >out 2>&1 || t_code=$?
is "$t_code" 1 'in the background as well'

# --- started with closed descriptors, which nothing else may become
if [ -d /proc/self/fd ]; then
	rm -f a/ready
	mkfifo a/ready
	wsmtpd -d -L "$WS_TOP/wsmtpd" -f a/conf -R 3 3>a/ready <&- >&- 2>&- &
	t_pid_a=$!
	read -r t_line <a/ready
	for t_fd in 0 1 2; do
		is "$(readlink "/proc/$t_pid_a/fd/$t_fd")" /dev/null \
		    "descriptor $t_fd of the parent is nothing"
		is "$(readlink "/proc/$(inst_pid a queue)/fd/$t_fd")" \
		    /dev/null 'nor of its children'
	done
	ok 'it ends in order' inst_stop a
fi

finish
