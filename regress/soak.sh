#!/bin/sh
# SPDX-License-Identifier: ISC
# make soak [MINUTES=n]: two installations under a mixed load.  Half of the
# time nothing fails, and the memory and the descriptors of each process must
# end where they began once it was warm; then processes, and now and then all
# of an installation, are killed.  The ledger (soak_client.py) must be exact
# in both halves.  wsemail-reliability(7) keeps the figures.
. "${WS_TOP:?}/regress/lib.sh"

/usr/bin/python3 -c 'import lxml, cryptography' 2>/dev/null ||
    skip_all "python3 with lxml and cryptography is missing"
: "${MINUTES=3}"
: "${SEED=$(date +%s)}"
part=$((MINUTES * 60 / 4))
echo "# MINUTES=$MINUTES SEED=$SEED"
for d in capricorn scorpio; do
	inst_new $d 'queue retry min 1s max 2s jitter 0%' \
	    'limit recipients-per-user 0' 'limit requests-per-user 0' \
	    'limit requests-per-address 0'
done
echo "route \"scorpio.test\" to 127.0.0.1 port $PORT_scorpio" >>capricorn/conf
echo "route \"capricorn.test\" to 127.0.0.1 port $PORT_capricorn" >>scorpio/conf
for u in alice carol; do inst_user capricorn $u; done
for u in bob dave; do inst_user scorpio $u; done
inst_start capricorn scorpio

client() {
	set -- "$1" 2 ca/ca.crt
	for t_d in capricorn scorpio; do
		eval "t_port=\$PORT_$t_d"
		for t_f in "$t_d"/*.password; do
			t_u=$(basename "$t_f" .password)
			set -- "$@" "$t_d.test:$t_port:$t_u:$(cat "$t_f")"
		done
	done
	/usr/bin/python3 "$WS_TOP/regress/system/soak_client.py" "$@"
}

# A line for each process: its name, kilobytes, descriptors (0: not told).
sizes() {
	for t_d in capricorn scorpio; do
		ctl $t_d -o json show processes | tr -d ' \n' | tr '{' '\n' |
		    sed -n 's/.*"process":"\([a-z]*\)","instance":\([0-9]*\),"pid":\([0-9]*\).*/\1 \2 \3/p' |
		    while read -r t_p t_n t_pid; do
			echo "$t_d/$t_p/$t_n $(awk '/^VmRSS/ { print $2 }' "/proc/$t_pid/status")" \
			    "$(find "/proc/$t_pid/fd" -mindepth 1 2>/dev/null | wc -l)"
		done
	done
}

client $part >client.out 2>&1
t_result $? "a load of $part s to be warm: $(head -n 1 client.out)"
sizes >before
client $part >client.out 2>&1
t_result $? "the same again: $(head -n 1 client.out)"
t_diag client.out
sizes >after
# A tenth and 2 MB may differ, the allocator's; the stores fill a cache of 64 MB.
paste -d ' ' before after | awk '{ printf "# %-22s %7d kB -> %7d kB, %d -> %d descriptors\n",
    $1, $2, $5, $3, $6; most = $1 ~ /queue|local/ ? 100000 : $2 * 1.1 + 2048
    if ($5 > most || $6 > $3 + 4) { bad = 1; print "# ^ grows" } }
    END { exit bad }' >growth
t_result $? "memory and descriptors are where they were"
cat growth

client $((part * 2)) >client.out 2>&1 &
t_client=$!
t_end=$(($(date +%s) + part * 2 - 3))
kills=0
while [ "$(date +%s)" -lt $t_end ]; do
	perl -e 'srand($ARGV[0]); select(undef, undef, undef, 0.5 + rand(4))' $((SEED + kills))
	kills=$((kills + 1))
	d=$([ $(((SEED + kills) % 2)) = 0 ] && echo capricorn || echo scorpio)
	if [ $((kills % 8)) = 0 ]; then
		# shellcheck disable=SC2046
		kill -9 $(ctl $d -o json show processes | tr ',' '\n' |
		    sed -n 's/.*"pid": *\([0-9]*\).*/\1/p')
		inst_end $d 2>/dev/null
		inst_start $d
		continue
	fi
	p=$(echo soap keys relay queue local frontend control | cut -d ' ' -f $(((SEED + kills * 3) % 7 + 1)))
	pid=$(inst_pid $d "$p") && [ -n "$pid" ] && [ "$pid" != 0 ] && kill -9 "$pid"
done
wait $t_client
t_result $? "after $kills kills: $(head -n 1 client.out)"
t_diag client.out
for d in capricorn scorpio; do
	is "$(ctl $d -o json show queue | grep -c '"id"')" 0 "the queue of $d is empty"
done
ok "both end in order" inst_stop capricorn scorpio
finish
