#!/bin/sh
# SPDX-License-Identifier: ISC
# make formal: every model here, by each prover that is installed; what is not
# is said.  Fails when a prover finds something else than is expected.
set -u
dir=$(cd "$(dirname "$0")" && pwd)
failed=0

if command -v eprover >/dev/null; then
	HORN_PROVER=eprover prove --exec "sh $dir/../run.sh" "$dir/horn.t" ||
	    failed=1
else
	echo "formal: eprover is not installed: attach.rules was not checked"
fi
if command -v coqc >/dev/null; then
	tmp=$(mktemp -d "${TMPDIR:-/tmp}/ws-coq.XXXXXXXX") || exit 1
	cp "$dir/attach.v" "$tmp/"
	if (cd "$tmp" && coqc -q attach.v >out 2>&1) &&
	    ! grep -v '^Closed under the global context$' "$tmp/out"; then
		echo "ok: attach.v, without axioms"
	else
		cat "$tmp/out"
		echo "FAIL: attach.v"
		failed=1
	fi
	rm -rf "$tmp"
else
	echo "formal: coqc is not installed: attach.v was not checked"
fi
sh "$dir/pv.sh" || failed=1
exit $failed
