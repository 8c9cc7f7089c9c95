#!/bin/sh
# SPDX-License-Identifier: ISC
# Servers found by SRV at a real name server, by relay and by wsmail: the
# first priority names a port where nobody listens, the second the server.
. "${WS_TOP:?}/regress/lib.sh"

PATH=$PATH:/usr/sbin:/sbin
command -v dnsmasq >/dev/null || skip_all "dnsmasq is missing"
dns=$(free_port)
dead=$(free_port)
inst_new capricorn "resolver 127.0.0.1 port $dns"
inst_new scorpio "resolver 127.0.0.1 port $dns" 'queue retry min 1s max 2s jitter 0%'
inst_user capricorn alice
inst_user scorpio bob
for u in capricorn/alice scorpio/bob; do
	sed "s/^server .*/resolver 127.0.0.1:$dns/" $u.rc >rc.new
	cat rc.new >$u.rc
done
dnsmasq -k -C /dev/null -p "$dns" -a 127.0.0.1 -z --no-resolv --no-hosts --pid-file= \
    --user="$(id -un)" --local=/nowhere.test/ --address=/mx.test/127.0.0.1 \
    --srv-host=_wsemail._tcp.capricorn.test,mx.test,"$PORT_capricorn",0,10 \
    --srv-host=_wsemail._tcp.scorpio.test,mx.test,"$dead",0,10 \
    --srv-host=_wsemail._tcp.scorpio.test,mx.test,"$PORT_scorpio",5,10 >dnsmasq.log 2>&1 &
dnspid=$!
trap 'kill $dnspid 2>/dev/null; t_clean' EXIT
inst_start capricorn scorpio
echo hello >text
ok "alice's server is found by SRV" wait_until 10 \
    mail alice@capricorn send -i srv-0123456789abcdef@capricorn.test -s srv bob@scorpio.test <text
ok "her server finds bob's by SRV, past a dead one" mail bob@scorpio wait -e -t 30
like "$(mail bob@scorpio list)" 'alice@capricorn.test.*srv' "and bob's client, too"
ok "mail for a domain without a record is taken" mail alice@capricorn send -s none x@nowhere.test <text
bounced() { mail alice@capricorn list | grep -q postmaster; }
ok "and bounced" wait_until 30 bounced
finish
