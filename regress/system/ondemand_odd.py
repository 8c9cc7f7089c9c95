#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Attachments of every odd form, as requests of one user; prints TAP lines.

ondemand_odd.py ca name:port:user:password

What is refused is refused with 500, what is not is what it says; the server
is asked in between whether it is still there.
"""
import re
import sys

from ondemand import WSE, WSE2, XOP, Client, Commands, Fault, digest, include, text

INCLUDE = '<i:Include xmlns:i="%s" href="cid:%%s"/>' % XOP


def inline(data, more="", name="<x:Name>odd</x:Name>"):
    return "<x:InlineAttachment>%s%s%s</x:InlineAttachment>" % (name, data, more)


DATA = "<x:Data>eA==</x:Data>"
# What each is, the attachment, its parts.
REFUSED = [
    ("a comment in Data", inline("<x:Data>eA<!-- -->==</x:Data>"), None),
    ("an element in Data", inline("<x:Data>eA==<x:Data/></x:Data>"), None),
    ("Data that is not base64", inline("<x:Data>e</x:Data>"), None),
    ("Data with more behind its end", inline("<x:Data>eA==eA==</x:Data>"), None),
    ("Data twice", inline(DATA + DATA), None),
    ("no Data", inline(""), None),
    ("Name twice", inline(DATA, "<x:Name>odd</x:Name>"), None),
    ("no Name", inline(DATA, name=""), None),
    ("an empty Name", inline(DATA, name="<x:Name/>"), None),
    ("an element in Name", inline(DATA, name="<x:Name><x:b/>n</x:Name>"), None),
    ("a Name with a tab", inline(DATA, name="<x:Name>a&#9;b</x:Name>"), None),
    ("a Name with a delete", inline(DATA, name="<x:Name>a&#127;b</x:Name>"), None),
    ("a Name of 1 MB", inline(DATA, name="<x:Name>%s</x:Name>" % ("n" * (1 << 20))), None),
    ("a Type of 256", inline(DATA, "<x:Type>%s</x:Type>" % ("t" * 256)), None),
    ("a Type of two lines", inline(DATA, "<x:Type>a\nb</x:Type>"), None),
    ("a Description of 4097", inline(DATA, "<x:Description>%s</x:Description>" % ("d" * 4097)),
     None),
    ("a Description with a bell", inline(DATA, "<x:Description>&#7;</x:Description>"), None),
    ("a part twice", inline("<x:Data>%s</x:Data>" % include("p")) + "</w:XmlNode><w:XmlNode>" +
     inline("<x:Data>%s</x:Data>" % include("p")), {"p": b"x"}),
    ("two parts in one Data", inline("<x:Data>%s%s</x:Data>" % (include("p"), include("q"))),
     {"p": b"x", "q": b"y"}),
    ("a part and text", inline("<x:Data>eA==%s</x:Data>" % include("p")), {"p": b"x"}),
    ("a part that is not there", inline("<x:Data>%s</x:Data>" % include("r")), {"p": b"x"}),
    ("the envelope as a part", inline("<x:Data>%s</x:Data>" % include("root")), {"p": b"x"}),
    ("a part by http", inline('<x:Data><i:Include xmlns:i="%s" href="http://localhost/"/></x:Data>'
                              % XOP), {"p": b"x"}),
    ("an Include that is not empty", inline('<x:Data><i:Include xmlns:i="%s" href="cid:p@x"><x:a/>'
                                            '</i:Include></x:Data>' % XOP), {"p": b"x"}),
    ("an upload's identifier in capitals", "<x:AttachmentUpload>%s</x:AttachmentUpload>" %
     ("A" * 32), None),
    ("an empty upload", "<x:AttachmentUpload/>", None),
    ("an upload in an element", "<x:AttachmentUpload><x:Upload>%s</x:Upload></x:AttachmentUpload>"
     % ("0" * 32), None),
    ("two in one XmlNode", inline(DATA) + inline(DATA), None),
    ("text beside one", "text" + inline(DATA), None),
    ("ten thousand", "</w:XmlNode><w:XmlNode>".join([inline(DATA)] * 10000), None),
]
TAKEN = [
    ("Data in CDATA sections", inline("<x:Data><![CDATA[eA]]><![CDATA[==]]></x:Data>"), None, [1]),
    ("Data in lines", inline("<x:Data>\n e\n A=\r\n=\t</x:Data>"), None, [1]),
    ("no octets", inline("<x:Data></x:Data>"), None, [0]),
    ("no octets in a part", inline("<x:Data>%s</x:Data>" % include("p")), {"p": b""}, [0]),
    ("a part with a boundary's beginning", inline("<x:Data>%s</x:Data>" % include("p")),
     {"p": b"\r\n--boun\r\n--bond--\r\n"}, [20]),
    ("parts in another order", inline("<x:Data>%s</x:Data>" % include("q")) +
     "</w:XmlNode><w:XmlNode>" + inline("<x:Data>%s</x:Data>" % include("p")),
     {"p": b"x", "q": b"yy"}, [2, 1]),
    ("comments and empty nodes around", "<!-- a -->" + inline(DATA) + "<!-- b --></w:XmlNode>"
     "<w:XmlNode/><w:XmlNode><!-- c --></w:XmlNode><w:XmlNode><w:other/>", None, [1]),
    ("as a default namespace", '<InlineAttachment xmlns="%s"><Data>eA==</Data><Name>odd</Name>'
     '</InlineAttachment>' % WSE2, None, [1]),
    ("a name like markup", inline(DATA, name="<x:Name>&lt;/x:Name&gt;&amp;lt;</x:Name>"), None,
     [1]),
    ("one as deep as another's", "<w:wrap>%s</w:wrap>" % inline(DATA), None, []),
]


class Odd(Commands):
    count = 0

    def ok(self, good, what):
        print("%s %s" % ("ok" if good else "not ok", what), flush=True)

    def newest(self, n):
        body = self.c.op("AttachmentList", Limit=n or 1)[1]
        return [(text(b, "Identifier"), int(text(b, "Size")), text(b, "Digest"),
                 text(b, "MessageId")) for b in body.split(b"<w:Attachment>")[1:]]

    def post(self, attached, parts):
        op = ('<w:WSEmailSend xmlns:w="%s" xmlns:x="%s"><w:theMessage><w:Body>odd</w:Body>'
              '<w:Subject>odd</w:Subject><w:Recipients><w:string>%s</w:string></w:Recipients>'
              '<w:XmlAttachments><w:XmlNode>%s</w:XmlNode></w:XmlAttachments></w:theMessage>'
              '</w:WSEmailSend>' % (WSE, WSE2, self.c.address, attached))
        try:
            body = self.c.ask(op, parts)[1]
        except Fault as e:
            return (re.search(r"\b([45]\d\d)\b", str(e)) or [None, str(e)])[1], None
        return text(body, "ResponseCode"), text(body, "MessageId")

    def refused(self, what, attached, parts):
        was = self.newest(1)
        code, _ = self.post(attached, parts)
        self.ok(code == "500" and self.newest(1) == was, "%s: refused with %s" % (what, code))

    def taken(self, what, attached, parts, sizes):
        code, msgid = self.post(attached, parts)
        mine = [a for a in self.newest(len(sizes)) if a[3] == msgid] if code == "200" else []
        self.ok(code == "200" and sorted(a[1] for a in mine) == sorted(sizes),
                "%s: taken with %s, %s" % (what, code, [a[1] for a in mine]))
        for a in mine:
            for way in (None, {}):
                body = self.c.op("AttachmentFetch", way, Attachment=a[0])[1]
                self.ok(text(body, "Size") == str(a[1]) and text(body, "Digest") == a[2] and
                        (a[1] > 0 or (a[2] == digest(b"") and b"Include" not in body)),
                        "%s: fetched" % what)

    def numbers(self):
        """What is asked for with numbers that are none, or too large."""
        data = b"0123456789"
        up = self.upload_of(data)
        self.post("<x:AttachmentUpload>%s</x:AttachmentUpload>" % up, None)
        ident = self.newest(1)[0][0]
        for fields in ({"Offset": "-1"}, {"Offset": "9223372036854775808"}, {"Version": "-1"},
                       {"Version": "4294967296"}, {"Length": "x"},
                       {"Offset": "1 1"}):
            self.fault("500", "AttachmentFetch", Attachment=ident, **fields)
        for fields in ({"Offset": "11"}, {"Offset": "9223372036854775807"},
                       {"Version": "4294967295"}, {"Version": "2"}):
            self.fault("5", "AttachmentFetch", Attachment=ident, **fields)
        for off, length, want in ((0, 0, 10), (9, 9223372036854775807, 1), (10, 5, 0), (3, 4, 4)):
            body = self.c.op("AttachmentFetch", Attachment=ident, Offset=off, Length=length)[1]
            self.ok(len(text(body, "Data") or "") == (want + 2) // 3 * 4,
                    "from %d on %d: %d octets" % (off, length, want))
        for size in ("-1", "9223372036854775808", "9223372036854775807", "1e3", ""):
            self.fault("5", "UploadBegin", Name="n", Size=size)
        up = self.begin("n", 10)
        self.fault("500", "UploadPiece", Upload=up, Offset=0, Data="")
        self.fault("500", "UploadPiece", Upload=up, Offset=0, Data="MDEyMzQ1Njc4OTA=")
        self.fault("500", "UploadPiece", Upload=up, Offset="", Data="MDEy")
        self.ok(self.put_state(up, 9223372036854775807) == "0 10 false", "a piece from far away")
        self.fault("500", "UploadFinish", Upload=up, Digest=digest(b"")[:-4])
        self.abort(up)

    def put_state(self, up, off):
        body = self.c.op("UploadPiece", Upload=up, Offset=off, Data="MDEy")[1]
        return "%s %s %s" % (text(body, "Offset"), text(body, "Size"), text(body, "Complete"))

    def upload_of(self, data):
        up = self.begin("n", len(data))
        if data:
            self.put(up, 0, data, True)
        self.c.op("UploadFinish", Upload=up, Digest=digest(data))
        return up

    def fault(self, code, op, **fields):
        try:
            got = self.c.op(op, **fields)[1].decode()
        except Fault as e:
            got = (re.search(r"\b([45]\d\d)\b", str(e)) or [None, str(e)])[1]
        self.ok(got.startswith(code), "%s %s: %s" % (op, " ".join(
            "%s=%s" % f for f in fields.items() if len(str(f[1])) < 30), got[:80]))


def main():
    odd = Odd(Client(sys.argv[1], sys.argv[2]))
    for case in TAKEN:
        odd.taken(*case)
    for case in REFUSED:
        odd.refused(*case)
    odd.numbers()
    up = odd.upload_of(b"")
    odd.ok(odd.post("<x:AttachmentUpload>%s</x:AttachmentUpload>" % up, None)[0] == "200",
           "an upload of nothing")
    up = odd.upload_of(b"x")
    node = "<x:AttachmentUpload>%s</x:AttachmentUpload>" % up
    code, msgid = odd.post(node + "</w:XmlNode><w:XmlNode>" + node, None)
    odd.ok(code == "200", "the same upload twice in a message: %s" % code)
    odd.ok(len([a for a in odd.newest(2) if a[3] == msgid]) == 1, "is one attachment")


main()
