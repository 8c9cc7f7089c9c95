#!/bin/sh
# SPDX-License-Identifier: ISC
# On-demand attachments for users of other domains: three installations, one
# of them an attacker's, whose key and certificates are as good as anybody's.
. "${WS_TOP:?}/regress/lib.sh"

/usr/bin/python3 -c 'import lxml, cryptography' 2>/dev/null ||
    skip_all "python3 with lxml and cryptography is missing"
inst_new capricorn
inst_new scorpio
inst_new evil
inst_user capricorn alice password
inst_user scorpio bob password
inst_user evil mallory password
wsctl ca init -d ca2 -n "another" >/dev/null
wsctl ca issue -d ca2 -o . domain evil.test >/dev/null
inst_start capricorn scorpio evil
od() {	# od COMMAND...: as bob, at his server
	/usr/bin/python3 "$WS_TOP/regress/system/ondemand.py" ca/ca.crt \
	    "scorpio.test:$PORT_scorpio:bob:bob-secret-scorpio" "$@"
}
echo "a secret" >file
up=$(od upload file)
ok "a file for mallory and alice" od send mallory@evil.test,alice@capricorn.test "$up"
id=$(od list | tr '<' '\n' | sed -n 's/^w:Identifier>//p')

forge() {	# [ATTACHMENT]
	/usr/bin/python3 "$WS_TOP/regress/system/forge.py" "$PORT_scorpio" \
	    ca/ca.crt evil/evil.test.crt evil/evil.test.key evil.test.crt \
	    evil.test.key "$PORT_capricorn" \
	    "$(cat capricorn/alice.password)" "$@"
}
forge "$id" >result 2>&1
while IFS= read -r line; do
	case $line in
	"ok "*)	ok "forged: ${line#ok }" true ;;
	"not ok "*) ok "forged: ${line#not ok }" false ;;
	*)	echo "# $line" ;;
	esac
done <result
is "$(grep -c '^ok' result)" 79 "as many as there are"

# Policy: whose tokens are honoured.
cp scorpio/conf conf.old
policy() {	# LINE...: and what mallory gets then
	{ cat conf.old; printf '%s\n' "$@"; } >scorpio/conf
	ctl scorpio reload >/dev/null && forge "$id" |
	    sed -n '/RCLIST: a recipient has it/s/ RCLIST.*//p'
}
is "$(policy 'trust tokens capricorn.test for attachments')" "not ok" \
    "those of capricorn alone"
is "$(policy 'trust tokens capricorn.test for attachments' \
    'trust tokens evil.test for attachments')" "ok" "of both"
is "$(policy 'trust tokens none for attachments')" "not ok" "of none"
is "$(policy 'trust tokens capricorn.test for extensions')" "ok" \
    "of all, unless it is said"
ok "mallory is no recipient any more" od revoke "$id" mallory@evil.test
is "$(policy '')" "not ok" "and does not get it"
finish
