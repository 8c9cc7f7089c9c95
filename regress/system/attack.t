#!/bin/sh
# SPDX-License-Identifier: ISC
# Hostile requests to a real installation (attack.py).
. "${WS_TOP:?}/regress/lib.sh"

/usr/bin/python3 -c 'import lxml, cryptography' 2>/dev/null ||
    skip_all "python3 with lxml and cryptography is missing"
inst_new capricorn
inst_user capricorn alice
wsctl ca issue -d ca -o capricorn user alice@capricorn.test >/dev/null
wsctl ca issue -d ca -o capricorn user mallory@elsewhere.test >/dev/null
inst_start capricorn
/usr/bin/python3 "$WS_TOP/regress/system/attack.py" "$PORT_capricorn" ca/ca.crt \
    alice@capricorn.test capricorn/alice@capricorn.test.crt \
    capricorn/alice@capricorn.test.key "$(cat capricorn/alice.password)" \
    capricorn/mallory@elsewhere.test.crt capricorn/mallory@elsewhere.test.key
code=$?
[ $code = 0 ] || { t_failed=1; exit $code; }
