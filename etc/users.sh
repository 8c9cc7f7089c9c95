#!/bin/sh
# SPDX-License-Identifier: ISC
# The service's users, one for each process, made or removed (as root).
#	users.sh add|remove
set -eu
users="_wscontrol _wsfrontend _wssoap _wskeys _wsrelay _wsqueue _wslocal \
    _wsattach"
for u in $users; do
	case $1 in
	add)
		id "$u" >/dev/null 2>&1 && continue
		if [ "$(uname -s)" = OpenBSD ]; then
			useradd -d /var/empty -s /sbin/nologin -L daemon "$u"
		else
			useradd -r -M -d /nonexistent -s /usr/sbin/nologin -U "$u"
		fi
		;;
	remove)
		id "$u" >/dev/null 2>&1 || continue
		userdel "$u"
		;;
	esac
done
