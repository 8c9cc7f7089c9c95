/* SPDX-License-Identifier: ISC */
/*
 * A client made by gSOAP from etc/wsemail.wsdl alone, with its stock WS-
 * Security plug-in: sends to itself, waits, lists, retrieves, deletes; or a
 * file by MTOM: up in pieces, to itself, and fetched again.
 *	gsoap_client url ca text user password
 *	gsoap_client url ca mtom user password
 *	gsoap_client url ca x509 user certificate key
 *	SOAP=1.1 in the environment: that one of the two bindings it finds,
 *	not 1.2
 * Prints TAP; the exit status tells whether all went well.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/sha.h>

#include "soapH.h"
#include "wsseapi.h"
#include "WSEmailSoap.nsmap"

#define FILE_SIZE	2500000
#define PIECE		1000000		/* octets, of an upload */

static const char	*url, *how, *user, *secret, *keyfile;
static X509		*cert;
static EVP_PKEY		*key;
static int		 n, failed, version = 2;

static int
ok(int good, struct soap *soap, const char *what)
{
	printf("%sok %d - %s %s\n", good ? "" : "not ", ++n, how, what);
	if (!good) {
		failed = 1;
		if (soap->error)
			soap_print_fault(soap, stderr);
	}
	return good;
}

/* The Security header, anew for each request. */
static void
secure(struct soap *soap)
{
	soap_wsse_delete_Security(soap);
	soap_wsse_add_Timestamp(soap, "Time", 60);
	if (cert == NULL) {
		soap_wsse_add_UsernameTokenText(soap, "User", user, secret);
		return;
	}
	if (soap_wsse_add_BinarySecurityTokenX509(soap, "X509Token", cert) ||
	    soap_wsse_add_KeyInfo_SecurityTokenReferenceX509(soap,
	    "#X509Token") || soap_wsse_sign_body(soap,
	    EVP_PKEY_base_id(key) == EVP_PKEY_EC ? SOAP_SMD_SIGN_ECDSA_SHA256 :
	    SOAP_SMD_SIGN_RSA_SHA256, key, 0)) {
		soap_print_fault(soap, stderr);
		exit(1);
	}
}

static void
load(void)
{
	FILE	*f;

	if ((f = fopen(secret, "r")) == NULL ||
	    (cert = PEM_read_X509(f, NULL, NULL, NULL)) == NULL) {
		fprintf(stderr, "%s: no certificate\n", secret);
		exit(1);
	}
	fclose(f);
	if ((f = fopen(keyfile, "r")) == NULL ||
	    (key = PEM_read_PrivateKey(f, NULL, NULL, NULL)) == NULL) {
		fprintf(stderr, "%s: no key\n", keyfile);
		exit(1);
	}
	fclose(f);
}

static void
roundtrip(struct soap *soap)
{
	struct ns1__WSEmailMessage			 m;
	struct ns1__ArrayOfString			 to;
	struct _ns1__WSEmailSend			 send;
	struct _ns1__WSEmailSendResponse		 sent;
	struct _ns1__WSEmailFetchHeaders		 list;
	struct _ns1__WSEmailFetchHeadersResponse	 listed;
	struct _ns2__WaitForChange			 wait;
	struct _ns2__WaitForChangeResponse		 waited;
	struct _ns1__WSEmailRetrieve			 get;
	struct _ns1__WSEmailRetrieveResponse		 got;
	struct _ns1__WSEmailDelete			 del;
	struct _ns1__WSEmailDeleteResponse		 deleted;
	struct ns1__ArrayOfInt				 ids;
	const char		*text = "line one\nline <two> & \"three\"";
	char			*rcpt[1];
	int			 timeout = 30, limit, id;

	/*
	 * Its Created has seconds and it sends no nonce: two requests that
	 * are alike within one second would be one and its replay.
	 */
	memset(&list, 0, sizeof(list));
	list.limit = &limit;
	limit = 5;
	secure(soap);
	if (!ok(soap_call___ns1__WSEmailFetchHeaders(soap, url, NULL, &list,
	    &listed) == SOAP_OK, soap, "lists before"))
		return;
	ok(soap->version == version, soap, "and is answered in its SOAP");
	wait.sinceChange = listed.Change;
	wait.timeout = &timeout;

	memset(&m, 0, sizeof(m));
	memset(&send, 0, sizeof(send));
	rcpt[0] = (char *)user;
	to.__sizestring = 1;
	to.string = rcpt;
	m.Body = (char *)text;
	m.Subject = (char *)"made by gSOAP";
	m.Recipients = &to;
	send.theMessage = &m;
	secure(soap);
	if (!ok(soap_call___ns1__WSEmailSend(soap, url, NULL, &send, &sent) ==
	    SOAP_OK && sent.WSEmailSendResult->ResponseCode == 200, soap,
	    "sends"))
		return;
	secure(soap);
	if (!ok(soap_call___ns1__WaitForChange(soap, url, NULL, &wait,
	    &waited) == SOAP_OK && waited.Change > wait.sinceChange, soap,
	    "waits until it is there"))
		return;
	limit = 6;
	secure(soap);
	if (!ok(soap_call___ns1__WSEmailFetchHeaders(soap, url, NULL, &list,
	    &listed) == SOAP_OK && listed.WSEmailFetchHeadersResult != NULL &&
	    listed.WSEmailFetchHeadersResult->__sizeWSEmailHeader > 0 &&
	    strcmp(listed.WSEmailFetchHeadersResult->WSEmailHeader[0].Subject,
	    "made by gSOAP") == 0, soap, "lists it"))
		return;
	id = listed.WSEmailFetchHeadersResult->WSEmailHeader[0].MessageID;
	get.messageToGet = id;
	secure(soap);
	ok(soap_call___ns1__WSEmailRetrieve(soap, url, NULL, &get, &got) ==
	    SOAP_OK && strcmp(got.WSEmailRetrieveResult->theMessage->Body,
	    text) == 0 && strcmp(got.WSEmailRetrieveResult->theMessage->Sender,
	    user) == 0, soap, "retrieves it unchanged, its sender set");
	ids.__sizeint_ = 1;
	ids.int_ = &id;
	del.messagesToDelete = &ids;
	secure(soap);
	ok(soap_call___ns1__WSEmailDelete(soap, url, NULL, &del, &deleted) ==
	    SOAP_OK && deleted.WSEmailDeleteResult->ResponseCode == 200, soap,
	    "deletes it");
	secure(soap);
	ok(soap_call___ns1__WSEmailRetrieve(soap, url, NULL, &get, &got) !=
	    SOAP_OK, soap, "and cannot retrieve it any more");
}

/* One octet string, beside the envelope when it has a type. */
static void
octets(struct xsd__base64Binary *b, const void *p, size_t len, const char *type)
{
	memset(b, 0, sizeof(*b));
	b->__ptr = (unsigned char *)(uintptr_t)p;
	b->__size = (int)len;
	b->type = (char *)(uintptr_t)type;
}

/* Up in pieces; the upload's identifier, or NULL. */
static char *
upload(struct soap *soap, const unsigned char *file, const unsigned char *sha)
{
	struct _ns2__UploadBegin	 begin;
	struct _ns2__UploadPiece	 piece;
	struct _ns2__UploadFinish	 finish;
	struct ns2__Upload		 at;

	memset(&begin, 0, sizeof(begin));
	begin.Name = (char *)"of gSOAP";
	begin.Size = FILE_SIZE;
	octets(&begin.Digest, sha, 32, NULL);
	secure(soap);
	if (!ok(soap_call___ns1__UploadBegin(soap, url, NULL, &begin, &at) ==
	    SOAP_OK && at.Offset == 0 && at.Size == FILE_SIZE && !at.Complete,
	    soap, "begins an upload"))
		return NULL;
	while (at.Offset < FILE_SIZE) {
		memset(&piece, 0, sizeof(piece));
		piece.Upload = at.Upload;
		piece.Offset = at.Offset;
		octets(&piece.Data, file + at.Offset, at.Offset + PIECE >
		    FILE_SIZE ? FILE_SIZE - (size_t)at.Offset : PIECE,
		    "application/octet-stream");
		secure(soap);
		if (!ok(soap_call___ns1__UploadPiece(soap, url, NULL, &piece,
		    &at) == SOAP_OK && at.Offset == piece.Offset +
		    piece.Data.__size, soap, "a piece"))
			return NULL;
	}
	finish.Upload = at.Upload;
	octets(&finish.Digest, sha, 32, NULL);
	secure(soap);
	return ok(soap_call___ns1__UploadFinish(soap, url, NULL, &finish,
	    &at) == SOAP_OK && at.Complete, soap, "finishes it") ? at.Upload :
	    NULL;
}

/* To itself; the attachment's identifier as its list has it, or NULL. */
static char *
attach(struct soap *soap, const char *up)
{
	struct ns1__WSEmailMessage		 m;
	struct ns1__ArrayOfString		 to;
	struct ns1__ArrayOfXmlNode		 nodes;
	struct ns1__AnyXml			 node;
	struct _ns1__WSEmailSend		 send;
	struct _ns1__WSEmailSendResponse	 sent;
	struct _ns2__AttachmentList		 list;
	struct _ns2__AttachmentListResponse	 listed;
	char			 xml[128], *rcpt[1];

	memset(&m, 0, sizeof(m));
	memset(&send, 0, sizeof(send));
	memset(&list, 0, sizeof(list));
	rcpt[0] = (char *)(uintptr_t)user;
	to.__sizestring = 1;
	to.string = rcpt;
	snprintf(xml, sizeof(xml), "<x:AttachmentUpload xmlns:x=\"urn:wsemail:2"
	    "\">%s</x:AttachmentUpload>", up);
	node.__any = xml;
	nodes.__sizeXmlNode = 1;
	nodes.XmlNode = &node;
	m.Subject = (char *)"a file by gSOAP";
	m.Recipients = &to;
	m.XmlAttachments = &nodes;
	send.theMessage = &m;
	secure(soap);
	if (!ok(soap_call___ns1__WSEmailSend(soap, url, NULL, &send, &sent) ==
	    SOAP_OK && sent.WSEmailSendResult->ResponseCode == 200, soap,
	    "sends it"))
		return NULL;
	secure(soap);
	return ok(soap_call___ns1__AttachmentList(soap, url, NULL, &list,
	    &listed) == SOAP_OK && listed.__sizeAttachment > 0 &&
	    strcmp(listed.Attachment->Name, "of gSOAP") == 0 &&
	    listed.Attachment->Size == FILE_SIZE, soap, "lists it") ?
	    listed.Attachment->Identifier : NULL;
}

/* What was sent, by ranges; each beside its envelope. */
static void
fetch(struct soap *soap, char *id, const unsigned char *file,
    const unsigned char *sha)
{
	struct _ns2__AttachmentFetch		 get;
	struct _ns2__AttachmentFetchResponse	 got;
	LONG64			 offset = 0;

	memset(&get, 0, sizeof(get));
	get.Attachment = id;
	get.Offset = &offset;
	while (offset < FILE_SIZE) {
		secure(soap);
		soap_set_mime(soap, NULL, NULL);
		if (!ok(soap_call___ns1__AttachmentFetch(soap, url, NULL, &get,
		    &got) == SOAP_OK && got.Offset == offset &&
		    got.Size == FILE_SIZE && got.Data.__size > 0 &&
		    got.Digest.__size == 32 &&
		    memcmp(got.Digest.__ptr, sha, 32) == 0, soap,
		    "fetches some of it"))
			return;
		ok(got.Data.id != NULL, soap, "beside the envelope");
		if (!ok(offset + got.Data.__size <= FILE_SIZE &&
		    memcmp(got.Data.__ptr, file + offset,
		    (size_t)got.Data.__size) == 0, soap, "the same octets"))
			return;
		offset += got.Data.__size;
	}
}

static void
by_mtom(struct soap *soap)
{
	static unsigned char	 file[FILE_SIZE];
	unsigned char		 sha[32];
	char			*up, *id;
	size_t			 i;

	for (i = 0; i < sizeof(file); i++)
		file[i] = (unsigned char)(i * i >> 7);
	SHA256(file, sizeof(file), sha);
	/* What it writes canonically has an xop:Include without its href. */
	soap_clr_omode(soap, SOAP_XML_CANONICAL);
	soap_set_omode(soap, SOAP_ENC_MTOM);
	if ((up = upload(soap, file, sha)) != NULL &&
	    (id = attach(soap, up)) != NULL)
		fetch(soap, id, file, sha);
}

int
main(int argc, char **argv)
{
	struct soap	*soap;
	const char	*v;

	if (argc < 6) {
		fprintf(stderr, "usage: gsoap_client url ca "
		    "text|mtom|x509 user secret [key]\n");
		return 64;
	}
	url = argv[1];
	how = argv[3];
	user = argv[4];
	secret = argv[5];
	keyfile = argc > 6 ? argv[6] : NULL;
	soap_ssl_init();
	soap = soap_new1(SOAP_IO_KEEPALIVE | SOAP_XML_CANONICAL | SOAP_C_UTFSTRING);
	/* Which version it speaks, gSOAP goes by the table's first two rows. */
	if ((v = getenv("SOAP")) != NULL && strcmp(v, "1.1") == 0) {
		version = 1;
		namespaces[0].ns = "http://schemas.xmlsoap.org/soap/envelope/";
		namespaces[1].ns = "http://schemas.xmlsoap.org/soap/encoding/";
		namespaces[0].in = namespaces[1].in = NULL;
	}
	soap_set_namespaces(soap, namespaces);
	soap_register_plugin(soap, soap_wsse);
	if (soap_ssl_client_context(soap,
	    SOAP_SSL_REQUIRE_SERVER_AUTHENTICATION | SOAP_TLSv1_2, NULL, NULL,
	    argv[2], NULL, NULL)) {
		soap_print_fault(soap, stderr);
		return 1;
	}
	if (strcmp(how, "x509") == 0)
		load();
	/* A wrong password is refused before anything right is tried. */
	if (cert == NULL) {
		struct _ns1__WSEmailFetchHeaders		list;
		struct _ns1__WSEmailFetchHeadersResponse	listed;
		const char	*right = secret;

		memset(&list, 0, sizeof(list));
		secret = "wrong";
		secure(soap);
		ok(soap_call___ns1__WSEmailFetchHeaders(soap, url, NULL, &list,
		    &listed) != SOAP_OK, soap, "wrong password refused");
		secret = right;
	}
	if (strcmp(how, "mtom") == 0)
		by_mtom(soap);
	else
		roundtrip(soap);
	printf("1..%d\n", n);
	soap_destroy(soap);
	soap_end(soap);
	soap_free(soap);
	return failed;
}
