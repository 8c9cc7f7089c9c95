#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""attach.py ca name:port:user:password to name...

Sends a message with an attachment of each name, a prefix N* stands for N of
them and - for an XmlNode without an element.  Standard input is the body.
Prints the text of the answer; exit status 0 when it was taken.
"""
import re
import sys
from xml.sax.saxutils import escape

from attack import WSE
from soak_client import Account, Session


def nodes(words):
    for word in words:
        count, _, name = word.rpartition("*")
        node = "<w:XmlNode/>" if name == "-" else "<w:XmlNode><%s/></w:XmlNode>" % name
        yield node * int(count or 1)


def main():
    account = Account(sys.argv[2], sys.argv[1])
    attached = "".join(nodes(sys.argv[4:]))
    try:
        answer = Session(account).ask(
            '<w:WSEmailSend xmlns:w="%s"><w:theMessage><w:Body>%s</w:Body><w:Subject>attached'
            '</w:Subject><w:Recipients><w:string>%s</w:string></w:Recipients><w:Sender>%s'
            '</w:Sender>%s</w:theMessage></w:WSEmailSend>' % (
                WSE, escape(sys.stdin.read()), sys.argv[3], account.address,
                attached and "<w:XmlAttachments>%s</w:XmlAttachments>" % attached))
    except RuntimeError as e:
        print(e)
        return 1
    print(*re.sub(r"<[^>]*>", " ", answer.split(b"\r\n\r\n", 1)[-1].decode()).split())
    return 0 if b">200<" in answer else 1


sys.exit(main())
