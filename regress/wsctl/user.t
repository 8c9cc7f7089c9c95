#!/bin/sh
# SPDX-License-Identifier: ISC
# wsctl user: the table without a daemon, by -u and by -f.
. "${WS_TOP:?}/regress/lib.sh"

code() {
	t_code=0
	"$@" >out 2>&1 || t_code=$?
	echo "$t_code"
}
add() {
	printf '%s\n' "$1" | wsctl -u users user add -p - "$2"
}

ok 'add makes the table' add secret Alice@A.test
is "$(stat -c %a users 2>/dev/null || stat -f %Lp users)" 600 'mode 600'
like "$(cat users)" '^alice@a\.test:-:-:\$scrypt\$ln=15,r=8,p=1\$.*:pbkdf2-sha256\$600000\$' \
    'slow hash and derived key, the name in lower case'
not_ok 'the password is nowhere' grep -q secret users
is "$(code add other alice@a.test)" 65 'not twice'
is "$(code add '' bob@a.test)" 65 'not an empty password'
is "$(code wsctl -u users user add -p - bob@a.test </dev/null)" 66 'or none'
is "$(code wsctl -u users user add -p secret bob@a.test)" 64 \
    'and never on the command line'
is "$(code wsctl -u users user add bob@a.test </dev/null)" 66 \
    'no terminal to ask'
is "$(code add secret 'bob')" 64 'an address is asked for'
is "$(code add secret 'b ob@a.test')" 64 'a right one'
is "$(code add secret '#bob@a.test')" 64 'whose line is no comment'
ok 'a second user' add secret bob@a.test
is "$(wsctl -u users user list)" 'name          state    quota
alice@a.test  enabled  default
bob@a.test    enabled  default' 'list'

before=$(grep alice users)
ok 'passwd' sh -c 'echo new | wsctl -u users user passwd -p - alice@a.test'
[ "$before" != "$(grep alice users)" ]
t_result $? 'changes the verifiers'
is "$(code wsctl -u users user passwd -p - carol@a.test </dev/null)" 67 \
    'of a user who is there'
ok 'quota' wsctl -u users user quota -q 2M bob@a.test
ok 'disable' wsctl -u users user disable bob@a.test
is "$(wsctl -u users -o json user list | grep bob)" \
    '{"kind":"user","name":"bob@a.test","state":"disabled","quota":2097152}' \
    'both are seen'
for q in 1X -1 '' 99999999999999999999 9999999T; do
	is "$(code wsctl -u users user quota -q "$q" bob@a.test)" 64 \
	    "not a quota: $q"
done
ok 'enable' wsctl -u users user enable bob@a.test
ok 'the default quota' wsctl -u users user quota -q default bob@a.test
like "$(wsctl -u users user list)" '^bob@a.test +enabled  default' 'again'
ok 'remove' wsctl -u users user remove bob@a.test
not_ok 'it is gone' grep -q bob users
is "$(code wsctl -u users user remove bob@a.test)" 67 'only once'
is "$(code wsctl -u nowhere user list)" 66 'no table'
is "$(code wsctl -u nodir/users user add -p - a@a.test)" 73 'no directory'
is "$(code wsctl user bogus)" 64 'no such word'

is "$(code wsctl -u users user passwd -p - -q 5M alice@a.test </dev/null)" 64 \
    'an option that the word has no use for'
is "$(code wsctl -u users user list -q 5M)" 64 'nor this one'
is "$(wsctl -u users user list >&- 2>err; echo $?)" 74 'no standard output'
if [ "$(id -u)" = 0 ]; then
	chown nobody users
	ok 'root changes the table of another user' \
	    wsctl -u users user quota -q 2M alice@a.test
	is "$(ls -l users | awk '{ print $3 }')" nobody "which stays that user's"
	chown root users
fi

# A table that somebody broke is not overwritten.
cp users good
echo 'not a line' >>users
cp users bad
is "$(code add secret carol@a.test)" 65 'a broken table is refused'
like "$(cat out)" 'users: line [0-9]+:' 'with its line'
ok 'and stays as it is' cmp users bad
cp good users

# Many at once: the lock makes them wait for each other.
for i in 1 2 3 4 5 6; do
	printf 'secret\n' | wsctl -u users user add -p - "u$i@a.test" \
	    >/dev/null 2>&1 &
done
wait
is "$(grep -c '^u[1-6]@a.test' users)" 6 'none is lost among six at once'

# By the configuration, which says what domains there are.
inst_new a
ok 'by -f' sh -c "echo secret | wsctl -f a/conf user add -p - alice@a.test"
is "$(code sh -c 'echo secret | wsctl -f a/conf user add -p - x@b.test')" 65 \
    'not for a domain that is not hosted'
ok 'the table is where it says' grep -q '^alice@a.test' a/users
is "$(code wsctl -f nowhere user list)" 78 'no configuration'
cp a/conf secret.conf
chmod 000 secret.conf
as_other=
if [ "$(id -u)" = 0 ]; then
	as_other="setpriv --reuid=nobody --clear-groups"
fi
is "$(code $as_other wsctl -f secret.conf user list)" 77 \
    'a configuration that is not to be read'
is "$(code $as_other wsctl -f secret.conf show stats)" 77 'nor for a socket'

finish
