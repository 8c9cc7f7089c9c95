#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""A client of on-demand attachments that shares no code with the system's:
requests as SOAP 1.1 with a password, files beside the envelope by MTOM.

ondemand.py ca name:port:user:password COMMAND ARG...

  upload FILE [PIECE]           its upload's identifier, finished
  upload-as NAME FILE           the same under another name
  begin NAME SIZE               an upload that is not
  piece ID OFFSET FILE [mtom]   where it goes on
  state ID                      offset, size, complete
  finish ID FILE
  abort ID
  send TO[,TO...] ATTACHMENT... upload's identifier, or @FILE in the message
  fetch ID OUT [VERSION OFFSET LENGTH]
  list, show ID, show-after ID ADDRESS, grant ID ADDRESS, revoke ID ADDRESS, expire ID WHEN,
  withdraw ID, update ID UPLOAD: the answer as XML

Prints what is asked for; exit status 1 and the fault when it is refused.
"""
import base64
import hashlib
import os
import re
import sys
from xml.sax.saxutils import escape

from attack import S11, WSE, WSSE, Server, complete

WSE2 = "urn:wsemail:2"
XOP = "http://www.w3.org/2004/08/xop/include"


class Fault(Exception):
    pass


class Client:
    def __init__(self, ca, account):
        self.domain, port, self.user, self.password = account.split(":", 3)
        self.address = "%s@%s" % (self.user, self.domain)
        self.server = Server(int(port), ca, self.domain)
        self.conn = None

    def envelope(self, operation):
        return ('<e:Envelope xmlns:e="%s"><e:Header><wsse:Security xmlns:wsse="%s">'
                '<wsse:UsernameToken><wsse:Username>%s</wsse:Username><wsse:Password>%s'
                '</wsse:Password></wsse:UsernameToken></wsse:Security></e:Header>'
                '<e:Body>%s</e:Body></e:Envelope>' % (
                    S11, WSSE, self.address, escape(self.password), operation)).encode()

    def package(self, operation, parts):
        """MTOM: the parts by their names."""
        out = [b'--bound\r\nContent-Type: application/xop+xml; charset=utf-8; type="text/xml"\r\n'
               b'Content-ID: <root@x>\r\n\r\n' + self.envelope(operation)]
        out += [b"--bound\r\nContent-Type: application/octet-stream\r\nContent-ID: <%s@x>\r\n"
                b"Content-Transfer-Encoding: binary\r\n\r\n" % n.encode() + d
                for n, d in parts.items()]
        return b"\r\n".join(out) + b"\r\n--bound--\r\n"

    def ask(self, operation, parts=None):
        """Status line and fields, body; the fault raised."""
        if parts is None:
            body, ctype = self.envelope(operation), "text/xml; charset=utf-8"
        else:
            body = self.package(operation, parts)
            ctype = ('multipart/related; type="application/xop+xml"; boundary=bound; '
                     'start="<root@x>"; start-info="text/xml"')
        self.conn = self.conn or self.server.connect()
        self.conn.sendall(("POST /wsemail HTTP/1.1\r\nHost: %s\r\nContent-Type: %s\r\n"
                           "Content-Length: %d\r\n\r\n" % (self.domain, ctype, len(body))).encode()
                          + body)
        out = b""
        while not complete(out):
            data = self.conn.recv(1 << 20)
            if not data:
                raise Fault("closed")
            out += data
        head, body = out.split(b"\r\n\r\n", 1)
        if b" 200 " not in head.split(b"\r\n")[0] + b" ":
            raise Fault(" ".join(re.sub(r"<[^>]*>", " ", body.decode("utf-8", "replace")).split()))
        return head.decode(), body

    def op(self, name, parts=None, **fields):
        inner = "".join("<x:%s>%s</x:%s>" % (k, v, k) for k, v in fields.items())
        return self.ask('<x:%s xmlns:x="%s">%s</x:%s>' % (name, WSE2, inner, name), parts)


def text(body, name):
    m = re.search(rb"<(?:\w+:)?%s(?: [^>]*)?>([^<]*)<" % name.encode(), body)
    return m.group(1).decode() if m else None


def digest(data):
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


def include(name):
    return '<i:Include xmlns:i="%s" href="cid:%s@x"/>' % (XOP, name)


def state(body):
    return "%s %s %s" % (text(body, "Offset"), text(body, "Size"), text(body, "Complete"))


def parts_of(head, body):
    """The parts of an MTOM answer: envelope, octets."""
    boundary = re.search(r'boundary="([^"]*)"', head).group(1).encode()
    pieces = body.split(b"--" + boundary)
    assert pieces[-1].startswith(b"--")
    return [p.split(b"\r\n\r\n", 1)[1][:-2] for p in pieces[1:-1]]


class Commands:
    def __init__(self, client):
        self.c = client

    def begin(self, name, size, **more):
        body = self.c.op("UploadBegin", Name=escape(name), Type="text/plain",
                         Description="a file", Size=size, **more)[1]
        return text(body, "Upload")

    def put(self, ident, offset, data, mtom):
        if mtom:
            body = self.c.op("UploadPiece", {"d": data}, Upload=ident, Offset=offset,
                             Data=include("d"))[1]
        else:
            body = self.c.op("UploadPiece", Upload=ident, Offset=offset,
                             Data=base64.b64encode(data).decode())[1]
        return body

    def upload(self, path, piece="1000000"):
        return self.upload_as(os.path.basename(path), path, piece)

    def upload_as(self, name, path, piece="1000000"):
        data = open(path, "rb").read()
        ident = self.begin(name, len(data), Digest=digest(data))
        for off in range(0, len(data), int(piece)):
            self.put(ident, off, data[off:off + int(piece)], True)
        body = self.c.op("UploadFinish", Upload=ident, Digest=digest(data))[1]
        assert text(body, "Complete") == "true", body
        return ident

    def piece(self, ident, offset, path, mtom=""):
        return state(self.put(ident, offset, open(path, "rb").read(), mtom != ""))

    def state(self, ident):
        return state(self.c.op("UploadState", Upload=ident)[1])

    def finish(self, ident, path):
        return state(self.c.op("UploadFinish", Upload=ident,
                               Digest=digest(open(path, "rb").read()))[1])

    def abort(self, ident):
        self.c.op("UploadAbort", Upload=ident)
        return "aborted"

    def send(self, to, *attached, **more):
        nodes, parts = [], {}
        for i, a in enumerate(attached):
            if a.startswith("@"):
                parts["f%d" % i] = open(a[1:], "rb").read()
                inner = ("<x:InlineAttachment><x:Name>%s</x:Name><x:Type>text/plain</x:Type>"
                         "<x:Data>%s</x:Data></x:InlineAttachment>" % (
                             escape(os.path.basename(a[1:])), include("f%d" % i)))
            elif a.startswith("<"):
                inner = a
            else:
                inner = "<x:AttachmentUpload>%s</x:AttachmentUpload>" % a
            nodes.append("<w:XmlNode>%s</w:XmlNode>" % inner)
        ident = more.get("ident") or os.environ.get("MESSAGE_ID")
        op = ('<w:WSEmailSend xmlns:w="%s" xmlns:x="%s"><w:theMessage><w:Body>see the files'
              '</w:Body><w:Subject>files</w:Subject><w:Recipients>%s</w:Recipients>'
              '<w:XmlAttachments>%s</w:XmlAttachments>%s</w:theMessage></w:WSEmailSend>' % (
                  WSE, WSE2, "".join("<w:string>%s</w:string>" % t for t in to.split(",")),
                  "".join(nodes), "<w:MessageId>%s</w:MessageId>" % ident if ident else ""))
        body = self.c.ask(op, parts or None)[1]
        code = text(body, "ResponseCode")
        if code != "200":
            raise Fault("%s %s" % (code, text(body, "Message")))
        return text(body, "MessageId")

    def fetch(self, ident, out, version="0", offset=None, length="0"):
        got, off, size = b"", int(offset or 0), None
        while size is None or (offset is None and off < size):
            head, body = self.c.op("AttachmentFetch", {}, Attachment=ident, Version=version,
                                   Offset=off, Length=length)
            env, data = (parts_of(head, body) + [b""])[:2]
            assert (b"Include" in env) == (data != b""), env
            assert text(env, "Attachment") == ident and int(text(env, "Offset")) == off
            size = int(text(env, "Size"))
            got, off = got + data, off + len(data)
        if offset is None:
            assert digest(got) == text(env, "Digest"), "another digest"
        with open(out, "wb") as f:
            f.write(got)
        return "%s of %s, version %s of %s" % (len(got), size, text(env, "Version"),
                                               text(env, "Newest"))

    def xml(self, name, **fields):
        return self.c.op(name, **fields)[1].decode()

    def list(self, before="", limit="0"):
        return self.xml("AttachmentList", Limit=limit, **({"Before": before} if before else {}))

    def show(self, ident):
        return self.xml("AttachmentShow", Attachment=ident)

    def grant(self, ident, addr):
        return self.xml("AttachmentGrant", Attachment=ident, Address=addr)

    def revoke(self, ident, addr):
        return self.xml("AttachmentRevoke", Attachment=ident, Address=addr)

    def expire(self, ident, when=""):
        return self.xml("AttachmentExpire", Attachment=ident, When=when)

    def withdraw(self, ident):
        return self.xml("AttachmentWithdraw", Attachment=ident)

    def show_after(self, ident, addr):
        return self.xml("AttachmentShow", Attachment=ident, After=addr)

    def update(self, ident, upload):
        return self.xml("AttachmentUpdate", Attachment=ident, Upload=upload)


def main():
    commands = Commands(Client(sys.argv[1], sys.argv[2]))
    try:
        print(getattr(commands, sys.argv[3].replace("-", "_"))(*sys.argv[4:]))
    except Fault as e:
        print(e)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
