/* SPDX-License-Identifier: ISC */
/*
 * lib/wsmsg*.c: what is composed is its own exclusive canonical form and
 * reads back as it was; attachments keep their meaning in their new place.
 */
#include "compat.h"

#include <err.h>
#include <stdio.h>

#include "tap.h"
#include "wsemail.h"
#include "wsmsg.h"
#include "wss.h"

#define MSGID		"0123456789abcdef@capricorn.test"
#define NASTY		" \t\r\n\"'<b>&amp;]]> \xc3\xa9\xe2\x82\xac\xf0\x9f\x93\xa7\r"
#define OPEN		"<w:theMessage xmlns:w=\"" NS_WSE "\">"
#define CLOSE		"</w:theMessage>"
#define ATT(x)		"<w:XmlAttachments><w:XmlNode>" x \
			"</w:XmlNode></w:XmlAttachments>"

static const struct xml_limits limits = {
	.bytes = 1 << 20, .depth = 64, .nodes = 10000, .attributes = 64,
	.namespaces = 256, .ids = 64
};

static xmlDocPtr parse(const void *, size_t);
static int	 is_canonical(const struct wbuf *);
static void	 fill(struct wsmsg *);
static void	 empty(struct wsmsg *);
static void	 test_round_trip(void);
static void	 test_refused(void);
static void	 test_lenient(void);
static void	 test_attachments(void);
static void	 test_put_attachment(void);
static void	 test_compose_refused(void);
static void	 test_intent(void);
static void	 test_msgid(void);

static xmlDocPtr
parse(const void *p, size_t len)
{
	const char	*why;
	xmlDocPtr	 doc;

	if ((doc = xml_parse(p, len, &limits, &why)) == NULL)
		errx(1, "%.*s: %s", (int)len, (const char *)p, why);
	return doc;
}

/* By libxml2's word. */
static int
is_canonical(const struct wbuf *w)
{
	struct wbuf	 c = { 0 };
	xmlDocPtr	 doc = parse(w->data, w->len);
	int		 same;

	same = xml_c14n(xmlDocGetRootElement(doc), &c) == 0 &&
	    c.len == w->len && memcmp(c.data, w->data, c.len) == 0;
	wbuf_free(&c);
	xmlFreeDoc(doc);
	return same;
}

static void
fill(struct wsmsg *m)
{
	memset(m, 0, sizeof(*m));
	m->body = strdup(NASTY);
	m->subject = strdup(NASTY);
	m->rcpt = calloc(2, sizeof(*m->rcpt));
	m->rcpt[0] = strdup("bob@scorpio.test");
	m->rcpt[1] = strdup("o'neil&co@scorpio.test");
	m->nrcpt = 2;
	m->sender = strdup("alice@capricorn.test");
	m->timestamp = 1795424400123LL;
	m->flags = FLAG_INSTANT | FLAG_FORM;
	m->msgid = strdup(MSGID);
	m->inreplyto = strdup("fedcba9876543210@scorpio.test");
}

static void
empty(struct wsmsg *m)
{
	memset(m, 0, sizeof(*m));
	m->body = strdup("");
}

static void
test_round_trip(void)
{
	struct wsmsg	 m, r;
	struct wbuf	 w = { 0 }, again = { 0 };
	xmlDocPtr	 doc;
	const char	*why;

	fill(&m);
	is_int(wsmsg_put_attachment(&m, "<a b='1'/>", 10, &why), 0,
	    "attachment");
	is_int(wsmsg_compose(&m, &w), 0, "compose");
	ok(is_canonical(&w), "it is its own canonical form");
	doc = parse(w.data, w.len);
	is_int(wsmsg_read(&r, xmlDocGetRootElement(doc), &why), 0, "read");
	is_str(r.id, "m-0123456789abcdef", "Id");
	is_str(r.body, m.body, "Body");
	is_str(r.subject, m.subject, "Subject");
	is_int((long long)r.nrcpt, 2, "two recipients");
	is_str(r.rcpt[1], m.rcpt[1], "the second");
	is_str(r.sender, m.sender, "Sender");
	is_int(r.timestamp, m.timestamp, "Timestamp");
	is_int(r.flags, m.flags, "MessageFlags");
	is_str(r.msgid, m.msgid, "MessageId");
	is_str(r.inreplyto, m.inreplyto, "InReplyTo");
	is_int(wsmsg_compose(&r, &again), 0, "compose again");
	ok(again.len == w.len && memcmp(again.data, w.data, w.len) == 0,
	    "the same octets");
	wbuf_free(&w);
	wbuf_free(&again);
	wsmsg_free(&r);
	wsmsg_free(&m);
	xmlFreeDoc(doc);

	empty(&m);
	is_int(wsmsg_compose(&m, &w), 0, "compose an empty one");
	wbuf_raw(&w, "", 1);
	is_str((char *)w.data, "<theMessage xmlns=\"" NS_WSE "\"><Body></Body>"
	    "<MessageFlags>0</MessageFlags></theMessage>", "its text");
	wbuf_free(&w);
	wsmsg_free(&m);
}

static void
test_refused(void)
{
	static const struct {
		const char	*xml, *why;
	} t[] = {
		{ "<w:theMessag xmlns:w='" NS_WSE "'/>", "not theMessage" },
		{ "<theMessage/>", "not theMessage" },
		{ OPEN "<w:Body/><w:Body/>" CLOSE,
		    "repeated element in theMessage" },
		{ OPEN "<w:Sender>a@b</w:Sender><w:Sender>c@d</w:Sender>" CLOSE,
		    "repeated element in theMessage" },
		{ OPEN "<w:Bcc/>" CLOSE, "unknown element in theMessage" },
		{ OPEN "<Body/>" CLOSE, "unknown element in theMessage" },
		{ OPEN "<w:Body><b/></w:Body>" CLOSE, "malformed Body" },
		{ OPEN "<w:Body>a<!-- -->b</w:Body>" CLOSE, "malformed Body" },
		{ OPEN "<w:Sender>a@b<!-- -->.evil</w:Sender>" CLOSE,
		    "malformed Sender" },
		{ OPEN "<w:Timestamp>now</w:Timestamp>" CLOSE,
		    "malformed Timestamp" },
		{ OPEN "<w:MessageFlags>-1</w:MessageFlags>" CLOSE,
		    "malformed MessageFlags" },
		{ OPEN "<w:MessageFlags>4294967297</w:MessageFlags>" CLOSE,
		    "malformed MessageFlags" },
		{ OPEN "<w:MessageFlags/>" CLOSE, "malformed MessageFlags" },
		{ OPEN "<w:Recipients><w:rcpt/></w:Recipients>" CLOSE,
		    "malformed Recipients" },
		{ OPEN "<w:Recipients><w:string>a<b/></w:string>"
		    "</w:Recipients>" CLOSE, "malformed Recipients" },
		{ OPEN "<w:XmlAttachments><w:x/></w:XmlAttachments>" CLOSE,
		    "malformed XmlAttachments" },
		{ OPEN ATT("<a/><b/>") CLOSE, "an attachment is not one element" },
		{ OPEN ATT("text") CLOSE, "an attachment is not one element" },
	};
	struct wsmsg	 m;
	xmlDocPtr	 doc;
	const char	*why;
	size_t		 i;
	int		 rv;

	for (i = 0; i < nitems(t); i++) {
		doc = parse(t[i].xml, strlen(t[i].xml));
		rv = wsmsg_read(&m, xmlDocGetRootElement(doc), &why);
		is_str(rv == 0 ? "accepted" : why, t[i].why, t[i].xml);
		if (rv == 0)
			wsmsg_free(&m);
		xmlFreeDoc(doc);
	}
}

/* What toolkits send and means the same. */
static void
test_lenient(void)
{
	static const char text[] = "<w:theMessage xmlns:w='" NS_WSE
	    "' xmlns:i='" NS_XSI "' i:type='w:WSEmailMessage'>\n"
	    "  <w:MessageFlags> 3 </w:MessageFlags><!-- any order -->"
	    "<w:Body>a<![CDATA[<b>]]>\r\nc&#13;</w:Body><w:Sender i:nil='true'/>"
	    "<w:Recipients>\n<w:string> bob@scorpio.test </w:string>\n"
	    "</w:Recipients><w:XmlAttachments/></w:theMessage>";
	struct wsmsg	 m;
	xmlDocPtr	 doc = parse(text, strlen(text));
	const char	*why = "";

	is_int(wsmsg_read(&m, xmlDocGetRootElement(doc), &why), 0, why);
	is_str(m.body, "a<b>\nc\r", "CDATA, and line ends as XML has them");
	is_int(m.flags, 3, "flags with white space");
	ok(m.sender == NULL, "nil is absent");
	is_str(m.rcpt[0], "bob@scorpio.test", "address without white space");
	ok(m.attachments.len == 0 && m.id == NULL, "nothing else");
	wsmsg_free(&m);
	xmlFreeDoc(doc);
}

/* The attachment, and how it stands in theMessage; NULL: refused. */
static void
test_attachments(void)
{
	static const struct {
		const char	*in, *out;
	} t[] = {
		{ "<a b='1'/>", "<a xmlns=\"\" b=\"1\"></a>" },
		{ "<w:a/>", "<w:a xmlns:w=\"" NS_WSE "\"></w:a>" },
		{ "<a xmlns='" NS_WSE "'/>", "<a></a>" },
		{ "<a xmlns='urn:x'><b xmlns=''/></a>",
		    "<a xmlns=\"urn:x\"><b xmlns=\"\"></b></a>" },
		{ "<p:a xmlns:p='urn:p'><b/></p:a>", "<p:a xmlns:p=\"urn:p\">"
		    "<b xmlns=\"\"></b></p:a>" },
		{ "<p:a xmlns:p='urn:p'><b xmlns='" NS_WSE "'><c xmlns=''/></b>"
		    "</p:a>", "<p:a xmlns:p=\"urn:p\"><b><c xmlns=\"\"></c></b>"
		    "</p:a>" },
		{ "<a xmlns:n='urn:unused'/>", "<a xmlns=\"\"></a>" },
		{ "<p:a xmlns:p='urn:p' xmlns:i='" NS_XSI "' i:type='p:t'/>",
		    "<p:a xmlns:i=\"" NS_XSI "\" xmlns:p=\"urn:p"
		    "\" i:type=\"p:t\"></p:a>" },
		{ "<p:a xmlns:p='urn:p' xmlns:i='" NS_XSI "'><p:b i:type='q:t'"
		    " xmlns:q='urn:q'/></p:a>", NULL },
		{ "<q:a xmlns:q='urn:q' xmlns:i='" NS_XSI "'><b i:type='q:t'/>"
		    "</q:a>", "<q:a xmlns:q=\"urn:q\"><b xmlns=\"\" xmlns:i=\""
		    NS_XSI "\" i:type=\"q:t\"></b></q:a>" },
		{ "<q:a xmlns:q='urn:q' xmlns:i='" NS_XSI "'><b i:type='q:t'"
		    " xmlns:q='urn:other'/></q:a>", NULL },
		{ "<p:a xmlns:p='urn:p' xmlns:i='" NS_XSI "' i:type='t'/>",
		    NULL },
		{ "<a xmlns:i='" NS_XSI "' i:type='t'/>", "<a xmlns=\"\" "
		    "xmlns:i=\"" NS_XSI "\" i:type=\"t\"></a>" },
	};
	struct wsmsg	 m;
	struct wbuf	 w = { 0 };
	xmlDocPtr	 doc;
	const char	*why;
	char		 xml[2048], want[2048];
	size_t		 i;
	int		 rv;

	for (i = 0; i < nitems(t); i++) {
		snprintf(xml, sizeof(xml), "%s<w:XmlAttachments><w:XmlNode>%s"
		    "</w:XmlNode></w:XmlAttachments>%s", OPEN, t[i].in, CLOSE);
		doc = parse(xml, strlen(xml));
		rv = wsmsg_read(&m, xmlDocGetRootElement(doc), &why);
		if (t[i].out == NULL) {
			is_str(rv == 0 ? "accepted" : why, "xsi:type in an "
			    "attachment uses a prefix that no name around it "
			    "uses", t[i].in);
			if (rv == 0)
				wsmsg_free(&m);
			xmlFreeDoc(doc);
			continue;
		}
		snprintf(want, sizeof(want), "<XmlAttachments><XmlNode>%s"
		    "</XmlNode></XmlAttachments>", t[i].out);
		wbuf_raw(&m.attachments, "", 1);
		is_str(rv == 0 ? (char *)m.attachments.data : why, want,
		    t[i].in);
		m.attachments.len--;
		ok(wsmsg_compose(&m, &w) == 0 && is_canonical(&w),
		    "canonical in theMessage");
		wbuf_free(&w);
		wsmsg_free(&m);
		xmlFreeDoc(doc);
	}
}

static void
test_put_attachment(void)
{
	static const char	 xml[] = "<wse2:s xmlns:wse2=\"" NS_WSE2
				    "\"><x/></wse2:s>";
	struct wsmsg		 m = { 0 };
	const char		*why;

	is_int(wsmsg_put_attachment(&m, xml, strlen(xml), &why), 0, "one");
	is_int(wsmsg_put_attachment(&m, "<b/>", 4, &why), 0, "another");
	is_int(wsmsg_put_attachment(&m, "<b>", 3, &why), -1, "no element");
	is_int(wsmsg_put_attachment(&m, "<p:b/>", 6, &why), -1,
	    "undeclared prefix");
	wbuf_raw(&m.attachments, "", 1);
	is_str((char *)m.attachments.data, "<XmlAttachments><XmlNode>"
	    "<wse2:s xmlns:wse2=\"" NS_WSE2 "\"><x xmlns=\"\"></x></wse2:s>"
	    "</XmlNode><XmlNode><b xmlns=\"\"></b></XmlNode></XmlAttachments>",
	    "both");
	wsmsg_free(&m);
}

static void
test_compose_refused(void)
{
	struct wsmsg	 m;
	struct wbuf	 w = { 0 };

	empty(&m);
	m.subject = strdup("a\x01");
	is_int(wsmsg_compose(&m, &w), -1, "a character XML has not");
	free(m.subject);
	m.subject = strdup("\xc0\xbc");
	is_int(wsmsg_compose(&m, &w), -1, "not UTF-8");
	free(m.subject);
	m.subject = NULL;
	m.msgid = strdup("\" x=\"@capricorn.test");
	is_int(wsmsg_compose(&m, &w), -1, "a MessageId that is none");
	is_int((long long)w.len, 0, "nothing was written");
	wsmsg_free(&m);
	wbuf_free(&w);
}

static void
test_intent(void)
{
	struct wsmsg	 m;
	uint8_t		 a[32], b[32];

	fill(&m);
	wsmsg_intent(&m, a);
	m.timestamp++;
	wsmsg_intent(&m, b);
	ok(memcmp(a, b, 32) == 0, "the server's time is not the author's word");
	m.flags ^= FLAG_FORM;
	wsmsg_intent(&m, b);
	ok(memcmp(a, b, 32) != 0, "flags are");
	m.flags ^= FLAG_FORM;
	m.nrcpt--;
	wsmsg_intent(&m, b);
	ok(memcmp(a, b, 32) != 0, "recipients are");
	m.nrcpt++;
	m.body[0] = 'x';
	wsmsg_intent(&m, b);
	ok(memcmp(a, b, 32) != 0, "the body is");
	wsmsg_free(&m);
}

static void
test_msgid(void)
{
	static const struct {
		const char	*msgid;
		int		 good;
	} t[] = {
		{ MSGID, 1 },
		{ "0123456789abcde@capricorn.test", 0 },
		{ "-123456789abcdef@capricorn.test", 0 },
		{ "0-23456789ABCDEF@capricorn.test", 1 },
		{ "0123456789abcdef@scorpio.test", 0 },
		{ "0123456789abcdef", 0 },
		{ "0123456789abc.ef@capricorn.test", 0 },
		{ "0123456789abc ef@capricorn.test", 0 },
		{ "0123456789abcdef@capricorn.test ", 0 },
		{ "0123456789abc\xc3\xa9" "f@capricorn.test", 0 },
	};
	char	*a, *b;
	size_t	 i;

	for (i = 0; i < nitems(t); i++)
		is_int(wsmsg_msgid_ok(t[i].msgid, "capricorn.test"), t[i].good,
		    t[i].msgid);
	a = wsmsg_msgid_new("capricorn.test");
	b = wsmsg_msgid_new("capricorn.test");
	ok(a != NULL && wsmsg_msgid_ok(a, "capricorn.test"), "a fresh one");
	ok(b != NULL && strcmp(a, b) != 0, "and another");
	free(a);
	free(b);
}

int
main(void)
{
	if (xml_init() == -1)
		errx(1, "xml_init");
	test_round_trip();
	test_refused();
	test_lenient();
	test_attachments();
	test_put_attachment();
	test_compose_refused();
	test_intent();
	test_msgid();
	return done_testing();
}
