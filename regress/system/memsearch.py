#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""memsearch.py FILE PID...: looks for secrets in the memory of processes.

FILE has a line for each, a name and the octets in hex.  Each is looked for as
it stands, reversed (the limbs of a big number on a little-endian machine), in
base64 and in hex.  Prints "PID NAME FORM" for what is found.  A mapping that
cannot be read is an error: nothing may hide there.
"""
import base64
import sys


def forms(raw):
    yield "octets", raw
    yield "reversed", raw[::-1]
    yield "hex", raw.hex().encode()
    # In base64 the text depends on where in a group of three it begins: only
    # what all three share is looked for.
    for skip in range(3):
        text = base64.b64encode(b"\0" * skip + raw)
        yield "base64", text[(skip * 8 + 5) // 6:(skip + len(raw)) * 8 // 6]


def mappings(pid):
    with open("/proc/%s/maps" % pid) as maps:
        for line in maps:
            f = line.split()
            if "r" not in f[1] or f[-1] in ("[vvar]", "[vsyscall]",
                                            "[vvar_vclock]"):
                continue
            first, last = (int(x, 16) for x in f[0].split("-"))
            yield first, last


def search(pid, wanted):
    found = set()
    read = 0
    with open("/proc/%s/mem" % pid, "rb", 0) as mem:
        for first, last in mappings(pid):
            mem.seek(first)
            data = b""
            while len(data) < last - first:
                part = mem.read(min(last - first - len(data), 1 << 24))
                if not part:
                    raise OSError("%s: %x ends early" % (pid, first))
                data += part
            read += len(data)
            for name, form, octets in wanted:
                if octets in data:
                    found.add((name, form))
    if read == 0:
        raise OSError("%s: nothing was read" % pid)
    return sorted(found)


def main():
    wanted = []
    for line in open(sys.argv[1]):
        name, octets = line.split()
        raw = bytes.fromhex(octets)
        if len(raw) < 12:
            sys.exit("%s is too short to look for" % name)
        wanted += [(name, form, b) for form, b in forms(raw)]
    if not wanted:
        sys.exit("nothing to look for")
    for pid in sys.argv[2:]:
        for name, form in search(pid, wanted):
            print(pid, name, form)


main()
