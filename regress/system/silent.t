#!/bin/sh
# SPDX-License-Identifier: ISC
# Sixty domains whose servers take a connection and never say a word, more
# mail for them than may be under way, and one that works: its mail goes, and
# theirs stays in the queue.
. "${WS_TOP:?}/regress/lib.sh"

# They only listen: the kernel takes the connections.  One socket is enough,
# as each domain has connections of its own.
perl -MIO::Socket::INET -e '$| = 1; my $s = IO::Socket::INET->new(Listen => 1024,
    LocalAddr => "127.0.0.1") or die; print $s->sockport, "\n"; sleep' >silent.port &
silent=$!
trap 'kill $silent 2>/dev/null; t_clean' EXIT
wait_until 10 test -s silent.port || exit 1
inst_new capricorn 'limit relay-total 120' 'limit relay-per-domain 4' \
    'queue retry min 1h max 2h jitter 0%' \
    "route \"*\" to \"127.0.0.1\" port $(cat silent.port)"
inst_new scorpio
echo "route \"scorpio.test\" to \"127.0.0.1\" port $PORT_scorpio" >>capricorn/conf
inst_user capricorn alice
inst_user scorpio bob
inst_start capricorn scorpio
echo hello >text

number() { ctl capricorn show stats | awk -v n="$1" '$1 == "queue" && $3 == n { print $4 }'; }
under_way() { [ "$(number relay_inflight)" -ge "$1" ]; }

set --
for i in $(seq 60); do
	set -- "$@" "x@silent$i.test"
done
for i in 1 2 3 4 5; do
	ok "mail for sixty silent domains is taken, $i" mail alice@capricorn send -s silent "$@" <text
done
ok "they have their share of what may be under way" wait_until 20 under_way 60
ok "mail for a good one is taken" mail alice@capricorn send -s good bob@scorpio.test <text
# Less than a silent peer is waited for, which is 30 s.
ok "and delivered at once" mail bob@scorpio wait -e -t 20
like "$(mail bob@scorpio list)" 'alice@capricorn.test.*good' "it is that one"
ok "what is under way stays in bounds" test "$(number relay_inflight)" -lt 90
is "$(number messages)" 5 "the five others are in the queue"
is "$(number recipients)" 300 "to each silent domain"
finish
