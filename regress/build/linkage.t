#!/bin/sh
# SPDX-License-Identifier: ISC
# What each program is linked with, and how it is hardened: the process that
# faces the network has no XML parser, the one that parses XML no TLS, those
# that keep mail neither.
. "${WS_TOP:?}/regress/lib.sh"

command -v readelf >/dev/null || skip_all "no readelf"

needs() {
	readelf -d "$WS_TOP/$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\].*/\1/p'
}

# $1 program, then names of libraries that it must not have.
lacks() {
	t_prog=$1
	shift
	for t_lib; do
		is "$(needs "$t_prog" | grep "^lib$t_lib\.so")" "" \
		    "$t_prog is not linked with $t_lib"
	done
}

lacks wsmtpd/wsmtpd xml2 xmlsec1 tls ssl db-5.3 cares
lacks wsmtpd/wsmtpd-control xml2 tls ssl crypto db-5.3 cares
lacks wsmtpd/wsmtpd-frontend xml2 db-5.3 cares
lacks wsmtpd/wsmtpd-soap tls ssl db-5.3 cares
lacks wsmtpd/wsmtpd-keys xml2 tls ssl db-5.3 cares
lacks wsmtpd/wsmtpd-relay xml2 db-5.3
lacks wsqueue/wsqueue xml2 tls ssl cares
lacks wslocal/wslocal xml2 tls ssl cares
lacks wsattach/wsattach xml2 tls ssl cares
lacks wsplug/wsplug tls ssl cares
lacks wsctl/wsctl xml2 tls ssl db-5.3
like "$(needs wsmtpd/wsmtpd-soap)" '^libxml2' "soap has the XML parser"
like "$(needs wsmtpd/wsmtpd-frontend)" '^libtls' "frontend has TLS"

for p in wsmtpd/wsmtpd wsmtpd/wsmtpd-control wsmtpd/wsmtpd-frontend \
    wsmtpd/wsmtpd-soap wsmtpd/wsmtpd-keys wsmtpd/wsmtpd-relay \
    wsqueue/wsqueue wslocal/wslocal wsattach/wsattach wsplug/wsplug wsctl/wsctl wsmail/wsmail; do
	like "$(readelf -h "$WS_TOP/$p")" 'Type: *DYN' "$p is PIE"
	like "$(readelf -d "$WS_TOP/$p")" 'BIND_NOW|FLAGS.* NOW' "$p binds now"
	like "$(readelf -lW "$WS_TOP/$p")" 'GNU_RELRO' "$p has relro"
	is "$(readelf -lW "$WS_TOP/$p" | grep -c 'GNU_STACK.*RWE')" 0 \
	    "$p has no executable stack"
	like "$(readelf -sW "$WS_TOP/$p")" '__stack_chk_fail|__asan' \
	    "$p has stack protection"
done
finish
