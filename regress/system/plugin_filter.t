#!/bin/sh
# SPDX-License-Identifier: ISC
# wsplugin-filter(8): each test and action, mistakes and where they are, and
# that the rules of one are not those of another.
. "${WS_TOP:?}/regress/lib.sh"

inst_new capricorn "plugin filter {
	object \"$WS_TOP/plugins/filter.so\"
	grant bodies
	grant state 1M
}"
inst_user capricorn alice
inst_user capricorn bob
inst_user capricorn carol
inst_start capricorn
up() { ctl capricorn show plugins | grep -q "filter *up"; }
ok "it is up" wait_until 10 up

rules() { mail bob@capricorn extension urn:wsemail:2:filter Set "Rules=$1" 2>&1; }
# fate RULES SUBJECT [BODY]: what becomes of alice's message to bob
fate() {
	rules "$1" >rules.out
	fate_id=$(echo "${3-text}" | mail alice@capricorn send -s "$2" \
	    bob@capricorn.test 2>&1 | sed -n 's/.*(\(.*@capricorn.test\)).*/\1/p')
	wait_until 10 grep -Eq "ev=(deliver|taken) .*msgid=$fate_id" \
	    capricorn/log || :
	grep -E "ev=(deliver|taken) .*msgid=$fate_id" capricorn/log |
	    head -n 1 | sed 's/.*ev=\([a-z]*\) .*result=/\1 /'
}
gone='^taken ok'
kept='^deliver ok$'

like "$(fate '' x)" "$kept" "without rules"
like "$(fate 'discard' x)" "$gone" "discard"
like "$(fate 'keep
discard' x)" "$kept" "the first one decides"
like "$(fate 'reject "not you"' x)" 'permfail reason="not you"' "reject"
like "$(fate 'discard if subject is "SPAM"' spam)" "$gone" "is, in any case"
like "$(fate 'discard if subject is spam' 'spam x')" "$kept" "is not"
like "$(fate 'discard if subject contains am' spam)" "$gone" "contains"
like "$(fate 'discard if subject matches "s*m"' spam)" "$gone" "matches"
like "$(fate 'discard if subject matches "s?m"' spam)" "$kept" "matches not"
like "$(fate 'discard if subject not contains spam' ham)" "$gone" "not"
like "$(fate 'discard if sender is alice@capricorn.test' x)" "$gone" "sender"
like "$(fate 'discard if body contains "a \"word\""' x 'has a "word" in')" \
    "$gone" "body, and quotes in a text"
like "$(fate 'discard if size over 3K' x)" "$kept" "size"
like "$(fate 'discard if size under 3K' x)" "$gone" "under"
like "$(fate 'discard if attachment is Macro' x)" "$kept" "no attachment"
like "$(fate '# a comment

discard if subject is x and size over 1M   # no
keep if subject is x and sender contains alice
discard' x)" "$kept" "lines, comments, and"
is "$(cat rules.out | head -n 1)" "Rules: # a comment" "they are told back"

like "$(rules 'keep
destroy')" 'line 2: expected keep, discard or reject' "an action that is none"
like "$(rules 'reject')" 'line 1: expected a text in quotes' "no text"
like "$(rules 'keep if colour is red')" 'expected sender, subject' "a field"
like "$(rules 'keep if size about 3')" 'expected over or under' "size"
like "$(rules 'keep if size over 3x')" 'a number of octets' "a number"
like "$(rules 'keep if size over 18446744073709551616')" 'a number of octets' \
    "a number that is too large"
like "$(rules 'discard if size over 17592186044416M')" 'a number of octets' \
    "or becomes so by its unit"
like "$(rules 'keep if sender like x')" 'expected is, contains' "a comparison"
like "$(rules 'keep if sender is "x')" 'expected " at the end' "a quote"
like "$(rules 'keep if sender is x or')" 'expected and or the end' "or"
like "$(rules 'keep unless x')" 'expected if or the end' "unless"
like "$(mail bob@capricorn extension urn:wsemail:2:filter Get)" \
    '^Rules: # a comment' "mistakes change nothing"
like "$(mail carol@capricorn extension urn:wsemail:2:filter Get)" '^Rules: $' \
    "others have none"
rules discard >/dev/null
ok "to carol" mail alice@capricorn send -s hello carol@capricorn.test </dev/null
there() { mail carol@capricorn list | grep -q hello; }
ok "whose mail bob's rules do not concern" wait_until 10 there

# Rules that would take minutes for one message.
slow=
while [ "$(printf '%s' "$slow" | wc -l)" -lt 39 ]; do
	slow="${slow}keep if body matches \"*$(printf '%0450d' 0)1\"
"
done
zeros=$(head -c 100000 /dev/zero | tr '\0' 0)
like "$(fate "${slow}discard" slow "$(for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 \
    14 15 16 17 18 19 20; do printf '%s' "$zeros"; done)")" "$kept" \
    "rules that take too long keep the message"
ok "it is said" grep -q \
    'filter: bob@capricorn.test: line 2: expected less to compare' capricorn/log
like "$(ctl capricorn show plugins)" 'filter +up' "the plug-in goes on"
is "$(grep -c 'plugin filter is pid' capricorn/log)" 1 "and never ended"
like "$(fate "${slow}discard" x short)" "$gone" "for a short one they do"
ok "it ends in order" inst_stop capricorn
finish
