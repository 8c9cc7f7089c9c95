#!/bin/sh
# SPDX-License-Identifier: ISC
# The examples of wsemail(7) are what they say: each parses, and what of it
# has a type in the schema of etc/wsemail.wsdl is valid.
set -eu
top=${WS_TOP:-$(cd "$(dirname "$0")/../.." && pwd)}
exec /usr/bin/python3 - "$top" <<'END'
import re
import sys
try:
    from lxml import etree
except ImportError:
    print("1..0 # SKIP python3-lxml is missing")
    sys.exit(0)

top = sys.argv[1]
XS = "{http://www.w3.org/2001/XMLSchema}schema"
ENVELOPES = ("http://schemas.xmlsoap.org/soap/envelope/",
             "http://www.w3.org/2003/05/soap-envelope")
parser = etree.XMLParser(resolve_entities=False, no_network=True)
wsdl = etree.parse(top + "/etc/wsemail.wsdl", parser)
# Written out and read again, each has the declarations of those around it.
schemas = {s.get("targetNamespace"):
           etree.XMLSchema(etree.fromstring(etree.tostring(s), parser))
           for s in wsdl.iter(XS)}
page = open(top + "/man/wsemail.7", encoding="ascii").read()
count = failed = typed = 0


def ok(good, what, why=""):
    global count, failed
    count += 1
    print("%sok %d - %s" % ("" if good else "not ", count, what))
    if not good:
        failed = 1
        print("# " + str(why).replace("\n", "\n# "))


blocks = re.findall(r"^\.Bd -literal[^\n]*\n(.*?)^\.Ed$", page, re.M | re.S)
for text in blocks:
    text = text.replace("\\e", "\\").replace("\\&", "")
    if not text.startswith("<"):
        continue
    name = "example at line %d" % (page[:page.index(text[:200])].count("\n") + 1)
    try:
        root = etree.fromstring(text.encode(), parser)
    except etree.XMLSyntaxError as e:
        ok(False, name + " parses", e)
        continue
    ok(etree.QName(root).namespace in ENVELOPES, name + " is an envelope")
    # The outermost elements that have a type of ours.
    todo = [root]
    while todo:
        e = todo.pop()
        ns = etree.QName(e).namespace if isinstance(e.tag, str) else None
        if ns in schemas and etree.QName(e).localname != "DeliveryStatus":
            typed += 1
            copy = etree.fromstring(etree.tostring(e, with_tail=False), parser)
            good = schemas[ns].validate(copy)
            ok(good, "%s: %s is valid" % (name, etree.QName(e).localname),
               schemas[ns].error_log)
        else:
            todo.extend(e)
ok(count >= 12 and typed >= 12, "there are examples")

# Every operation, limit of a fault, and code is spoken of.
for op in wsdl.iter("{http://schemas.xmlsoap.org/wsdl/}operation"):
    if op.getparent().tag.endswith("portType"):
        ok(op.get("name") in page, op.get("name") + " is described")
with open(top + "/lib/msg_queue.h") as f:
    for name, code in re.findall(r"#define (ST_\w+)\s+(\d+)", f.read()):
        ok(re.search(r"^\.It %s$" % code, page, re.M), "code %s is described" % code)
with open(top + "/lib/wss_examine.c") as f:
    for name in sorted(set(re.findall(r'return "(\w+)";', f.read()))):
        ok(name in page, "fault %s is described" % name)
print("1..%d" % count)
sys.exit(failed)
END
