#!/bin/sh
# SPDX-License-Identifier: ISC
# make fuzz [SECONDS=20] [T=soap]: runs the targets, each so long, from seeds
# that are made of the tests' fixtures.  What is found is kept in found/ and
# named; exit status 1 then.
set -u
cd "$(dirname "$0")" || exit 1
: "${SECONDS_EACH=20}"
[ $# -gt 0 ] || set -- http soap msg pki
mkdir -p corpus/http corpus/soap corpus/msg corpus/pki found

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
	rm -f corpus/pki/pem.tmp
fi

status=0
for t; do
	echo "fuzz_$t: $SECONDS_EACH s"
	ASAN_OPTIONS=detect_leaks=1 ./fuzz_"$t" -max_total_time="$SECONDS_EACH" \
	    -timeout=10 -rss_limit_mb=2048 -max_len=70000 -print_final_stats=1 \
	    -artifact_prefix="found/$t-" "corpus/$t" >"found/$t.log" 2>&1 || {
		echo "fuzz_$t: found something:"
		tail -n 40 "found/$t.log"
		status=1
	}
	grep -E 'number_of_executed_units|peak_rss' "found/$t.log"
done
exit $status
