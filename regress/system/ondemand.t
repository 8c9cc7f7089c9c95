#!/bin/sh
# SPDX-License-Identifier: ISC
# On-demand attachments by a client that shares no code with ours: upload in
# pieces, in the message, fetch by ranges, what their owner may do; who may
# not have them is told one and the same.
. "${WS_TOP:?}/regress/lib.sh"

inst_new capricorn 'alias team@capricorn.test to { bob@capricorn.test, carol@capricorn.test }' \
    'limit attachment-piece 1M' 'limit uploads-per-user 5'
for u in alice bob carol dave; do
	inst_user capricorn $u password
done
inst_start capricorn
od() {	# od USER COMMAND...
	od_user=$1
	shift
	/usr/bin/python3 "$WS_TOP/regress/system/ondemand.py" ca/ca.crt \
	    "capricorn.test:$PORT_capricorn:$od_user:$od_user-secret-capricorn" \
	    "$@"
}
message() {	# the newest of a user
	rm -f saved
	mail "$1@capricorn" save "$(mail "$1@capricorn" list -n 1 |
	    awk '$1 ~ /^[0-9]+$/ { print $1; exit }')" saved && cat saved
}
element() {	# NAME, of standard input; each on a line
	tr '<' '\n' | sed -n "s/^\([a-z]*:\)\{0,1\}$1\( [^>]*\)\{0,1\}>//p"
}
head -c 2500000 /dev/urandom >file
printf 'a small one\n' >small

# --- up ----------------------------------------------------------------------
up=$(od alice upload file)
like "$up" '^[0-9a-f]{32}$' "a file goes up in pieces"
like "$(od alice state "$up")" '^2500000 2500000 true' "it is complete"
like "$(od bob state "$up")" '550' "for nobody else"
half=$(od alice begin half 2500000)
head -c 1000000 file >piece1
is "$(od alice piece "$half" 0 piece1)" "1000000 2500000 false" "a piece, inline"
is "$(od alice piece "$half" 0 piece1 mtom)" "1000000 2500000 false" \
    "twice: where it goes on is said"
is "$(od alice piece "$half" 2000000 piece1 mtom)" "1000000 2500000 false" \
    "nor with a gap"
like "$(od alice finish "$half" file)" "1000000 2500000 false" "not complete"
# WSMail's TLS and our parser have it whole: a process dies, the file goes on.
kill -9 "$(inst_pid capricorn attach)"
there() { od alice state "$half" | grep -q '^1000000'; }
ok "it survives the death of wsattach" wait_until 20 there
is "$(od alice abort "$half")" aborted "given up"
like "$(od alice state "$half")" 550 "and gone"

# --- with a message --------------------------------------------------------------
msgid=$(od alice send bob@capricorn.test,team@capricorn.test "$up" @small)
like "$msgid" '@capricorn.test$' "a message with both"
came() { mail carol@capricorn list | grep -q files; }
ok "it comes" wait_until 20 came
message bob >msg
is "$(element OnDemandAttachment <msg | wc -l)" 2 "it says where they are"
is "$(element Location <msg | sort -u)" capricorn.test "at the sender's server"
is "$(element Name <msg | tr '\n' ' ')" "file small " "their names"
is "$(element Size <msg | tr '\n' ' ')" "2500000 12 " "their sizes"
is "$(element Digest <msg | head -n 1)" \
    "$(openssl dgst -sha256 -binary file | base64)" "their digests"
is "$(grep -c AttachmentUpload msg)" 0 "no more of uploads"
ids=$(element Identifier <msg)
id=${ids%%
*}
id2=${ids##*
}
not_ok "an upload is used once" od alice send bob@capricorn.test "$up"

# --- fetched ------------------------------------------------------------------------
is "$(od bob fetch "$id" got)" "2500000 of 2500000, version 1 of 1" \
    "a recipient fetches it"
ok "the same octets" cmp file got
is "$(od carol fetch "$id2" got2)" "12 of 12, version 1 of 1" \
    "a member of the alias"
ok "the same octets" cmp small got2
ok "its owner" od alice fetch "$id" got
od bob fetch "$id" range 1 1234567 1000 >/dev/null
tail -c +1234568 file | head -c 1000 >want
ok "a range" cmp want range
none=$(od dave fetch "$id" no)
like "$none" '550.*no such attachment' "who is not listed does not"
is "$(od dave fetch "$(echo "$id" | tr 0-9a-f 1-9a-f0)" no | sed 's/[0-9a-f]\{16\}//g')" \
    "$(printf '%s' "$none" | sed 's/[0-9a-f]\{16\}//g')" \
    "and is told what he is told of what does not exist"
like "$(od bob fetch "$id" no 1 2500001)" 'ends before' "behind the end"

# --- its owner ------------------------------------------------------------------------
is "$(od alice list | element Identifier | wc -l)" 2 "list"
od alice show "$id" >show
is "$(element Address <show | sort -u | tr '\n' ' ')" \
    "bob@capricorn.test carol@capricorn.test " "who may have it"
like "$(sed 's/<w:Fetch>/\n&/g' show)" \
    '<w:Fetch>.*bob@capricorn.test.*<w:Version>1<' "who fetched it"
ok "a recipient more" od alice grant "$id" dave@capricorn.test
ok "who fetches it then" od dave fetch "$id" got
ok "one less" od alice revoke "$id" bob@capricorn.test
not_ok "who does not any more" od bob fetch "$id" no
not_ok "none of this is for others" od bob grant "$id" bob@capricorn.test
up=$(od alice upload small)
like "$(od alice update "$id" "$up" | element Version)" 2 "a new version"
is "$(od dave fetch "$id" got)" "12 of 12, version 2 of 2" "which comes"
is "$(od dave fetch "$id" got 1)" "2500000 of 2500000, version 1 of 2" \
    "the first is kept"
ok "it expires" od alice expire "$id" 2026-01-01T00:00:00Z
like "$(od dave fetch "$id" no)" '550.*no such attachment' "and is no more"
ok "the other one is withdrawn" od alice withdraw "$id2"
like "$(od carol fetch "$id2" no)" '550.*no such attachment' "and is no more"

# --- what is refused --------------------------------------------------------------------
for what in '<x:AttachmentUpload>x</x:AttachmentUpload>' \
    '<x:AttachmentUpload>00000000000000000000000000000000</x:AttachmentUpload>' \
    '<x:InlineAttachment><x:Name>n</x:Name><x:Data>***</x:Data></x:InlineAttachment>' \
    '<x:InlineAttachment><x:Name>n</x:Name></x:InlineAttachment>' \
    "<x:OnDemandAttachment><x:Location>capricorn.test</x:Location><x:Identifier>$id</x:Identifier><x:Name>n</x:Name><x:Size>1</x:Size><x:Digest>$(openssl dgst -sha256 -binary file | base64)</x:Digest></x:OnDemandAttachment>"
do
	not_ok "no message with $(printf '%.30s' "$what")" \
	    od alice send bob@capricorn.test "$what"
done
like "$(od alice begin n 5000000000)" 'limit attachment-size' "too large"
n=0
while od alice begin "n$n" 10 >out 2>&1 && [ $n -lt 10 ]; do
	n=$((n + 1))
done
like "$(cat out)" 'limit uploads-per-user' "too many uploads"
ok "it ends in order" inst_stop capricorn
finish
