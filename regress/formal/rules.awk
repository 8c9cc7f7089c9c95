# SPDX-License-Identifier: ISC
# Rules (attach.rules) to clauses of TPTP.
#	awk -v on="CHECK ..." -f rules.awk attach.rules
# on has the names of the checks, the property and the scene.

BEGIN {
	n = split(on, names, " ")
	for (i = 1; i <= n; i++)
		is_on[names[i]] = 1
}

{ sub(/#.*/, "") }
NF { text = text " " $0 }
/\.[ \t]*$/ { rule(text); text = "" }

END {
	if (failed)
		exit 1
	if (text ~ /[^ \t]/)
		die("a rule without its end: " text)
}

function die(why) {
	print "rules.awk: " why >"/dev/stderr"
	failed = 1
	exit 1
}

# s with every variable v replaced by term t.
function put(s, v, t,    out, w) {
	out = ""
	while (match(s, /[A-Za-z_0-9]+/)) {
		w = substr(s, RSTART, RLENGTH)
		out = out substr(s, 1, RSTART - 1) (w == v ? t : w)
		s = substr(s, RSTART + RLENGTH)
	}
	return out s
}

# Splits s at commas outside of parentheses into part[]; how many.
function split_args(s, part,    i, c, depth, k, cur) {
	k = 0
	cur = ""
	depth = 0
	for (i = 1; i <= length(s); i++) {
		c = substr(s, i, 1)
		if (c == "(")
			depth++
		if (c == ")")
			depth--
		if (c == "," && depth == 0) {
			if (cur != "")
				part[++k] = cur
			cur = ""
		} else
			cur = cur c
	}
	if (depth != 0)
		die("parentheses: " s)
	if (cur != "")
		part[++k] = cur
	return k
}

# One rule.  Its brackets first: from left to right, so that a term put for a
# variable is seen by what follows.
function rule(s,    name, b, e, inner, check, neg, v, k, i, p, head, cl, t) {
	sub(/\.[ \t]*$/, "", s)
	if (!match(s, /^[ \t]*[a-zA-Z0-9_]+:/))
		die("no name: " s)
	name = substr(s, 1, RLENGTH - 1)
	gsub(/[ \t]/, "", name)
	s = substr(s, RLENGTH + 1)
	while ((b = index(s, "[")) > 0) {
		e = index(s, "]")
		if (e < b)
			die("brackets in " name)
		inner = substr(s, b + 1, e - b - 1)
		s = substr(s, 1, b - 1) "," substr(s, e + 1)
		check = ""
		if (match(inner, /^!?[A-Z_0-9a-z]+ /)) {
			check = substr(inner, 1, RLENGTH - 1)
			inner = substr(inner, RLENGTH + 1)
		}
		neg = sub(/^!/, "", check)
		v = inner == "true"
		if (check != "" && neg == (check in is_on)) {
			if (v)
				return
			continue
		}
		if (v)
			continue
		if (match(inner, /^[A-Z]=/)) {
			t = put(s, substr(inner, 1, 1), substr(inner, 3))
			if (t == s)
				die("no " inner " in " name)
			s = t
		} else
			s = inner "," s
	}
	gsub(/[ \t]/, "", s)
	if ((i = index(s, "=>")) == 0)
		die("no arrow in " name)
	k = split_args(substr(s, 1, i - 1), p)
	head = substr(s, i + 2)
	cl = ""
	for (i = 1; i <= k; i++)
		cl = cl (i > 1 ? " | " : "") "~" untag(p[i])
	clauses(name, cl, head)
}

function clauses(name, cl, head,    h, k, i) {
	k = split_args(head, h)
	if (k == 0)
		clause(name, "negated_conjecture", cl)
	for (i = 1; i <= k; i++)
		clause(name "_" i, "axiom", cl (cl == "" ? "" : " | ") \
		    untag(h[i]))
}

function clause(name, role, cl) {
	printf "cnf(%s,%s,(%s)).\n", name, role, cl
}

# With TAGS off the texts that a server signs for a client, theMessage and the
# assertion are one q of eight parts.  The hop and message 7 keep their own:
# with all of them one no prover comes to an end.
function untag(a,    b, k, i, p, q) {
	if ("TAGS" in is_on ||
	    !match(a, /^sig\([A-Za-z]+,(t3|t5|t9|tm|tok)\(/))
		return a
	b = substr(a, RLENGTH + 1)
	q = substr(a, 1, RLENGTH - 1)
	sub(/,[a-z0-9]+$/, ",q(", q)
	sub(/\)\)$/, "", b)
	k = split_args(b, p)
	for (i = 1; i <= 8; i++)
		q = q (i > 1 ? "," : "") (i <= k ? p[i] : "nil")
	return q "))"
}
