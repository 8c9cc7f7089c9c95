#!/bin/sh
# SPDX-License-Identifier: ISC
# The manuals of plug-ins: the example of wsplugin(3) compiles against the
# header and has what a plug-in must have; wsplugin(3) names each function of
# the header; the numbers of messages in wsplug(8) are those of the code.
. "${WS_TOP:?}/regress/lib.sh"

page=$WS_TOP/man/wsplugin.3
awk '/^\.Sh EXAMPLES/ { on = 1 } /^\.Ed/ && on { exit }
    on && keep { gsub(/\\e/, "\\"); print } /^\.Bd -literal/ && on { keep = 1 }' \
    "$page" >small.c
ok "the example compiles" cc -std=c11 -Wall -Wextra -Werror \
    -I "$WS_TOP/wsplug" -shared -fPIC -o small.so small.c
like "$(nm -D small.so)" ' [DR] wsp_plugin$' "and is a plug-in"

for f in $(grep -o 'wsp_[a-z_]*(' "$WS_TOP/wsplug/wsplugin.h" | tr -d '(' |
    sort -u); do
	ok "$f is in wsplugin(3)" grep -q "^\.Fn $f " "$page"
	ok "and in wsplug" sh -c "nm -D '$WS_TOP/wsplug/wsplug' | grep -q ' T $f\$'"
done

# Comments hold names, too, but none before a comma of its own.
awk '/^enum imsg_type/ { on = 1; next } /^};/ { on = 0 }
    on && match($0, /^\tIMSG_[A-Z_]+/) {
	print substr($0, RSTART + 6, RLENGTH - 6), n++ }' \
    "$WS_TOP/lib/proto.h" >numbers
grep '^\.It [A-Z_]*, [0-9]' "$WS_TOP/man/wsplug.8" |
    sed 's/^\.It \([A-Z_]*\), \([0-9]*\).*/\1 \2/' >told
ok "wsplug(8) has messages" [ "$(wc -l <told)" -ge 9 ]
while read -r name number; do
	ok "$name is $number" grep -qx "$name $number" numbers
done <told
finish
