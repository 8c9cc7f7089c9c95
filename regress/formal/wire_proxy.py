#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""wire_proxy.py directory name ca cert key target [name cert key target]...

Stands before servers with their own certificates and writes each HTTP
exchange in plaintext to the directory: NNN-name-request and -response.  Prints
the ports, one for each, then READY.
"""
import itertools
import os
import socket
import ssl
import sys
import threading

sys.path.insert(0, os.environ["WS_TOP"] + "/regress/system")
from attack import complete     # noqa: E402

count = itertools.count(1)


def read(sock):
    out = b""
    while not complete(out):
        data = sock.recv(1 << 16)
        if not data:
            return None
        out += data
    return out


def keep(path, data):
    with open(path + ".new", "wb") as f:
        f.write(data)
    os.rename(path + ".new", path)


def exchange(directory, name, client, server):
    while (request := read(client)) is not None:
        base = "%s/%03d-%s-" % (directory, next(count), name)
        keep(base + "request", request)
        server.sendall(request)
        if (response := read(server)) is None:
            return
        keep(base + "response", response)
        client.sendall(response)


def serve(listener, directory, name, ca, cert, key, target):
    mine = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    mine.load_cert_chain(cert, key)
    theirs = ssl.create_default_context(cafile=ca)

    def one(sock):
        try:
            with mine.wrap_socket(sock, server_side=True) as client, \
                    socket.create_connection(("127.0.0.1", target)) as raw, \
                    theirs.wrap_socket(raw, server_hostname=name) as server:
                exchange(directory, name, client, server)
        except (OSError, ssl.SSLError):
            pass        # who is connected notices

    while True:
        threading.Thread(target=one, args=(listener.accept()[0],), daemon=True).start()


def main(directory, ca, rest):
    for name, cert, key, target in zip(*[iter(rest)] * 4):
        listener = socket.create_server(("127.0.0.1", 0))
        print(listener.getsockname()[1], flush=True)
        threading.Thread(target=serve, args=(listener, directory, name, ca, cert, key,
                                             int(target))).start()
    print("READY", flush=True)


main(sys.argv[1], sys.argv[2], sys.argv[3:])
