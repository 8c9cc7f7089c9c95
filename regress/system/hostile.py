#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Users, tenants and peers that are not friends, each beside a control.

hostile.py port ca-directory ca-directory-of-virgo's-users alice's-password bob's

The server has capricorn.test and virgo.test.  All certificates are issued
here, with the authorities' keys; scorpio.test and evil.test are peers whose
certificates the server trusts.  What a request consists of is attack.py's.
Prints TAP.
"""
import base64
import copy
import datetime
import hashlib
import hmac
import os
import re
import subprocess
import sys
import time
import uuid

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier
from lxml import etree

import attack
from attack import (B64, DS, EXC, LIST, MORE, OASIS, S11, UNT, WSA, WSE, WSE2,
                    WSSE, WSSE11, WSU, X509V3, Envelope, Server, Suite, c14n, q,
                    stamp)

THUMB = "http://docs.oasis-open.org/wss/oasis-wss-soap-message-security-1.1#ThumbprintSHA1"
SKI = OASIS + "x509-token-profile-1.0#X509SubjectKeyIdentifier"
N256 = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
CAP, VIRGO, SCORPIO, EVIL = "capricorn.test", "virgo.test", "scorpio.test", "evil.test"




class Authority:
    def __init__(self, directory):
        with open(directory + "/ca.crt", "rb") as f:
            self.cert = x509.load_pem_x509_certificate(f.read())
        with open(directory + "/ca.key", "rb") as f:
            self.key = serialization.load_pem_private_key(f.read(), None)


class Holder(attack.Signer):
    """A key and a certificate for it, made as told."""

    def __init__(self, issuer, sans, key=None, eku=None, is_ca=False, start=-1,
                 end=1):
        self.key = key or ec.generate_private_key(ec.SECP256R1())
        now = datetime.datetime.now(datetime.timezone.utc)
        b = (x509.CertificateBuilder()
             .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")]))
             .issuer_name(issuer.cert.subject).public_key(self.key.public_key())
             .serial_number(x509.random_serial_number())
             .not_valid_before(now + datetime.timedelta(days=start))
             .not_valid_after(now + datetime.timedelta(days=end))
             .add_extension(x509.BasicConstraints(is_ca, None), True))
        if sans:
            b = b.add_extension(x509.SubjectAlternativeName(sans), False)
        if eku:
            b = b.add_extension(x509.ExtendedKeyUsage([eku]), False)
        self.cert = b.sign(issuer.key, hashes.SHA256())
        self.der = self.cert.public_bytes(serialization.Encoding.DER)
        self.is_ec = isinstance(self.key, ec.EllipticCurvePrivateKey)
        self.alg = MORE + ("ecdsa-sha256" if self.is_ec else "rsa-sha256")


def domain(issuer, name, **kw):
    return Holder(issuer, [x509.DNSName(name)], **kw)


def user(issuer, *names, **kw):
    return Holder(issuer, [x509.RFC822Name(n) for n in names], **kw)


def str_reference(inner):
    return ('<wsse:SecurityTokenReference xmlns:wsse="%s">%s'
            '</wsse:SecurityTokenReference>' % (WSSE, inner))


def thumbprint(signer):
    return str_reference('<wsse:KeyIdentifier ValueType="%s" EncodingType="%s">%s'
                         '</wsse:KeyIdentifier>' % (THUMB, B64, base64.b64encode(
                             hashlib.sha1(signer.der).digest()).decode()))


class Hosts(Server):
    """Says other names than the one it verifies."""

    def __init__(self, port, ca):
        super().__init__(port, ca, CAP)
        self.host = CAP

    def post(self, body, ctype="text/xml; charset=utf-8", action="", extra=""):
        if isinstance(body, str):
            body = body.encode()
        r = self.raw(("POST /wsemail HTTP/1.1\r\nHost: %s\r\nContent-Type: %s\r\n"
                      "SOAPAction: \"%s\"\r\n%sContent-Length: %d\r\n"
                      "Connection: close\r\n\r\n" % (self.host, ctype, action,
                                                     extra, len(body))).encode() + body)
        m = re.match(rb"HTTP/1.1 (\d+)", r)
        return (int(m.group(1)) if m else 0), r.partition(b"\r\n\r\n")[2]


class HSuite(Suite):
    def status(self, what, body, code, **kw):
        """A WSEmailStatus of this code, in an answer or a fault."""
        answer = self.ask(body, **kw)
        self.ok(b"ResponseCode>%d<" % code in answer[1], what,
                (answer[0], answer[1][:700]))


def message(sender, *recipients, ident=None):
    """theMessage in its canonical form."""
    ident = ident or uuid.uuid4().hex
    return ('<theMessage xmlns="%s" Id="m-%s"><Body>x</Body><Subject>s</Subject>'
            '<Recipients>%s</Recipients><Sender>%s</Sender><Timestamp>%s</Timestamp>'
            '<MessageFlags>0</MessageFlags><MessageId>%s@%s</MessageId></theMessage>'
            % (WSE, ident, "".join("<string>%s</string>" % r for r in recipients),
               sender, stamp(), ident, sender.partition("@")[2]))


def detached(signer, m, certificates=None, alg=None, sign=None, uri=None):
    """theSig over it."""
    tree = etree.fromstring(m)
    si = etree.fromstring(
        '<ds:SignedInfo xmlns:ds="%s"><ds:CanonicalizationMethod Algorithm="%s"/>'
        '<ds:SignatureMethod Algorithm="%s"/><ds:Reference URI="%s"><ds:Transforms>'
        '<ds:Transform Algorithm="%s"/></ds:Transforms><ds:DigestMethod Algorithm="%s"/>'
        '<ds:DigestValue>%s</ds:DigestValue></ds:Reference></ds:SignedInfo>'
        % (DS, EXC, alg or signer.alg, "#" + tree.get("Id") if uri is None else uri, EXC,
           attack.SHA256, base64.b64encode(hashlib.sha256(c14n(tree)).digest()).decode()))
    value = (sign or signer.sign)(c14n(si))
    return ('<ds:Signature xmlns:ds="%s">%s<ds:SignatureValue>%s</ds:SignatureValue>'
            '<ds:KeyInfo><ds:X509Data>%s</ds:X509Data></ds:KeyInfo></ds:Signature>'
            % (DS, c14n(si).decode(), base64.b64encode(value).decode(), "".join(
                "<ds:X509Certificate>%s</ds:X509Certificate>"
                % base64.b64encode(c.der).decode() for c in certificates or [signer])))


class Hop(Envelope):
    """WSEmailSend from server to server; what is not given is as it should be."""

    def __init__(self, signer, m, s, frm=SCORPIO, to=CAP, rcpt=("alice@" + CAP,),
                 kind="WSEmail/2/relay", wsa_to=None, content=None, orig=None,
                 delivery=None, more=None):
        wsa = {"To": "urn:wsemail:2:domain:" + (wsa_to or to),
               "Action": WSE + "/WSEmailSend",
               "MessageID": "urn:uuid:" + str(uuid.uuid4())}
        wsa.update(more or {})
        super().__init__(signer, content or '<w:WSEmailSend xmlns:w="%s">%s<w:theSig>%s'
                         '</w:theSig></w:WSEmailSend>' % (WSE, m, s),
                         wsa={k: v for k, v in wsa.items() if v})
        if delivery is None:
            delivery = ('<x:Kind>%s</x:Kind><x:From>%s</x:From><x:To>%s</x:To>%s'
                        % (kind, frm, to, "".join("<x:Recipient%s>%s</x:Recipient>" % (
                            ' for="%s"' % orig if orig else "", r) for r in rcpt)))
        d = etree.fromstring('<x:Delivery xmlns:x="%s" xmlns:wsu="%s" wsu:Id="D">%s'
                             '</x:Delivery>' % (WSE2, WSU, delivery))
        self.header.insert(0, d)
        self.refs.append("D")


def hop_cases(s, trusted, rogue):
    scorpio, evil = domain(trusted, SCORPIO), domain(trusted, EVIL)
    sender, alice = "dave@" + SCORPIO, "alice@" + CAP

    def hop(signer=scorpio, frm=sender, by=None, to=(alice,), **kw):
        m = message(frm, *to)
        return Hop(signer, m, detached(by or scorpio, m), **kw).done()

    s.status("control: a hop", hop(), 200)
    s.status("control: a hop with a blind copy", hop(to=("x@" + EVIL,)), 200)
    s.bad("another's domain in From", hop(evil), code="FailedAuthentication")
    m = message(sender, alice)
    sig = detached(scorpio, m)
    s.status("DOMAIN: a third domain's hop with a message that is genuine",
             Hop(evil, m, sig, frm=EVIL).done(), 577)
    m = message("x@" + EVIL, alice)
    s.status("control: that domain's own", Hop(evil, m, detached(evil, m), frm=EVIL).done(), 200)
    s.status("theSig by another domain", hop(by=evil), 577)
    s.status("theSig by a user of the domain", hop(by=user(trusted, sender)), 577)
    s.status("theSig by an authority of its own", hop(by=domain(rogue, SCORPIO)), 577)
    s.status("theSig by an expired certificate", hop(by=domain(trusted, SCORPIO, start=-3, end=-1)), 577)
    s.status("theSig by a wildcard", hop(by=domain(trusted, "*.test")), 577)
    s.status("theSig by a certificate for clients", hop(
        by=domain(trusted, SCORPIO, eku=ExtendedKeyUsageOID.CLIENT_AUTH)), 577)
    s.status("theSig by an authority", hop(by=domain(trusted, SCORPIO, is_ca=True)), 577)
    m = message(sender, alice)
    for what, sig in (
            ("with the right certificate behind another", detached(evil, m, [evil, scorpio])),
            ("with another's behind the right one, by it", detached(evil, m, [scorpio, evil])),
            ("that is an HMAC with the certificate", detached(
                scorpio, m, alg=MORE + "hmac-sha256",
                sign=lambda d: hmac.new(scorpio.der, d, hashlib.sha256).digest())),
            ("with an empty URI", detached(scorpio, m, uri="")),
            ("with r and s of zero", detached(scorpio, m, sign=lambda d: bytes(64))),
            ("of another message", detached(scorpio, message(sender, alice)))):
        s.status("theSig " + what, Hop(scorpio, m, sig).done(), 577)
    s.status("theMessage changed behind theSig", Hop(
        scorpio, m.replace(">s<", ">t<"), detached(scorpio, m)).done(), 577)
    s.status("theMessage with a comment behind theSig", Hop(
        scorpio, m.replace("<Body>x", "<Body><!-- -->x"), detached(scorpio, m)).done(), 500)
    s.status("Sender is a user here", hop(frm=alice), 577)
    s.status("Sender is a user here, and so says theSig", hop(frm=alice, by=domain(rogue, CAP)), 577)
    for what, signer in (("a user of the domain", user(trusted, sender)),
                         ("an unknown authority", domain(rogue, SCORPIO)),
                         ("a wildcard", domain(trusted, "*.test")),
                         ("a name that only ends so", domain(trusted, "x" + SCORPIO)),
                         ("a name below it", domain(trusted, "x." + SCORPIO)),
                         ("an expired certificate", domain(trusted, SCORPIO, start=-3, end=-1)),
                         ("one of tomorrow", domain(trusted, SCORPIO, start=1, end=2)),
                         ("one for clients", domain(trusted, SCORPIO,
                                                    eku=ExtendedKeyUsageOID.CLIENT_AUTH)),
                         ("an authority", domain(trusted, SCORPIO, is_ca=True)),
                         ("its SRVName of another service", Holder(trusted, [x509.OtherName(
                             ObjectIdentifier("1.3.6.1.5.5.7.8.7"),
                             b"\x16\x12_smtp." + SCORPIO.encode())]))):
        s.bad("a hop signed by " + what, hop(signer), code="FailedAuthentication")
    nul = Holder(trusted, [x509.DNSName(SCORPIO + "\0.evil.test")])
    s.bad("a hop signed by a name with a NUL", hop(nul), code="FailedAuthentication")
    srv = b"_wsemail." + SCORPIO.encode()
    s.status("control: a hop signed by its SRVName", hop(Holder(trusted, [x509.OtherName(
        ObjectIdentifier("1.3.6.1.5.5.7.8.7"), b"\x16" + bytes([len(srv)]) + srv)])), 200)
    s.bad("DEST: wsa:To is another of our domains", hop(wsa_to=VIRGO), code="FailedAuthentication")
    s.bad("DEST: To is a third domain", Hop(scorpio, m, detached(scorpio, m), to=EVIL).done(), code="FailedAuthentication")
    s.bad("DEST: no wsa:To", hop(more={"To": None}), code="FailedAuthentication")
    s.bad("no wsa:Action", hop(more={"Action": None}), code="FailedAuthentication")
    s.status("a recipient of another tenant", hop(rcpt=(alice, "bob@" + VIRGO)), 500)
    s.status("control: a hop to the other tenant", Hop(
        scorpio, m, detached(scorpio, m), to=VIRGO, rcpt=("bob@" + VIRGO,)).done(), 200)
    s.bad("TAGS: Kind of a submission", hop(kind="WSEmail/2/submit"), code="FailedAuthentication")
    s.bad("TAGS: no Kind", hop(kind=""), code="FailedAuthentication")
    s.bad("From split by a comment", hop(delivery='<x:Kind>WSEmail/2/relay</x:Kind><x:From>'
          'scorpio.test<!-- -->.evil.test</x:From><x:To>%s</x:To><x:Recipient>%s</x:Recipient>'
          % (CAP, alice)), code="FailedAuthentication")
    s.status("forwarded for somebody who was not a recipient", Hop(
        evil, m, detached(scorpio, m), frm=EVIL, orig="x@" + EVIL).done(), 577)
    m = message(sender, "x@" + EVIL)
    sig = detached(scorpio, m)
    s.status("control: forwarded for a recipient of its own", Hop(
        evil, m, sig, frm=EVIL, orig="x@" + EVIL).done(), 200)
    s.status("forwarded for another domain's recipient", Hop(
        evil, m, sig, frm=EVIL, orig="x@x.evil.test").done(), 577)
    # Comparing each with each would take half a minute.
    many = ["x%d@%s" % (i, EVIL) for i in range(60000)]
    m2 = message(sender, *many)
    start = time.process_time(), time.monotonic()
    s.status("forwarded for the last of many recipients", Hop(
        evil, m2, detached(scorpio, m2), frm=EVIL,
        delivery='<x:Kind>WSEmail/2/relay</x:Kind><x:From>%s</x:From><x:To>%s</x:To>%s'
        % (EVIL, CAP, ('<x:Recipient for="%s">%s</x:Recipient>' % (many[-1], alice)) * 1000)
    ).done(), 200)
    s.ok(time.monotonic() - start[1] < 10 + time.process_time() - start[0],
         "is answered at once", time.monotonic() - start[1])
    def der(d):
        return scorpio.key.sign(d, ec.ECDSA(hashes.SHA256()))

    m = message(sender, alice)
    s.status("theSig in DER", Hop(scorpio, m, detached(scorpio, m, sign=der)).done(), 577)
    e = Hop(scorpio, m, detached(scorpio, m))
    e.bst()
    e.signature(sign=der)
    s.bad("a hop's signature in DER", e, code="InvalidSecurity")
    m = message(sender, "x@" + EVIL)
    sig = detached(scorpio, m)
    two = '<w:WSEmailSend xmlns:w="%s">%s%s<w:theSig>%s</w:theSig></w:WSEmailSend>'
    s.status("two messages, one signed", Hop(
        scorpio, m, sig, content=two % (WSE, message(sender, alice), m, sig)).done(), 500)
    e = hop()
    s.status("control: a hop, the first time", e, 200)
    s.bad("the same hop again", e, code="seen before")
    e = hop()
    e.security.remove(e.security.find(q(WSSE, "BinarySecurityToken")))
    e.security.remove(e.security.find(q(DS, "Signature")))
    e.signer = evil
    e.signature(keyinfo=thumbprint(scorpio))
    s.bad("a known thumbprint, another's signature", e, code="FailedCheck")


def tenant_cases(s, trusted, virgo_ca, rogue, alice_pw, bob_pw):
    def plain(name, password, op=LIST, header="", more=""):
        return ('<e:Envelope xmlns:e="%s"><e:Header>%s<wsse:Security xmlns:wsse="%s">'
                '<wsse:UsernameToken><wsse:Username>%s</wsse:Username><wsse:Password>%s'
                '</wsse:Password>%s</wsse:UsernameToken></wsse:Security></e:Header>'
                '<e:Body>%s</e:Body></e:Envelope>' % (S11, header, WSSE, name, password, more, op))

    def send(sender, to="alice@" + CAP, msgid=""):
        return ('<w:WSEmailSend xmlns:w="%s"><w:theMessage><w:Body>x</w:Body><w:Recipients>'
                '<w:string>%s</w:string></w:Recipients><w:Sender>%s</w:Sender>%s</w:theMessage>'
                '</w:WSEmailSend>' % (WSE, to, sender, msgid and "<w:MessageId>%s</w:MessageId>" % msgid))

    alice, bob = "alice@" + CAP, "bob@" + VIRGO
    s.good("alice's password", plain(alice, alice_pw))
    s.good("bob's password", plain(bob, bob_pw))
    s.bad("bob's name, alice's password", plain(bob, alice_pw), code="FailedAuthentication")
    s.bad("alice's name at bob's domain", plain("alice@" + VIRGO, alice_pw), code="FailedAuthentication")
    s.bad("bob without his domain, at alice's", plain("bob", bob_pw), code="FailedAuthentication")
    s.status("control: bob sends", plain(bob, bob_pw, send(bob)), 200)
    s.status("RETADDR: bob as alice", plain(bob, bob_pw, send(alice)), 553)
    s.status("RETADDR: bob as somebody of alice's domain", plain(bob, bob_pw, send("bob@" + CAP)), 553)
    s.status("RETADDR: alice as carol", plain(alice, alice_pw, send("carol@" + CAP)), 553)
    s.status("a MessageId of the other tenant", plain(
        bob, bob_pw, send(bob, msgid=uuid.uuid4().hex + "@" + CAP)), 500)
    for n, code in ((1000, 200), (1001, 500)):
        s.status("one recipient %d times" % n, plain(
            alice, alice_pw, send(alice, ("</w:string><w:string>".join([alice] * n)))), code)
    delivery = '<x:Delivery xmlns:x="%s"><x:From>%s</x:From><x:To>%s</x:To></x:Delivery>'
    s.status("control: Delivery says the same", plain(
        bob, bob_pw, send(bob), delivery % (WSE2, bob, VIRGO)), 200)
    s.bad("Delivery from alice", plain(bob, bob_pw, send(bob), delivery % (WSE2, alice, VIRGO)))
    s.bad("Delivery to alice's domain", plain(bob, bob_pw, send(bob), delivery % (WSE2, bob, CAP)))
    m = message(bob, alice)
    s.bad("a message that bob has signed himself", plain(
        bob, bob_pw, '<w:WSEmailSend xmlns:w="%s">%s<w:theSig>%s</w:theSig></w:WSEmailSend>'
        % (WSE, m, detached(user(virgo_ca, bob), m))), code="FailedAuthentication")
    got = {}
    for name, password in ((alice, alice_pw), (bob, bob_pw)):
        got[name] = s.ask(plain(name, password))[1]
        got[name + "1"] = s.ask(plain(name, password, '<w:WSEmailRetrieve xmlns:w="%s">'
                                      '<w:messageToGet>1</w:messageToGet></w:WSEmailRetrieve>' % WSE))[1]
    s.ok(got[alice] != got[bob] and got[alice + "1"] != got[bob + "1"], "two mailboxes",
         (got[alice][:300], got[bob][:300]))

    def cert(signer, **kw):
        return Envelope(signer, **kw).done()

    s.good("alice's certificate", cert(user(trusted, alice)))
    s.good("bob's certificate", cert(user(virgo_ca, bob)))
    for what, signer in (
            ("for alice by the other tenant's authority", user(virgo_ca, alice)),
            ("for bob by alice's", user(trusted, bob)),
            ("for alice by nobody's", user(rogue, alice)),
            ("for alice, expired", user(trusted, alice, start=-3, end=-1)),
            ("for alice, of tomorrow", user(trusted, alice, start=1, end=2)),
            ("for alice, for servers", user(trusted, alice, eku=ExtendedKeyUsageOID.SERVER_AUTH)),
            ("for alice, an authority's", user(trusted, alice, is_ca=True)),
            ("for alice@capricorn.test.evil.test", user(trusted, alice + ".evil.test")),
            ("for nobody", user(trusted, "nobody@" + CAP)),
            ("for the domain", domain(trusted, CAP)),
            ("for alice in its subject alone", Holder(trusted, [])),
            ("for a name with a NUL", user(trusted, alice + "\0.evil.test"))):
        s.bad("a certificate " + what, cert(signer), code="FailedAuthentication")
    e = cert(user(virgo_ca, alice, bob))
    status, answer = s.ask(e)
    s.ok(status == 200 and answer.count(b"WSEmailHeader>") == got[bob].count(b"WSEmailHeader>"),
         "a certificate for alice and bob, by bob's authority, is bob's", answer[:300])
    # Whoever got a request must not be able to pass it on.
    s.good("wsa:To is us", Envelope(user(trusted, alice), wsa={"To": "https://%s/wsemail" % CAP}).done())
    s.good("wsa:To is us by another name", Envelope(
        user(trusted, alice), wsa={"To": "https://%s:8443/wsemail" % VIRGO}).done())
    for to in ("https://evil.test/wsemail", "https://evil.test/", "https://evil.test:443/wsemail",
               "https://127.0.0.2/wsemail", "https://evil.test/https://capricorn.test/",
               "https://capricorn.test.evil.test/", "https://capricorn.test@evil.test/",
               "urn:wsemail:2:domain:capricorn.test", "https:///wsemail", "https://[/wsemail"):
        s.server.host = re.sub("[/:].*$", "", to[8:]) if re.match("https://[a-z0-9.]+[/:]", to) else CAP
        s.bad("DEST: wsa:To and Host are of " + to,
              Envelope(user(trusted, alice), wsa={"To": to}).done(), code="FailedAuthentication")
    s.server.host = CAP
    faults = []
    for name in (alice, "nobody@" + CAP, "nobody@" + EVIL):
        answer = s.ask(plain(name, "wrong"))
        faults.append((answer[0], re.sub(rb'RequestId>[^<]*<| wsu:Id="[^"]*"', b"", answer[1])))
    s.ok(faults[0] == faults[1] == faults[2] and b"FailedAuthentication" in faults[0][1],
         "who is not a user is told what a wrong password is told", faults)


def mac_cases(s, alice_pw, bob_pw):
    alice, bob = "alice@" + CAP, "bob@" + VIRGO

    def parameters(name):
        answer = s.ask('<e:Envelope xmlns:e="%s"><e:Body><x:GetAuthParameters xmlns:x="%s">'
                       '<x:user>%s</x:user></x:GetAuthParameters></e:Body></e:Envelope>'
                       % (S11, WSE2, name))[1]
        return (base64.b64decode(re.search(rb"Salt>([^<]*)<", answer).group(1)),
                int(re.search(rb"Iterations>([^<]*)<", answer).group(1)))

    def mac(name=alice, key=None, salt=None, iterations=None, nonce=None, cover=True,
            cut=32, wsa=None):
        have, count = parameters(name)
        if key is None:
            key = hashlib.pbkdf2_hmac("sha256", (bob_pw if name == bob else alice_pw).encode(),
                                      have, count)
        nonce = nonce or base64.b64encode(os.urandom(16)).decode()
        e = Envelope(None, wsa=wsa)
        t = etree.fromstring(
            '<wsse:UsernameToken xmlns:wsse="%s" xmlns:wsse11="%s" xmlns:wsu="%s" wsu:Id="U">'
            '<wsse:Username>%s</wsse:Username><wsse:Nonce>%s</wsse:Nonce><wsse11:Salt>%s'
            '</wsse11:Salt><wsse11:Iteration>%d</wsse11:Iteration></wsse:UsernameToken>'
            % (WSSE, WSSE11, WSU, name, nonce, base64.b64encode(salt or have).decode(),
               iterations or count))
        e.security.append(t)
        if cover:
            e.refs.append("U")
        e.key = key
        e.signature(alg=MORE + "hmac-sha256", keyinfo=str_reference(
            '<wsse:Reference URI="#U" ValueType="%s"/>' % UNT),
            sign=lambda d: hmac.new(key, d, hashlib.sha256).digest()[:cut])
        return e

    nonce = base64.b64encode(os.urandom(16)).decode()
    s.good("a MAC", mac(nonce=nonce))
    s.bad("the same nonce in another request", mac(nonce=nonce), code="seen before")
    s.good("the same nonce, of another user", mac(bob, nonce=nonce))
    salt, count = parameters(bob)
    s.bad("another user's salt", mac(salt=salt), code="FailedAuthentication")
    s.bad("other iterations", mac(iterations=count - 1), code="FailedAuthentication")
    s.bad("a key of no iterations", mac(key=alice_pw.encode()), code="FailedAuthentication")
    s.bad("the key of another user", mac(key=mac(bob).key), code="FailedAuthentication")
    s.bad("a MAC cut to half", mac(cut=16), code="InvalidSecurity")
    s.bad("a MAC of nothing", mac(cut=0), code="InvalidSecurity")
    s.good("a token that is not signed", mac(cover=False))
    e = mac(cover=False)
    s.good("one more", e)
    e.byid("U")[1].text = base64.b64encode(os.urandom(16)).decode()
    s.bad("it again, with another nonce", e, code="seen before")
    e = mac(cover=False)
    e.byid("U")[0].text = bob
    s.bad("a token that is not signed, another's name", e, code="FailedAuthentication")
    first, again = parameters("nobody@" + CAP), parameters("nobody@" + CAP)
    s.ok(first == again and first[1] == count and first[0] != parameters("nemo@" + CAP)[0],
         "parameters of nobody are like anybody's", (first, again))


def signature_cases(s, trusted):
    """The envelope's signature by keys of other kinds, and with odd values."""
    alice = "alice@" + CAP
    ours = user(trusted, alice)

    def signed(signer=ours, more=None, **kw):
        e = Envelope(signer, wsa=more)
        e.bst()
        e.signature(**kw)
        return e

    strong = user(trusted, alice, key=rsa.generate_private_key(65537, 2048))
    weak = user(trusted, alice, key=rsa.generate_private_key(65537, 1024))
    s.good("RSA of 2048 bits", signed(strong))
    s.bad("RSA of 1024 bits", signed(weak))
    s.bad("P-384", signed(user(trusted, alice, key=ec.generate_private_key(ec.SECP384R1())),
                          sign=lambda d: bytes(64)), code="InvalidSecurityToken")
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    s.bad("RSA-PSS, named so", signed(
        strong, alg="http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1",
        sign=lambda d: strong.key.sign(d, pss, hashes.SHA256())), code="UnsupportedAlgorithm")
    s.bad("RSA-PSS as rsa-sha256", signed(
        strong, sign=lambda d: strong.key.sign(d, pss, hashes.SHA256())), code="FailedCheck")
    s.bad("an RSA key as ecdsa-sha256", signed(
        strong, alg=MORE + "ecdsa-sha256", sign=lambda d: bytes(64)), code="InvalidSecurity")
    s.bad("an EC key as rsa-sha256", signed(
        alg=MORE + "rsa-sha256", sign=lambda d: bytes(256)), code="InvalidSecurity")
    for what, value in (("zero", bytes(64)), ("r of zero", bytes(32) + b"\1" * 32),
                        ("the group's order", N256.to_bytes(32, "big") * 2),
                        ("all ones", b"\xff" * 64)):
        s.bad("an ECDSA value of " + what, signed(sign=lambda d: value), code="FailedCheck")
    e = signed()
    s.good("ECDSA", e)
    value = e.security.find(q(DS, "Signature"))[1]
    raw = base64.b64decode(value.text)
    other = N256 - int.from_bytes(raw[32:], "big")
    value.text = base64.b64encode(raw[:32] + other.to_bytes(32, "big")).decode()
    s.bad("the same with the other s that verifies", e, code="seen before")
    def integer(n, pad=b""):
        data = pad + n.to_bytes(n.bit_length() // 8 + 1, "big")
        return b"\2" + bytes([len(data)]) + data

    def der(d, pad=b"", negative=0, head=b"\x30", end=b""):
        r, s2 = utils.decode_dss_signature(ours.key.sign(d, ec.ECDSA(hashes.SHA256())))
        if negative:
            r = (1 << 256) + r
        body = integer(r, pad) + integer(s2)
        return head + bytes([len(body)]) + body + end

    s.good("an ECDSA value in DER", signed(sign=der))
    for what, how in (("a zero too much", {"pad": b"\0"}), ("an octet behind it", {"end": b"\0"}),
                      ("a long form of the length", {"head": b"\x30\x81"}),
                      ("an r of 257 bits", {"negative": 1}), ("another tag", {"head": b"\x31"})):
        s.bad("in DER with " + what, signed(sign=lambda d: der(d, **how)), code="InvalidSecurity")
    s.bad("in DER, negative", signed(sign=lambda d: b"\x30\x06\2\1\xff\2\1\xff"),
          code="InvalidSecurity")
    s.bad("in DER, of zeros", signed(sign=lambda d: b"\x30\x06\2\1\0\2\1\0"), code="FailedCheck")
    e = signed()
    s.good("ECDSA, once more", e)
    value = e.security.find(q(DS, "Signature"))[1]
    raw = base64.b64decode(value.text)
    value.text = base64.b64encode(utils.encode_dss_signature(
        int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))).decode()
    s.bad("the same in DER", e, code="seen before")
    for what, inner in (
            ("KeyIdentifier of the subject key", '<wsse:KeyIdentifier ValueType="%s">%s</wsse:KeyIdentifier>'
             % (SKI, base64.b64encode(bytes(20)).decode())),
            ("issuer and serial", '<ds:X509Data xmlns:ds="%s"><ds:X509IssuerSerial>'
             '<ds:X509IssuerName>CN=x</ds:X509IssuerName><ds:X509SerialNumber>1'
             '</ds:X509SerialNumber></ds:X509IssuerSerial></ds:X509Data>' % DS),
            ("a key's name", '<ds:KeyName xmlns:ds="%s">%s</ds:KeyName>' % (DS, alice)),
            ("an embedded token", '<wsse:Embedded><wsse:BinarySecurityToken ValueType="%s">%s'
             '</wsse:BinarySecurityToken></wsse:Embedded>'
             % (X509V3, base64.b64encode(ours.der).decode()))):
        s.bad("KeyInfo by " + what, signed(keyinfo=str_reference(inner)),
              code="UnsupportedSecurityToken")

    def by_thumbprint(whose, signer):
        e = Envelope(signer)
        e.signature(keyinfo=thumbprint(whose))
        return e

    s.bad("a thumbprint that nobody has sent", by_thumbprint(user(trusted, alice), ours),
          code="SecurityTokenUnavailable")
    s.good("one that was", by_thumbprint(ours, ours))
    s.bad("one that was, another's key", by_thumbprint(ours, user(trusted, "carol@" + CAP)),
          code="FailedCheck")
    for what, name, good in (("another namespace's Id", "{urn:f}Id", True),
                             ("the draft's wsu:Id",
                              "{http://schemas.xmlsoap.org/ws/2003/06/utility}Id", True)):
        e = Envelope(ours)
        w = etree.SubElement(e.header, "{urn:w}Wrapper")
        w.set(name, "B")
        s.good(what + " is none", e.done())
    e = Envelope(ours)
    e.security.set(q(S11, "actor"), "")
    s.good("Security for the actor of no name", e.done())
    e = Envelope(ours)
    e.security.set(q(S11, "actor"), "urn:other")
    s.bad("Security for another actor", e.done(), code="InvalidSecurity")
    e = Envelope(ours)
    e.security.set(q(attack.S12, "role"), "urn:other")
    s.good("a role of SOAP 1.2 says nothing in 1.1", e.done())


def package(envelope, parts, boundary="b", start="<root>", kind="application/xop+xml",
            inner="text/xml"):
    out = b""
    for cid, head, data in [("<root>", 'Content-Type: %s; type="%s"\r\n'
                             'Content-Transfer-Encoding: binary\r\n' % (kind, inner),
                             envelope)] + parts:
        out += ("--%s\r\nContent-ID: %s\r\n%s\r\n" % (boundary, cid, head)).encode() + data + b"\r\n"
    return out + ("--%s--\r\n" % boundary).encode(), (
        'multipart/related; boundary="%s"; type="application/xop+xml"; start="%s"; '
        'start-info="text/xml"' % (boundary, start))


def poison_cases(s, trusted):
    """Mail whose content has the Ids of the envelope that it will be in."""
    ours = user(trusted, "alice@" + CAP)

    def call(op):
        return s.ask(Envelope(ours, op=op, wsa={
            "MessageID": "urn:uuid:" + str(uuid.uuid4())}).done())

    ids = set(re.findall(rb' (?:wsu:)?Id="([^"]*)"', call(LIST)[1]))
    s.ok(len(ids) >= 4, "a signed answer has Ids", ids)
    nodes = "".join('<w:XmlNode><f Id="%s"/></w:XmlNode>' % i.decode() for i in sorted(ids))
    status, answer = call(
        '<w:WSEmailSend xmlns:w="%s"><w:theMessage><w:Subject>poison</w:Subject><w:Recipients>'
        '<w:string>alice@%s</w:string></w:Recipients><w:XmlAttachments>%s</w:XmlAttachments>'
        '</w:theMessage></w:WSEmailSend>' % (WSE, CAP, nodes))
    s.ok(b">200<" in answer, "they may stand in a message", (status, answer[:600]))
    wait = ('<x:WaitForChange xmlns:x="%s"><x:sinceChange>%s</x:sinceChange>'
            '<x:timeout>20</x:timeout></x:WaitForChange>')
    header = change = None
    while header is None:
        answer = call(LIST)[1]
        header = re.search(rb"MessageID>(\d+)<(?:(?!/w:WSEmailHeader).)*>poison<", answer)
        was, change = change, re.search(rb"Change>(\d+)<", answer).group(1).decode()
        if header is None and was == change:
            break
        if header is None:
            call(wait % (WSE2, change))
    number = header.group(1).decode() if header else "0"
    status, answer = call('<w:WSEmailRetrieve xmlns:w="%s"><w:messageToGet>%s</w:messageToGet>'
                          '</w:WSEmailRetrieve>' % (WSE, number))
    s.ok(status == 200 and answer.count(b"<f ") == len(ids), "and be read", (status, answer[:600]))
    found = re.findall(rb' (?:wsu:)?Id="([^"]*)"', answer)
    s.ok(len(found) == len(set(found)), "with an envelope of other Ids", found)
    # As deep as a request may be; in an answer it stands deeper by one.
    status, answer = call(
        '<w:WSEmailSend xmlns:w="%s"><w:theMessage><w:Subject>deep</w:Subject><w:Recipients>'
        '<w:string>carol@%s</w:string></w:Recipients><w:XmlAttachments><w:XmlNode>%s%s</w:XmlNode>'
        '</w:XmlAttachments></w:theMessage></w:WSEmailSend>' % (WSE, CAP, "<f>" * 58, "</f>" * 58))
    s.ok(b">200<" in answer, "a message as deep as can be", (status, answer[:600]))
    for what in (["wait", "-e", "-t", "30"], ["show", "1"], ["save", "1", "deep.xml"],
                 ["verify", "-f", "deep.xml"]):
        run = subprocess.run(["wsmail", "-f", "capricorn/carol.rc"] + what,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        s.ok(run.returncode == 0, "and wsmail: " + " ".join(what), run.stdout)


def mtom_cases(s, trusted):
    ours = user(trusted, "alice@" + CAP)
    text = b"a subject of a part"
    octets = "Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n"
    part = [("<p@x>", octets, text)]
    xop = '<xop:Include xmlns:xop="http://www.w3.org/2004/08/xop/include" href="%s"%s/>'
    inc = xop % ("cid:p@x", "")

    def op(inner, second=""):
        return ('<w:WSEmailSend xmlns:w="%s"><w:theMessage><w:Body>%s</w:Body>%s'
                '<w:Recipients><w:string>alice@%s</w:string></w:Recipients></w:theMessage>'
                '</w:WSEmailSend>' % (WSE, inner, second, CAP))

    def packed(include=inc, second="", parts=part, body=None, prepare=None, **kw):
        e = Envelope(ours, op=op(body or base64.b64encode(text).decode(), second)).done()
        whole = e.text().decode()
        if body is None:
            whole = whole.replace(base64.b64encode(text).decode(), include)
        if prepare:
            whole = prepare(whole)
        return package(whole.encode(), parts, **kw)

    def ask(what, pair, good=False, code=None):
        if good:
            status, answer = s.ask(pair[0], ctype=pair[1])
            s.ok(status == 200 and b">200<" in answer, "control: " + what, (status, answer[:500]))
        else:
            s.bad(what, pair[0], ctype=pair[1], code=code)

    ask("a part, signed as what it stands for", packed(), True)
    ask("a part that is not the one signed", packed(parts=[("<p@x>", octets, text + b"!")]),
        code="FailedCheck")
    ask("a part of another name", packed(parts=[("<q@x>", octets, text)]))
    ask("two parts of one name, the second is right", packed(
        parts=[("<p@x>", octets, b"other"), ("<p@x>", octets, text)]), code="FailedCheck")
    ask("a part for two places", packed(second="<w:Subject>%s</w:Subject>" % inc))
    ask("the envelope as its own part", packed(xop % ("cid:root", "")))
    ask("a part by http", packed(xop % ("http://127.0.0.1:1/p", "")))
    ask("a part by file", packed(xop % ("file:///etc/passwd", "")))
    ask("Include with text beside it", packed("x" + inc))
    ask("Include with an element in it", packed(inc.replace("/>", "><a/></xop:Include>")))
    ask("two Includes in one place", packed(inc + inc))
    ask("a part in base64", packed(parts=[("<p@x>", octets.replace("binary", "base64"),
                                         base64.b64encode(text))]))
    ask("a package within the package, as octets", packed(parts=[(
        "<q@x>", 'Content-Type: multipart/related; boundary=c\r\n',
        b"--c\r\nContent-ID: <p@x>\r\n\r\n" + text + b"\r\n--c--\r\n")]))
    ask("100 parts", packed(parts=[("<%d@x>" % i, octets, text) for i in range(100)]))
    ask("a head of 8000 octets", packed(parts=[("<p@x>", octets + "X: %s\r\n" % ("y" * 8000), text)]))
    ask("a start that is not there", packed(start="<nobody>"))
    ask("a root that is text/xml", packed(kind="text/xml"))
    ask("a root of another SOAP", packed(inner="application/soap+xml"), code="VersionMismatch")
    ask("a delimiter of another boundary", (packed()[0], packed(boundary="c")[1]))
    ask("a boundary of 71 letters", packed(boundary="b" * 71))
    whole = packed()
    ask("no closing delimiter", (whole[0][:-6], whole[1]))
    # An Id on what is replaced: it must be gone with it.
    e = Envelope(ours, op=op(xop % ("cid:p@x", ' Id="gone"')))
    e.bst()
    e.signature(refs=[e.reference("B", digest=bytes(32)), e.reference("TS"),
                      e.reference("gone", digest=bytes(32))])
    ask("a reference to the Include", package(e.text(), part), code="InvalidSecurity")
    cert = base64.b64encode(ours.der).decode()
    e = Envelope(ours).done().text().decode().replace(cert, inc)
    status, answer = s.ask(package(e.encode(), [("<p@x>", octets, ours.der)])[0],
                           ctype=package(b"", [])[1])
    s.ok(status == 200 and b"Fault" not in answer, "control: a certificate as a part", answer[:300])
    other = user(trusted, "carol@" + CAP)
    status, answer = s.ask(package(e.encode(), [("<p@x>", octets, other.der)])[0],
                           ctype=package(b"", [])[1])
    s.ok(b"FailedCheck" in answer, "another's certificate as a part", answer[:300])


def http_cases(s, trusted):
    """Framing that two readers could read differently, and what comes behind."""
    ours = user(trusted, "alice@" + CAP)

    def fresh():
        """Two of the same millisecond are not the same."""
        return Envelope(ours, wsa={"MessageID": "urn:uuid:" + str(uuid.uuid4())}).done().text()

    def request(line="POST /wsemail HTTP/1.1", host=CAP, more="", length=None, body=None):
        body = fresh() if body is None else body
        return ("%s\r\nHost: %s\r\nContent-Type: text/xml\r\n%sContent-Length: %s\r\n\r\n" % (
            line, host, more, len(body) if length is None else length)).encode() + body

    def statuses(data):
        """Of all answers until the server closes or answers `last`."""
        with s.server.connect() as c:
            c.settimeout(10)
            c.sendall(data)
            out = b""
            try:
                while not re.search(rb"\r\nConnection: close\r\n", out) or not attack.complete(
                        out[out.rindex(b"HTTP/1.1 "):]):
                    d = c.recv(65536)
                    if not d:
                        break
                    out += d
            except OSError:
                pass
        return [int(n) for n in re.findall(rb"HTTP/1\.1 (\d+) [A-Z]", out)]

    def has(what, data, want):
        got = statuses(data)
        s.ok(got == want, "HTTP: " + what, got)

    def last():
        return request(more="Connection: close\r\n")

    has("two in a row", request() + last(), [200, 200])
    has("nothing behind close is read", last() + request(), [200])
    has("octets behind the length are the next request", request() + b"<x/>\r\n\r\n", [200, 400])
    has("a length too short", request(length=10) + b"\r\n", [500, 400])
    inside = last()
    has("GET with a body that is a request", b"GET /wsemail?wsdl HTTP/1.1\r\nHost: %s\r\n"
        b"Content-Length: %d\r\n\r\n" % (CAP.encode(), len(inside)) + inside + last(), [200, 200])
    has("HEAD has no body", b"HEAD /wsemail?wsdl HTTP/1.1\r\nHost: x\r\n\r\n" + last(), [200, 200])
    for name in ("OPTIONS", "TRACE", "DELETE", "PATCH", "post"):
        has(name, request("%s /wsemail HTTP/1.1" % name) + last(), [405, 200])
    has("CONNECT", b"CONNECT capricorn.test:443 HTTP/1.1\r\nHost: x\r\n\r\n" + last(), [400, 200])
    has("OPTIONS *", b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n" + last(), [400, 200])
    has("https://us/wsemail", request("POST https://%s/wsemail HTTP/1.1" % CAP,
                                      more="Connection: close\r\n"), [200])
    has("http://us/wsemail", request("POST http://%s/wsemail HTTP/1.1" % CAP) + last(), [400, 200])
    has("a user in the authority", request("POST https://a@%s/wsemail HTTP/1.1" % CAP) + last(), [400, 200])
    has("a user in Host", request(host="a@" + CAP), [400])
    has("Upgrade is not heard", request(more="Upgrade: h2c\r\nConnection: upgrade, close\r\n"), [200])
    has("expecting 100", request(more="Expect: 100-continue\r\nConnection: close\r\n"), [200])
    has("expecting more", request(more="Expect: 200-ok\r\n"), [417])
    has("a length in hexadecimal", request(length="0x10"), [400])
    has("a list of lengths", request(length="5, 5"), [400])
    has("a coding twice", request(more="Transfer-Encoding: chunked\r\n"
                                  "Transfer-Encoding: chunked\r\n").replace(b"Content-Length", b"X"), [400])
    has("a list of codings", request(more="Transfer-Encoding: chunked, chunked\r\n")
        .replace(b"Content-Length", b"X"), [400])
    has("a vertical tab before chunked", request(more="Transfer-Encoding: \x0bchunked\r\n"), [400])
    has("a coding and a length", request(more="transfer-encoding:chunked\r\n"), [400])
    chunked = ("POST /wsemail HTTP/1.%d\r\nHost: %s\r\nContent-Type: text/xml\r\nConnection: close\r\n"
               "Transfer-Encoding: chunked\r\n\r\n")
    body = fresh()
    size = b"%x" % len(body)
    head = (chunked % (1, CAP)).encode()
    has("a chunk with an extension", head + size + b";a=b\r\n" + body + b"\r\n0\r\nX: y\r\n\r\n", [200])
    has("chunks in HTTP/1.0", (chunked % (0, CAP)).encode() + size + b"\r\n" + body + b"\r\n0\r\n\r\n", [400])
    has("a chunk longer than it says", head + size + b"\r\n" + body + b"x\r\n0\r\n\r\n", [400])
    has("line feeds alone between chunks", head + size + b"\n" + body + b"\n0\n\n", [400])
    has("a length in the trailer", head + size + b"\r\n" + body + b"\r\n0\r\nContent-Length: 3\r\n\r\n", [400])
    has("line feeds alone", request().replace(b"\r\n", b"\n"), [400])
    has("a coding of the content", request(more="Content-Encoding: gzip\r\n") + last(), [415, 200])
    has("/wsemail/", request("POST /wsemail/ HTTP/1.1") + last(), [404, 200])
    has("/%77semail", request("POST /%77semail HTTP/1.1") + last(), [404, 200])
    has("/wsemail?wsdl", request("POST /wsemail?wsdl HTTP/1.1") + last(), [404, 200])


def main(port, ca, virgo_ca, alice_pw, bob_pw):
    s = HSuite(Hosts(int(port), ca + "/ca.crt"))
    trusted, virgo = Authority(ca), Authority(virgo_ca)
    rogue = copy.copy(trusted)
    rogue.key = ec.generate_private_key(ec.SECP256R1())
    hop_cases(s, trusted, rogue)
    tenant_cases(s, trusted, virgo, rogue, alice_pw, bob_pw)
    mac_cases(s, alice_pw, bob_pw)
    signature_cases(s, trusted)
    poison_cases(s, trusted)
    mtom_cases(s, trusted)
    http_cases(s, trusted)
    s.good("and the server still serves", Envelope(user(trusted, "alice@" + CAP)).done())
    print("1..%d" % s.n)
    return s.failed


if __name__ == "__main__":
    if len(sys.argv) != 6:
        print(__doc__, file=sys.stderr)
        sys.exit(64)
    sys.exit(main(*sys.argv[1:]))
