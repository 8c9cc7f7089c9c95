#!/bin/sh
# SPDX-License-Identifier: ISC
# What wsmtpd -n accepts, prints back to the same with -v, and what it finds
# wrong beyond the grammar.
. "${WS_TOP:?}/regress/lib.sh"

# $1: of the installation a
check() {
	wsmtpd -n -f "$T/a/conf" "$@"
}

# The complaint about a configuration that sed's $1 made wrong.
wrong() {
	sed "$1" a/conf.good >a/conf
	not_ok "$2: refused" check
	like "$(cat .out)" "$2" "$2: said"
	cp a/conf.good a/conf
}

inst_new a \
    'alias "postmaster@a.test" to "alice@a.test"' \
    'alias "all@a.test" to { "alice@a.test", bob@b.test' \
    '	"carol@b.test" }' \
    'route "b.test" to "127.0.0.1" port 4444; route * to "hub.test" port 1' \
    'resolver ::1 port 5353' \
    'soap processes 3' \
    'queue retry jitter 5% max 2h min 90s' \
    'queue ttl 3d' \
    'queue warn 0' \
    'q = 500M' \
    'limit quota-user $q' \
    'limit hops 3'
inst_user a alice
cp a/conf a/conf.good

ok "a good configuration" check
like "$(cat .out)" '^configuration OK$' "says so"
check -v >1 2>err
is "$(cat err)" "" "nothing on standard error"
(ulimit -n 256 && check) >out 2>&1
is "$?" 0 "few descriptors: accepted"
like "$(cat out)" 'warning: limit connections is 4096, .* 256 descriptors .* enough for 192$' \
    "and said for how many connections they are"
(ulimit -n 256 && echo 'limit connections 192' | cat a/conf.good - >a/conf && check) >out 2>&1
is "$(cat out)" "configuration OK" "no word when they are enough"
echo 'limit bodies-per-address 34M' | cat a/conf.good - >a/conf
like "$(check 2>&1)" 'warning: limit bodies-per-address is less than message-size' \
    "a share too small for a message is said"
cp a/conf.good a/conf
cp 1 a/conf
check -v >2
is "$(cat 2)" "$(cat 1)" "-nv prints what parses back to the same"
cp a/conf.good a/conf
like "$(cat 1)" '^queue retry min 90s max 2h jitter 5%$' "retry as written"
like "$(cat 1)" '^resolver ::1 port 5353$' "resolver as written"
like "$(cat 1)" '^limit quota-user 500M$' "a macro's value"
like "$(cat 1)" '^alias "all@a.test" to { "alice@a.test", "bob@b.test", "carol@b.test" }$' \
    "an alias as written"
check -v -D q=7M >3
like "$(cat 3)" '^limit quota-user 7M$' "-D goes before the file"
not_ok "-D without a value" check -D q
mv a/conf a/rest
printf 'include "%s"\n' "$T/a/rest" >a/conf
check -v >4
is "$(cat 4)" "$(cat 1)" "include"
cp a/conf.good a/conf

# What is no text, or without end.
not_ok "a directory" wsmtpd -n -f "$T/a"
like "$(cat .out)" 'expected a regular file' "said"
printf 'spool "/a\0b"\n' >a/nul
wrong "s,^spool.*,include \"$T/a/nul\"," 'nul: expected text, got a NUL octet'
wrong "s,^spool.*,include \"$T/a\"," 'a: expected a regular file'
for n in 1 2 3 4 5 6 7 8 9 10; do
	echo "include \"$T/a/./loop\""
done >a/loop
wrong "\$ a include \"$T/a/loop\"" \
    "loop:10: expected a file that does not include itself, got \"$T/a/./loop\""
is "$(grep -c 'include itself' .out)" 10 "once for each line"
for n in 1 2 3 4 5 6 7 8 9; do
	echo "include \"$T/a/deep$((n + 1))\"" >"a/deep$n"
done
: >a/deep10
wrong "\$ a include \"$T/a/deep1\"" 'expected at most 8 files that include'
printf 'spool "/%05000d' 1 >a/long
wrong "s,^spool.*,include \"$T/a/long\"," 'expected a string of less than 1024'
printf 'route "\033[2J\rforged: line" to "h" port 1\n' >a/ctrl
wrong "s,^spool.*,include \"$T/a/ctrl\"," '"\\033\[2J\\015forged: line"'

# Keys, certificates, names.
wsctl ca issue -d ca -o . domain other.test >/dev/null
wrong "s,key \"$T/a/a.test.key\",key \"$T/other.test.key\"," \
    'is not the key of the certificate'
wrong "s,certificate \"$T/a/a.test.crt\" key \"$T/a/a.test.key\",certificate \"$T/other.test.crt\" key \"$T/other.test.key\"," \
    'does not name the domain a.test'
wrong "s,a.test-tls.key,a.test.key," 'is not the key of the certificate'
wrong "s,a.test.crt,users," 'expected certificates in PEM'
wrong "s,a.test.crt,nowhere," 'nowhere: No such file'
wrong "s,trust ca \"$T/ca/ca.crt\",trust ca \"$T/a/a.test.key\"," 'a.test.key: '
wrong "s,client ca \"$T/ca/ca.crt\",client ca \"$T/nowhere\"," 'nowhere: No such'
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-384 -nodes \
    -keyout p384.key -out p384.crt -subj /CN=a.test -days 30 \
    -addext 'subjectAltName=DNS:a.test' 2>/dev/null
wrong "s,$T/a/a.test.\(crt\|key\),$T/p384.\1,g" 'expected a key on curve P-256'
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
    -keyout old.key -out old.csr -subj /CN=a.test -days 30 \
    -addext 'subjectAltName=DNS:a.test' 2>/dev/null
openssl x509 -in old.csr -signkey old.key -days -1 -copy_extensions copyall \
    -out old.crt 2>/dev/null && [ -s old.crt ] &&
    wrong "s,$T/a/a.test.\(crt\|key\),$T/old.\1,g" 'old.crt: has expired'
chmod 644 a/a.test.key
wrong '' 'others may read'
chmod 600 a/a.test.key

# Directories, users, ports.
wrong "s,$T/a/spool,$T/no/such/spool," '/no/such: No such file'
wrong "s,$T/a/c.sock,$T/no/c.sock," '/no: No such file'
mkdir open
chmod 777 open
wrong "s,$T/a/spool,$T/open," 'others may write to it'
cp a/users users.good
echo 'bob@a.test:-:-:*' >>a/users
wrong '' 'line 3: expected name:flags:quota:text:mac'
cp users.good a/users
echo 'bob@a.test:-:-:*:pbkdf2-sha256$1$x$y' >>a/users
wrong '' 'bob@a.test: the verifier cannot be read'
cp users.good a/users
for v in '$scrypt$x' '$scrypt$ln=20,r=32,p=1$AAAAAAAAAAAAAAAAAAAAAA==$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA='; do
	echo "bob@a.test:-:-:$v:*" >>a/users
	wrong '' 'bob@a.test: the verifier cannot be read'
	cp users.good a/users
done
head -c 70000 /dev/zero | tr '\0' x >>a/users
wrong '' 'line 3: expected name:flags:quota:text:mac'
printf 'bob@a.test:-:-:%s:*' "$(head -c 70000 /dev/zero | tr '\0' x)" >users.long
cat users.good users.long >a/users
wrong '' 'line 3: a verifier that is too long'
cp users.good a/users
chmod 640 a/users
ok "a users table that its group reads" check
is "$(grep -c 'others may read' .out)" 0 "is fine"
chmod 644 a/users
ok "one that all read" check
like "$(cat .out)" 'warning: .*/users: verifiers that others may read' "is not"
chmod 600 a/users
wrong "s,$T/a/c.sock,$T/$(printf '%0100d' 1).sock," \
    'expected a name of at most [0-9]* octets'
if [ "$(id -u)" = 0 ]; then
	echo 'user control "root"' >a/root
	sed '/^user control/d' a/conf.good >>a/root
	cp a/root a/conf
	not_ok "a process as root" check
	like "$(cat .out)" 'is root' "said"
	cp a/conf.good a/conf
fi
mkfifo hold
perl -MIO::Socket::INET -e '
    my $s = IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1");
    open(my $f, ">", "port.new"); print $f $s->sockport; close $f;
    rename("port.new", "port"); <STDIN>' <hold &
exec 5>hold
wait_until 10 test -s port
wrong "s,port $PORT_a,port $(cat port)," 'Address already in use'
exec 5>&-

# Warnings do not forbid a start.
sed '/postmaster/d; /^trust/d' a/conf.good >a/conf
ok "warnings only" check
like "$(cat .out)" 'nobody is postmaster@a.test' "no postmaster"
like "$(cat .out)" 'no trust ca' "no trust"

# What is shipped, with its paths here.
sed -e "s,/etc/wsemail/example.org,$T/a/a.test,g; s,example.org,a.test,g" \
    -e "s,/etc/ssl/certs/ca-certificates.crt,$T/ca/ca.crt," \
    -e "s,/etc/wsemail/users,$T/a/users," -e "s,port 443,port $PORT_a," \
    "$WS_TOP/etc/wsmtpd.conf" >a/conf
sed -n '/^spool/p; /^control/p; /^user /p' a/conf.good >>a/conf
ok "etc/wsmtpd.conf" check
is "$(grep -vc '^#' "$WS_TOP/etc/wsmtpd.conf")" 8 "is short"
for n in 1 2; do
	awk -v n="$n" '/^\.Sh EXAMPLES/ { on = 1 } /^\.Ed/ { in_ex = 0 }
	    on && in_ex && k == n { gsub(/\\e/, "\\"); print }
	    /^\.Bd -literal/ && on { in_ex = 1; k++ }' \
	    "$WS_TOP/man/wsmtpd.conf.5" |
	    sed -e "s,\"/etc/wsemail/users\",\"$T/a/users\"," \
	    -e "s,\"/etc/[a-z/.-]*\.\(crt\|key\|pem\)\",\"$T/\1\",g" \
	    -e "s,port \(443\|8443\)\$,port $PORT_a," \
	    -e 's,on 192.0.2.1,on 127.0.0.1,' \
	    -e 's,example\.org,a.test,g; s,capricorn\.test,a.test,g' >a/conf
	cp a/a.test.crt crt
	cp a/a.test.key key
	cp ca/crl.pem pem
	sed -i -e "s,^trust ca \"$T/crt\",trust ca \"$T/ca/ca.crt\"," \
	    -e "s,^pki = .*,pki = \"$T/ca/ca.crt\"," a/conf
	sed -n '/^spool/p; /^control/p; /^user /p' a/conf.good >>a/conf
	ok "example $n of wsmtpd.conf(5)" check
done
finish
