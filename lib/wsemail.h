/* SPDX-License-Identifier: ISC */
/* Names of the wire (wsemail(7)): namespaces, actions, flag bits, faults. */
#ifndef WSEMAIL_H
#define WSEMAIL_H

#define NS_WSE		"http://securitylab.cis.upenn.edu/WSEmail"
#define NS_WSE2		"urn:wsemail:2"
#define NS_SOAP11	"http://schemas.xmlsoap.org/soap/envelope/"
#define NS_SOAP12	"http://www.w3.org/2003/05/soap-envelope"
#define NS_WSSE		"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
#define NS_WSSE11	"http://docs.oasis-open.org/wss/oasis-wss-wssecurity-secext-1.1.xsd"
#define NS_WSU		"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
#define NS_WSA		"http://www.w3.org/2005/08/addressing"
#define NS_DS		"http://www.w3.org/2000/09/xmldsig#"
#define NS_DSIG11	"http://www.w3.org/2009/xmldsig11#"
#define NS_EXC_C14N	"http://www.w3.org/2001/10/xml-exc-c14n#"
#define NS_XSI		"http://www.w3.org/2001/XMLSchema-instance"
#define NS_SAML2	"urn:oasis:names:tc:SAML:2.0:assertion"
#define NS_WST		"http://docs.oasis-open.org/ws-sx/ws-trust/200512"
#define NS_XOP		"http://www.w3.org/2004/08/xop/include"
#define NS_WSP		"http://schemas.xmlsoap.org/ws/2004/09/policy"

#define URI_PASSWORD_TEXT	"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordText"
#define URI_PASSWORD_DIGEST	"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordDigest"
#define URI_USERNAME_TOKEN	"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#UsernameToken"
#define URI_X509V3		"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-x509-token-profile-1.0#X509v3"
#define URI_X509PATH		"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-x509-token-profile-1.0#X509PKIPathv1"
#define URI_BASE64		"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0#Base64Binary"
#define URI_THUMBPRINT		"http://docs.oasis-open.org/wss/oasis-wss-soap-message-security-1.1#ThumbprintSHA1"
#define URI_SHA256		"http://www.w3.org/2001/04/xmlenc#sha256"
#define URI_HMAC_SHA256		"http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"
#define URI_RSA_SHA256		"http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
#define URI_ECDSA_SHA256	"http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"
#define URI_P256		"urn:oid:1.2.840.10045.3.1.7"
#define URI_ENVELOPED		"http://www.w3.org/2000/09/xmldsig#enveloped-signature"
#define URI_SAML_TOKEN		"http://docs.oasis-open.org/wss/oasis-wss-saml-token-profile-1.1#SAMLV2.0"
#define URI_SAML_ID		"http://docs.oasis-open.org/wss/oasis-wss-saml-token-profile-1.1#SAMLID"
#define URI_SAML_HOLDER		"urn:oasis:names:tc:SAML:2.0:cm:holder-of-key"
#define URI_SAML_EMAIL		"urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"
#define URI_SAML_AC		"urn:oasis:names:tc:SAML:2.0:ac:classes:"	/* and PasswordProtectedTransport, X509 */
#define URI_WST_ISSUE		NS_WST "/Issue"
#define URI_WST_PUBLICKEY	NS_WST "/PublicKey"
#define URI_WSA_ANONYMOUS	"http://www.w3.org/2005/08/addressing/anonymous"

/* The derivation that GetAuthParameters names: RFC 8018 PBKDF2, HMAC-SHA-256, 32 octets. */
#define URI_PBKDF2_SHA256	"urn:wsemail:2:pbkdf2-hmac-sha256"

/* MessageFlags, the prototype's bits. */
#define FLAG_INSTANT		1
#define FLAG_DELETE_UNDELIVERABLE 2
#define FLAG_BULK		4
#define FLAG_INVITATION		8
#define FLAG_FORM		16
#define FLAG_DYNAMIC_FORM	32
#define FLAG_ENCRYPTED		64
#define FLAG_DIRECT		128

/*
 * Tags of formal.md 2.4: each kind of signed text names itself, so that one
 * is never taken for another.  Carried in the Delivery header's Kind.
 */
#define KIND_SUBMIT		"WSEmail/2/submit"
#define KIND_RELAY		"WSEmail/2/relay"

/* wsa:To of a hop: the receiving domain itself, not a URL (check DEST). */
#define WSA_TO_PREFIX		"urn:wsemail:2:domain:"

#endif /* WSEMAIL_H */
