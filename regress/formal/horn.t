#!/bin/sh
# SPDX-License-Identifier: ISC
# On-demand attachments as Horn clauses (attach.rules): each line of
# horn.expect is asked of eprover.  "attack" is a proof, "hold" that the
# clauses are saturated without one; an end for want of time is neither.
# HORN_PROVER=SPASS asks that one, which takes a quarter of an hour
# (HORN_SECONDS=120 WS_TIMEOUT=0).
. "${WS_TOP:?}/regress/lib.sh"

dir=$WS_TOP/regress/formal
paper="RETADDR DOMAIN REFOWNER RCLIST ISSUER SUBJECT DEST VOWNER UBIND M5BODY"
paper="$paper FULLNAME TAGS TOKKEY HOK"
wire="$paper AUD MSIG SSFWD REFOWNER_RC HASHN"
: "${HORN_SECONDS=60}"
prover=${HORN_PROVER-eprover}
command -v "$prover" >/dev/null || skip_all "$prover is not installed"

# $1: the names that are on.  Says hold, attack, or what went wrong.
ask() {
	awk -v on="$1" -f "$dir/rules.awk" "$dir/attach.rules" >p || {
		echo "no clauses"
		return
	}
	case $prover in
	*eprover)
		"$prover" -s -W SelectMaxLComplexAvoidPosPred \
		    --cpu-limit="$HORN_SECONDS" p 2>&1
		;;
	*)	"$prover" -TPTP -Select=2 -PGiven=0 -PProblem=0 \
		    -TimeLimit="$HORN_SECONDS" p 2>&1
		;;
	esac >out
	case $(grep -E 'SZS status|SPASS beiseite' out) in
	*"status Satisfiable"* | *"Completion found"*)	echo hold ;;
	*"status Unsatisfiable"* | *"Proof found"*)	echo attack ;;
	*)	tail -n 3 out ;;
	esac
}

# $1 base $2 scene $3 off: the names that are on, or nothing for a bad line.
names() {
	case $1 in
	paper)	on=" $paper " ;;
	wire)	on=" $wire " ;;
	*)	return ;;
	esac
	case $2 in
	open)	;;
	tls)	on="$on TLS " ;;
	rsbad)	on="$on RSBAD " ;;
	fresh)	on="$on FRESHKEY " ;;
	*)	return ;;
	esac
	[ "$3" = - ] || for c in $(echo "$3" | tr + ' '); do
		case $on in
		*" $c "*)	on="${on%% "$c" *} ${on#* "$c" }" ;;
		*)	return ;;
		esac
	done
	echo "$on"
}

grep -v '^#' "$dir/horn.expect" | grep . >lines
while read -r base scene prop off want; do
	on=$(names "$base" "$scene" "$off")
	[ -n "$on" ] || {
		is "$base $scene $off" "" "a line of horn.expect reads"
		continue
	}
	what="$base, $scene, $prop"
	[ "$off" = - ] || what="$what without $off"
	is "$(ask "$on $prop ${prop}_goal")" "$want" "$what: $want"
	[ "$want" = attack ] ||
	    is "$(ask "$on $prop ${prop}_reach")" attack "$what: can happen"
done <lines

# No check without its line, no name in the rules that is no check.
for c in $wire; do
	like "$(cut -f 4 lines)" "(^|\+)$c(\+|\$)" "$c is left out somewhere"
	like "$(cat "$dir/attach.rules" "$dir/rules.awk")" \
	    "\[!?$c |\"$c\" in is_on" "$c is in the rules"
done
is "$(sed 's/#.*//' "$dir/attach.rules" | grep -oE '\[!?[A-Z][A-Z_0-9]+ ' | tr -d '[! ' |
    grep -vxE 'T[0-9]+|SEC|RSBAD|TLS|FRESHKEY' | sort -u |
    while read -r c; do
	case " $wire " in *" $c "*) ;; *) echo "$c" ;; esac
    done)" "" "every name in the rules is known here"
finish
