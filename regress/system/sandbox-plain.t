#!/bin/sh
# SPDX-License-Identifier: ISC
# sandbox.t as a user who is not root, where the suite is root's.
. "${WS_TOP:?}/regress/lib.sh"

[ "$(id -u)" = 0 ] || skip_all "sandbox.t is run without root as it is"
mkdir plain
chown nobody plain
cd plain || exit 1
exec setpriv --reuid=nobody --regid="$(id -g nobody)" --clear-groups \
    env HOME="$PWD" sh "$WS_TOP/regress/system/sandbox.t"
