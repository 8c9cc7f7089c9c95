#!/bin/sh
# SPDX-License-Identifier: ISC
# grant listen on, grant connect: with them, without them, and no further.
. "${WS_TOP:?}/regress/lib.sh"

net() {
	mail alice@capricorn extension urn:test:net "$@"
}
# Says "hello" to whoever connects; its port on standard output.
server() {
	exec perl -MIO::Socket::INET -e '$l = IO::Socket::INET->new(Listen => 5,
	    LocalAddr => "127.0.0.1") or die; $| = 1; print $l->sockport, "\n";
	    close STDOUT; while ($c = $l->accept) { print $c "hello\n"; }'
}
ask() {	# PORT LINE
	perl -MIO::Socket::INET -e '$c = IO::Socket::INET->new(PeerAddr =>
	    "127.0.0.1:$ARGV[0]") or exit 1; print $c "$ARGV[1]\n";
	    print scalar <$c>' "$1" "$2"
}

mkfifo ports
server >ports &
pid1=$!
read -r port1 <ports
server >ports &
pid2=$!
read -r port2 <ports
trap 'kill $pid1 $pid2; t_clean' EXIT
here=$(free_port)
closed=$(free_port)

inst_new capricorn "plugin net {
	object \"$WS_TOP/regress/system/plug_net.so\"
	grant listen on 127.0.0.1 port $here
	grant connect 127.0.0.1 port $port1
	grant connect 127.0.0.1 port $closed
}"
inst_user capricorn alice
inst_start capricorn
up() { ctl capricorn show plugins | grep -q 'net *up'; }
ok "it is up" wait_until 10 up
like "$(ask "$here" one)" '^got one' "it can be connected to"
like "$(ask "$here" two)" '^got two' "again"
like "$(net Connect Port="$port1")" '^said: hello' "it connects"
like "$(net Connect Port="$closed" 2>&1)" 'Connection refused' \
    "to where nobody is"
like "$(net Connect Port="$port2" 2>&1)" 'not permitted' "not elsewhere"
like "$(net Try Port="$port1" Other="$port2")" '^did: $' \
    "nothing else with such a socket"
like "$(ctl capricorn show sandbox)" 'plugin  .*landlock seccomp' \
    "it is confined"
ok "around the host" net Bypass
ok "is refused and said" wait_until 10 grep -q \
    'plugin net: may not connect to 127.0.0.1 port 1' capricorn/log
ok "and it is up again" wait_until 20 up
like "$(ask "$here" three)" '^got three' "with its socket"
n=0
while [ $n -lt 40 ]; do
	net Connect Port="$closed" >/dev/null 2>&1 &
	n=$((n + 1))
done
# Too many in a second are refused; then it goes on.
again() { net Connect Port="$port1" | grep -q '^said: hello'; }
ok "many in a second, then one" wait_until 20 again

# With a store of its own as well, and then without the grants.
sed "s/grant listen/grant state 1M\n\tgrant listen/" capricorn/conf >conf.new
cp conf.new capricorn/conf
ok "reload, with state" ctl capricorn reload
ok "it is up" wait_until 20 up
like "$(ask "$here" four)" '^got four' "it can be connected to"
like "$(net Try Port="$port1" Other="$port2")" '^did: $' "and no more"
sed '/grant listen/d; /grant connect/d' conf.new >capricorn/conf
ok "reload, without" ctl capricorn reload
ok "it is up" wait_until 20 grep -q 'listens on nothing' capricorn/log
ok "it is up" wait_until 20 up
not_ok "nobody is there" ask "$here" five
like "$(net Connect Port="$port1" 2>&1)" 'not permitted' "it cannot connect"

# Programs that a plug-in leaves behind end with it.
if [ "$(id -u)" = 0 ]; then
	mkdir bin
	cat >bin/stay <<-'END'
	#!/bin/sh
	x=$(setsid sh -c 'sleep 1000 >/dev/null 2>&1 & echo x')
	END
	chmod 755 bin bin/stay
	cat >>capricorn/conf <<-END
	plugin stay {
		object "$WS_TOP/plugins/exec.so"
		grant bodies
		grant exec "$T/bin"
		option program "$T/bin/stay"
	}
	END
	ok "reload" ctl capricorn reload
	stay() { ctl capricorn show plugins | grep -q 'stay *up'; }
	ok "it is up" wait_until 20 stay
	uid=$(stat -c %u capricorn/spool/plug/stay)
	echo x | mail alice@capricorn send alice@capricorn.test >/dev/null
	left() { pgrep -u "$uid" sleep; }
	ok "its program leaves one behind" wait_until 10 left
	ok "unload" ctl capricorn plugin unload stay
	gone() { ! pgrep -u "$uid"; }
	ok "which ends with it" wait_until 10 gone
fi
finish
