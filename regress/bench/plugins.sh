#!/bin/sh
# SPDX-License-Identifier: ISC
# What a plug-in costs mail that passes it by, also while it hangs.
. "${WS_TOP:?}/regress/lib.sh"

inst_new capricorn "plugin beside {
	object \"$WS_TOP/regress/system/plug_echo.so\"
	for carol@capricorn.test
	grant bodies
	timeout 1s
}" "plugin through {
	object \"$WS_TOP/regress/system/plug_echo.so\"
	for bob@capricorn.test
	grant bodies
}"
for u in alice bob carol; do
	inst_user capricorn $u password
done
inst_start capricorn
up() { [ "$(ctl capricorn show plugins | grep -c ' up ')" = 2 ]; }
wait_until 10 up || exit 1
/usr/bin/python3 "$WS_TOP/regress/bench/plugins.py" ca/ca.crt \
    "capricorn.test:$PORT_capricorn" capricorn/c.sock "${ROUNDS:-8}" \
    "${N:-50}" || exit 1
echo "the plug-in that hangs: $(grep -c \
    'plug-in beside did not answer in time, says .*: killed' capricorn/log) times ended," \
    "$(grep -c 'plug-in beside: .*out of service' capricorn/log) times out of service"
