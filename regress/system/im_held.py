#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""im_held.py port ca domain user password count

That many locations, each with a Take that is held for long; then a request
of another kind must be answered at once.
"""
import http.client
import re
import ssl
import sys
import time

WSSE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
WSE = "http://securitylab.cis.upenn.edu/WSEmail"
S11 = "http://schemas.xmlsoap.org/soap/envelope/"


def main():
    port, ca, domain, user, password, count = sys.argv[1:]
    ctx = ssl.create_default_context(cafile=ca)
    ctx.check_hostname = False

    def post(method, args=""):
        c = http.client.HTTPSConnection("127.0.0.1", int(port), context=ctx)
        c.request("POST", "/wsemail", (
            '<e:Envelope xmlns:e="%s"><e:Header><o:Security xmlns:o="%s"><o:UsernameToken>'
            '<o:Username>%s@%s</o:Username><o:Password>%s</o:Password></o:UsernameToken>'
            '</o:Security></e:Header><e:Body><w:ExecuteExtensionHandler xmlns:w="%s">'
            '<w:ext>urn:wsemail:2:im</w:ext><w:args><%s xmlns="urn:wsemail:2:im">%s</%s></w:args>'
            '</w:ExecuteExtensionHandler></e:Body></e:Envelope>' % (
                S11, WSSE, user, domain, password.strip(), WSE, method, args, method)),
            {"Content-Type": "text/xml", "SOAPAction": '""'})
        return c

    held = []
    for _ in range(int(count)):
        answer = post("Register").getresponse().read().decode()
        location = re.search(r"<Location>([0-9a-f]+)<", answer).group(1)
        held.append(post("Take", "<Location>%s</Location><Wait>200</Wait>" % location))
    begun = time.monotonic()
    for _ in range(10):
        answer = post("Contacts").getresponse()
        if answer.status != 200:
            raise SystemExit(answer.read())
    took = time.monotonic() - begun
    print("%d held, ten answers in %.3f s" % (len(held), took))
    return took > 20        # they would wait for as long as those are held


sys.exit(main())
