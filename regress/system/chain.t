#!/bin/sh
# SPDX-License-Identifier: ISC
# Certificates that an intermediate authority issued, as the public ones all
# are: who trusts the root alone reads answers, takes mail and reads it.
. "${WS_TOP:?}/regress/lib.sh"

# issue DOMAIN: its certificate with the intermediate behind it
issue() {
	d=$1/$1.test
	rm -f "$d.key" "$d.crt" "$d-tls.key" "$d-tls.crt"
	openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
	    -subj "/CN=$1.test" -keyout "$d.key" -out req 2>/dev/null
	printf 'subjectAltName=DNS:%s.test\nbasicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n' "$1" >ext
	openssl x509 -req -in req -CA middle.crt -CAkey middle.key -days 30 \
	    -set_serial "0x$(openssl rand -hex 8)" -extfile ext \
	    -out "$d.crt" 2>/dev/null
	cat middle.crt >>"$d.crt"
	cp "$d.crt" "$d-tls.crt"
	cp "$d.key" "$d-tls.key"
	chmod 600 "$d.key" "$d-tls.key"
}

inst_ca
inst_new capricorn
inst_new scorpio
openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
    -subj "/CN=middle" -keyout middle.key -out req 2>/dev/null
printf 'basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign,cRLSign\n' >ext
openssl req -x509 -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
    -subj /CN=root -keyout root.key -out root.crt -days 30 2>/dev/null
openssl x509 -req -in req -CA root.crt -CAkey root.key -days 30 \
    -set_serial 2 -extfile ext -out middle.crt 2>/dev/null
issue capricorn
issue scorpio
for i in capricorn scorpio; do
	for j in capricorn scorpio; do
		[ "$i" = "$j" ] || eval "echo \"route $j.test to 127.0.0.1 \
port \$PORT_$j\"" >>$i/conf
	done
	sed "s,^trust ca .*,trust ca \"$T/root.crt\"," $i/conf >conf.new
	cat conf.new >$i/conf
done
inst_user capricorn alice
inst_user scorpio bob
sed -i.old "s,^ca .*,ca $T/root.crt," capricorn/alice.rc scorpio/bob.rc
inst_start capricorn scorpio
ok "alice logs in" mail alice@capricorn list
echo Hello >text
ok "and sends" sh -c 'wsmail -f capricorn/alice.rc send bob@scorpio.test <text'
ok "it arrives at the other domain" mail bob@scorpio wait -e -t 30
ok "and its signature is good" mail bob@scorpio show 1
# The other domain knows the certificate by now: of a thumbprint's, too, the
# chain is at hand.
for n in 2 3 4; do
	ok "message $n" sh -c \
	    'wsmail -f capricorn/alice.rc send bob@scorpio.test <text'
	ok "arrives" wait_until 30 mail bob@scorpio show $n
done
like "$(ctl scorpio show stats)" 'thumbprint_hits +[1-9]' \
    "some by the thumbprint of its certificate"
# No more is taken from a chain than leads to the anchors.
sed "s,^trust ca .*,trust ca \"$T/ca/ca.crt\"," scorpio/conf >conf.new
cat conf.new >scorpio/conf
ok "scorpio trusts another authority" ctl scorpio reload
ok "message 5" sh -c 'wsmail -f capricorn/alice.rc send bob@scorpio.test <text'
ok "waits" wait_until 30 sh -c \
    'wsctl -s capricorn/c.sock -o json show queue | grep "attempts.:[1-9]"'
not_ok "and has not arrived" mail bob@scorpio show 5
ok "all end in order" inst_stop capricorn scorpio
finish
