#!/bin/sh
# SPDX-License-Identifier: ISC
# What the models sign is signed on the wire: the real programs send, relay,
# show and fetch through a proxy that writes it down (wire.map, wire_check.py).
. "${WS_TOP:?}/regress/lib.sh"

dir=$WS_TOP/regress/formal
/usr/bin/python3 -c 'import lxml, cryptography' 2>/dev/null ||
    skip_all "python3 with lxml and cryptography is missing"
inst_new capricorn
inst_new scorpio
inst_user capricorn alice
inst_user scorpio bob
mkdir captured home
HOME=$T/home
export HOME
mkfifo ports
/usr/bin/python3 "$dir/wire_proxy.py" captured ca/ca.crt \
    capricorn.test capricorn/capricorn.test-tls.crt \
    capricorn/capricorn.test-tls.key "$PORT_capricorn" \
    scorpio.test scorpio/scorpio.test-tls.crt scorpio/scorpio.test-tls.key \
    "$PORT_scorpio" >ports &
proxy=$!
trap 'kill $proxy 2>/dev/null; t_clean' EXIT
{
	read -r a
	read -r b
	read -r ready
} <ports
is "$ready" READY "the proxy stands"
echo "route \"capricorn.test\" to \"127.0.0.1\" port $a" >>scorpio/conf
echo "route \"scorpio.test\" to \"127.0.0.1\" port $b" >>capricorn/conf
sed "s/^server.*/server 127.0.0.1:$a/" capricorn/alice.rc >alice.rc
sed "s/^server.*/server 127.0.0.1:$b/" scorpio/bob.rc >bob.rc
chmod 600 alice.rc bob.rc
inst_start capricorn scorpio
head -c 5000 /dev/urandom >file
echo "a text" >text
ok "a file for bob" wsmail -f alice.rc send -A file -s file bob@scorpio.test <text
came() { wsmail -f bob.rc list | grep -q file; }
ok "it comes" wait_until 20 came
ok "bob fetches it" wsmail -f bob.rc fetch -H "127.0.0.1:$a" -o fetched 1
ok "as it was" cmp file fetched
/usr/bin/python3 "$dir/wire_check.py" "$dir/wire.map" captured ca/ca.crt \
    "capricorn.test:$PORT_capricorn" "scorpio.test:$PORT_scorpio" >result 2>&1
while IFS= read -r line; do
	case $line in
	"ok "*)	ok "${line#ok }" true ;;
	"not ok "*) ok "${line#not ok }" false ;;
	*)	echo "# $line" ;;
	esac
done <result
is "$(grep -c '^ok' result)" "$(($(grep -vc '^#' "$dir/wire.map") * 3))" \
    "as many as there are"
# Each check that the models know by an element has a field here.
for m in 1 2 4 5 6 7 8 9; do
	ok "message $m has its fields" grep -q "^$m	" "$dir/wire.map"
done
finish
