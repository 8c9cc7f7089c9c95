#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""A client that zeep makes from etc/wsemail.wsdl alone.

zeep_client.py url ca 1.1|1.2 text user password
zeep_client.py url ca 1.1|1.2 x509 user certificate key server-certificate

Sends to itself, waits, lists, retrieves, deletes; a token; then a file, in pieces and
by ranges, inline and by MTOM; prints TAP.
"""
import base64
import copy
import datetime
import hashlib
import os
import sys

import requests
from lxml import etree
from zeep import Client, Settings
from zeep.transports import Transport
from zeep.exceptions import Fault
from zeep.wsse.username import UsernameToken
from zeep.wsse.utils import WSU, get_security_header

NS = "{http://securitylab.cis.upenn.edu/WSEmail}"
NS2 = "{urn:wsemail:2}"
DS = "http://www.w3.org/2000/09/xmldsig#"
SAML = "urn:oasis:names:tc:SAML:2.0:assertion"
WST = "http://docs.oasis-open.org/ws-sx/ws-trust/200512"
XOP = "{http://www.w3.org/2004/08/xop/include}"
count = failed = verified = 0


def ok(good, what):
    global count, failed
    count += 1
    if not good:
        failed = 1
    print("%sok %d - %s" % ("" if good else "not ", count, what), flush=True)
    return good


def timestamp():
    now = datetime.datetime.now(datetime.timezone.utc)
    then = now + datetime.timedelta(seconds=60)
    form = "%Y-%m-%dT%H:%M:%SZ"
    return WSU.Timestamp(WSU.Created(now.strftime(form)),
                         WSU.Expires(then.strftime(form)))


def signer(certificate, key, server):
    """zeep's BinarySignature with SHA-256, a Timestamp, and the server's key for answers."""
    import xmlsec
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec
    from zeep.wsse import signature as zs

    with open(certificate, "rb") as f:
        public = x509.load_pem_x509_certificate(f.read()).public_key()
    method = (xmlsec.Transform.ECDSA_SHA256
              if isinstance(public, ec.EllipticCurvePublicKey)
              else xmlsec.Transform.RSA_SHA256)

    class Signer(zs.BinarySignature):
        def apply(self, envelope, headers):
            get_security_header(envelope).append(timestamp())
            return super().apply(envelope, headers)

        def verify(self, envelope):
            if envelope.find(".//{*}Fault") is not None:
                return envelope     # faults are not signed
            with open(server, "rb") as f:
                zs._verify_envelope_with_key(
                    envelope, zs._make_verify_key(f.read()))
            global verified
            verified += 1
            return envelope

    return Signer(key, certificate, signature_method=method,
                  digest_method=xmlsec.Transform.SHA256)


class Mtom(Transport):
    """What zeep lacks of MTOM: Data goes beside the envelope. It reads such answers itself.

    The signature is there already, and is over the text that the part replaces.
    """
    packages = 0

    def post_xml(self, address, envelope, headers):
        envelope, parts = copy.deepcopy(envelope), []
        for data in envelope.iter(NS2 + "Data"):
            parts.append(b"Content-Type: application/octet-stream\r\nContent-ID: <%d@zeep>\r\n"
                         b"Content-Transfer-Encoding: binary\r\n\r\n" % len(parts) +
                         base64.b64decode(data.text))
            data.text = None
            etree.SubElement(data, XOP + "Include", href="cid:%d@zeep" % (len(parts) - 1))
        kind, _, rest = headers["Content-Type"].partition(";")
        parts.insert(0, b'Content-Type: application/xop+xml; charset=utf-8; type="%s"\r\n'
                     b"Content-ID: <root@zeep>\r\n\r\n" % kind.encode() + etree.tostring(envelope))
        action = [p for p in rest.split(";") if p.strip().startswith("action=")]
        headers = dict(headers)
        headers["Content-Type"] = "; ".join(
            ['multipart/related; boundary="=zeep="; type="application/xop+xml"',
             'start="<root@zeep>"', 'start-info="%s"' % kind] + action)
        answer = self.post(address, b"".join(b"--=zeep=\r\n" + p + b"\r\n" for p in parts) +
                           b"--=zeep=--\r\n", headers)
        if answer.headers["Content-Type"].startswith("multipart/related"):
            Mtom.packages += 1
        return answer


def attachments(s, user, how):
    """A file in pieces, to itself and back, by one way of sending octets."""
    # zeep strips these from both ends of a binary part.
    file = os.urandom(2500000).translate(None, b"\r\n")
    sha = hashlib.sha256(file).digest()
    up = s.UploadBegin(Name="of zeep", Size=len(file), Digest=sha)
    ok(up.Offset == 0 and not up.Complete, how + ": begins an upload")
    while up.Offset < len(file):
        at, up = up.Offset, s.UploadPiece(Upload=up.Upload, Offset=up.Offset,
                                          Data=file[up.Offset:up.Offset + 1000000])
        if up.Offset <= at:
            break
    ok(up.Offset == len(file), how + ": its pieces")
    ok(s.UploadFinish(Upload=up.Upload, Digest=sha).Complete, how + ": finishes it")
    node = etree.Element(NS2 + "AttachmentUpload")
    node.text = up.Upload
    st = s.WSEmailSend(theMessage={
        "Body": "see the file", "Subject": "a file by zeep", "Recipients": {"string": [user]},
        "XmlAttachments": {"XmlNode": [{"_value_1": node}]}})
    ok(st.ResponseCode == 200, how + ": sends it")
    first = s.AttachmentList(Limit=1).Attachment[0]
    ok(first.MessageId == st.MessageId and first.Digest == sha, how + ": lists it")
    got = b""
    while len(got) < len(file):
        f = s.AttachmentFetch(Attachment=first.Identifier, Offset=len(got))
        if f.Offset != len(got) or not f.Data:
            break
        got += f.Data
    ok(got == file and f.Digest == sha, how + ": fetches the same octets")
    try:
        s.AttachmentFetch(Attachment="0" * 32)
        ok(False, how + ": another is a fault")
    except Fault as e:
        ok(True, how + ": another is a fault: %s" % e.message)


def token(s, user, ca):
    """WS-Trust and SAML: a token for a fresh key, verified by libxmlsec1."""
    import xmlsec
    from cryptography.hazmat.primitives.asymmetric import rsa

    def number(n):
        return base64.b64encode(n.to_bytes((n.bit_length() + 7) // 8, "big")).decode()

    key = rsa.generate_private_key(65537, 2048).public_key().public_numbers()
    asked = etree.fromstring(
        '<t:x xmlns:t="%s"><t:TokenType>http://docs.oasis-open.org/wss/oasis-wss-saml-token-profile'
        '-1.1#SAMLV2.0</t:TokenType><t:RequestType>%s/Issue</t:RequestType><p:AppliesTo xmlns:p='
        '"http://schemas.xmlsoap.org/ws/2004/09/policy"><a:EndpointReference xmlns:a='
        '"http://www.w3.org/2005/08/addressing"><a:Address>urn:wsemail:2:domain:elsewhere.test'
        '</a:Address></a:EndpointReference></p:AppliesTo><t:KeyType>%s/PublicKey</t:KeyType>'
        '<t:UseKey><d:KeyInfo xmlns:d="%s"><d:KeyValue><d:RSAKeyValue><d:Modulus>%s</d:Modulus>'
        '<d:Exponent>%s</d:Exponent></d:RSAKeyValue></d:KeyValue></d:KeyInfo></t:UseKey></t:x>'
        % (WST, WST, WST, DS, number(key.n), number(key.e)))
    answer = s.RequestSecurityToken(_value_1=list(asked))
    got = [n for n in answer[0]._value_1 if etree.QName(n).localname == "RequestedSecurityToken"]
    root = etree.fromstring(etree.tostring(got[0][0]))
    ok(root.findtext(".//{%s}NameID" % SAML) == user and root.findtext(
        ".//{%s}Audience" % SAML) == "urn:wsemail:2:domain:elsewhere.test", "gets a token")
    xmlsec.tree.add_ids(root, ["ID"])
    keys = xmlsec.KeysManager()
    keys.load_cert(ca, xmlsec.KeyFormat.PEM, xmlsec.KeyDataType.TRUSTED)
    try:
        xmlsec.SignatureContext(keys).verify(root.find("{%s}Signature" % DS))
        ok(True, "which is signed by its domain")
    except xmlsec.Error as e:
        ok(False, "which is signed by its domain: %s" % e)


def main(url, ca, version, how, user, *secret):
    session = requests.Session()
    session.verify = ca
    session.trust_env = False
    if how == "x509":
        wsse = signer(*secret)
    else:
        wsse = UsernameToken(user, secret[0], timestamp_token=timestamp())
    here = os.path.dirname(os.path.abspath(__file__))
    client = Client(os.path.join(here, "../../etc/wsemail.wsdl"), wsse=wsse,
                    transport=Transport(session=session),
                    settings=Settings(strict=True, xsd_ignore_sequence_order=False))
    binding = "WSEmailSoap12" if version == "1.2" else "WSEmailSoap"
    s = client.create_service(NS + binding, url)

    before = s.WSEmailFetchHeaders()
    ok(before.Change >= 0, "lists before")
    text = "eins\nzwei <drei> & \"vier\" \u00e9\U0001f4e7"
    st = s.WSEmailSend(theMessage={
        "Body": text, "Subject": "made by zeep",
        "Recipients": {"string": [user]}})
    ok(st.ResponseCode == 200 and st.MessageId, "sends")
    ok(s.WaitForChange(sinceChange=before.Change, timeout=30) > before.Change,
       "waits until it is there")
    after = s.WSEmailFetchHeaders(limit=5)
    h = after.WSEmailFetchHeadersResult.WSEmailHeader[0]
    ok(h.Subject == "made by zeep" and h.MessageId == st.MessageId, "lists it")
    p = s.WSEmailRetrieve(messageToGet=h.MessageID)
    ok(p.theMessage.Body == text and p.theMessage.Sender == user,
       "retrieves it unchanged")
    ok(s.WSEmailDelete(messagesToDelete={"int": [h.MessageID]}).ResponseCode
       == 200, "deletes it")
    try:
        s.WSEmailRetrieve(messageToGet=h.MessageID)
        ok(False, "a deleted message is a fault")
    except Fault as e:
        ok(True, "a deleted message is a fault: %s" % e.message)
    try:
        s.ExecuteExtensionHandler(ext="nothing")
        ok(False, "an unknown extension is a fault")
    except Fault as e:
        ok(True, "an unknown extension is a fault: %s" % e.message)

    token(s, user, ca)
    attachments(s, user, "inline")
    ok(how != "x509" or verified > 10, "answers were verified")
    was = verified
    client.transport = Mtom(session=session)
    attachments(s, user, "MTOM")
    ok(how != "x509" or verified > was + 7, "so were packages")
    ok(Mtom.packages >= 3, "which they were")
    print("1..%d" % count)
    return failed


if __name__ == "__main__":
    if len(sys.argv) < 7:
        print(__doc__, file=sys.stderr)
        sys.exit(64)
    sys.exit(main(*sys.argv[1:]))
