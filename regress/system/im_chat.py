#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Terminals with programs in them, typed at by a script on standard input:

    open NAME COLUMNS TERM COMMAND    start it
    type NAME TEXT                    keys; \\r and \\x1b as in Python
    see NAME TEXT                     wait until the screen has that row
    not NAME TEXT                     no row has that
    size NAME COLUMNS                 the window changes
    signal NAME SIGNAL                to the program and its children
    end NAME CODE                     wait until it exits

Rows are what a terminal that knows carriage return, backspace and line feed
would show; any escape sequence that the program sends is an error.  One line
"ok" or "not ok" each, for see, not and end.
"""
import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time

WAIT = 20


class Terminal:
    def __init__(self, columns, term, command):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ["TERM"] = term
            os.execvp("sh", ["sh", "-c", "exec " + command])
        self.size(columns)
        self.columns = columns
        self.rows, self.column, self.data = [""], 0, b""

    def size(self, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.columns = columns

    def read(self, seconds):
        """False: nothing came."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            return False
        self.data += data
        text = self.data.decode("utf-8", "ignore")
        if text.encode() != self.data:
            return True             # half a character
        self.data = b""
        for c in text:
            self.put(c)
        return True

    def put(self, c):
        if c == "\r":
            self.column = 0
        elif c == "\n":
            self.rows.append("")
            self.column = 0
        elif c == "\b":
            self.column = max(0, self.column - 1)
        elif c == "\x1b":
            raise SystemExit("an escape sequence")
        else:
            if self.column >= self.columns:
                self.rows.append("")
                self.column = 0
            row = self.rows[-1].ljust(self.column)
            self.rows[-1] = row[:self.column] + c + row[self.column + 1:]
            self.column += 1

    def has(self, text):
        return any(text in row for row in self.rows)

    def see(self, text):
        end = time.monotonic() + WAIT
        while not self.has(text):
            if time.monotonic() > end:
                return False
            self.read(0.2)
        return True

    def end(self, code):
        end = time.monotonic() + WAIT
        while time.monotonic() < end:
            self.read(0.1)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status) == code
        return False


def main():
    terms = {}
    for line in sys.stdin:
        word, _, rest = line.rstrip("\n").partition(" ")
        if not word or word.startswith("#"):
            continue
        name, _, rest = rest.partition(" ")
        if word == "open":
            columns, term, command = rest.split(" ", 2)
            terms[name] = Terminal(int(columns), term, command)
            continue
        t = terms[name]
        done = None
        if word == "type":
            os.write(t.fd, rest.encode().decode("unicode_escape")
                     .encode("latin-1"))
        elif word == "see":
            done = t.see(rest)
        elif word == "not":
            t.read(0)
            done = not t.has(rest)
        elif word == "size":
            t.size(int(rest))
        elif word == "signal":
            os.killpg(t.pid, getattr(signal, "SIG" + rest))
        elif word == "end":
            done = t.end(int(rest))
        else:
            raise SystemExit("what is %s" % word)
        if done is not None:
            print("%s %s" % ("ok" if done else "not ok", line.strip()), flush=True)
            if not done:
                for row in t.rows[-15:]:
                    print("# %s| %s" % (name, row), flush=True)


main()
