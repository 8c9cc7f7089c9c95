# SPDX-License-Identifier: ISC
# Functions for the tests that are shell scripts; read with
#	. "${WS_TOP:?}/regress/lib.sh"
# A test runs in a new directory (run.sh).  Results are TAP.
#
#	ok NAME COMMAND...	a test: it must exit 0; else its output is shown
#	not_ok NAME COMMAND...	it must exit other than 0, but not by a signal
#	is GOT WANT NAME	texts must be equal
#	like TEXT PATTERN NAME	a line of it matches the grep -E pattern
#	skip_all REASON		instead of any test, where something is missing
#	finish			at the end: the plan, and the exit status
#
# Installations: a domain each, out of the build tree, with a CA in common.
#	inst_new NAME [LINE...]	makes directory NAME for the domain NAME.test;
#				more lines for its wsmtpd.conf.  $PORT_NAME is its port
#	inst_user NAME USER	USER@NAME.test, its password and wsmail's file
#	inst_start NAME...	starts; returns when they serve (wsmtpd -R)
#	inst_stop NAME...	ends them in order
#	inst_pid NAME PROCESS	the pid of its (first) soap, keys, queue, ...
#	ctl NAME ARG...		wsctl to it
#	mail USER@NAME ARG...	wsmail as that user
#	wait_until SECONDS COMMAND...	polls; for what gives no signal

PATH=$WS_TOP/wsmail:$WS_TOP/wsctl:$WS_TOP/wsmtpd:$PATH
T=$PWD
t_n=0
t_failed=0
t_started=
# Traps of a subshell must not end what the test itself has started.
trap 't_clean' EXIT
trap 'exit 1' HUP INT TERM

t_clean() {
	t_status=$?
	trap - EXIT
	for t_i in $t_started; do
		inst_end "$t_i"
		if [ "$t_failed" != 0 ] || [ "$t_status" != 0 ]; then
			echo "# --- log of $t_i"
			tail -n 400 "$T/$t_i/log" | sed 's/^/# /'
		fi
	done
	exit "$t_status"
}

t_result() {
	t_n=$((t_n + 1))
	if [ "$1" = 0 ]; then
		echo "ok $t_n - $2"
	else
		echo "not ok $t_n - $2"
		t_failed=$((t_failed + 1))
	fi
}

t_diag() {
	sed 's/^/# /' "$@"
}

ok() {
	t_name=$1
	shift
	t_code=0
	"$@" >"$T/.out" 2>&1 || t_code=$?
	t_result "$t_code" "$t_name"
	[ "$t_code" = 0 ] || {
		echo "# exit $t_code: $*"
		t_diag "$T/.out"
	}
}

not_ok() {
	t_name=$1
	shift
	t_code=0
	"$@" >"$T/.out" 2>&1 || t_code=$?
	if [ "$t_code" -gt 0 ] && [ "$t_code" -lt 124 ]; then
		t_result 0 "$t_name"
	else
		t_result 1 "$t_name"
		echo "# exit $t_code: $*"
		t_diag "$T/.out"
	fi
}

is() {
	if [ "$1" = "$2" ]; then
		t_result 0 "$3"
	else
		t_result 1 "$3"
		printf '%s\n' "$1" | sed 's/^/#  got: /'
		printf '%s\n' "$2" | sed 's/^/# want: /'
	fi
}

like() {
	if printf '%s\n' "$1" | grep -Eq -- "$2"; then
		t_result 0 "$3"
	else
		t_result 1 "$3"
		printf '%s\n' "$1" | sed 's/^/#  got: /'
		echo "# want: $2"
	fi
}

skip_all() {
	echo "1..0 # SKIP $*"
	exit 0
}

finish() {
	echo "1..$t_n"
	[ "$t_failed" = 0 ] || exit 1
	exit 0
}

# --- installations ----------------------------------------------------------

# A port that is free now; nothing else of us asks for it in between, as the
# kernel hands out others first.
free_port() {
	perl -MIO::Socket::INET -e 'print IO::Socket::INET->new(
	    Listen => 1, LocalAddr => "127.0.0.1")->sockport, "\n"'
}

wait_until() {
	t_end=$(($(date +%s) + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$(date +%s)" -lt "$t_end" ] || return 1
		perl -e 'select(undef, undef, undef, 0.05)'
	done
}

inst_ca() {
	[ -d "$T/ca" ] || wsctl ca init -d "$T/ca" -n "regress" >/dev/null
}

inst_new() {
	t_i=$1
	shift
	inst_ca
	mkdir "$T/$t_i"
	[ "$(id -u)" != 0 ] || chmod 711 "$T/$t_i"
	wsctl ca issue -d "$T/ca" -o "$T/$t_i" domain "$t_i.test" >/dev/null
	wsctl ca issue -d "$T/ca" -o "$T/$t_i" tls "$t_i.test" >/dev/null
	t_port=$(free_port)
	eval "PORT_$t_i=$t_port"
	{
		cat <<-END
		listen on 127.0.0.1 port $t_port
		domain "$t_i.test" {
			certificate "$T/$t_i/$t_i.test.crt" key "$T/$t_i/$t_i.test.key"
			tls certificate "$T/$t_i/$t_i.test-tls.crt" key "$T/$t_i/$t_i.test-tls.key"
			client ca "$T/ca/ca.crt" crl "$T/ca/crl.pem"
		}
		trust ca "$T/ca/ca.crt" crl "$T/ca/crl.pem"
		users "$T/$t_i/users"
		spool "$T/$t_i/spool"
		control socket "$T/$t_i/c.sock" read-only "$T/$t_i/ro.sock"
		END
		# Root may have no users for it yet (make install makes them).
		if [ "$(id -u)" = 0 ]; then
			for t_role in control frontend soap keys relay queue local attach; do
				id "_ws$t_role" >/dev/null 2>&1 ||
				    echo "user $t_role \"nobody\""
			done
		fi
		for t_line; do
			printf '%s\n' "$t_line"
		done
	} >"$T/$t_i/conf"
}

# Before or while it runs.
inst_user() {
	echo "$2-secret-$1" >"$T/$1/$2.password"
	if [ -S "$T/$1/c.sock" ]; then
		wsctl -f "$T/$1/conf" user add -p - "$2@$1.test" \
		    <"$T/$1/$2.password" >/dev/null
	else
		wsctl -u "$T/$1/users" user add -p - "$2@$1.test" \
		    <"$T/$1/$2.password" >/dev/null
	fi
	eval "t_port=\$PORT_$1"
	cat >"$T/$1/$2.rc" <<-END
	account $2@$1.test
	server 127.0.0.1:$t_port
	ca $T/ca/ca.crt
	auth ${3:-mac}
	password-command cat $T/$1/$2.password
	END
	chmod 600 "$T/$1/$2.rc" "$T/$1/$2.password"
}

inst_start() {
	for t_i; do
		rm -f "$T/$t_i/ready"
		mkfifo "$T/$t_i/ready"
		wsmtpd -dv -L "$WS_TOP/wsmtpd" -f "$T/$t_i/conf" -R 3 \
		    3>"$T/$t_i/ready" 2>>"$T/$t_i/log" &
		eval "t_pid_$t_i=$!"
		t_started="$t_started $t_i"
	done
	for t_i; do
		t_line=
		read -r t_line <"$T/$t_i/ready" || :
		[ "$t_line" = ready ] || {
			echo "# $t_i did not start"
			t_failed=$((t_failed + 1))
			exit 1
		}
	done
}

# SIGTERM to the parent; its exit status.
inst_end() {
	eval "t_pid=\${t_pid_$1:-}"
	[ -n "$t_pid" ] || return 0
	kill "$t_pid" 2>/dev/null || :
	t_code=0
	wait "$t_pid" || t_code=$?
	eval "t_pid_$1="
	return "$t_code"
}

inst_stop() {
	t_all=0
	for t_i; do
		inst_end "$t_i" || t_all=$?
	done
	return "$t_all"
}

ctl() {
	t_i=$1
	shift
	wsctl -s "$T/$t_i/c.sock" "$@"
}

mail() {
	t_u=${1%@*}
	t_i=${1#*@}
	shift
	wsmail -f "$T/$t_i/$t_u.rc" "$@"
}

inst_pid() {
	ctl "$1" -o json show processes | tr -d ' \n' | tr '{' '\n' |
	    sed -n "s/.*\"process\":\"$2\".*\"pid\":\([0-9]*\).*/\1/p" |
	    head -n 1
}
