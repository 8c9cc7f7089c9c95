#!/bin/sh
# SPDX-License-Identifier: ISC
# Two domains on this machine, each a complete installation of its own:
# alice@capricorn.test sends, bob@scorpio.test reads and verifies.
#	demo.sh start|stop [directory]		called by make demo, make demo-stop
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
cmd=${1:-start}
dir=${2:-$top/demo}
PATH=$top/wsmail:$top/wsctl:$top/wsmtpd:$PATH
port_a=${DEMO_PORT_A:-14431}
port_b=${DEMO_PORT_B:-14432}

say() { printf '\n== %s\n' "$*"; }
run() {
	printf '$ %s\n' "$*"
	"$@"
}

stop() {
	for d in capricorn scorpio; do
		[ -S "$dir/$d/control.sock" ] || continue
		wsctl -s "$dir/$d/control.sock" stop && echo "$d.test stopped"
	done
}

# $1 name, $2 port, $3 the other's name, $4 its port, $5 user
domain() {
	mkdir -p "$dir/$1"
	wsctl ca issue -d "$dir/ca" -o "$dir/$1" domain "$1.test"
	wsctl ca issue -d "$dir/ca" -o "$dir/$1" tls "$1.test"
	cat >"$dir/$1/wsmtpd.conf" <<-EOF
		listen on 127.0.0.1 port $2
		domain "$1.test" {
			certificate "$dir/$1/$1.test.crt" key "$dir/$1/$1.test.key"
			tls certificate "$dir/$1/$1.test-tls.crt" key "$dir/$1/$1.test-tls.key"
		}
		trust ca "$dir/ca/ca.crt" crl "$dir/ca/crl.pem"
		users "$dir/$1/users"
		alias "postmaster@$1.test" to "$5@$1.test"
		route "$3.test" to "127.0.0.1" port $4
		spool "$dir/$1/spool"
		control socket "$dir/$1/control.sock" read-only "$dir/$1/control-ro.sock"
		plugin im {
			object "$top/plugins/im.so"
			grant bodies
			grant state 1M
			option strangers allow
		}
	EOF
	echo "$5-demo-password" >"$dir/$1/$5.password"
	chmod 600 "$dir/$1/$5.password"
	wsctl -f "$dir/$1/wsmtpd.conf" user add -p - "$5@$1.test" \
	    <"$dir/$1/$5.password"
	wsmtpd -n -L "$top/wsmtpd" -f "$dir/$1/wsmtpd.conf"
	wsmtpd -d -L "$top/wsmtpd" -f "$dir/$1/wsmtpd.conf" -R 3 \
	    3>"$dir/$1/ready" >"$dir/$1/log" 2>&1 </dev/null &
	cat >"$dir/$5.wsmailrc" <<-EOF
		account $5@$1.test
		server 127.0.0.1:$2
		ca $dir/ca/ca.crt
		auth mac
		password-command cat $dir/$1/$5.password
	EOF
	chmod 600 "$dir/$5.wsmailrc"
}

start() {
	stop
	rm -rf "$dir"
	# as root each process runs as a user of its own, in a chroot
	[ "$(id -u)" != 0 ] || sh "$top/etc/users.sh" add
	mkdir -p "$dir"
	say "A certificate authority for both domains, and two installations"
	wsctl ca init -d "$dir/ca" -n "WSEmail demo"
	for d in capricorn scorpio; do
		mkdir -p "$dir/$d"
		mkfifo "$dir/$d/ready"
	done
	domain capricorn "$port_a" scorpio "$port_b" alice
	domain scorpio "$port_b" capricorn "$port_a" bob
	for d in capricorn scorpio; do
		read -r line <"$dir/$d/ready" && [ "$line" = ready ] || {
			cat "$dir/$d/log" >&2
			echo "demo: $d.test did not start" >&2
			exit 1
		}
		echo "$d.test runs; its log is $dir/$d/log"
	done

	alice="env HOME=$dir WSMAILRC=$dir/alice.wsmailrc wsmail"
	bob="env HOME=$dir WSMAILRC=$dir/bob.wsmailrc wsmail"
	say "alice@capricorn.test sends to bob@scorpio.test, with a file"
	printf 'Bob,\n\nthe papers are ready.\n\nAlice\n' >"$dir/text"
	cp "$top/README.md" "$dir/papers.txt"
	printf '$ wsmail send -A papers.txt -s "The papers" bob@scorpio.test\n'
	$alice send -A "$dir/papers.txt" -s "The papers" bob@scorpio.test \
	    <"$dir/text"
	say "bob waits for mail, lists it, reads it, checks who signed it"
	run $bob wait -e -t 60
	run $bob list
	run $bob show 1
	run $bob verify 1
	say "the file is at capricorn's server, which takes scorpio's word for bob"
	run $bob fetch -H "127.0.0.1:$port_a" -o "$dir/fetched.txt" 1
	run cmp "$dir/papers.txt" "$dir/fetched.txt"
	run $alice attach list
	say "capricorn's queue is empty again; what the daemons counted"
	run wsctl -s "$dir/capricorn/control-ro.sock" show queue
	run wsctl -s "$dir/capricorn/control-ro.sock" show sandbox
	say "bob deletes it"
	run $bob delete 1
	run $bob list

	say "Both domains keep running.  Try:"
	cat <<-EOF
		export PATH=$top/wsmail:$top/wsctl:\$PATH
		export WSMAILRC=$dir/bob.wsmailrc       # or alice.wsmailrc
		echo hello | wsmail send -s Hi alice@capricorn.test
		WSMAILRC=$dir/alice.wsmailrc wsmail list
		wsmail im alice@capricorn.test          # and in another terminal:
		WSMAILRC=$dir/alice.wsmailrc wsmail im bob@scorpio.test
		wsctl -s $dir/scorpio/control.sock show stats
		wsctl -s $dir/scorpio/control.sock trace        # ^C ends it
		man $top/man/wsmail.1
		make demo-stop                          # ends both
	EOF
}

case $cmd in
start)	start ;;
stop)	stop ;;
*)	echo "usage: $0 start|stop [directory]" >&2; exit 64 ;;
esac
