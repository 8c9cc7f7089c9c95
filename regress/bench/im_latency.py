#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Two `wsmail im` in pipes: from a line's writing to its being shown.

    im_latency.py COUNT SENDER-COMMAND -- RECEIVER-COMMAND
"""
import json
import subprocess
import sys
import time

from bench import figures, report


def main():
    count = int(sys.argv[1])
    split = sys.argv.index("--")
    run = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "bufsize": 1}
    rx = subprocess.Popen(sys.argv[split + 1:], **run)
    tx = subprocess.Popen(sys.argv[2:split], **run)
    for p in (rx, tx):
        while "here as" not in p.stdout.readline():
            pass
    took = []
    for i in range(count + 10):
        text = "message %d" % i
        begun = time.monotonic()
        tx.stdin.write(text + "\n")
        while json.loads(rx.stdout.readline()).get("text") != text:
            pass
        if i >= 10:     # warm
            took.append((time.monotonic() - begun) * 1000)
    for p in (tx, rx):
        p.stdin.close()
        p.wait()
    report("im-latency", {"typed to shown": figures(took)})


main()
