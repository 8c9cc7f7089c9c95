#!/bin/sh
# SPDX-License-Identifier: ISC
# make lint: what CI asks of sources, scripts and manuals.  Works in a copy of
# the tree, so that nothing here is built or changed.  All is tried; the exit
# status tells whether all was clean.
set -u
top=$(cd "$(dirname "$0")/.." && pwd)
dir=$(mktemp -d "${TMPDIR:-/tmp}/ws-lint.XXXXXXXX") || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM
failed=0

say() {
	echo "lint: $*"
}

# What a tool has to complain about is in $dir/out.
complain() {
	say "$1"
	sed 's/^/	/' "$dir/out"
	failed=1
}

need() {
	command -v "$1" >/dev/null 2>&1 && return 0
	say "$1 is missing (make deps CI=1)"
	failed=1
	return 1
}

# What git tracks or would track; without git, everything.
copy_tree() {
	mkdir "$dir/tree"
	cd "$top" || exit 1
	if git rev-parse --git-dir >/dev/null 2>&1; then
		git ls-files -co --exclude-standard | while read -r f; do
			[ -f "$f" ] && printf '%s\n' "$f"
		done | tar -cf - -T - | tar -C "$dir/tree" -xf -
	else
		tar -cf - . | tar -C "$dir/tree" -xf -
		(cd "$dir/tree" && make clean >/dev/null 2>&1)
	fi
	cd "$dir/tree" || exit 1
}

# Both compilers, no warnings; each header alone.
lint_compilers() {
	for cc in gcc clang; do
		need $cc || continue
		say "$cc -Werror"
		make -j 2 CC=$cc WERROR=-Werror all regress/unit \
		    >"$dir/out" 2>&1 || {
			grep -E ' error:| warning:|\*\*\*|undefined' "$dir/out" \
			    >"$dir/out2"
			mv "$dir/out2" "$dir/out"
			complain "$cc finds"
		}
	done
}

flags() {
	printf 'include Makefile.inc\nprint-flags:\n\t@printf "%%s\\n" "$(PKG_CFLAGS)"\n' |
	    make -s -f - print-flags
}

lint_headers() {
	need gcc || return 0
	say "each header compiles alone, after compat.h"
	for h in lib/*.h wsmtpd/*.h wsqueue/*.h wslocal/*.h wsctl/*.h \
	    wsmail/*.h regress/unit/*.h regress/fuzz/*.h regress/system/*.h; do
		[ -f "$h" ] || continue
		printf '#include "compat.h"\n#include "%s"\n#include "%s"\n' \
		    "$(basename "$h")" "$(basename "$h")" >"$dir/h.c"
		gcc -std=gnu11 -Wall -Wextra -Werror -fsyntax-only \
		    -iquote "$(dirname "$h")" -iquote lib $cflags "$dir/h.c" \
		    >"$dir/out" 2>&1 || complain "$h"
	done
}

lint_cppcheck() {
	need cppcheck || return 0
	say "cppcheck"
	queue=
	for f in /usr/include/bsd/sys/queue.h /usr/include/bsd/sys/tree.h; do
		[ -f $f ] && queue="$queue --include=$f"
	done
	cppcheck -q -j 2 --std=c11 --enable=warning,portability,performance \
	    --inline-suppr --error-exitcode=1 -D__linux__ -U__OpenBSD__ -D__dead=_Noreturn \
	    --suppress=missingInclude --suppress=unknownMacro \
	    --suppress=nullPointerRedundantCheck $queue \
	    -Ilib -Iwsmtpd -Iwsqueue -Iwslocal -Iwsctl -Iwsmail \
	    -i wsmtpd/parse.c -i wsmtpd/wsdl_data.c \
    lib wsmtpd wsqueue wslocal wsctl wsmail >"$dir/out" 2>&1 ||
	    complain "cppcheck finds"
}

# The checks that find bugs, not those of taste.  Left out are those that do
# not understand the lists of queue(3) or va_list across functions.
tidy_checks='-*,clang-analyzer-*,bugprone-*
,-clang-analyzer-security.insecureAPI.DeprecatedOrUnsafeBufferHandling
,-clang-analyzer-unix.Malloc
,-clang-analyzer-valist.*
,-clang-analyzer-optin.performance.Padding
,-bugprone-assignment-in-if-condition
,-bugprone-branch-clone
,-bugprone-easily-swappable-parameters
,-bugprone-implicit-widening-of-multiplication-result
,-bugprone-macro-parentheses
,-bugprone-narrowing-conversions
,-bugprone-not-null-terminated-result
,-bugprone-reserved-identifier
,-bugprone-sizeof-expression
,-bugprone-suspicious-include'
lint_tidy() {
	need clang-tidy || return 0
	say "clang-tidy"
	ls lib/*.c wsmtpd/*.c wsqueue/*.c wslocal/*.c wsctl/*.c wsmail/*.c |
	    grep -v 'wsmtpd/parse.c\|wsdl_data.c' |
	    xargs -P 2 -n 8 sh -c 'clang-tidy --quiet --checks="$0" \
	    --warnings-as-errors="*" "$@" -- -std=gnu11 -iquote lib \
	    -iquote wsmtpd -iquote wsqueue -iquote wslocal -iquote wsctl \
	    -iquote wsmail -iquote wsplug $cflags' "$tidy_checks" >"$dir/out" 2>/dev/null ||
	    complain "clang-tidy finds"
}

# Every page renders, and names of our own pages lead somewhere.
lint_manuals() {
	need mandoc || return 0
	say "manuals"
	for m in man/*.[0-9]; do
		mandoc -T lint -W style "$m" 2>&1 |
		    grep -v 'referenced manual not found\|mandoc.db lacks' \
		    >"$dir/out"
		[ ! -s "$dir/out" ] || complain "$m"
		sed -n 's/^\.Xr \(ws[a-z.-]*\) \([0-9]\).*/\1.\2/p' "$m" |
		    sort -u | while read -r x; do
			[ -f "man/$x" ] || echo "names $x, which is not there"
		done >"$dir/out"
		[ ! -s "$dir/out" ] || complain "$m"
	done
}

lint_scripts() {
	say "scripts"
	for s in $(find etc regress -name '*.sh' -o -name '*.t' -type f); do
		if [ "$(head -c 2 "$s")" = '#!' ]; then
			head -n 1 "$s" | grep -q '/sh$' || continue
		fi
		sh -n "$s" >"$dir/out" 2>&1 || complain "$s"
	done
	for s in $(find regress -name '*.py'); do
		python3 -c 'import ast, sys
ast.parse(open(sys.argv[1]).read())' "$s" >"$dir/out" 2>&1 || complain "$s"
	done
}

# House rules that a machine can see.
lint_house() {
	say "house rules"
	find lib wsmtpd wsqueue wslocal wsctl wsmail regress/unit regress/fuzz \
	    -name '*.[chy]' ! -name parse.c ! -name wsdl_data.c |
	    sort >"$dir/files"
	while read -r f; do
		head -n 1 "$f" | grep -q 'SPDX-License-Identifier: ISC' ||
		    echo "$f: no licence in its first line"
		case $f in
		*.c)	grep -m 1 '^#include' "$f" | grep -q '"compat.h"' ||
			    echo "$f: includes something before compat.h"
			;;
		esac
	done <"$dir/files" >"$dir/out"
	[ ! -s "$dir/out" ] || complain "licence and first include"
	xargs grep -nE '\b(strcpy|strcat|sprintf|atoi|atol|gets|strtok|system|popen)[[:space:]]*\(' \
	    <"$dir/files" | grep -v '^[^:]*:[0-9]*: \*\|/\*' >"$dir/out"
	[ ! -s "$dir/out" ] || complain "functions that are not used here"
	xargs grep -nE '\b(TODO|FIXME|XXX)\b' <"$dir/files" >"$dir/out"
	[ ! -s "$dir/out" ] || complain "unfinished"
	xargs grep -nE '[[:space:]]+$' <"$dir/files" >"$dir/out"
	[ ! -s "$dir/out" ] || complain "blanks at the end of a line"
	# No bit of XML, TLS or data base where it has no business.
	grep -lE '#include <libxml|"xml.h"|"wss.h"' wsmtpd/frontend* \
	    wsmtpd/fe_* wsmtpd/keys* wsmtpd/relay* wsmtpd/control* wsqueue/* \
	    wslocal/* >"$dir/out" 2>/dev/null
	[ ! -s "$dir/out" ] || complain "XML outside of soap"
	grep -rlE '#include <db\.h>|\bDBT\b|\bDB_ENV\b' lib wsmtpd wsqueue \
	    wslocal wsctl wsmail --include='*.[ch]' |
	    grep -v 'lib/store_bdb.c' >"$dir/out"
	[ ! -s "$dir/out" ] || complain "Berkeley DB outside of store_bdb.c"
}

copy_tree
cflags=$(flags)
export cflags
lint_house
lint_scripts
lint_manuals
lint_headers
lint_compilers
lint_cppcheck
lint_tidy
[ $failed = 0 ] && say "clean"
exit $failed
