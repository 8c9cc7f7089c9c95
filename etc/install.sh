#!/bin/sh
# SPDX-License-Identifier: ISC
# install.sh install|uninstall: called by make, which sets the directories.
# Users and the spool are made only where it is root and without DESTDIR; a
# package's scripts call etc/users.sh themselves.  What is there of
# configuration, keys and mail is never touched, nor removed.
set -eu
cd "$(dirname "$0")/.."
: "${DESTDIR=}" "${BINDIR:?}" "${SBINDIR:?}" "${LIBEXECDIR:?}" "${MANDIR:?}"
: "${DATADIR:?}" "${SYSCONFDIR:?}" "${UNITDIR:?}" "${SPOOLDIR:?}" "${RUNDIR:?}"
: "${CHILDREN:?}" "${MAN:?}" "${INCDIR:?}"

# $1 mode, $2 file, $3 directory
put() {
	install -d -m 755 "$DESTDIR$3"
	install -m "$1" "$2" "$DESTDIR$3/"
}

# The paths that were chosen, in texts that name the usual ones.
fill() {
	sed -e "s,/usr/local/sbin/,$SBINDIR/,g" \
	    -e "s,/etc/wsmtpd\.conf,$SYSCONFDIR/wsmtpd.conf,g" \
	    -e "s,/etc/wsemail,$SYSCONFDIR/wsemail,g" \
	    -e "s,/var/spool/wsemail,$SPOOLDIR,g" "$1"
}

# $1 text, $2 mode, $3 where
put_filled() {
	install -d -m 755 "$DESTDIR$(dirname "$3")"
	fill "$1" >"$DESTDIR$3.new"
	chmod "$2" "$DESTDIR$3.new"
	mv "$DESTDIR$3.new" "$DESTDIR$3"
}

do_install() {
	put 755 wsmtpd/wsmtpd "$SBINDIR"
	put 755 wsctl/wsctl "$SBINDIR"
	put 755 wsmail/wsmail "$BINDIR"
	for f in $CHILDREN; do
		put 755 "$f" "$LIBEXECDIR"
	done
	for f in $MAN; do
		[ ! -f "$f" ] || put 644 "$f" "$MANDIR/man${f##*.}"
	done
	put 644 wsplug/wsplugin.h "$INCDIR"
	for f in plugins/*.so; do
		put 755 "$f" "$LIBEXECDIR/plugins"
	done
	put 644 etc/wsemail.wsdl "$DATADIR"
	put_filled etc/wsmtpd.conf 644 "$DATADIR/wsmtpd.conf"
	case $(uname -s) in
	OpenBSD) put_filled etc/wsmtpd.rc 555 "$SYSCONFDIR/rc.d/wsmtpd" ;;
	*)	put_filled etc/wsmtpd.service 644 "$UNITDIR/wsmtpd.service" ;;
	esac
	install -d -m 755 "$DESTDIR$SYSCONFDIR"
	install -d -m 700 "$DESTDIR$SYSCONFDIR/wsemail"
	[ -e "$DESTDIR$SYSCONFDIR/wsmtpd.conf" ] ||
	    put_filled etc/wsmtpd.conf 600 "$SYSCONFDIR/wsmtpd.conf"
	[ "$(id -u)" = 0 ] && [ -z "$DESTDIR" ] || return 0
	sh etc/users.sh add
	install -d -m 711 -o root -g root "$SPOOLDIR" 2>/dev/null ||
	    install -d -m 711 -o root -g wheel "$SPOOLDIR"
	install -d -m 755 "$SPOOLDIR/empty"
	for p in queue local attach; do
		install -d -m 700 -o "_ws$p" -g "_ws$p" "$SPOOLDIR/$p"
	done
}

do_uninstall() {
	rm -f "$DESTDIR$SBINDIR/wsmtpd" "$DESTDIR$SBINDIR/wsctl" \
	    "$DESTDIR$BINDIR/wsmail" "$DESTDIR$UNITDIR/wsmtpd.service" \
	    "$DESTDIR$SYSCONFDIR/rc.d/wsmtpd" "$DESTDIR$DATADIR/wsemail.wsdl" \
	    "$DESTDIR$DATADIR/wsmtpd.conf" "$DESTDIR$INCDIR/wsplugin.h"
	for f in $CHILDREN; do
		rm -f "$DESTDIR$LIBEXECDIR/${f##*/}"
	done
	for f in plugins/*.c; do
		f=${f##*/}
		rm -f "$DESTDIR$LIBEXECDIR/plugins/${f%.c}.so"
	done
	for f in $MAN; do
		rm -f "$DESTDIR$MANDIR/man${f##*.}/${f##*/}"
	done
	rmdir "$DESTDIR$LIBEXECDIR/plugins" "$DESTDIR$LIBEXECDIR" "$DESTDIR$DATADIR" 2>/dev/null || :
	if [ "$(id -u)" = 0 ] && [ -z "$DESTDIR" ] && [ ! -d "$SPOOLDIR" ]
	then
		sh etc/users.sh remove
	fi
	for d in "$SYSCONFDIR/wsmtpd.conf" "$SYSCONFDIR/wsemail" "$SPOOLDIR"; do
		[ ! -e "$DESTDIR$d" ] || echo "left in place: $DESTDIR$d"
	done
}

case ${1-} in
install)   do_install ;;
uninstall) do_uninstall ;;
*)	echo "usage: $0 install|uninstall" >&2; exit 64 ;;
esac
