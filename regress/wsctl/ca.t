#!/bin/sh
# SPDX-License-Identifier: ISC
# wsctl ca: what it writes, what openssl(1) says of it, what it refuses.
here=$(cd "$(dirname "$0")" && pwd)
wsctl=${WSCTL:-$here/../../wsctl/wsctl}
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
n=0 bad=0

# $1 name, then a command that must succeed
ok() {
	name=$1
	shift
	n=$((n + 1))
	if "$@" >out 2>&1; then
		echo "ok $n - $name"
	else
		sed 's/^/# /' out
		echo "not ok $n - $name"
		bad=1
	fi
}

# $1 name, $2 exit code, then a command that must fail with it
fails() {
	name=$1 want=$2
	shift 2
	"$@" >out 2>&1
	got=$?
	n=$((n + 1))
	if [ $got -eq "$want" ]; then
		echo "ok $n - $name"
	else
		sed 's/^/# /' out
		echo "not ok $n - $name: exit code $got, not $want"
		bad=1
	fi
}

ca() { "$wsctl" ca "$@"; }
mode() { [ "$(stat -c %a "$1" 2>/dev/null || stat -f %Lp "$1")" = "$2" ]; }
text() { openssl x509 -in "$1" -noout -text | grep -q -- "$2"; }
verify() { openssl verify -CAfile ca/ca.crt -CRLfile ca/crl.pem -crl_check "$@"; }
serial() { ca list -d ca | awk -v k="$1" -v n="$2" '$4 == k && $5 == n { print $1 }'; }
count() { [ "$(ca list -d ca | wc -l)" -eq "$1" ]; }

fails "no command" 64 ca
fails "an unknown command" 64 ca sign
fails "an option of another command" 64 ca list -n x
fails "no authority yet" 66 ca list -d ca
fails "nor to issue with" 66 ca issue -d . domain a.test
fails "nor a directory for one" 66 ca issue -d none domain a.test
fails "an authority without a name" 64 ca init -d anon -n ''
fails "or with one that does not fit" 64 ca init -d anon -n \
    "$(printf '%065d' 0)"

ok "init" ca init -d ca -n "Test authority"
ok "its key is secret" mode ca/ca.key 600
ok "its certificate is not" mode ca/ca.crt 644
ok "it is an authority" text ca/ca.crt "CA:TRUE, pathlen:0"
ok "its name" text ca/ca.crt "CN = Test authority"
ok "there is a revocation list" openssl crl -in ca/crl.pem -noout
ok "nothing is issued" count 0
fails "init again" 73 ca init -d ca

ok "domain" ca issue -d ca -o out.d domain Capricorn.TEST
ok "its key is secret" mode out.d/capricorn.test.key 600
ok "it verifies" verify out.d/capricorn.test.crt
ok "dNSName" text out.d/capricorn.test.crt "DNS:capricorn.test"
ok "SRVName" text out.d/capricorn.test.crt "_wsemail.capricorn.test"
ok "P-256" text out.d/capricorn.test.crt "NIST CURVE: P-256"
ok "for mail" text out.d/capricorn.test.crt "E-mail Protection"
ok "no authority" text out.d/capricorn.test.crt "CA:FALSE"
[ ! -c /dev/full ] || fails "a full device" 74 sh -c \
    '"$0" ca list -d ca >/dev/full' "$wsctl"
fails "the same name again" 73 ca issue -d ca -o out.d domain capricorn.test
ok "is not in the index" count 1

ok "tls, options behind the words" ca issue tls capricorn.test -d ca \
    -o out.d -a 127.0.0.1 -a Mail.capricorn.test
ok "it verifies" verify -purpose sslserver out.d/capricorn.test-tls.crt
ok "its other name" text out.d/capricorn.test-tls.crt "DNS:mail.capricorn.test"
ok "its address" text out.d/capricorn.test-tls.crt "IP Address:127.0.0.1"

ok "user" ca issue -d ca -o out.d -t rsa -D 30 user Alice@capricorn.test
ok "it verifies" verify -purpose sslclient out.d/alice@capricorn.test.crt
ok "rfc822Name" text out.d/alice@capricorn.test.crt "email:alice@capricorn.test"
ok "RSA 2048" text out.d/alice@capricorn.test.crt "(2048 bit)"
ok "for 30 days" openssl x509 -in out.d/alice@capricorn.test.crt \
    -noout -checkend $((29 * 86400))
fails "and not for 31" 1 openssl x509 -in out.d/alice@capricorn.test.crt \
    -noout -checkend $((31 * 86400))
ok "key and certificate belong together" sh -c '[ "$(openssl x509 \
    -in out.d/alice@capricorn.test.crt -noout -pubkey)" = "$(openssl pkey \
    -in out.d/alice@capricorn.test.key -pubout)" ]'
ok "a slash in an address" ca issue -d ca -o out.d user a/b@capricorn.test
ok "is none in its file's name" test -f out.d/a_b@capricorn.test.key
ok "a name of 70 octets" ca issue -d ca -o out.d domain \
    aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb.test
ok "verifies too" verify out.d/aaaa*.crt

fails "not a domain" 65 ca issue -d ca domain "a b"
fails "a wildcard" 65 ca issue -d ca domain "*.test"
fails "not an address" 65 ca issue -d ca user alice
fails "an unknown kind" 64 ca issue -d ca code a.test
fails "no name" 64 ca issue -d ca domain
fails "too many words" 64 ca issue -d ca domain a.test b.test
fails "an unknown kind of key" 64 ca issue -d ca -t dsa domain a.test
fails "no days" 64 ca issue -d ca -D 0 domain a.test
fails "-a of a domain" 64 ca issue -d ca -a b.test domain a.test
ok "none of these is in the index" count 5

fails "revoke an unknown one" 65 ca revoke -d ca nobody@capricorn.test
fails "revoke an ambiguous name" 65 ca revoke -d ca capricorn.test
ok "revoke by name" ca revoke -d ca alice@capricorn.test
fails "it no longer verifies" 2 verify out.d/alice@capricorn.test.crt
ok "another does" verify out.d/capricorn.test.crt
ok "revoke by serial" ca revoke -d ca "$(serial tls capricorn.test)"
fails "it no longer verifies" 2 verify out.d/capricorn.test-tls.crt
ok "the name is no longer ambiguous" ca revoke -d ca capricorn.test
ok "once more, by serial" ca revoke -d ca "$(serial domain capricorn.test)"
ok "the list has three" sh -c \
    '[ "$(openssl crl -in ca/crl.pem -noout -text | grep -c Serial)" = 3 ]'
ok "and is the fifth" sh -c "openssl crl -in ca/crl.pem -noout -crlnumber |
    grep -qi '=0*x*0*5\$'"

# Two at once: the lock keeps both in the index.
ca issue -d ca -o out.d domain one.test >out1 2>&1 &
ca issue -d ca -o out.d domain two.test >out2 2>&1 &
wait
ok "two at the same time" count 7
echo "garbage" >>ca/index
fails "a damaged index" 65 ca list -d ca
ok "no other file is left over" sh -c '! ls ca out.d |
    grep -Ev "^(ca|out.d):\$|^\$|\.(crt|key|pem)\$|^(index|lock)\$"'

echo "1..$n"
exit $bad
