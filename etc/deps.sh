#!/bin/sh
# SPDX-License-Identifier: ISC
# Installs what is missing of the list in ../packages.
set -eu
list=$(dirname "$0")/../packages
case $(uname -s) in
OpenBSD)
	need=$(awk '!/^#/ && NF && $2 != "-" { print $2 }' "$list" | sort -u)
	missing=
	for p in $need; do
		pkg_info -qe "$p-*" || missing="$missing $p"
	done
	install="pkg_add -I"
	;;
*)
	need=$(awk '!/^#/ && NF { print $1 }' "$list")
	missing=
	for p in $need; do
		dpkg-query -W -f '${Status}' "$p" 2>/dev/null |
		    grep -q 'ok installed' || missing="$missing $p"
	done
	install="apt-get install -y -q --no-install-recommends"
	;;
esac
[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ]; then
	echo "missing packages:$missing" >&2
	echo "as root: $install$missing" >&2
	exit 1
fi
case $install in
apt-get*)
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -q >/dev/null
	;;
esac
echo "installing:$missing"
$install $missing >/dev/null
