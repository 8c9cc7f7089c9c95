#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Requests that must be refused, each beside a control that must be accepted.

attack.py port ca user certificate key password [other-certificate other-key]

Signs with code of its own (lxml, cryptography), so that it shares no mistake
with the server.  Speaks TLS to 127.0.0.1:port as the user's mail domain.
Prints TAP.
"""
import base64
import copy
import datetime
import hashlib
import hmac
import os
import re
import socket
import ssl
import sys
import uuid

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, utils
from lxml import etree

S11 = "http://schemas.xmlsoap.org/soap/envelope/"
S12 = "http://www.w3.org/2003/05/soap-envelope"
OASIS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"
WSSE = OASIS + "wssecurity-secext-1.0.xsd"
WSU = OASIS + "wssecurity-utility-1.0.xsd"
WSSE11 = "http://docs.oasis-open.org/wss/oasis-wss-wssecurity-secext-1.1.xsd"
WSA = "http://www.w3.org/2005/08/addressing"
DS = "http://www.w3.org/2000/09/xmldsig#"
WSE = "http://securitylab.cis.upenn.edu/WSEmail"
WSE2 = "urn:wsemail:2"
EXC = "http://www.w3.org/2001/10/xml-exc-c14n#"
SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
MORE = "http://www.w3.org/2001/04/xmldsig-more#"
X509V3 = OASIS + "x509-token-profile-1.0#X509v3"
B64 = OASIS + "soap-message-security-1.0#Base64Binary"
UNT = OASIS + "username-token-profile-1.0#UsernameToken"
PWTEXT = OASIS + "username-token-profile-1.0#PasswordText"
PWDIGEST = OASIS + "username-token-profile-1.0#PasswordDigest"
LIST = '<w:WSEmailFetchHeaders xmlns:w="%s"><w:limit>3</w:limit></w:WSEmailFetchHeaders>' % WSE
NSMAP = {"s": S11, "s2": S12, "wsse": WSSE, "wsu": WSU, "ds": DS, "w": WSE,
         "x": WSE2, "wsa": WSA}


def q(ns, name):
    return "{%s}%s" % (ns, name)


def c14n(node, exclusive=True, prefixes=None):
    return etree.tostring(node, method="c14n", exclusive=exclusive,
                          with_comments=False,
                          inclusive_ns_prefixes=prefixes)


def stamp(delta=0):
    t = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=delta)
    return t.strftime("%Y-%m-%dT%H:%M:%S.") + "%03dZ" % (t.microsecond // 1000)


class Server:
    def __init__(self, port, ca, domain):
        self.port, self.domain = port, domain
        self.ctx = ssl.create_default_context(cafile=ca)

    def connect(self):
        raw = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        return self.ctx.wrap_socket(raw, server_hostname=self.domain)

    def raw(self, data, half_close=False):
        """Sends octets, returns all that comes until the server closes."""
        with self.connect() as s:
            s.sendall(data)
            out = b""
            try:
                while True:
                    d = s.recv(65536)
                    if not d:
                        break
                    out += d
                    if complete(out):
                        break
            except (ssl.SSLError, ConnectionError, socket.timeout):
                pass
            return out

    def post(self, body, ctype="text/xml; charset=utf-8", action="", extra=""):
        if isinstance(body, str):
            body = body.encode()
        head = ("POST /wsemail HTTP/1.1\r\nHost: %s\r\nContent-Type: %s\r\n"
                "SOAPAction: \"%s\"\r\n%sContent-Length: %d\r\nConnection: close\r\n\r\n"
                % (self.domain, ctype, action, extra, len(body)))
        r = self.raw(head.encode() + body)
        m = re.match(rb"HTTP/1.1 (\d+)", r)
        return (int(m.group(1)) if m else 0), r.partition(b"\r\n\r\n")[2]


def complete(out):
    head, sep, body = out.partition(b"\r\n\r\n")
    m = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    return bool(sep and m and len(body) >= int(m.group(1)))


class Signer:
    def __init__(self, cert, key):
        with open(cert, "rb") as f:
            self.cert = x509.load_pem_x509_certificate(f.read())
        with open(key, "rb") as f:
            self.key = serialization.load_pem_private_key(f.read(), None)
        self.der = self.cert.public_bytes(serialization.Encoding.DER)
        self.is_ec = isinstance(self.key, ec.EllipticCurvePrivateKey)
        self.alg = MORE + ("ecdsa-sha256" if self.is_ec else "rsa-sha256")

    def sign(self, data):
        if not self.is_ec:
            return self.key.sign(data, padding.PKCS1v15(), hashes.SHA256())
        r, s = utils.decode_dss_signature(
            self.key.sign(data, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


class Envelope:
    """One request; every part can be bent before or after it is signed."""

    def __init__(self, signer, op=LIST, soap=S11, created=0, life=60,
                 ident="Id", wsa=None):
        self.signer, self.soap = signer, soap
        self.root = etree.fromstring(
            '<e:Envelope xmlns:e="%s"><e:Header><wsse:Security xmlns:wsse="%s" '
            'xmlns:wsu="%s"><wsu:Timestamp wsu:Id="TS"><wsu:Created>%s</wsu:Created>'
            '<wsu:Expires>%s</wsu:Expires></wsu:Timestamp></wsse:Security></e:Header>'
            '<e:Body xmlns:wsu="%s" wsu:Id="B">%s</e:Body></e:Envelope>'
            % (soap, WSSE, WSU, stamp(created), stamp(created + life), WSU, op),
            etree.XMLParser(huge_tree=True))
        self.header = self.root[0]
        self.security = self.header[0]
        self.ts = self.security[0]
        self.body = self.root[1]
        self.refs = ["B", "TS"]
        for name, value in (wsa or {}).items():
            e = etree.SubElement(self.header, q(WSA, name), nsmap={"wsa": WSA})
            e.text = value
            e.set(q(WSU, "Id"), "wsa-" + name)
            self.refs.append("wsa-" + name)

    def byid(self, i):
        for e in self.root.iter():
            if e.get(q(WSU, "Id")) == i or e.get("Id") == i:
                return e
        raise KeyError(i)

    def bst(self):
        t = etree.SubElement(self.security, q(WSSE, "BinarySecurityToken"))
        t.set("ValueType", X509V3)
        t.set("EncodingType", B64)
        t.set(q(WSU, "Id"), "X")
        t.text = base64.b64encode(self.signer.der).decode()
        return t

    def reference(self, i, digest=None, transform=EXC, method=SHA256, uri=None):
        if digest is None:
            digest = hashlib.sha256(c14n(self.byid(i))).digest()
        return ('<ds:Reference URI="%s"><ds:Transforms><ds:Transform Algorithm="%s"/>'
                '</ds:Transforms><ds:DigestMethod Algorithm="%s"/><ds:DigestValue>%s'
                '</ds:DigestValue></ds:Reference>'
                % ("#" + i if uri is None else uri, transform, method,
                   base64.b64encode(digest).decode()))

    def signature(self, refs=None, alg=None, cm=EXC, keyinfo=None, sign=None,
                  extra=""):
        keyinfo = keyinfo if keyinfo is not None else (
            '<wsse:SecurityTokenReference xmlns:wsse="%s"><wsse:Reference URI="#X" '
            'ValueType="%s"/></wsse:SecurityTokenReference>' % (WSSE, X509V3))
        xml = ('<ds:Signature xmlns:ds="%s"><ds:SignedInfo><ds:CanonicalizationMethod '
               'Algorithm="%s"/><ds:SignatureMethod Algorithm="%s"/>%s</ds:SignedInfo>'
               '<ds:SignatureValue/><ds:KeyInfo>%s</ds:KeyInfo>%s</ds:Signature>'
               % (DS, cm, alg or self.signer.alg,
                  "".join(refs if refs is not None
                          else [self.reference(i) for i in self.refs]),
                  keyinfo, extra))
        sig = etree.fromstring(xml)
        value = (sign or self.signer.sign)(c14n(sig[0]))
        sig[1].text = base64.b64encode(value).decode()
        self.security.append(sig)
        return sig

    def done(self):
        self.bst()
        self.signature()
        return self

    def text(self):
        return etree.tostring(self.root)


class Suite:
    def __init__(self, server):
        self.server, self.n, self.failed = server, 0, 0

    def ok(self, good, what, answer=None):
        self.n += 1
        print("%sok %d - %s" % ("" if good else "not ", self.n, what), flush=True)
        if not good:
            self.failed = 1
            if answer is not None:
                print("# %r" % (answer,), flush=True)

    def ask(self, body, soap=S11, ctype=None, action="", extra=""):
        if isinstance(body, Envelope):
            soap, body = body.soap, body.text()
        if ctype is None:
            ctype = "text/xml" if soap == S11 else "application/soap+xml"
        return self.server.post(body, ctype, action, extra)

    def good(self, what, body, **kw):
        status, answer = self.ask(body, **kw)
        self.ok(status == 200 and b"Fault" not in answer, "control: " + what,
                (status, answer[:600]))

    def bad(self, what, body, code=None, **kw):
        """Refused: an HTTP error, with a SOAP fault (of this code) where there is a body."""
        status, answer = self.ask(body, **kw)
        good = status >= 400 and status < 600
        if good and code is not None:
            good = code.encode() in answer
        self.ok(good, what, (status, answer[:600]))


def wrap_cases(s, new):
    """Signature wrapping: the signed node stays, another one would be used."""
    evil = etree.fromstring(LIST.replace("limit>3<", "limit>99<"))

    def bent(f):
        e = new().done()
        f(e)
        return e

    def fresh_body(e, ident=None):
        b = etree.Element(q(e.soap, "Body"))
        b.append(copy.deepcopy(evil))
        if ident:
            b.set(q(WSU, "Id"), ident)
        return b

    def in_header(e):
        w = etree.SubElement(e.header, "{urn:w}Wrapper")
        w.append(e.body)
        e.root.append(fresh_body(e))
    s.bad("signed Body moved into a header", bent(in_header))

    def in_header_same_id(e):
        w = etree.SubElement(e.header, "{urn:w}Wrapper")
        w.append(e.body)
        e.root.append(fresh_body(e, "B"))
    s.bad("signed Body moved into a header, same Id on the new", bent(in_header_same_id))

    def in_security(e):
        e.security.append(e.body)
        e.root.append(fresh_body(e))
    s.bad("signed Body moved into Security", bent(in_security))

    def in_object(e):
        o = etree.SubElement(e.security.find(q(DS, "Signature")), q(DS, "Object"))
        o.append(e.body)
        e.root.append(fresh_body(e))
    s.bad("signed Body moved into ds:Object", bent(in_object))

    def two_bodies(e):
        e.root.append(fresh_body(e))
    s.bad("a second Body after the signed one", bent(two_bodies))

    def two_bodies_first(e):
        e.root.insert(1, fresh_body(e))
    s.bad("a second Body before the signed one", bent(two_bodies_first))

    def nested(e):
        b = fresh_body(e)
        b.append(e.body)
        e.root.append(b)
    s.bad("signed Body inside a new Body", bent(nested))

    def after_envelope(e):
        e.body.append(copy.deepcopy(evil))
    s.bad("a second operation in the signed Body", bent(after_envelope))

    def changed(e):
        e.body[0][0].text = "4"
    s.bad("content changed after signing", bent(changed))

    def ts_moved(e):
        w = etree.SubElement(e.header, "{urn:w}Wrapper")
        w.append(e.ts)
        t = etree.Element(q(WSU, "Timestamp"))
        etree.SubElement(t, q(WSU, "Created")).text = stamp()
        e.security.insert(0, t)
    s.bad("signed Timestamp moved away, a new one in its place", bent(ts_moved))

    def ts_two(e):
        t = etree.Element(q(WSU, "Timestamp"))
        etree.SubElement(t, q(WSU, "Created")).text = stamp()
        e.security.insert(0, t)
    s.bad("two Timestamps", bent(ts_two))

    def security_two(e):
        e.header.insert(0, etree.fromstring(
            '<wsse:Security xmlns:wsse="%s"><wsse:UsernameToken><wsse:Username>x'
            '</wsse:Username></wsse:UsernameToken></wsse:Security>' % WSSE))
    s.bad("two Security headers", bent(security_two))

    def header_two(e):
        e.root.insert(0, etree.Element(q(e.soap, "Header")))
    s.bad("two Headers", bent(header_two))

    def outer(e):
        env = etree.Element(q(e.soap, "Envelope"))
        h = etree.SubElement(env, q(e.soap, "Header"))
        h.append(e.security)
        old = e.root
        h.append(old)
        env.append(fresh_body(e))
        e.root = env
    s.bad("the whole signed Envelope inside a new one", bent(outer))

    for attr in ("Id", "ID", "id", "{http://www.w3.org/XML/1998/namespace}id"):
        def dup(e, attr=attr):
            w = etree.SubElement(e.header, "{urn:w}Wrapper")
            w.set(attr, "B")
        s.bad("the Body's id again as %s elsewhere" % attr.split("}")[-1], bent(dup))

    def dup_wsu(e):
        w = etree.SubElement(e.header, "{urn:w}Wrapper")
        w.set(q(WSU, "Id"), "B")
    s.bad("the Body's id again as wsu:Id elsewhere", bent(dup_wsu))

    def delivery(e):
        d = etree.SubElement(e.header, q(WSE2, "Delivery"))
        etree.SubElement(d, q(WSE2, "Recipient")).text = "x@capricorn.test"
    s.bad("an unsigned Delivery header added", bent(delivery))

    def addressing(e):
        a = etree.SubElement(e.header, q(WSA, "Action"))
        a.text = WSE + "/WSEmailDelete"
    s.bad("an unsigned wsa:Action added", bent(addressing))

    def comment(e):
        e.body[0][0].text = ""
        e.body[0][0].append(etree.Comment("x"))
        e.body[0][0][0].tail = "3"
    s.bad("a comment that splits signed text", bent(comment))


def algorithm_cases(s, new):
    def with_refs(f, **kw):
        e = new()
        e.bst()
        e.signature(refs=f(e), **kw)
        return e

    both = lambda e: [e.reference("B"), e.reference("TS")]
    s.bad("SHA-1 digest", with_refs(lambda e: [
        e.reference("B", digest=hashlib.sha1(c14n(e.body)).digest(), method=DS + "sha1"),
        e.reference("TS")]))
    s.bad("inclusive C14N of SignedInfo", with_refs(both, cm="http://www.w3.org/TR/2001/REC-xml-c14n-20010315"))
    s.bad("unknown signature method", with_refs(both, alg="urn:none"))
    s.bad("rsa-sha1", with_refs(both, alg=DS + "rsa-sha1"))
    s.bad("hmac-sha256 with the certificate as the secret", with_refs(
        both, alg=MORE + "hmac-sha256",
        sign=lambda d: hmac.new(s.signer.der, d, hashlib.sha256).digest()))
    s.bad("hmac-sha256 with an empty secret", with_refs(
        both, alg=MORE + "hmac-sha256",
        sign=lambda d: hmac.new(b"", d, hashlib.sha256).digest()))
    for name, uri in (("XPath", "http://www.w3.org/TR/1999/REC-xpath-19991116"),
                      ("XSLT", "http://www.w3.org/TR/1999/REC-xslt-19991116"),
                      ("base64", DS + "base64"),
                      ("enveloped-signature", DS + "enveloped-signature"),
                      ("inclusive C14N", "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"),
                      ("exclusive C14N with comments", EXC + "WithComments")):
        s.bad("transform " + name, with_refs(lambda e: [
            e.reference("B", transform=uri), e.reference("TS")]))
    for name, uri in (("empty", ""), ("an http URL", "http://127.0.0.1:1/x"),
                      ("a file", "file:///etc/passwd"), ("xpointer", "#xpointer(/)"),
                      ("xpointer id", "#xpointer(id('B'))"), ("nothing there", "#nope")):
        s.bad("reference URI " + name, with_refs(lambda e: [
            e.reference("B"), e.reference("TS"), e.reference("B", uri=uri)]))
    s.bad("Body not signed", with_refs(lambda e: [e.reference("TS")]))
    s.bad("Timestamp not signed", with_refs(lambda e: [e.reference("B")]))
    s.bad("no reference at all", with_refs(lambda e: []))
    s.bad("200 references", with_refs(lambda e: [e.reference("B"), e.reference("TS")] * 100))
    e = new()
    e.bst()
    e.signature(extra="<ds:Object/>")
    s.bad("a ds:Object in the signature", e)
    spki = s.signer.cert.public_key()
    kv = ('<ds:X509Data><ds:X509Certificate>%s</ds:X509Certificate></ds:X509Data>'
          % base64.b64encode(s.signer.der).decode())
    e = new()
    e.signature(keyinfo=kv)
    s.bad("key from X509Data in KeyInfo, no token", e)
    e = new()
    e.signature(keyinfo="<ds:KeyName>alice</ds:KeyName>")
    s.bad("key by KeyName", e)
    e = new()
    e.bst()
    e.signature(keyinfo="")
    s.bad("empty KeyInfo", e)
    e = new()
    e.bst()
    sig = e.signature()
    e.security.append(copy.deepcopy(sig))
    s.bad("two signatures", e)
    e = new()
    e.bst()
    sig = e.signature()
    v = bytearray(base64.b64decode(sig[1].text))
    v[5] ^= 1
    sig[1].text = base64.b64encode(bytes(v)).decode()
    s.bad("signature value with one bit turned", e)
    e = new()
    e.bst()
    sig = e.signature()
    sig[1].text = ""
    s.bad("empty signature value", e)
    del spki


def time_cases(s, new):
    s.bad("created an hour ago", new(created=-3600).done(), code="Expired")
    s.bad("created an hour ahead", new(created=3600).done())
    s.bad("expired a minute ago", new(created=-120, life=60).done(), code="Expired")
    e = new(created=-3600, life=86400)
    s.bad("old, with Expires far ahead", e.done())
    e = new()
    e.security.remove(e.ts)
    e.refs.remove("TS")
    s.bad("no Timestamp", e.done())
    e = new()
    e.ts[0].text = "yesterday"
    s.bad("Created is no time", e.done())
    e = new().done()
    first = s.ask(e)
    s.ok(first[0] == 200, "control: a request, the first time", first)
    s.bad("the same request again", e)
    e = new(wsa={"MessageID": "urn:uuid:" + str(uuid.uuid4())})
    e.done()
    s.good("with a wsa:MessageID", e)
    s.bad("with a wsa:MessageID, again", e)


def xml_cases(s, new):
    t = new().done().text().decode()
    s.bad("DOCTYPE", '<!DOCTYPE x>' + t)
    s.bad("internal entity", '<!DOCTYPE x [<!ENTITY a "b">]>' + t)
    s.bad("external entity", '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
          + t.replace(">3<", ">&a;<"))
    lol = "".join('<!ENTITY l%d "%s">' % (i, "&l%d;" % (i - 1) * 10) for i in range(1, 10))
    s.bad("billion laughs", '<!DOCTYPE x [<!ENTITY l0 "lol">%s]>' % lol + t.replace(">3<", ">&l9;<"))
    s.bad("XInclude", new(op='<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="/etc/passwd" parse="text"/>').done())
    s.bad("processing instruction", '<?xml-stylesheet href="x"?>' + t)
    s.bad("UTF-16", ('<?xml version="1.0" encoding="UTF-16"?>' + t).encode("utf-16"))
    s.bad("another encoding declared", ('<?xml version="1.0" encoding="ISO-8859-1"?>' + t).encode("latin-1"))
    s.bad("deep nesting", new(op="<a>" * 5000 + "</a>" * 5000).done())
    s.bad("many attributes", new(op="<a %s/>" % " ".join('a%d="1"' % i for i in range(5000))).done())
    s.bad("many namespaces", new(op="<a>%s</a>" % "".join('<b%d xmlns="urn:%d"/>' % (i, i) for i in range(5000))).done())
    s.bad("many elements", "<e:Envelope xmlns:e='%s'><e:Body>%s</e:Body></e:Envelope>" % (S11, "<a/>" * 400000))
    s.bad("not well formed", t[:-5])
    s.bad("two roots", t + t)
    s.bad("empty body", "")
    s.bad("NUL octet", t.replace(">3<", ">3\0<"))
    s.bad("not UTF-8", t.encode().replace(b">3<", b">\xff<"))
    s.bad("another envelope namespace", t.replace(S11, "urn:soap"), code="VersionMismatch")
    s.bad("no operation", new(op="").done())
    s.bad("unknown operation", new(op='<w:WSEmailEverything xmlns:w="%s"/>' % WSE).done())
    s.bad("operation in no namespace", new(op="<WSEmailFetchHeaders/>").done())
    e = new()
    h = etree.SubElement(e.header, "{urn:w}Must")
    h.set(q(S11, "mustUnderstand"), "1")
    s.bad("an unknown header that must be understood", e.done(), code="MustUnderstand")
    e = new()
    etree.SubElement(e.header, "{urn:w}May")
    s.good("an unknown header that need not", e.done())
    s.bad("SOAPAction of another operation", new().done(), action=WSE + "/WSEmailDelete")
    s.good("its own SOAPAction", new().done(), action=WSE + "/WSEmailFetchHeaders")
    s.bad("wsa:Action of another operation", new(wsa={"Action": WSE + "/WSEmailDelete"}).done())
    s.bad("wsa:To of another server", new(wsa={"To": "https://elsewhere.test/wsemail"}).done())
    s.bad("SOAP 1.1 as application/soap+xml", new().done(), ctype="application/soap+xml")
    s.bad("text/plain", new().done(), ctype="text/plain")
    s.good("SOAP 1.2", new(soap=S12).done())


def token_cases(s, new, user, password, other):
    def plain(inner, op=LIST):
        return ('<e:Envelope xmlns:e="%s"><e:Header><wsse:Security xmlns:wsse="%s">%s'
                '</wsse:Security></e:Header><e:Body>%s</e:Body></e:Envelope>'
                % (S11, WSSE, inner, op))

    def token(name, pw, kind=PWTEXT, more=""):
        return ('<wsse:UsernameToken><wsse:Username>%s</wsse:Username><wsse:Password '
                'Type="%s">%s</wsse:Password>%s</wsse:UsernameToken>' % (name, kind, pw, more))

    t = token(user, password)
    s.good("password", plain(t))
    s.bad("wrong password", plain(token(user, "x")), code="FailedAuthentication")
    s.bad("empty password", plain(token(user, "")))
    s.bad("unknown user", plain(token("nobody-" + user, password)), code="FailedAuthentication")
    s.bad("user of another domain", plain(token("alice@elsewhere.test", password)))
    s.bad("password digest", plain(token(user, password, PWDIGEST)))
    s.bad("two tokens", plain(t + t))
    s.bad("no token", plain(""))
    s.bad("no Security header", '<e:Envelope xmlns:e="%s"><e:Body>%s</e:Body></e:Envelope>' % (S11, LIST))
    nonce = "<wsse:Nonce>%s</wsse:Nonce>" % base64.b64encode(os.urandom(16)).decode()
    s.good("password with a nonce", plain(token(user, password, more=nonce)))
    s.bad("the same nonce again", plain(token(user, password, more=nonce)))
    salted = ('<wsse:UsernameToken xmlns:wsse11="%s" xmlns:wsu="%s" wsu:Id="U"><wsse:Username>%s'
              '</wsse:Username><wsse11:Salt>AAAAAAAAAAAAAAAAAAAAAA==</wsse11:Salt>'
              '<wsse11:Iteration>1</wsse11:Iteration></wsse:UsernameToken>' % (WSSE11, WSU, user))
    e = new()
    e.security.append(etree.fromstring(salted.replace("<wsse:UsernameToken", '<wsse:UsernameToken xmlns:wsse="%s"' % WSSE, 1)))
    e.signature(alg=MORE + "hmac-sha256",
                keyinfo='<wsse:SecurityTokenReference xmlns:wsse="%s"><wsse:Reference URI="#U" ValueType="%s"/></wsse:SecurityTokenReference>' % (WSSE, UNT),
                sign=lambda d: hmac.new(b"", d, hashlib.sha256).digest())
    s.bad("password MAC with a salt of the attacker's", e, code="FailedAuthentication")
    send = ('<w:WSEmailSend xmlns:w="%s"><w:theMessage><w:Body>x</w:Body><w:Recipients><w:string>%s'
            '</w:string></w:Recipients><w:Sender>%s</w:Sender></w:theMessage></w:WSEmailSend>')
    status, answer = s.ask(plain(t, send % (WSE, user, "root@" + user.split("@")[1])))
    s.ok(b"200<" not in answer, "another's Sender is refused (RETADDR)", answer[:400])
    status, answer = s.ask(plain(t, send % (WSE, user, user)))
    s.ok(status == 200 and b"200<" in answer, "control: the own Sender", answer[:400])
    status, answer = s.ask(plain(t, send % (WSE, "nobody@" + user.split("@")[1], user)))
    s.ok(b"550<" in answer, "an unknown local recipient is refused at the edge", answer[:400])
    if other:
        e = Envelope(Signer(*other)).done()
        s.bad("a certificate that no user of this domain has", e)


def http_cases(s, new):
    srv = s.server
    body = new().done().text()
    base = "POST /wsemail HTTP/1.1\r\nHost: %s\r\nContent-Type: text/xml\r\n" % srv.domain

    def raw(what, data, want=b"4", **kw):
        if isinstance(data, str):
            data = data.encode()
        r = srv.raw(data)
        m = re.match(rb"HTTP/1.1 (\d)", r)
        s.ok(m is not None and m.group(1) in (want if isinstance(want, tuple) else (want,)), "HTTP: " + what, r[:200])

    n = len(body)
    raw("Content-Length and Transfer-Encoding", base.encode() + b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n" % n + body)
    raw("two Content-Lengths", base.encode() + b"Content-Length: %d\r\nContent-Length: %d\r\n\r\n" % (n, n + 1) + body)
    raw("Content-Length with a sign", base.encode() + b"Content-Length: +%d\r\n\r\n" % n + body)
    raw("negative Content-Length", base.encode() + b"Content-Length: -1\r\n\r\n" + body)
    raw("huge Content-Length", base.encode() + b"Content-Length: 99999999999999999999\r\n\r\n")
    raw("too large Content-Length", base.encode() + b"Content-Length: 9999999999\r\n\r\n")
    raw("unknown transfer coding", base.encode() + b"Transfer-Encoding: gzip, chunked\r\n\r\n", (b"4", b"5"))
    raw("bad chunk size", base.encode() + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n")
    raw("huge chunk size", base.encode() + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n")
    raw("folded field", base.encode() + b"X: a\r\n b\r\nContent-Length: 0\r\n\r\n")
    raw("space before the colon", base.encode() + b"X : a\r\nContent-Length: 0\r\n\r\n")
    raw("NUL in a field", base.encode() + b"X: a\0b\r\nContent-Length: 0\r\n\r\n")
    raw("no Host", "POST /wsemail HTTP/1.1\r\nContent-Length: 0\r\n\r\n")
    raw("two Hosts", base.encode() + b"Host: x\r\nContent-Length: 0\r\n\r\n")
    raw("no length", base.encode() + b"\r\n", (b"4", b"5"))
    raw("long request line", b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\n\r\n")
    raw("many fields", base.encode() + b"".join(b"X%d: y\r\n" % i for i in range(2000)) + b"\r\n")
    raw("HTTP/2.0", "POST /wsemail HTTP/2.0\r\nHost: x\r\n\r\n", (b"4", b"5"))
    raw("another method", "PUT /wsemail HTTP/1.1\r\nHost: %s\r\nContent-Length: 0\r\n\r\n" % srv.domain)
    raw("another target", "GET /../etc/passwd HTTP/1.1\r\nHost: %s\r\n\r\n" % srv.domain)
    raw("WSDL", "GET /wsemail?wsdl HTTP/1.1\r\nHost: %s\r\n\r\n" % srv.domain, b"2")
    chunks = b"".join(b"%x\r\n" % len(body[i:i + 100]) + body[i:i + 100] + b"\r\n" for i in range(0, n, 100))
    raw("chunked request is served", base.encode() + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n", b"2")


def main(port, ca, user, cert, key, password, *other):
    server = Server(int(port), ca, user.split("@")[1])
    s = Suite(server)
    s.signer = Signer(cert, key)

    def new(**kw):
        return Envelope(s.signer, **kw)

    s.good("X.509 signature", new().done())
    e = new(wsa={"Action": WSE + "/WSEmailFetchHeaders",
                 "To": "https://%s/wsemail" % server.domain,
                 "MessageID": "urn:uuid:" + str(uuid.uuid4())})
    s.good("X.509 signature with WS-Addressing", e.done())
    wrap_cases(s, new)
    algorithm_cases(s, new)
    time_cases(s, new)
    xml_cases(s, new)
    token_cases(s, new, user, password, other)
    http_cases(s, new)
    s.good("and the server still serves", new().done())
    print("1..%d" % s.n)
    return s.failed


if __name__ == "__main__":
    if len(sys.argv) < 7:
        print(__doc__, file=sys.stderr)
        sys.exit(64)
    sys.exit(main(*sys.argv[1:]))
