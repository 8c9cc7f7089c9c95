#!/bin/sh
# SPDX-License-Identifier: ISC
# Secrets are where they belong: signing keys and verifiers in keys alone, the
# TLS key in the front end, too.  Everybody else's memory is searched, after
# logins of each kind, mail both ways, a reload and a restart of keys.
# Needs root: the processes are not to be looked at by their own user.
. "${WS_TOP:?}/regress/lib.sh"

[ "$(id -u)" = 0 ] || skip_all "needs root"
! ldd "$WS_TOP/wsmtpd/wsmtpd" | grep -q libasan ||
    skip_all "the memory of a sanitized program is too large to search"
[ -r /proc/self/mem ] || skip_all "no memory of processes in /proc"
/usr/bin/python3 -c 'import cryptography' 2>/dev/null ||
    skip_all "python3 with cryptography is missing"

private() {
	/usr/bin/python3 -c '
import sys
from cryptography.hazmat.primitives.serialization import load_pem_private_key
pem = open(sys.argv[2], "rb").read()
n = load_pem_private_key(pem, None).private_numbers()
v = n.private_value if hasattr(n, "private_value") else n.p
print(sys.argv[1], v.to_bytes((v.bit_length() + 7) // 8, "big").hex())
print(sys.argv[1] + "-file", pem.splitlines()[1].hex())' "$1" "$2"
}
verifier() {
	/usr/bin/python3 -c '
import base64, sys
f = [l for l in open(sys.argv[2]) if l.startswith(sys.argv[1] + "@")][0]
f = f.strip().split(":")
print("text-verifier", base64.b64decode(f[3].split("$")[-1] + "==").hex())
print("mac-key", base64.b64decode(f[4].split("$")[-1] + "==").hex())' "$1" "$2"
}
search() { /usr/bin/python3 "$WS_TOP/regress/system/memsearch.py" "$@"; }

# found NAME PROCESS WANTED...: their names in the memory of that process
found() {
	t_file=$1
	shift
	search "$t_file" "$@" | cut -d ' ' -f 2 | sed 's/-file$//' | sort -u |
	    tr '\n' ' '
}

# Every process of the installation, and what it may have.
look() {
	for p in parent control frontend soap relay queue local attach; do
		t_pids=$(ctl capricorn -o json show processes |
		    tr -d ' \n' | tr '{' '\n' |
		    sed -n "s/.*\"process\":\"$p\".*\"pid\":\([0-9]*\).*/\1/p")
		[ "$p" != parent ] || t_pids=$t_pid_capricorn
		# shellcheck disable=SC2086
		is "$(found signing $t_pids)" "" "$1: no signing key, no verifier in $p"
		[ "$p" = frontend ] ||
		    is "$(found tls $t_pids)" "" "$1: no TLS key in $p"
	done
}

inst_new capricorn
inst_new scorpio 'queue retry min 1s max 2s jitter 0%'
echo "route \"scorpio.test\" to 127.0.0.1 port $PORT_scorpio" >>capricorn/conf
echo "route \"capricorn.test\" to 127.0.0.1 port $PORT_capricorn" >>scorpio/conf
inst_user capricorn alice
inst_user capricorn anna password
inst_user scorpio bob
inst_start capricorn scorpio
{
	private signing-key capricorn/capricorn.test.key
	verifier alice capricorn/users
} >signing
private tls-key capricorn/capricorn.test-tls.key >tls

echo hello >text
ok "alice sends" mail alice@capricorn send -s one bob@scorpio.test anna@capricorn.test <text
ok "bob has it" mail bob@scorpio wait -e -t 30
ok "anna, who logs in by password, too" mail anna@capricorn wait -e -t 30
ok "bob answers" mail bob@scorpio send -s two alice@capricorn.test <text
ok "alice has it" mail alice@capricorn wait -e -t 30
is "$(found signing "$(inst_pid capricorn keys)")" "mac-key signing-key text-verifier " \
    "keys has them, so that the search can find"
is "$(found tls "$(inst_pid capricorn frontend)")" "tls-key " "the front end has its own"
is "$(found tls "$(inst_pid capricorn keys)")" "" "which keys has not"
look "at work"
ok "reload" ctl capricorn reload
ok "alice sends" mail alice@capricorn send -s three anna@capricorn.test <text
look "after a reload"
old=$(inst_pid capricorn keys)
kill -9 "$old"
new_keys() { new=$(inst_pid capricorn keys) && [ -n "$new" ] && [ "$new" != "$old" ]; }
ok "keys is started again" wait_until 20 new_keys
ok "and has its keys" wait_until 20 mail alice@capricorn send -s four anna@capricorn.test <text
look "after a restart of keys"
finish
