#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""wire_check.py map directory ca name:port...

What wire_proxy.py has captured, against the table of what the models sign:
each element is there, is covered by the signature that is named, whose digest
is right; a request in which it is changed is refused by the server for its
signature, and in an answer the digest is wrong then.  A line "ok" or "not ok"
for each.
"""
import base64
import copy
import glob
import hashlib
import os
import re
import sys

from lxml import etree

sys.path.insert(0, os.environ["WS_TOP"] + "/regress/system")
from attack import DS, S11, Server, c14n     # noqa: E402

WSU = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
XOP = "{http://www.w3.org/2004/08/xop/include}Include"
KINDS = {       # message: whose exchange, request or response, the operation
    "1": ("capricorn", "request", "WSEmailSend"),
    "2": ("scorpio", "request", "WSEmailSend"),
    "4": ("scorpio", "request", "WSEmailRetrieve"),
    "5": ("scorpio", "response", "WSEmailRetrieveResponse"),
    "6": ("scorpio", "request", "RequestSecurityToken"),
    "7": ("scorpio", "response", "RequestSecurityTokenResponseCollection"),
    "8": ("capricorn", "request", "AttachmentFetch"),
    "9": ("capricorn", "response", "AttachmentFetchResponse"),
}


def envelope(path):
    """Its parts in their places."""
    with open(path, "rb") as f:
        head, _, body = f.read().partition(b"\r\n\r\n")
    m = re.search(rb'(?i)boundary="?([^";\r]*)', head)
    if not m:
        return etree.fromstring(body)
    parts = [p.partition(b"\r\n\r\n") for p in body.split(b"--" + m.group(1))[1:-1]]
    root = etree.fromstring(parts[0][2][:-2])
    for node in root.iter(XOP):
        data = [p for p in parts if b"<" + node.get("href")[4:].encode() + b">" in p[0]]
        node.getparent().text = base64.b64encode(data[0][2][:-2]).decode()
        node.getparent().remove(node)
    return root


def local(node):
    return etree.QName(node).localname


def find(root, path):
    nodes = [root]
    for name in path.split("/"):
        nodes = [c for n in nodes for c in n if isinstance(c.tag, str) and local(c) == name]
    return nodes


def ident(node):
    return node.get("{%s}Id" % WSU) or node.get("Id") or node.get("ID")


def covered(root, which, node):
    """By a reference of that signature whose digest is right."""
    sigs = {"envelope": find(root, "Header/Security/Signature"),
            "theSig": [s for s in root.iter("{%s}Signature" % DS)
                       if local(s.getparent()) in ("theSig", "sig")],
            "assertion": [s for s in root.iter("{%s}Signature" % DS)
                          if local(s.getparent()) == "Assertion"]}[which]
    if len(sigs) != 1:
        return False
    for ref in sigs[0].iter("{%s}Reference" % DS):
        over = [n for n in root.iter() if isinstance(n.tag, str) and
                "#%s" % ident(n) == ref.get("URI")]
        if len(over) != 1 or over[0] not in [node, *node.iterancestors()]:
            continue
        text = copy.deepcopy(over[0])
        if which == "assertion":
            text.remove(text.find("{%s}Signature" % DS))
        want = ref.find("{%s}DigestValue" % DS).text
        return base64.b64encode(hashlib.sha256(c14n(text)).digest()).decode() == want
    return False


def change(node):
    """One character of what it says."""
    for n in node.iter():
        if isinstance(n.tag, str) and n.text and n.text.strip():
            n.text = ("B" if n.text[0] == "A" else "A") + n.text[1:]
            return
    name = sorted(node.keys())[0]
    node.set(name, node.get(name)[:-2] + ("1Z" if node.get(name)[-2] == "0" else "0Z"))


def report(what, good, why=""):
    print("%s %s" % ("ok" if good else "not ok", what))
    if not good and why:
        print("# " + why)


def main(table, directory, ca, servers):
    servers = {s.split(".")[0]: Server(int(s.rpartition(":")[2]), ca, s.partition(":")[0])
               for s in servers}
    seen = {}
    for path in sorted(glob.glob(directory + "/*-re[qs]*")):
        _, domain, what = os.path.basename(path).split("-")
        root = envelope(path)
        for message, kind in KINDS.items():
            if kind == (domain.split(".")[0], what, local(find(root, "Body")[0][0])):
                seen.setdefault(message, root)
    for line in open(table, encoding="ascii"):
        if line.startswith("#"):
            continue
        message, which, field, path = line.rstrip("\n").split("\t")
        what = "%s %s: %s" % (message, field, path.rpartition("/")[2])
        if message not in seen:
            report(what, False, "no such message was captured")
            continue
        nodes = find(seen[message], path)
        report(what + " is there", len(nodes) == 1, "%d of them" % len(nodes))
        if len(nodes) != 1:
            continue
        report(what + " is signed", covered(seen[message], which, nodes[0]))
        other = copy.deepcopy(seen[message])
        node = find(other, path)[0]
        change(node)
        domain, kind, _ = KINDS[message]
        if kind == "response":
            report(what + " cannot be changed", not covered(other, which, node))
            continue
        status, body = servers[domain].post(etree.tostring(other))
        fault = re.search(rb"<faultcode[^>]*>\w+:(\w+)<", body)
        report(what + " cannot be changed", status == 500 and fault is not None and
               fault.group(1) in (b"FailedCheck", b"InvalidSecurityToken", b"FailedAuthentication",
                                  b"InvalidSecurity", b"Client"), "%d %r" % (status, body[-400:]))
    print("# %d envelopes of %s" % (len(seen), S11))


main(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:])
