#!/bin/sh
# SPDX-License-Identifier: ISC
# A server of two domains, whose users and whose peers are not all friends
# (hostile.py): certificates, hops, tenants, MTOM, replays.
. "${WS_TOP:?}/regress/lib.sh"

/usr/bin/python3 -c 'import lxml, cryptography' 2>/dev/null ||
    skip_all "python3 with lxml and cryptography is missing"
wsctl ca init -d virgo-ca -n "virgo's users" >/dev/null
inst_new capricorn "domain \"virgo.test\" {
	certificate \"$T/capricorn/virgo.test.crt\" key \"$T/capricorn/virgo.test.key\"
	client ca \"$T/virgo-ca/ca.crt\"
}" 'limit auth-failures 1000'
wsctl ca issue -d ca -o capricorn domain virgo.test >/dev/null
inst_user capricorn alice
inst_user capricorn carol
echo bob-secret >capricorn/bob.password
wsctl -u capricorn/users user add -p - bob@virgo.test <capricorn/bob.password >/dev/null
inst_start capricorn
/usr/bin/python3 "$WS_TOP/regress/system/hostile.py" "$PORT_capricorn" ca virgo-ca \
    "$(cat capricorn/alice.password)" "$(cat capricorn/bob.password)"
code=$?
[ $code = 0 ] || { t_failed=1; exit $code; }
