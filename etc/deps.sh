#!/bin/sh
# SPDX-License-Identifier: ISC
# Installs what is missing of the list in ../packages.
#	deps.sh [1]	with 1, what make lint needs, too
set -eu
list=$(dirname "$0")/../packages
steps="build test"
[ "${1:-}" = "" ] || steps="$steps lint"

# $1: the column of the names
names() {
	awk -v col="$1" -v steps=" $steps " '!/^#/ && NF && $col != "-" &&
	    index(steps, " " $3 " ") { print $col }' "$list" | sort -u
}

missing=
case $(uname -s) in
OpenBSD)
	for p in $(names 2); do
		pkg_info -qe "$p-*" || missing="$missing $p"
	done
	install="pkg_add -I"
	;;
*)
	for p in $(names 1); do
		case $(dpkg-query -W -f '${Status}' "$p" 2>/dev/null) in
		*"ok installed") ;;
		*) missing="$missing $p" ;;
		esac
	done
	install="apt-get install -y -q --no-install-recommends"
	;;
esac
[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ]; then
	echo "packages are missing; as root, run" >&2
	echo "	$install$missing" >&2
	exit 1
fi
echo "installing:$missing"
case $install in
apt-get*)
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -q >/dev/null
	;;
esac
log=$(mktemp)
$install $missing >"$log" 2>&1 || {
	tail -n 20 "$log" >&2
	rm -f "$log"
	exit 1
}
rm -f "$log"
