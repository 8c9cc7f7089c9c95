#!/bin/sh
# SPDX-License-Identifier: ISC
# On-demand attachments asked for by who means harm, or does not care: what is
# too long, odd or another's is refused to him, and nobody else notices.
. "${WS_TOP:?}/regress/lib.sh"

inst_new capricorn 'limit attachment-piece 1M' 'limit uploads-per-user 5' \
    'alias team@capricorn.test to { staff@capricorn.test, bob@capricorn.test }' \
    'alias staff@capricorn.test to { team@capricorn.test, carol@capricorn.test }'
# Each of these names all others.
names='0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17'
for a in $names; do
	printf 'alias all%s@capricorn.test to { bob@capricorn.test' $a
	for b in $names; do
		[ $a = $b ] || printf ', all%s@capricorn.test' $b
	done
	printf ' }\n'
done >>capricorn/conf
for u in alice bob carol team; do
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
long() {	# COUNT: that many letters
	head -c "$1" /dev/zero | tr '\0' n
}
printf 'a small one\n' >small
attach=$(inst_pid capricorn attach)
soap=$(inst_pid capricorn soap)

# --- texts -------------------------------------------------------------------
up=$(od alice upload-as "$(long 255)" small)
like "$up" '^[0-9a-f]{32}$' "a name of 255 octets"
ok "the upload is given up" od alice abort "$up"
for n in 256 5000 65536 100000; do
	like "$(od alice begin "$(long $n)" 10)" '(^| )500 ' "not one of $n"
done
like "$(od alice begin "$(printf 'two\nlines')" 10)" '(^| )500 ' "nor two lines"
like "$(od alice send bob@capricorn.test "<x:InlineAttachment><x:Name>$(
    long 256)</x:Name><x:Data>eA==</x:Data></x:InlineAttachment>")" '^500 ' \
    "nor in a message"
up=$(od alice upload small)
ok "a message" od alice send bob@capricorn.test "$up"
id=$(od alice list | tr '<' '\n' | sed -n 's/^w:Identifier>//p')
like "$(od alice grant "$id" "$(long 500)@capricorn.test")" '(^| )500 ' \
    "nor is a recipient of any length"
like "$(od alice show-after "$id" "$(long 500)@x.test")" '(^| )500 ' \
    "nor one after whom the list goes on"
is "$(inst_pid capricorn attach) $(inst_pid capricorn soap)" "$attach $soap" \
    "the processes are the same"
is "$(grep -c 'channel closed\|is gone' capricorn/log)" 0 \
    "and have not broken with each other"

# --- aliases -----------------------------------------------------------------
up=$(od alice upload small)
like "$(od alice send team@capricorn.test "$up")" '@capricorn.test$' \
    "to aliases that name each other"
id=$(od alice list '' 1 | tr '<' '\n' | sed -n 's/^w:Identifier>//p')
is "$(od alice show "$id" | tr '<' '\n' | sed -n 's/^w:Address>//p' | tr '\n' ' ')" \
    "bob@capricorn.test carol@capricorn.test team@capricorn.test " \
    "who gets the message may fetch the file"
mine() { mail team@capricorn list | grep -q files; }
ok "the name's own mailbox has it" wait_until 20 mine
up=$(od alice upload small)
like "$(timeout 20 /usr/bin/python3 "$WS_TOP/regress/system/ondemand.py" ca/ca.crt \
    "capricorn.test:$PORT_capricorn:alice:alice-secret-capricorn" \
    send all0@capricorn.test "$up")" 'limit (alias-members|hops)' \
    "those of which each names all others are soon too many"

# --- a message that is refused leaves nothing behind -------------------------
ok "the upload of that message is there still" od alice abort "$up"
was=$(od alice list '' 1000 | tr '<' '\n' | grep -c '^w:Identifier')
like "$(od alice send bob@capricorn.test @small @small @small @small @small \
    @small)" 'limit uploads-per-user' "more files than uploads"
like "$(od alice send bob@capricorn.test @small @small \
    '<x:AttachmentUpload>00000000000000000000000000000000</x:AttachmentUpload>')" \
    '^550 ' "files beside what does not exist"
ups=
for n in 1 2 3 4 5; do
	ups="$ups $(od alice upload small)"
done
is "$(printf '%s' "$ups" | tr ' ' '\n' | grep -cx '[0-9a-f]\{32\}')" 5 \
    "neither counts against the limit of uploads"
like "$(od bob send alice@capricorn.test ${ups##* })" '^550 ' \
    "another's upload is none"
like "$(od alice send nobody@capricorn.test $ups)" '^550 ' \
    "to a recipient that there is not"
is "$(od alice list '' 1000 | sed 's/<w:Attachment>/\n&/g' | grep '<w:Attachment>' |
    grep -vc '<w:Withdrawn>')" "$was" "what was made for it is taken back"
id=0123456789abcdef0123456789abcdef@capricorn.test
up=$(od alice upload small)
like "$(MESSAGE_ID=$id od alice send nobody@capricorn.test "$up")" '^550 ' \
    "refused under a MessageId of its own"
like "$(MESSAGE_ID=$id od alice send bob@capricorn.test "$up")" '^550 ' \
    "and sent again: not with what was taken back"

# --- a message that is sent twice --------------------------------------------
live() {	# attachments that are not withdrawn
	od alice list '' 1000 | sed 's/<w:Attachment>/\n&/g' |
	    grep '<w:Attachment>' | grep -vc '<w:Withdrawn>'
}
id=0123456789abcdef0123456789abcde0@capricorn.test
up=$(od alice upload small)
is "$(MESSAGE_ID=$id od alice send bob@capricorn.test @small "$up")" "$id" \
    "a file and an upload"
was=$(live)
is "$(MESSAGE_ID=$id od alice send bob@capricorn.test @small "$up")" "$id" \
    "its answer is lost: sent again"
is "$(live)" "$was" "its attachments are those of the first time"
mail bob@capricorn save "$(mail bob@capricorn list -n 1 |
    awk '$1 ~ /^[0-9]+$/ { print $1; exit }')" saved
for i in $(tr '<' '\n' <saved | sed -n 's/^\([a-z]*:\)\{0,1\}Identifier>//p'); do
	ok "and can be fetched" od bob fetch "$i" got
done
like "$(od alice send bob@capricorn.test $(yes @small | head -n 101))" \
    'too many' "a hundred and one files"

# --- forms -------------------------------------------------------------------
/usr/bin/python3 "$WS_TOP/regress/system/ondemand_odd.py" ca/ca.crt \
    "capricorn.test:$PORT_capricorn:carol:carol-secret-capricorn" >result 2>&1
while IFS= read -r line; do
	case $line in
	"ok "*)	ok "odd: ${line#ok }" true ;;
	"not ok "*) ok "odd: ${line#not ok }" false ;;
	*)	echo "# $line" ;;
	esac
done <result
is "$(grep -c '^ok' result)" 87 "as many as there are"
is "$(inst_pid capricorn attach) $(inst_pid capricorn soap)" "$attach $soap" \
    "the processes are the same"
is "$(grep -c 'channel closed\|is gone' capricorn/log)" 0 \
    "and have not broken with each other"
ok "it ends in order" inst_stop capricorn
finish
