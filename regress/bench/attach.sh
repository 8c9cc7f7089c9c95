#!/bin/sh
# SPDX-License-Identifier: ISC
# Attachments on demand: a file of MB megabytes goes up and is fetched by
# another domain's user, several times, and beside it as a plain download over
# TLS of the same file from the same machine.  The memory of the processes
# before and after tells whether any of them holds the file.
. "${WS_TOP:?}/regress/lib.sh"

inst_new capricorn
inst_new scorpio
inst_user capricorn alice
inst_user scorpio bob
echo "route \"capricorn.test\" to \"127.0.0.1\" port $PORT_capricorn" >>scorpio/conf
echo "route \"scorpio.test\" to \"127.0.0.1\" port $PORT_scorpio" >>capricorn/conf
inst_start capricorn scorpio
pids=
for p in attach soap frontend queue; do
	pids="$pids $p:$(inst_pid capricorn $p)"
done
HOME=$T PORT=$PORT_capricorn /usr/bin/python3 \
    "$WS_TOP/regress/bench/attach.py" "${MB:-200}" "${N:-5}" \
    "$(free_port)" "$pids" || exit 1
