#!/bin/sh
# SPDX-License-Identifier: ISC
# xmlsec1(1), which shares no code with us, verifies a message's signature
# when the two are put beside each other; and refuses a changed message.
here=$(cd "$(dirname "$0")" && pwd)
tool=${UNIT:-$here/../unit}/test_wss.t
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT

if ! command -v xmlsec1 >/dev/null; then
	echo "1..0 # SKIP no xmlsec1"
	exit 0
fi
if ! "$tool" -w "$dir"; then
	echo "Bail out! $tool -w"
	exit 1
fi

# Exit status of xmlsec1; its words in $dir/out.
verify() {
	xmlsec1 --verify --trusted-pem "$dir/ca.pem" \
	    --enabled-key-data x509 --verification-time "$when" \
	    --id-attr:Id http://securitylab.cis.upenn.edu/WSEmail:theMessage \
	    "$1" >"$dir/out" 2>&1
}

when=$(date '+%Y-%m-%d %H:%M:%S')
if verify "$dir/pair.xml"; then
	echo "ok 1 - xmlsec1 verifies the signature"
else
	sed 's/^/# /' "$dir/out"
	echo "not ok 1 - xmlsec1 verifies the signature"
	bad=1
fi
sed 's/papers/paper/' "$dir/pair.xml" >"$dir/changed.xml"
if cmp -s "$dir/pair.xml" "$dir/changed.xml" || verify "$dir/changed.xml"; then
	echo "not ok 2 - and not of a changed message"
	bad=1
else
	echo "ok 2 - and not of a changed message"
fi
echo 1..2
exit ${bad:-0}
