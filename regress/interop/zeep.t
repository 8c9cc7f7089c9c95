#!/bin/sh
# SPDX-License-Identifier: ISC
# A client that zeep makes from the WSDL alone.
. "${WS_TOP:?}/regress/lib.sh"

py=/usr/bin/python3
$py -c 'import zeep, xmlsec, cryptography' 2>/dev/null ||
    skip_all "zeep or python3-xmlsec is missing"
inst_new capricorn 'limit attachment-piece 1M'
rm -f capricorn/capricorn.test-tls.*
wsctl ca issue -d ca -o capricorn -a localhost tls capricorn.test >/dev/null
inst_user capricorn alice
wsctl ca issue -d ca -o capricorn user alice@capricorn.test >/dev/null
inst_start capricorn
url=https://localhost:$PORT_capricorn/wsemail
for v in 1.1 1.2; do
	ok "SOAP $v, password" $py "$WS_TOP/regress/interop/zeep_client.py" \
	    "$url" ca/ca.crt $v text alice@capricorn.test "$(cat capricorn/alice.password)"
	ok "SOAP $v, X.509" $py "$WS_TOP/regress/interop/zeep_client.py" \
	    "$url" ca/ca.crt $v x509 alice@capricorn.test \
	    capricorn/alice@capricorn.test.crt capricorn/alice@capricorn.test.key \
	    capricorn/capricorn.test.crt
done
finish
