#!/bin/sh
# SPDX-License-Identifier: ISC
# The sandbox, from inside: sandbox_probe.c, put into each process of a
# service, tries there what a process that was taken over would.  The same is
# tried by processes without a sandbox, one of the role's own user and, when
# this test is root's, one of root: what even those cannot do here proves
# nothing and is skipped.
. "${WS_TOP:?}/regress/lib.sh"

[ "$(uname -s)" = Linux ] || skip_all "it is Linux's layers that are tried"
! grep -q __asan_init "$WS_TOP/wsmtpd/wsmtpd-soap" ||
    skip_all "the sanitizers' run time is let do more"
# shellcheck disable=SC2086
${CC:-cc} -std=gnu11 -O1 -shared -fPIC -o probe.so \
    "$WS_TOP/regress/system/sandbox_probe.c" \
    "$WS_TOP/regress/system/sandbox_attempts.c" >cc.out 2>&1 || {
	cat cc.out >&2
	exit 1
}
roles="control frontend soap keys relay queue local attach"
mkdir probe
: >probe/in
: >probe/out
chmod 666 probe/in probe/out
is_root=$([ "$(id -u)" = 0 ] && echo 1 || echo 0)

# The value of a field in wsctl's row for a process (the first of its role).
shown() {
	ctl a -o json show sandbox | grep "\"process\":\"$1\",\"instance\":0" |
	    sed -n "s/.*\"$2\":\"\{0,1\}\([^\",}]*\).*/\1/p"
}

# plain NAME USER: a process like that without a sandbox; its pid and the
# address of something in it are then in NAME.pid.
plain() {
	rm -f "$1.pid"
	set -- "$1" "$2" perl -e '
		my $s = "x" x 64;
		$| = 1;
		print "$$ ", unpack("J", pack("p", $s)), "\n";
		sleep 100 while 1'
	(
		t_name=$1
		t_user=$2
		shift 2
		cd "$T/play" || exit 1
		if [ $is_root = 1 ]; then
			set -- setpriv --reuid="$t_user" \
			    --regid="$(id -g "$t_user")" --clear-groups \
			    env LD_PRELOAD="$T/probe.so" WS_PROBE="$T/probe" "$@"
		else
			set -- env LD_PRELOAD="$T/probe.so" \
			    WS_PROBE="$T/probe" "$@"
		fi
		exec "$@" >"$T/$t_name.pid"
	) &
	wait_until 20 test -s "$1.pid"
}

plain_end() {
	for t_p; do
		read -r t_pid _ <"$t_p.pid"
		kill -9 "$t_pid" 2>/dev/null || :
		wait "$t_pid" 2>/dev/null || :
	done
}

# What the attempts on files may change.
playground() {
	rm -rf play
	mkdir play play/mount
	for t_f in write truncate unlink rename link chmod; do
		echo x >"play/$t_f"
	done
	[ $is_root = 0 ] || chown -R "$1" play
}

# attempt TAG PID SIGNAL: results of that process go to probe/out.
attempt() {
	{
		echo "tag $1"
		echo "play ${T#/}/play"
		echo "spool ${T#/}/a/spool"
		echo "port $PORT_a"
		echo "parent $(shown parent pid)"
		echo "other $other"
		read -r t_v t_address <"$T/victim.pid"
		echo "victim $t_v"
		echo "address $t_address"
		[ -z "$only" ] || echo "only $only"
	} >in
	cat in >probe/in
	kill -s "$3" "$2"
	[ -n "$only" ] || wait_until 30 grep -q "^$1 done " probe/out
}

# try ROLE SIGNAL [TAG]: in the role's process and beside it.
try() {
	tag=${3:-$1}
	user=$(shown "$1" user)
	other=$(inst_pid a "$([ "$1" = keys ] && echo relay || echo keys)")
	[ "$1" != soap ] || other=$(ctl a -o json show sandbox |
	    sed -n 's/.*"process":"soap","instance":1,"pid":\([0-9]*\).*/\1/p')
	only=
	playground "$user"
	plain victim "$user"
	plain twin "$user"
	attempt "twin-$tag" "$(cut -d ' ' -f 1 twin.pid)" USR1
	plain_end twin
	if [ $is_root = 1 ]; then
		playground root
		plain twin root
		attempt "root-$tag" "$(cut -d ' ' -f 1 twin.pid)" USR1
		plain_end twin
	fi
	playground "$user"
	attempt "$tag" "$(shown "$1" pid)" "$2"
	plain_end victim
}

# Lines "name result twin root" of a role, from probe/out.
results() {
	awk -v r="$1" '$1 == r { got[$2] = $3; order[n++] = $2 }
	    $1 == "twin-" r { twin[$2] = $3 } $1 == "root-" r { root[$2] = $3 }
	    END { for (i = 0; i < n; i++) { k = order[i]; if (k != "done")
		print k, got[k], twin[k], (k in root) ? root[k] : "-" } }' \
	    probe/out
}

# What a role's work needs; all else is denied.
needs() {
	case $1-$2 in
	relay-socket-inet | relay-socket-inet6 | relay-connect)	return 0 ;;
	control-nodelay | frontend-nodelay | relay-nodelay)	return 0 ;;
	queue-own-file | queue-spool-queue)	return 0 ;;
	local-own-file | local-spool-local)	return 0 ;;
	attach-own-file)			return 0 ;;
	# Its root is its own directory.
	queue-open-slash | local-open-slash | attach-open-slash)
		[ $is_root = 1 ]
		return ;;
	parent-fork | parent-exec | parent-open-read | parent-kill | \
	    parent-socket-inet)			return 0 ;;
	esac
	return 1
}

# judge ROLE [NAME...]: those attempts, or all.
judge() {
	t_role=$1
	shift
	results "$t_role" >results
	ok "$t_role: it came to the end of them" \
	    grep -q "^$t_role done ok" probe/out
	t_judged=0
	while read -r t_what t_got t_twin t_root; do
		case " $* " in
		"  " | *" $t_what "*)	;;
		*)	continue ;;
		esac
		t_judged=$((t_judged + 1))
		if needs "$t_role" "$t_what"; then
			is "$t_got" ok "$t_role may: $t_what"
			continue
		fi
		if [ "$t_twin" != ok ] && [ "$t_root" != ok ]; then
			case $t_what in
			open-read | create | socket-inet | connect | fork | \
			    exec | kill | spool-queue | spool-local)
				t_result 1 "$t_role: $t_what has its control"
				echo "# $t_twin, $t_root"
				continue ;;
			esac
			t_result 0 "$t_role: $t_what # SKIP \
not possible without the sandbox either ($t_twin, $t_root)"
			continue
		fi
		case $t_got in
		EPERM | EACCES | EAFNOSUPPORT | ENOSYS)
			t_result 0 "$t_role: $t_what is denied ($t_got)" ;;
		*)
			t_result 1 "$t_role: $t_what is denied"
			echo "# got $t_got; without the sandbox $t_twin, \
root $t_root" ;;
		esac
	done <results
	[ $# = 0 ] || is "$t_judged" $# "$t_role: as many as were named"
}

# start WITHOUT: the service with the probe in all its processes.
start() {
	export LD_PRELOAD="$T/probe.so" WS_PROBE="$T/probe" \
	    WS_PROBE_WITHOUT="$1"
	inst_start a
	unset LD_PRELOAD WS_PROBE WS_PROBE_WITHOUT
	: >probe/out
}

inst_new a 'soap processes 2'
inst_user a alice
start ''

layers='no-new-privs no-dump rlimits'
if [ $is_root = 1 ]; then
	id=' chroot uid'
	lack=
else
	id=
	lack='chroot uid'
fi

# --- what each process says of itself
for role in $roles; do
	is "$(shown $role applied)" "$layers$id landlock seccomp" \
	    "$role: what applies"
	is "$(shown $role missing)" "$lack" "$role: what is missing"
	pid=$(shown $role pid)
	is "$pid" "$(inst_pid a $role)" "$role: pid"
	is "$(shown $role uid)" "$(stat -c %u "/proc/$pid")" "$role: uid"
	is "$(shown $role user)" "$(stat -c %U "/proc/$pid")" "$role: user"
	case $role in
	queue | local | attach)	dir=$T/a/spool/$role ;;
	*)		dir=$T/a/spool/empty ;;
	esac
	[ $is_root = 1 ] || dir=
	is "$(shown $role chroot)" "$dir" "$role: chroot"
	[ $is_root = 0 ] || is "$(readlink "/proc/$pid/root")" "$dir" \
	    "$role: and so says the system"
	is "$(grep -hE '^(NoNewPrivs|Seccomp):' /proc/"$pid"/task/*/status |
	    tr -d '\t' | sort -u)" "NoNewPrivs:1
Seccomp:2" "$role: all threads"
	is "$(sed -n 's/^Max \([cp][or][a-z ]*\)  *\([0-9]*\)  *\([0-9]*\) .*/\1 \2 \3/p' \
	    "/proc/$pid/limits" | tr -s ' ')" "core file size 0 0
processes 0 0" "$role: limits"
	like "$(ctl a -o metrics show sandbox)" \
	    "^wsemail_${role}_sandbox_seccomp\{instance=\"0\"\} 1" \
	    "$role: in the metrics"
done
is "$(shown parent applied)" "$layers seccomp" 'parent: what applies'
like "$(wsctl -s a/ro.sock show sandbox)" "^soap  *1 .*landlock seccomp" \
    'it is shown on the read-only socket'

# --- with all layers
for role in $roles; do
	try $role USR1
	judge $role
	is "$(stat -c %U "/proc/$(shown $role pid)/environ")" root \
	    "$role: no debugger, no dump"
done
try parent USR1
judge parent fork exec open-read kill socket-inet ptrace ptrace-other \
    vm-read vm-write kcmp io-uring bpf userfaultfd perf keyctl add-key mount \
    fsopen unshare by-handle clock module hostname fifo
try keys USR2 keys-thread
judge keys-thread

# --- numbers of other instruction sets
is_there() {
	[ -n "$(shown "$1" pid)" ]
}
# Where a kernel kills by itself for the one, that would prove nothing.
numbers=
if [ "$(uname -m)" = x86_64 ]; then
	for only in x32 i386; do
		plain victim "$(shown control user)"
		attempt "other-$only" "$(cut -d ' ' -f 1 victim.pid)" USR1
		if wait_until 5 grep -q "^other-$only done " probe/out; then
			numbers="$numbers $only"
		else
			t_result 0 "$only # SKIP it kills without the sandbox"
		fi
		plain_end victim
	done
fi
for only in $numbers; do
	for role in $roles; do
		wait_until 40 is_there $role
		pid=$(shown $role pid)
		attempt "$role" "$pid" USR1
		ok "$role: $only kills" wait_until 20 grep -q \
		    "(pid $pid) was killed by signal 31 " a/log
	done
done
only=
inst_stop a

# --- Landlock alone
start seccomp
abi=$(shown soap landlock)
some='open-read open-how create write unlink rename link mkdir symlink fifo
spool-queue spool-local own-file own-fifo ptrace ptrace-other'
[ "$abi" -lt 4 ] || some="$some bind connect"
[ "$abi" -lt 6 ] || some="$some kill kill-other kill-parent"
for role in $roles; do
	try $role USR1
	# shellcheck disable=SC2086
	judge $role $some
done
# Rules are a thread's own: one that was there before has none.
try keys USR2 keys-thread
# shellcheck disable=SC2086
judge keys-thread $some
inst_stop a

# --- seccomp alone
start landlock
for role in control frontend soap keys relay; do
	try $role USR1
	judge $role
done
for role in queue local attach; do
	try $role USR1
	results $role | awk '{ print $1 }' | grep -vxE 'open-(read|slash|how)|create|write|unlink|rename|mkdir|spool-(queue|local)' >names
	# shellcheck disable=SC2046
	judge $role $(cat names)
done
inst_stop a

# --- a kernel without Landlock
start landlock-abi
is "$(shown soap applied)" "$layers$id seccomp" 'what is not there is not shown'
is "$(shown soap missing)" "${lack:+$lack }landlock" 'but as missing'
is "$(shown soap landlock)" 0 'there is no version'
like "$(ctl a -o metrics show sandbox)" \
    '^wsemail_soap_sandbox_landlock\{instance="0"\} 0$' 'and in the metrics'
like "$(cat a/log)" 'soap 0: this system lacks landlock$' 'it is logged'
inst_stop a

# --- sandbox required
echo 'sandbox required' >>a/conf
t_code=0
LD_PRELOAD="$T/probe.so" WS_PROBE="$T/probe" WS_PROBE_WITHOUT=landlock-abi \
    wsmtpd -d -L "$WS_TOP/wsmtpd" -f a/conf >out 2>&1 || t_code=$?
is "$t_code" 1 'required: a missing layer is fatal'
if [ $is_root = 1 ]; then
	like "$(cat out)" 'sandbox required, and this system lacks landlock$' \
	    'it is named'
	start ''
	ok 'required: with all layers it runs' ctl a show sandbox
	inst_stop a
else
	like "$(cat out)" 'sandbox required, and without root' \
	    'without root there are no users and no chroot'
fi
finish
