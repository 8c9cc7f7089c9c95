#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""forge.py port ca cert key other-cert other-key home-port password [attachment]

Assertions by evil.test, whose key this has, at scorpio.test: good ones are
taken, and each that is wrong in one thing is refused.  They ask a plug-in for
something, or for octets of an attachment.  A line "ok" or "not ok" for each.
"""
import base64
import copy
import hashlib
import re
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from lxml import etree

from attack import (B64, DS, EXC, SHA256, WSA, WSE, WSSE, WSU, X509V3, Envelope, Server, Signer,
                    c14n, stamp)

SAML = "urn:oasis:names:tc:SAML:2.0:assertion"
HOK = "urn:oasis:names:tc:SAML:2.0:cm:holder-of-key"
EMAIL = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"
SAMLID = "http://docs.oasis-open.org/wss/oasis-wss-saml-token-profile-1.1#SAMLID"
ENVELOPED = DS + "enveloped-signature"
WST = "http://docs.oasis-open.org/ws-sx/ws-trust/200512"
DOMAIN = "urn:wsemail:2:domain:"
EXTENSION = ('<ExecuteExtensionHandler xmlns="%s"><ext>urn:test:net</ext><args><Connect xmlns='
             '"urn:test:net"><Port>1</Port></Connect></args></ExecuteExtensionHandler>' % WSE)
FETCH = '<AttachmentFetch xmlns="urn:wsemail:2"><Attachment>%s</Attachment></AttachmentFetch>'
LIST = '<WSEmailFetchHeaders xmlns="%s"/>' % WSE


class Key(Signer):
    """Its certificate says nothing: signed by itself."""

    def __init__(self, bits=0):
        import datetime
        now = datetime.datetime.now(datetime.timezone.utc)
        self.key = (rsa.generate_private_key(65537, bits) if bits else
                    ec.generate_private_key(ec.SECP256R1()))
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "key")])
        self.cert = (x509.CertificateBuilder().subject_name(name).issuer_name(name)
                     .public_key(self.key.public_key()).serial_number(1)
                     .not_valid_before(now).not_valid_after(now + datetime.timedelta(1))
                     .sign(self.key, hashes.SHA256()))
        self.der = self.cert.public_bytes(serialization.Encoding.DER)
        self.is_ec = not bits
        self.alg = "http://www.w3.org/2001/04/xmldsig-more#%s-sha256" % (
            "rsa" if bits else "ecdsa")


def certificate(der):
    return ('<ds:X509Data><ds:X509Certificate>%s</ds:X509Certificate></ds:X509Data>'
            % base64.b64encode(der).decode())


def b64int(n):
    return base64.b64encode(n.to_bytes((n.bit_length() + 7) // 8, "big")).decode()


def rsa_value(n, e):
    return ('<ds:KeyValue><ds:RSAKeyValue><ds:Modulus>%s</ds:Modulus><ds:Exponent>%s</ds:Exponent>'
            '</ds:RSAKeyValue></ds:KeyValue>' % (b64int(n), b64int(e)))


def ec_value(point, curve="1.2.840.10045.3.1.7"):
    return ('<ds:KeyValue><d:ECKeyValue xmlns:d="http://www.w3.org/2009/xmldsig11#"><d:NamedCurve '
            'URI="urn:oid:%s"/><d:PublicKey>%s</d:PublicKey></d:ECKeyValue></ds:KeyValue>'
            % (curve, base64.b64encode(point).decode()))


def keyvalue(key):
    """A bare key: XML Signature 1.1, 4.5.2."""
    public = key.key.public_key()
    if not key.is_ec:
        n = public.public_numbers()
        return rsa_value(n.n, n.e)
    return ec_value(public.public_bytes(serialization.Encoding.X962,
                                        serialization.PublicFormat.UncompressedPoint))


def assertion(signer, holder, subject="mallory@evil.test", issuer="evil.test",
              audience="scorpio.test", start=-5, end=300, method=HOK, ident="_t",
              conditions="", confirmations="", issued=0, attribute=None, keyinfo=None):
    a = etree.fromstring(
        '<saml2:Assertion xmlns:saml2="%s" ID="%s" IssueInstant="%s" Version="2.0">'
        '<saml2:Issuer>%s</saml2:Issuer><saml2:Subject><saml2:NameID Format="%s">%s</saml2:NameID>'
        '<saml2:SubjectConfirmation Method="%s"><saml2:SubjectConfirmationData><ds:KeyInfo '
        'xmlns:ds="%s">%s</ds:KeyInfo></saml2:SubjectConfirmationData></saml2:SubjectConfirmation>'
        '%s</saml2:Subject><saml2:Conditions NotBefore="%s" NotOnOrAfter="%s">'
        '<saml2:AudienceRestriction><saml2:Audience>%s</saml2:Audience></saml2:AudienceRestriction>'
        '%s</saml2:Conditions><saml2:AuthnStatement AuthnInstant="%s"><saml2:AuthnContext>'
        '<saml2:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:X509'
        '</saml2:AuthnContextClassRef></saml2:AuthnContext></saml2:AuthnStatement>'
        '</saml2:Assertion>' % (
            SAML, ident, stamp(issued), DOMAIN + issuer, EMAIL, subject, method, DS,
            keyinfo or certificate(holder.der), confirmations, stamp(start), stamp(end), DOMAIN + audience,
            conditions, stamp()))
    if attribute:
        element, name, value = attribute
        (a.find(".//{%s}%s" % (SAML, element))).set(name, value)
    sig = etree.fromstring(
        '<ds:Signature xmlns:ds="%s"><ds:SignedInfo><ds:CanonicalizationMethod Algorithm="%s"/>'
        '<ds:SignatureMethod Algorithm="%s"/><ds:Reference URI="#%s"><ds:Transforms><ds:Transform '
        'Algorithm="%s"/><ds:Transform Algorithm="%s"/></ds:Transforms><ds:DigestMethod '
        'Algorithm="%s"/><ds:DigestValue>%s</ds:DigestValue></ds:Reference></ds:SignedInfo>'
        '<ds:SignatureValue/><ds:KeyInfo>%s</ds:KeyInfo></ds:Signature>' % (
            DS, EXC, signer.alg, ident, ENVELOPED, EXC, SHA256,
            base64.b64encode(hashlib.sha256(c14n(a)).digest()).decode(), certificate(signer.der)))
    sig[1].text = base64.b64encode(signer.sign(c14n(sig[0]))).decode()
    a.insert(1, sig)
    return a


def request(holder, token, op=None, to=DOMAIN + "scorpio.test", ident="_t", refs=None,
            more=None, frm=None, cover=True, direct=None):
    wsa = {"MessageID": "urn:uuid:" + hashlib.sha256(stamp().encode()).hexdigest()[:32] +
           str(request.n)}
    request.n += 1
    if to:
        wsa["To"] = to
    e = Envelope(holder, op=op or request.op, wsa=wsa)
    for t in token if isinstance(token, list) else [token]:
        e.security.append(t)
    if more:
        more(e)
    if frm:
        f = etree.SubElement(e.header, "{%s}From" % WSA, nsmap={"wsa": WSA})
        etree.SubElement(f, "{%s}Address" % WSA).text = frm
        f.set("{%s}Id" % WSU, "wsa-From")
        e.refs.append("wsa-From")
    signed = [e.reference(i) for i in refs or e.refs]
    if cover:
        t = token[0] if isinstance(token, list) else token
        signed.append(e.reference(t.get("ID"), digest=hashlib.sha256(c14n(t)).digest()))
    to_it = (direct % ident if direct else '<wsse:KeyIdentifier ValueType="%s">%s'
             '</wsse:KeyIdentifier>' % (SAMLID, ident))
    e.signature(refs=signed, keyinfo=(
        '<wsse:SecurityTokenReference xmlns:wsse="%s">%s</wsse:SecurityTokenReference>'
        % (WSSE, to_it)))
    return e


request.n = 0
request.op, request.taken = EXTENSION, "not permitted"      # what the plug-in itself says


class Suite:
    def __init__(self, server):
        self.server = server

    def ask(self, what, envelope, good=False, code=None, plain=False):
        status, body = self.server.post(envelope.text())
        text = body.decode("utf-8", "replace")
        taken = request.taken in text
        fault = re.search(r"<faultcode[^>]*>wsse:(\w+)<", text)
        held = taken if good else (
            status == 500 and not taken and (fault is None) == plain and
            (code is None or fault.group(1) == code))
        print("%s %s" % ("ok" if held else "not ok", what))
        if not held:
            print("# %d %s" % (status, text[-700:]))


def forged(s, evil, other):
    key, thief = Key(), Key()

    def bad(what, code="FailedAuthentication", holder=key, req=None, **kw):
        s.ask(what, request(holder, assertion(evil, key, **kw), **(req or {})), code=code)

    s.ask("a good one", request(key, assertion(evil, key)), good=True)
    if request.op == EXTENSION:
        s.ask("of another user", request(key, assertion(evil, key, subject="x@evil.test")),
              good=True)
    bad("ISSUER: for another domain's user", subject="alice@capricorn.test")
    bad("ISSUER: in another domain's name", subject="alice@capricorn.test",
        issuer="capricorn.test")
    bad("ISSUER: another's name for one's own user", issuer="capricorn.test")
    bad("DEST: for another audience", audience="capricorn.test")
    bad("DEST: in a request to another", req={"to": DOMAIN + "capricorn.test"})
    bad("DEST: in a request to nobody", req={"to": None})
    bad("DEST: in a request to an URL", req={"to": "https://scorpio.test/wsemail"})
    bad("SUBJECT: the signature leaves out who asks", req={"cover": False})
    bad("SUBJECT: and says that it is another", req={"cover": False, "frm": "mailto:x@evil.test"})
    for bits in (0, 2048):
        bare = Key(bits)
        s.ask("a bare key of %s" % ("RSA" if bits else "P-256"), request(
            bare, assertion(evil, bare, keyinfo=keyvalue(bare))), good=True)
    bad("a bare key that is another's", code="FailedCheck", keyinfo=keyvalue(thief))
    bad("two keys", code="InvalidSecurityToken", keyinfo=keyvalue(key) + keyvalue(thief))
    bad("a key and a certificate", code="InvalidSecurityToken",
        keyinfo=keyvalue(key) + certificate(thief.der))
    n = Key(2048).key.public_key().public_numbers().n
    for what, value in (
            ("of RSA of 1024 bits", rsa_value(n >> 1024 | 1 << 1023, 65537)),
            ("of RSA with the exponent 1", rsa_value(n, 1)),
            ("of RSA with an even exponent", rsa_value(n, 65536)),
            ("that is no point of the curve", ec_value(b"\x04" + b"\x01" * 64)),
            ("at infinity", ec_value(b"\x00")),
            ("on another curve", ec_value(b"\x04" + b"\x01" * 64, "1.3.132.0.10"))):
        bad("a bare key " + what, code="InvalidSecurityToken", keyinfo=value)
    direct = '<wsse:Reference URI="#%s"/>'
    s.ask("a direct reference", request(key, assertion(evil, key), direct=direct), good=True)
    bad("a direct reference to another", code="InvalidSecurity",
        req={"direct": direct, "ident": "_u"})
    bad("a direct reference as to a certificate", code="UnsupportedSecurityToken",
        req={"direct": '<wsse:Reference URI="#%s" ValueType="' + X509V3 + '"/>'})
    s.ask("who asks in wsa:From", request(key, assertion(evil, key), cover=False,
                                          frm="mailto:Mallory@evil.test"), good=True)
    e = request(key, assertion(evil, key))
    e.security.replace(e.security[1], assertion(evil, key, subject="x@evil.test"))
    s.ask("SUBJECT: another token for the same key in its place", e, code="FailedCheck")
    bad("expired", start=-600, end=-1)
    bad("not yet valid", start=600, end=900)
    bad("ending before it begins", start=20, end=10)
    bad("for longer than a day", end=86500)
    bad("issued tomorrow", issued=86400)
    for element, name, value in (
            ("SubjectConfirmationData", "NotOnOrAfter", stamp(-60)),
            ("SubjectConfirmationData", "Recipient", "https://elsewhere.test/"),
            ("SubjectConfirmationData", "Address", "192.0.2.1"),
            ("NameID", "NameQualifier", "x"), ("AuthnStatement", "SessionNotOnOrAfter", stamp(-60)),
            ("Conditions", "x", "y")):
        bad("an attribute %s of %s" % (name, element), code="InvalidSecurityToken",
            attribute=(element, name, value))
    bad("for a user of the server itself", subject="bob@scorpio.test", issuer="scorpio.test")
    bad("for no user", code="InvalidSecurityToken", subject="evil.test")
    bad("another's key", code="FailedCheck", holder=thief)
    bad("whoever bears it", code="InvalidSecurityToken",
        method="urn:oasis:names:tc:SAML:2.0:cm:bearer")
    bad("or whoever bears it", code="InvalidSecurityToken", confirmations=(
        '<saml2:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"/>'))
    bad("a condition that is not known", code="InvalidSecurityToken",
        conditions="<saml2:OneTimeUse/>")
    bad("two audiences", code="InvalidSecurityToken", conditions=(
        '<saml2:AudienceRestriction><saml2:Audience>%s</saml2:Audience>'
        '</saml2:AudienceRestriction>' % (DOMAIN + "x.test")))
    bad("KeyInfo names another", code="InvalidSecurity", req={"ident": "_u"})
    bad("a mailbox", req={"op": LIST})
    bad("sending", req={"op": '<WSEmailSend xmlns="%s"><theMessage><Recipients><string>'
                              'bob@scorpio.test</string></Recipients></theMessage></WSEmailSend>'
                              % WSE})
    bad("the Body not signed", code="InvalidSecurity", req={"refs": ["TS", "wsa-To",
                                                                     "wsa-MessageID"]})
    bad("wsa:To not signed", code="InvalidSecurity", req={"refs": ["B", "TS", "wsa-MessageID"]})
    s.ask("by an authority that is not known", request(key, assertion(other, key)),
          code="FailedAuthentication")
    for name, path, value in (
            ("the subject", ".//{%s}NameID" % SAML, "alice@evil.test"),
            ("the audience", ".//{%s}Audience" % SAML, DOMAIN + "Scorpio.test"),
            ("the key", ".//{%s}SubjectConfirmation//{%s}X509Certificate" % (SAML, DS),
             base64.b64encode(thief.der).decode())):
        a = assertion(evil, key)
        a.find(path).text = value
        s.ask("altered: " + name, request(thief if name == "the key" else key, a),
              code="InvalidSecurityToken")
    a = assertion(evil, key)
    a.remove(a[1])
    s.ask("not signed", request(key, a), code="InvalidSecurityToken")
    wrapping(s, evil, key)


def wrapping(s, evil, key):
    good = assertion(evil, key)
    s.ask("two of them", request(key, [good, assertion(evil, key, ident="_u")]),
          code="InvalidSecurity")
    # The signed one as a child, or in the signature, of one that is not.
    for name, at in (("in an Object", 1), ("in Advice", 2)):
        false = copy.deepcopy(good)
        false.set("ID", "_f")
        false.find(".//{%s}NameID" % SAML).text = "alice@evil.test"
        if at == 1:
            etree.SubElement(false[1], "{%s}Object" % DS).append(copy.deepcopy(good))
        else:
            advice = etree.Element("{%s}Advice" % SAML)
            advice.append(copy.deepcopy(good))
            false.insert(4, advice)
        s.ask("wrapped " + name, request(key, false, ident="_f"), code="InvalidSecurityToken")
    twin = copy.deepcopy(good)
    twin.find(".//{%s}NameID" % SAML).text = "alice@evil.test"
    s.ask("the same ID elsewhere", request(
        key, twin, more=lambda e: e.header.append(copy.deepcopy(good))), plain=True)

    def bst(e):
        t = etree.SubElement(e.security, "{%s}BinarySecurityToken" % WSSE)
        t.set("ValueType", X509V3)
        t.set("EncodingType", B64)
        t.text = base64.b64encode(evil.der).decode()
    s.ask("beside a certificate", request(key, assertion(evil, key), more=bst),
          code="InvalidSecurity")
    e = request(key, assertion(evil, key))
    s.ask("once", e, good=True)
    s.ask("the same request again", e, code="InvalidSecurity")


def issuing(s, home, password):
    """What a home server gives no token for."""
    key = Key()
    parts = {
        "type": "<t:TokenType>%s</t:TokenType>" % SAMLID.replace("SAMLID", "SAMLV2.0"),
        "request": "<t:RequestType>%s/Issue</t:RequestType>" % WST,
        "applies": '<p:AppliesTo xmlns:p="http://www.w3.org/ns/ws-policy"><a:EndpointReference '
                   'xmlns:a="%s"><a:Address>%sscorpio.test</a:Address></a:EndpointReference>'
                   '</p:AppliesTo>' % (WSA, DOMAIN),
        "key": "<t:KeyType>%s/PublicKey</t:KeyType>" % WST,
        "use": '<t:UseKey><ds:KeyInfo xmlns:ds="%s">%s</ds:KeyInfo></t:UseKey>'
               % (DS, certificate(key.der)),
    }

    def ask(what, good=False, more="", **changed):
        part = dict(parts, **changed)
        status, body = home.post((
            '<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Header>'
            '<o:Security xmlns:o="%s"><o:UsernameToken><o:Username>alice@capricorn.test'
            '</o:Username><o:Password>%s</o:Password></o:UsernameToken></o:Security></e:Header>'
            '<e:Body><t:RequestSecurityToken Context="a&lt;b" xmlns:t="%s">%s%s'
            '</t:RequestSecurityToken></e:Body></e:Envelope>'
            % (WSSE, password, WST, "".join(part.values()), more)).encode())
        root = etree.fromstring(body)
        token = root.find(".//{%s}Assertion" % SAML)
        print("%s %s" % ("ok" if (status == 200 and token is not None) == good and
                         (status == 200 or b">500<" in body) else "not ok", what))
        return token

    token = ask("a stock client's request", good=True)
    s.ask("what it gets is taken", request(key, token, ident=token.get("ID")), good=True)
    ask("without a TokenType", good=True, type="")
    for bits in (0, 2048):
        bare = Key(bits)
        use = parts["use"].replace(certificate(key.der), keyvalue(bare))
        token = ask("for a bare key", good=True, use=use)
        s.ask("which is taken, too", request(bare, token, ident=token.get("ID")), good=True)
    ask("for a key and a certificate", use=parts["use"].replace(
        certificate(key.der), certificate(key.der) + keyvalue(key)))
    ask("for a weak key", use=parts["use"].replace(certificate(key.der), rsa_value(3 << 1000, 3)))
    ask("with what means nothing here", good=True, more="<t:KeySize>256</t:KeySize>")
    ask("on behalf of another", more="<t:OnBehalfOf>bob@capricorn.test</t:OnBehalfOf>")
    ask("to act as another", more="<t:ActAs>bob@capricorn.test</t:ActAs>")
    for name in parts:
        ask("two: " + name, more=parts[name])
        if name != "type":
            ask("none: " + name, **{name: ""})
    ask("a renewal", request=parts["request"].replace("Issue", "Renew"))
    ask("for a bearer", key=parts["key"].replace("PublicKey", "Bearer"))
    ask("for an URL", applies=parts["applies"].replace(DOMAIN, "https://"))
    ask("for the own domain", applies=parts["applies"].replace("scorpio", "capricorn"))


def fetching(s, evil, attachment):
    """Who may have it, and nobody learns more than that he may not."""
    key = Key()

    def ask(subject, ident, **kw):
        op = FETCH % ident
        status, body = s.server.post(request(
            key, assertion(evil, key, subject=subject), op=op, **kw).text())
        return status, re.sub(r"[0-9a-f]{16}", "", re.sub(
            r"(?s)<\w+:(Header|RequestId).*?</\w+:\1>", "", body.decode()))

    def report(what, held):
        print("%s %s" % ("ok" if held else "not ok", what))

    status, body = ask("mallory@evil.test", attachment)
    report("RCLIST: a recipient has it", status == 200 and "secret" not in body
           and base64.b64encode(b"a secret\n").decode() in body)
    none = ask("x@evil.test", "0" * 32)
    report("RCLIST: who is not listed does not", none[0] == 500 and ">550<" in none[1])
    report("and learns nothing by it", ask("x@evil.test", attachment) == none)
    report("nor by what a recipient asks for", ask("mallory@evil.test", "0" * 32) == none)
    report("FULLNAME: nor does a namesake", ask("bob@evil.test", attachment) == none)
    status, body = ask("mallory@evil.test", "zz")
    report("no identifier", status == 500 and ">500<" in body)
    for name in ("List", "Show", "Grant", "Revoke", "Expire", "Withdraw", "Update"):
        op = ('<Attachment%s xmlns="urn:wsemail:2"><Attachment>%s</Attachment></Attachment%s>'
              % (name, attachment, name))
        s.ask("no Attachment" + name, request(key, assertion(evil, key), op=op),
              code="FailedAuthentication")
    for name in ("Begin", "Piece", "State", "Finish", "Abort"):
        op = '<Upload%s xmlns="urn:wsemail:2"><Upload>%s</Upload></Upload%s>' % (
            name, attachment, name)
        s.ask("no Upload" + name, request(key, assertion(evil, key), op=op),
              code="FailedAuthentication")


def main(port, ca, cert, key, other_cert, other_key, home, password, attachment=None):
    if attachment:
        request.op, request.taken = FETCH % attachment, "AttachmentFetchResponse"
        s = Suite(Server(int(port), ca, "scorpio.test"))
        fetching(s, Signer(cert, key), attachment)
        forged(s, Signer(cert, key), Signer(other_cert, other_key))
        return
    issuing(Suite(Server(int(port), ca, "scorpio.test")), Server(int(home), ca, "capricorn.test"),
            password)
    forged(Suite(Server(int(port), ca, "scorpio.test")), Signer(cert, key),
           Signer(other_cert, other_key))


main(*sys.argv[1:])
