#!/bin/sh
# SPDX-License-Identifier: ISC
# Federated identity: a domain's token for its user, at another domain; what
# it is good for there, and every way in which it is not.
. "${WS_TOP:?}/regress/lib.sh"

inst_new capricorn "limit token-lifetime 2m"
plug="plugin net {
	object \"$WS_TOP/regress/system/plug_net.so\"
	for capricorn.test scorpio.test evil.test
}
plugin im {
	object \"$WS_TOP/plugins/im.so\"
	grant bodies
	grant state 1M
}"
inst_new scorpio "trust tokens capricorn.test for extensions" \
    "trust tokens evil.test for extensions" "$plug"
inst_new evil
inst_user capricorn alice
inst_user capricorn carol certificate
inst_user scorpio bob
inst_user evil mallory
wsctl ca issue -d ca -o capricorn user carol@capricorn.test >/dev/null
printf 'certificate %s\nkey %s\n' "$T/capricorn/carol@capricorn.test.crt" \
    "$T/capricorn/carol@capricorn.test.key" >>capricorn/carol.rc
inst_start capricorn scorpio evil
up() { [ "$(ctl scorpio show plugins | grep -c ' up ')" = 2 ]; }
ok "the plug-ins are up" wait_until 10 up

# At scorpio's server, as whoever the token names.
guest() {	# TOKEN METHOD...
	guest_token=$1
	shift
	wsmail -f capricorn/alice.rc -T "$guest_token" \
	    -H "127.0.0.1:$PORT_scorpio" extension urn:test:net "$@"
}
# Its plug-in connects to nowhere: that it says so is that it was asked.
asked='not permitted'

ok "a token" mail alice@capricorn token scorpio.test t1
is "$(stat -c %a t1)" 600 "for alice alone"
like "$(cat t1)" '^<saml2:Assertion' "an assertion"
not_ok "never over what is there" mail alice@capricorn token scorpio.test t1
like "$(guest t1 Connect Port=1 2>&1)" "$asked" "it is taken"
like "$(cat scorpio/log)" 'ev=auth .*user=alice@capricorn.test .*ok' \
    "as alice of capricorn"
like "$(cat capricorn/log)" 'ev=token .*user=alice.*to=scorpio.test' \
    "her server has said for whom it vouched"
like "$(guest t1 Connect Port=1 2>&1)" "$asked" "and again"
ok "by certificate" mail carol@capricorn token scorpio.test t2
like "$(guest t2 Connect Port=1 2>&1)" "$asked" "is as good"
like "$(cat t2)" 'ac:classes:X509' "and says so"

cp t1 open
chmod 640 open
like "$(guest open Connect Port=1 2>&1)" 'others may read' \
    "none that others may read"
{ sed -n '/BEGIN/,/END CERT/p' t2; sed -n '/<saml2/p' t1; } >mixed
chmod 600 mixed
like "$(guest mixed Connect Port=1 2>&1)" 'not that of the token' \
    "nor with another's key"
at() {	# COMMAND...: with alice's token, at scorpio
	wsmail -f capricorn/alice.rc -T t1 -H "127.0.0.1:$PORT_scorpio" "$@"
}
for what in list 'send bob@scorpio.test' 'token evil.test t3' 'delete 1'; do
	not_ok "no $what" at $what </dev/null
done
is "$(grep -c 'not honoured for this (trust tokens)' scorpio/log)" 4 \
    "the log says why"
like "$(at extension urn:wsemail:2:im Register 2>&1)" \
    'for users of this server' "a plug-in for users there says no itself"

# Issuing: what it is not given for.
like "$(mail alice@capricorn token capricorn.test t4 2>&1)" 'no token is needed' \
    "for their own server"
not_ok "for what is no domain" mail alice@capricorn token 'not a domain' t4
sed "s,password-command .*,password-command echo wrong," capricorn/alice.rc \
    >wrong.rc
chmod 600 wrong.rc
not_ok "with a wrong password" wsmail -f wrong.rc token scorpio.test t4

# A domain vouches for its own users: evil.test tries everything else.
if /usr/bin/python3 -c 'import lxml, cryptography' 2>/dev/null; then
	wsctl ca init -d ca2 -n "another" >/dev/null
	wsctl ca issue -d ca2 -o . domain evil.test >/dev/null
	/usr/bin/python3 "$WS_TOP/regress/system/forge.py" "$PORT_scorpio" \
	    ca/ca.crt evil/evil.test.crt evil/evil.test.key evil.test.crt \
	    evil.test.key "$PORT_capricorn" \
	    "$(cat capricorn/alice.password)" >result 2>&1
	while IFS= read -r line; do
		case $line in
		"ok "*)	ok "forged: ${line#ok }" true ;;
		"not ok "*) ok "forged: ${line#not ok }" false ;;
		*)	echo "# $line" ;;
		esac
	done <result
	is "$(grep -c '^ok' result)" 87 "as many as there are"
else
	echo "# python3 with lxml and cryptography is missing: no forgeries"
fi

# Policy, and users who are no more.
sed '/trust tokens capricorn/d' scorpio/conf >conf.new
cp conf.new scorpio/conf
ok "capricorn's tokens are not honoured any more" ctl scorpio reload
not_ok "not even what was" guest t1 Connect Port=1
ok "alice is disabled" wsctl -f capricorn/conf user disable \
    alice@capricorn.test
not_ok "and gets no token" mail alice@capricorn token scorpio.test t5
finish
