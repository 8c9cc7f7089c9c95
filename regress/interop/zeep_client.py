#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""A client that zeep makes from etc/wsemail.wsdl alone.

zeep_client.py url ca 1.1|1.2 text user password
zeep_client.py url ca 1.1|1.2 x509 user certificate key server-certificate

Sends to itself, waits, lists, retrieves, deletes; prints TAP.
"""
import datetime
import os
import sys

import requests
from zeep import Client, Settings
from zeep.transports import Transport
from zeep.exceptions import Fault
from zeep.wsse.username import UsernameToken
from zeep.wsse.utils import WSU, get_security_header

NS = "{http://securitylab.cis.upenn.edu/WSEmail}"
count = failed = 0


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
            return envelope

    return Signer(key, certificate, signature_method=method,
                  digest_method=xmlsec.Transform.SHA256)


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
    print("1..%d" % count)
    return failed


if __name__ == "__main__":
    if len(sys.argv) < 7:
        print(__doc__, file=sys.stderr)
        sys.exit(64)
    sys.exit(main(*sys.argv[1:]))
