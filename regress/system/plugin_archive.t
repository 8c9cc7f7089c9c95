#!/bin/sh
# SPDX-License-Identifier: ISC
# wsplugin-archive(8): each message once, with its blind recipients and its
# own text; none of the archive's own; without room, mail that waits.
. "${WS_TOP:?}/regress/lib.sh"

inst_new scorpio
inst_new capricorn "queue retry min 1s max 1s jitter 0%" "plugin archive {
	object \"$WS_TOP/plugins/archive.so\"
	grant bodies
	grant send archiver@capricorn.test
	option from archiver@capricorn.test
	option to keeper@capricorn.test
	option required yes
}"
echo "route \"scorpio.test\" to 127.0.0.1 port $PORT_scorpio" >>capricorn/conf
echo "route \"capricorn.test\" to 127.0.0.1 port $PORT_capricorn" >>scorpio/conf
for u in alice bob keeper; do
	inst_user capricorn $u
done
inst_user scorpio carol
inst_start capricorn scorpio
up() { ctl capricorn show plugins | grep -q "archive *up"; }
ok "it is up" wait_until 10 up
settled() {
	[ "$(ctl capricorn -o json show queue | grep -c '"id"')" = 0 ] &&
	    [ "$(ctl scorpio -o json show queue | grep -c '"id"')" = 0 ]
}
count() { mail keeper@capricorn list -n 200 | grep -c "Archive: $1\$"; }

echo "a secret" | mail alice@capricorn send -s one -b bob@capricorn.test \
    carol@scorpio.test >/dev/null
ok "settled" wait_until 20 settled
is "$(count one)" 1 "a user's message is copied once"
n=$(mail keeper@capricorn list | awk '/Archive: one/ { print $1 }')
like "$(mail keeper@capricorn show "$n")" '^    bob@capricorn.test' \
    "with whom nobody sees"
ok "saved" mail keeper@capricorn save "$n" copy.xml
ok "with the message itself" grep -q 'a secret' copy.xml
echo x | mail carol@scorpio send -s two alice@capricorn.test \
    bob@capricorn.test >/dev/null
ok "settled" wait_until 20 settled
is "$(count two)" 1 "a stranger's message for two is copied once"
is "$(mail keeper@capricorn list | grep -c 'Archive: Archive')" 0 \
    "no copy of a copy"
is "$(mail alice@capricorn list | grep -c two)$(mail bob@capricorn list |
    grep -c two)" 11 "and both have it"

# Copies cannot be queued: with required, no mail without one.
ok "no keeper" wsctl -f capricorn/conf user remove keeper@capricorn.test
not_ok "a message without a copy waits" mail alice@capricorn send -s three \
    bob@capricorn.test
ok "the log says why" grep -q 'is not archived' capricorn/log
inst_user capricorn keeper
ok "with a keeper it goes" mail alice@capricorn send -s four bob@capricorn.test
ok "settled" wait_until 20 settled
is "$(count four)" 1 "and is copied"
ok "it ends in order" inst_stop capricorn scorpio
finish
