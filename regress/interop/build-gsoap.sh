#!/bin/sh
# SPDX-License-Identifier: ISC
# build-gsoap.sh directory: makes gsoap_client there from the WSDL alone.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
wsdl=$here/../../etc/wsemail.wsdl
share=${GSOAP_SHARE:-/usr/share/gsoap}
mkdir -p "$1"
cd "$1"
wsdl2h -c -o wsemail.h "$wsdl" >wsdl2h.log 2>&1 || { cat wsdl2h.log >&2; exit 1; }
# what gSOAP's manual says a user adds for WS-Security
{ echo '#import "wsse.h"'; cat wsemail.h; } >client.h
soapcpp2 -c -C -L -x -I"$share/import:$share" client.h >soapcpp2.log 2>&1 ||
    { cat soapcpp2.log >&2; exit 1; }
p=$share/plugin
cc -O1 -w -DWITH_DOM -DWITH_OPENSSL -DWITH_GZIP -I. -I"$p" -o gsoap_client \
    "$here/gsoap_client.c" soapC.c soapClient.c \
    "$p/wsseapi.c" "$p/smdevp.c" "$p/mecevp.c" "$p/threads.c" \
    "$share/custom/struct_timeval.c" \
    -lgsoapssl -lssl -lcrypto -lz -lpthread
