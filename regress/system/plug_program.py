#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""A plug-in written from wsplug(8) alone: it refuses what its option says."""
import array
import os
import selectors
import socket
import struct

PEER, GO, LOG, STATS, SHUTDOWN = 3, 5, 6, 7, 8
PARENT_STATS, ABOUT, CALL, VERDICT = 10, 13, 48, 49
HEADER = struct.Struct("=IIQII")
FD, SPILL = 1, 2
CONTINUE, REFUSE = 1, 4


def string(s):
    s = s.encode()
    return struct.pack(">I", len(s)) + s


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        if self.at + n > len(self.data):
            raise ValueError("short")
        self.at += n
        return self.data[self.at - n:self.at]

    def u32(self):
        return struct.unpack(">I", self.take(4))[0]

    def octets(self):
        return self.take(self.u32())


class Channel:
    def __init__(self, fd):
        self.sock = socket.socket(fileno=fd)
        self.data, self.fds = b"", []

    def send(self, kind, number, payload):
        self.sock.sendall(HEADER.pack(kind, 0, number, len(payload), 0) + payload)

    def receive(self):
        data, anc, _, _ = self.sock.recvmsg(65536, socket.CMSG_SPACE(64))
        for level, kind, fds in anc:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                a = array.array("i")
                a.frombytes(fds[:len(fds) - len(fds) % a.itemsize])
                self.fds += a
        self.data += data
        return bool(data)

    def messages(self):
        while len(self.data) >= HEADER.size:
            kind, flags, number, length, _ = HEADER.unpack_from(self.data)
            inline = 0 if flags & SPILL else length
            if len(self.data) < HEADER.size + inline:
                return
            payload = self.data[HEADER.size:HEADER.size + inline]
            self.data = self.data[HEADER.size + inline:]
            fd = self.fds.pop(0) if flags & (FD | SPILL) else -1
            if flags & SPILL:
                payload = os.pread(fd, length, 0) if length else b""
                os.close(fd)
                fd = -1
            yield kind, number, payload, fd


def call(r):
    """interface, and the subject of a message."""
    interface = r.u32()
    for _ in range(3):
        r.u32()
    for _ in range(4):
        r.octets()
    r.octets(), r.octets()
    return interface, r.octets().decode()


def main():
    options = {}
    n = 0
    while "WSEMAIL_OPTION_%d" % n in os.environ:
        options[os.environ["WSEMAIL_OPTION_%d" % n]] = os.environ["WSEMAIL_VALUE_%d" % n]
        n += 1
    parent = Channel(3)
    sel = selectors.DefaultSelector()
    sel.register(parent.sock, selectors.EVENT_READ, parent)
    while True:
        for key, _ in sel.select():
            c = key.data
            if not c.receive():
                if c is parent:
                    return
                sel.unregister(c.sock)
                c.sock.close()
                continue
            for kind, number, payload, fd in c.messages():
                if kind == PEER:
                    peer = Channel(fd)
                    sel.register(peer.sock, selectors.EVENT_READ, peer)
                elif kind == GO:
                    # interfaces, version, hold, no extensions
                    parent.send(ABOUT, 0, struct.pack(">I", 2) + string("py") +
                                struct.pack(">II", 0, 0))
                elif kind == STATS:
                    parent.send(PARENT_STATS, number, b"")
                elif kind == SHUTDOWN:
                    return
                elif kind == CALL:
                    _, subject = call(Reader(payload))
                    if subject == "channel":
                        c.sock.sendall(b"\xff" * 100)
                        continue
                    if subject == "raw":
                        c.send(VERDICT, number, struct.pack(">II", REFUSE, 550) +
                               struct.pack(">I", 9) + b"\1\2\x1b[2J\xff\n." + struct.pack(">I", 0))
                        continue
                    if subject == "short":
                        c.send(VERDICT, number, struct.pack(">II", REFUSE, 550) + struct.pack(">I", 99) + b"x")
                        continue
                    refuse = subject == options.get("refuse")
                    c.send(VERDICT, number, struct.pack(
                        ">II", REFUSE if refuse else CONTINUE, 550 if refuse else 0) +
                        string("by a program" if refuse else "") + struct.pack(">I", 0))


main()
