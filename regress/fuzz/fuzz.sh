#!/bin/sh
# SPDX-License-Identifier: ISC
# make fuzz [SECONDS=20] [T=soap]: runs the targets, each so long, from seeds
# that are made of the tests' fixtures.  What is found is kept in found/ and
# named; exit status 1 then.
set -u
cd "$(dirname "$0")" || exit 1
: "${SECONDS_EACH=20}"
[ $# -gt 0 ] || set -- http soap msg pki users conf records dns filter
mkdir -p corpus/http corpus/soap corpus/msg corpus/pki corpus/users \
    corpus/conf corpus/records corpus/dns corpus/filter found

# Files that are written for each input: in memory, where that can be had.
tmp=/dev/shm
[ -d $tmp ] && [ -w $tmp ] || tmp=${TMPDIR:-/tmp}
TMPDIR=$(mktemp -d "$tmp/ws-fuzz.XXXXXXXX") || exit 1
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT
trap 'exit 1' HUP INT TERM

# The fixtures and the manual's examples, as each target wants them.
for f in ../xml/*.xml; do
	{ echo "text/xml; charset=utf-8"; cat "$f"; } >"corpus/soap/$(basename "$f")"
done
awk '/^\.Bd -literal/ { n++; keep = 1; next } /^\.Ed/ { keep = 0 }
    keep { gsub(/\\&/, ""); print > ("corpus/soap/example" n) }' ../../man/wsemail.7
for f in corpus/soap/example*; do
	{ echo "application/soap+xml"; cat "$f"; } >"$f.seed"
	rm "$f"
done
{ printf 'multipart/related; boundary=b; type="application/xop+xml"; start="<r>"; start-info="text/xml"\n--b\r\n'
    printf 'Content-Type: application/xop+xml; type="text/xml"\r\nContent-ID: <r>\r\n\r\n<a/>\r\n'
    printf -- '--b\r\nContent-ID: <p>\r\n\r\nx\r\n--b--\r\n'; } >corpus/soap/mtom
printf '\0\0POST /wsemail HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi' >corpus/http/length
printf '\0\5POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nhi\r\n0\r\nX: y\r\n\r\n' >corpus/http/chunked
printf '\1\0HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhi' >corpus/http/answer
if command -v openssl >/dev/null; then
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
	    -keyout /dev/null -subj /CN=x -addext 'subjectAltName=DNS:capricorn.test,email:a@capricorn.test' \
	    -out corpus/pki/pem.tmp 2>/dev/null
	{ printf '\2'; cat corpus/pki/pem.tmp; } >corpus/pki/pem
	{ printf '\0'; openssl x509 -in corpus/pki/pem.tmp -outform DER; } >corpus/pki/der
	cert="<d:X509Data><d:X509Certificate>$(openssl x509 \
	    -in corpus/pki/pem.tmp -outform DER | openssl base64 -A)</d:X509Certificate></d:X509Data>"
	rm -f corpus/pki/pem.tmp
	x=http://www.w3.org/2001
	s=urn:oasis:names:tc:SAML:2.0
	{
		echo "text/xml"
		printf '%s' "<s:Assertion xmlns:s=\"$s:assertion\" " \
		    'xmlns:d="http://www.w3.org/2000/09/xmldsig#" ID="_a" ' \
		    'IssueInstant="2026-11-23T00:00:00Z" Version="2.0">' \
		    '<s:Issuer>urn:wsemail:2:domain:a.test</s:Issuer>' \
		    '<d:Signature><d:SignedInfo><d:CanonicalizationMethod ' \
		    "Algorithm=\"$x/10/xml-exc-c14n#\"/><d:SignatureMethod " \
		    "Algorithm=\"$x/04/xmldsig-more#ecdsa-sha256\"/>" \
		    '<d:Reference URI="#_a"><d:Transforms><d:Transform ' \
		    'Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/>' \
		    "<d:Transform Algorithm=\"$x/10/xml-exc-c14n#\"/>" \
		    "</d:Transforms><d:DigestMethod Algorithm=\"$x/04/xmlenc#sha256\"/>" \
		    "<d:DigestValue>$(printf '%043d' 0)=</d:DigestValue>" \
		    '</d:Reference></d:SignedInfo><d:SignatureValue>' \
		    "$(printf '%086d' 0)==</d:SignatureValue><d:KeyInfo>$cert" \
		    '</d:KeyInfo></d:Signature><s:Subject><s:NameID Format="' \
		    'urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress">' \
		    'a@a.test</s:NameID><s:SubjectConfirmation Method="' \
		    "$s:cm:holder-of-key\"><s:SubjectConfirmationData>" \
		    "<d:KeyInfo>$cert</d:KeyInfo></s:SubjectConfirmationData>" \
		    '</s:SubjectConfirmation></s:Subject><s:Conditions ' \
		    'NotBefore="2026-11-23T00:00:00Z" ' \
		    'NotOnOrAfter="2026-11-23T00:10:00Z"><s:AudienceRestriction>' \
		    '<s:Audience>urn:wsemail:2:domain:b.test</s:Audience>' \
		    '</s:AudienceRestriction></s:Conditions><s:AuthnStatement ' \
		    'AuthnInstant="2026-11-23T00:00:00Z"><s:AuthnContext>' \
		    '<s:AuthnContextClassRef>x</s:AuthnContextClassRef>' \
		    '</s:AuthnContext></s:AuthnStatement></s:Assertion>'
	} >corpus/soap/assertion
fi
key=$(printf '%044d' 0 | sed 's/0$/=/')
salt=$(printf '%024d' 0 | sed 's/00$/==/')
{ echo "# users"; echo "alice@a.test:-:-:*:*"
    echo "bob@a.test:disabled:500:\$scrypt\$ln=15,r=8,p=1\$$salt\$$key:pbkdf2-sha256\$600000\$$salt\$$key"; } >corpus/users/table
printf 'carol@a.test:-:9223372036854775807:*:*\r\n\r\n#\tx\r\n' >corpus/users/crlf
printf ' #dave@a.test:-:-:*:*\n' >corpus/users/comment
cp ../config/*.in ../../etc/wsmtpd.conf corpus/conf
cat >corpus/conf/all <<'EOF'
p = "/ca.pem"; listen on 127.0.0.1 port 443; listen on ::1 port 443
domain a.test {
	certificate "/a.crt" \
	key "/a.key"; tls certificate "/t.crt" key "/t.key"
	client ca $p crl "/c"; quota 20G
}
trust ca $p crl "/c"; users "/u"; alias a@a.test to "b@b.test"
alias "c@a.test" to { "d@a.test", e@b.test
	"f@c.test" }
route b.test to 127.0.0.1 port 4443; route "*" to hub.test port 1
resolver ::1 port 53; queue retry min 10s max 10m jitter 5%
queue ttl 2d; queue warn 1h; limit message-size 10M; limit hops 3
spool "/s"; control socket "/c" read-only "/ro"; user soap "nobody"
soap processes 3; sandbox required
EOF
# Records in the order of fuzz_records.c, the integers 1.
record() {
	printf '%b' "$2" >"corpus/records/$1"
}
none='\0000\0000\0000\0000'
one='\0000\0000\0000\0001'
eight=$none$one
str=${one}a
hash=$(printf '%032d' 0)
v='\0001'
facts=$v$eight$one$one$eight$str$str$str$str$str$eight$one$hash$one$one
record msg "\0000$facts$one$hash"
record msg-inline "\0000$facts$none$hash"
record env "\0001$v$eight$one$v$one$one$one$eight$eight\0000\0000\0000\0003a@b$str$str$str"
record dedup "\0002$v$eight$eight$hash"
record replay "\0003$v$eight"
record key "\0004$eight$one"
record user "\0005$v$one$one$eight$eight$one$eight$eight"
record uid "\0006$v$one"
record hdr "\0007$v$one$hash$one$one$eight$eight$one$str$str$str"
record chg "\0010$v$v$one"
record body "\0011$v$one$one$one$none$none${hash}bs"
record body-blob "\0011$v$one$one$one$eight$hash"
record sum "\0012$v$eight"
record seen "\0012$v$eight$one"

# _wsemail._tcp.a.test: two servers, the name compressed; and no service.
question='\0010_wsemail\0004_tcp\0001a\0004test\0000\0000\0041\0000\0001'
rr='\0300\0014\0000\0041\0000\0001\0000\0000\0000\0074'
head='\0000\0001\0201\0200\0000\0001\0000'
tail='\0000\0000\0000\0000'
printf '%b' "$head\0002$tail$question$rr\0000\0014\0000\0001\0000\0001\0001\0273\0003mx1\0300\0032$rr\0000\0014\0000\0001\0000\0000\0001\0273\0003mx2\0300\0032" >corpus/dns/two
printf '%b' "$head\0001$tail$question$rr\0000\0007\0000\0000\0000\0000\0000\0000\0000" >corpus/dns/none

# The manual's rules, mistakes, and a message that each field is of.
mail='a@a.test\0Lottery\0a "word" in it\0Macro\0x\0'
seed() {
	printf '%s\0'"$mail" "$2" >"corpus/filter/$1"
}
seed manual "$(awk '/^\.Bd/ { s = "" } { s = s $0 "\n" }
    /^reject/ { sub(/^[^\n]*\n/, "", s); printf "%s", s }' ../../man/wsplugin-filter.8)"
seed text 'discard if body contains "a \"word\"" and sender is a@a.test'
seed pattern 'reject "no\\" if subject matches "[l-m]?t*y" # yes'
seed not 'keep if attachment not is Macro
discard if size over 1K and size under 2M'
seed open 'discard if sender is "x'
seed word 'discard if subject is or'
printf 'discard if body not contains x\0a@a.test\0s\0' >corpus/filter/unseen

status=0
for t; do
	dict=
	quiet=
	[ ! -f "$t.dict" ] || dict=-dict=$t.dict
	# What is said of each input.
	case $t in
	conf|records)	quiet=-close_fd_mask=2 ;;
	esac
	echo "fuzz_$t: $SECONDS_EACH s"
	ASAN_OPTIONS=detect_leaks=1 ./fuzz_"$t" -max_total_time="$SECONDS_EACH" \
	    -timeout=10 -rss_limit_mb=2048 -max_len=70000 -print_final_stats=1 \
	    ${dict:+"$dict"} ${quiet:+"$quiet"} \
	    -artifact_prefix="found/$t-" "corpus/$t" >"found/$t.log" 2>&1 || {
		echo "fuzz_$t: found something:"
		tail -n 40 "found/$t.log"
		status=1
	}
	grep -E 'number_of_executed_units|peak_rss' "found/$t.log"
done
exit $status
