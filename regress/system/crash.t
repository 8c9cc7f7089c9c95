#!/bin/sh
# SPDX-License-Identifier: ISC
# A process dies, or a call of it fails, at each point of a message's way
# through the stores: whatever was acknowledged is in one mailbox once.
# fault.so counts the calls by which a process changes what others see: writes
# and syncs of files, renames, unlinks, messages.  The points are tried in
# turn, POINTS of them for each process and fault (all: POINTS=1000), from one
# that the seed names.
. "${WS_TOP:?}/regress/lib.sh"

[ "$(uname -s)" = Linux ] || skip_all "fault.so is for Linux"
! grep -q __asan_init "$WS_TOP/wsqueue/wsqueue" ||
    skip_all "the sanitizers want to be loaded first"
: "${POINTS=3}"
: "${SEED=$(($(date +%s) % 1000))}"
echo "# SEED=$SEED POINTS=$POINTS"
# fault.h: kinds, count, nth, calls, act, hits, kind, who (and the clock).
perl -e "print chr(0) x 48" >fault
chmod 666 fault

# arm WHO ACT AT; told: "COUNT HITS".  What is sent can be the last thing that
# a process does, but it does not fail.
arm() {
	perl -e 'my ($who, $act, $at) = @ARGV; open(my $f, "+<", "fault") or die;
	    print $f pack("L7 a16", $act > 10000 ? 31 : 15, 0, $at, 1, $act, 0, 0, $who)' "$@"
}
told() {
	perl -e 'open(my $f, "<", "fault") or die; read($f, my $b, 44);
	    print join(" ", (unpack("L7 a16", $b))[1, 5]), "\n"'
}

for t_d in capricorn scorpio; do
	inst_new $t_d 'queue retry min 1s max 1s jitter 0%' \
	    'limit recipients-per-user 0' 'limit auth-failures 1000'
done
echo "route \"scorpio.test\" to 127.0.0.1 port $PORT_scorpio" >>capricorn/conf
echo "route \"capricorn.test\" to 127.0.0.1 port $PORT_capricorn" >>scorpio/conf
inst_user capricorn alice
inst_user scorpio bob
inst_start capricorn
LD_PRELOAD="$WS_TOP/regress/system/fault.so" WS_FAULT="$T/fault" inst_start scorpio
head -c 30000 /dev/zero | tr '\0' 'x' >large
echo small >small

# Until it is acknowledged, as a user would; each time the same message.
send() {
	mail "$1" send -i "$2" -s "$2" "$3" <"$4"
}
has() {
	mail "$1" -o json list >list.json && grep -q "\"$2\"" list.json
}
empty() {
	[ "$(ctl "$1" -o json show queue | grep -c '"id"')" = 0 ]
}

# way KIND N: one message through scorpio; in: from alice, out: to her.
way() {
	t_id="$1-$2-0123456789abcdef"
	if [ "$1" = in ]; then
		set -- alice capricorn bob scorpio "$2"
	else
		set -- bob scorpio alice capricorn "$2"
	fi
	t_file=small
	[ $(($5 % 2)) = 0 ] || t_file=large
	wait_until 40 send "$1@$2" "$t_id@$2.test" "$3@$4.test" $t_file &&
	    wait_until 40 has "$3@$4" "$t_id@$2.test" &&
	    wait_until 40 empty capricorn && wait_until 40 empty scorpio
}

n=0
for t_who in wsqueue wslocal; do
	for t_kind in in out; do
		[ $t_who$t_kind != wslocalout ] || continue
		for t_mode in 10001 28 5; do
			# How many calls a large message is; a small one has fewer.
			n=$((n / 2 * 2 + 1))
			arm $t_who $t_mode 0
			ok "$t_who $t_kind: a message" way $t_kind $n
			t_calls=$(told | cut -d ' ' -f 1)
			echo "# of $t_calls calls"
			t_bad=
			t_struck=0
			t_max=$POINTS
			[ "$t_max" -lt "$t_calls" ] || t_max=$t_calls
			for k in $(seq 1 "$t_max"); do
				t_at=$(((SEED + k * t_calls / t_max) % t_calls + 1))
				n=$((n + 1))
				arm $t_who $t_mode $t_at
				way $t_kind $n || t_bad="$t_bad $t_at"
				[ "$(told | cut -d ' ' -f 2)" = 0 ] || t_struck=$((t_struck + 1))
				arm $t_who 0 0
				# A process that dies often is started late.
				if [ $t_mode = 10001 ]; then
					inst_stop scorpio
					LD_PRELOAD="$WS_TOP/regress/system/fault.so" WS_FAULT="$T/fault" \
					    inst_start scorpio
				fi
			done
			is "$t_bad" "" "$t_who $t_kind, $(echo $t_mode |
			    sed 's/10001/kill/; s/28/ENOSPC/; s/^5$/EIO/'): each message arrives"
			[ $t_struck -gt 0 ]
			t_result $? "and $t_struck of $t_max faults struck"
		done
	done
done
# Everything at once dies, at any moment, while mail is sent both ways.
killed() {
	for t_d; do
		t_pids=$(ctl "$t_d" -o json show processes | tr ',' '\n' |
		    sed -n 's/.*"pid": *\([0-9]*\).*/\1/p')
		# shellcheck disable=SC2086
		kill -9 $t_pids
		inst_end "$t_d" 2>/dev/null
	done
}
load() {
	for k in $(seq 1 15); do
		wait_until 60 send alice@capricorn "tree-a$1-$k-0123456789@capricorn.test" bob@scorpio.test small || return 1
		wait_until 60 send bob@scorpio "tree-b$1-$k-0123456789@scorpio.test" alice@capricorn.test large || return 1
	done
}
arm none 0 0
for t_round in 1 2 3; do
	(
		trap - EXIT
		load $t_round
	) >load.out 2>&1 &
	t_load=$!
	perl -e 'srand($ARGV[0]); select(undef, undef, undef, 0.2 + rand(1.5))' $((SEED + t_round))
	killed scorpio capricorn
	inst_start capricorn scorpio
	wait $t_load
	t_result $? "round $t_round: all is taken, though everything dies"
done
all_there() {
	has bob@scorpio tree-a3-15-0123456789@capricorn.test &&
	    has alice@capricorn tree-b3-15-0123456789@scorpio.test &&
	    empty capricorn && empty scorpio
}
ok "and leaves the queues" wait_until 40 all_there
mail bob@scorpio -o json list >list.json
is "$(grep -o 'tree-a[0-9-]*@' list.json | sort -u | wc -l)" 45 "bob has all"
mail alice@capricorn -o json list >list.json
is "$(grep -o 'tree-b[0-9-]*@' list.json | sort -u | wc -l)" 45 "alice has all"
once() {
	mail "$1" -o json list | tr ',{' '\n\n' | sed -n 's/^ *"messageid": *"\([^"]*\)".*/\1/p' |
	    grep -v '^bounce' | sort >ids
	sort -u ids >unique
	is "$(sort ids | uniq -d)" "" "nothing is twice in $1"
}
once bob@scorpio
once alice@capricorn
finish
