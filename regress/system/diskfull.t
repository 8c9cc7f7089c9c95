#!/bin/sh
# SPDX-License-Identifier: ISC
# A disk that is full: the spool is on a small file system of its own, which
# needs root.  First it fills while mail comes; then the mailboxes alone have
# no room.  Nothing that was acknowledged is lost or comes twice, senders are
# told to come back, reading goes on, and with room again it all goes on.
. "${WS_TOP:?}/regress/lib.sh"

[ "$(id -u)" = 0 ] || skip_all "mounting takes root"
mkdir disk
mount -t tmpfs -o size=96m,mode=711 none "$T/disk" 2>/dev/null ||
    skip_all "no tmpfs may be mounted here"
trap 'umount -l "$T/disk" 2>/dev/null; t_clean' EXIT

inst_new capricorn 'queue retry min 1s max 2s jitter 0%' \
    'limit recipients-per-user 0'
sed "s,^spool .*,spool \"$T/disk/spool\"," capricorn/conf >conf.new
cat conf.new >capricorn/conf
inst_user capricorn alice
inst_user capricorn bob
inst_start capricorn
head -c 1000000 /dev/zero | tr '\0' 'x' >large
echo small >small
: >acknowledged

# send N FILE: noted when it is acknowledged
send() {
	if mail alice@capricorn send -i "full-$1-0123456789abcdef@capricorn.test" -s "n $1" \
	    bob@capricorn.test <"$2" >send.out 2>&1; then
		echo "$1" >>acknowledged
	else
		return 1
	fi
}
held() {	# the numbers in bob's mailbox
	mail bob@capricorn list -n 1000 | sed -n 's/.* n \([0-9]*\)$/\1/p' | sort
}
# To the last block: fallocate(1) takes nothing when it cannot have all.
fill() { ! dd if=/dev/zero of=disk/hog bs=4k 2>/dev/null; }
complete() { held >held.now && sort acknowledged | cmp -s - held.now; }

ok "with room mail is taken" send 0 small

# --- the disk of everything -------------------------------------------------
i=1
while send $i large && [ $i -lt 200 ]; do
	i=$((i + 1))
done
like "$(cat send.out)" 'later|try again|disk|space|full|temporar' \
    "a sender is told to come back ($i)"
[ $i -lt 200 ] || ok "the disk was ever full" false
fill
# What was left of the last block may take one or another still.
i=900
while send $i small && [ $i -lt 1000 ]; do
	i=$((i + 1))
done
ok "and then none, however small ($i)" [ $i -lt 1000 ]
ok "reading goes on" mail bob@capricorn list
ok "showing, too" sh -c "wsmail -f capricorn/bob.rc show 1 | grep -q small"
ok "wsctl answers" ctl capricorn show queue
ok "wsctl counts" ctl capricorn show stats
lines=$(grep -c 'No space\|space left' capricorn/log)
[ "$lines" -lt 200 ] || echo "# $lines lines in the log"
ok "the log is not flooded" [ "$lines" -lt 200 ]
rm -f disk/hog
# What was delivered meanwhile may have taken all there was: room is added, as
# an administrator would.
mount -o remount,size=192m "$T/disk"
ok "with room again mail is taken" wait_until 30 send 2001 small
ok "all that was acknowledged is there, once" wait_until 60 complete
is "$(held | uniq -d)" "" "nothing twice"
for p in queue local; do
	pid=$(inst_pid capricorn $p)
	ok "$p lives" kill -0 "$pid"
done

# --- what it says at its next start -----------------------------------------
fill
inst_stop capricorn || :
rm -f disk/hog
inst_start capricorn
ok "after a stop on a full disk all is there" complete
ok "and mail is taken" send 2002 small
ok "and delivered" wait_until 20 complete
ok "it ends in order" inst_stop capricorn
finish
