#!/bin/sh
# SPDX-License-Identifier: ISC
# A client that gSOAP makes from the WSDL alone, with its stock plug-in.
. "${WS_TOP:?}/regress/lib.sh"

command -v soapcpp2 >/dev/null || skip_all "gSOAP is missing"
inst_new capricorn 'limit attachment-piece 1M'
rm -f capricorn/capricorn.test-tls.*
wsctl ca issue -d ca -o capricorn -a localhost tls capricorn.test >/dev/null
inst_user capricorn alice
wsctl ca issue -d ca -o capricorn -t rsa user alice@capricorn.test >/dev/null
inst_start capricorn
ok "gSOAP makes a client" sh "$WS_TOP/regress/interop/build-gsoap.sh" "$T/gsoap"
url=https://localhost:$PORT_capricorn/wsemail
ok "password" gsoap/gsoap_client "$url" ca/ca.crt text \
    alice@capricorn.test "$(cat capricorn/alice.password)"
ok "X.509" gsoap/gsoap_client "$url" ca/ca.crt x509 \
    alice@capricorn.test capricorn/alice@capricorn.test.crt \
    capricorn/alice@capricorn.test.key
ok "password, SOAP 1.1" env SOAP=1.1 gsoap/gsoap_client "$url" ca/ca.crt text \
    alice@capricorn.test "$(cat capricorn/alice.password)"
for v in 1.2 1.1; do
	ok "attachments by MTOM, SOAP $v" env SOAP=$v gsoap/gsoap_client "$url" \
	    ca/ca.crt mtom alice@capricorn.test "$(cat capricorn/alice.password)"
done
ok "X.509, SOAP 1.1" env SOAP=1.1 gsoap/gsoap_client "$url" ca/ca.crt x509 \
    alice@capricorn.test capricorn/alice@capricorn.test.crt \
    capricorn/alice@capricorn.test.key
rm capricorn/alice@capricorn.test.*
wsctl ca issue -d ca -o capricorn -t ec user alice@capricorn.test >/dev/null
ok "X.509, P-256" gsoap/gsoap_client "$url" ca/ca.crt x509 \
    alice@capricorn.test capricorn/alice@capricorn.test.crt \
    capricorn/alice@capricorn.test.key
finish
