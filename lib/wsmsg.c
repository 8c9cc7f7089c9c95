/* SPDX-License-Identifier: ISC */
/*
 * theMessage: from a tree to its parts, and from the parts to the canonical
 * text that the sender's server signs.  Called by soap and wsmail.
 *
 * The text is its own exclusive canonical form: one default namespace, no
 * white space between elements, characters written as Canonical XML 1.0
 * section 2.3 writes them.  wss_digest() checks that once more before
 * anything is signed.
 */
#include "compat.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>

#include <openssl/sha.h>

#include "wsemail.h"
#include "wsmsg.h"
#include "wsmsg_int.h"
#include "wstime.h"

#define MSG_WORD_MAX	1024	/* addresses, ids, times */
#define MSG_TOKEN_MIN	16
#define MSG_TOKEN_MAX	64

struct msg_field {
	const char	*name;
	int		(*read)(struct wsmsg *, xmlNodePtr, const char **);
};

static int	 msg_read_body(struct wsmsg *, xmlNodePtr, const char **);
static int	 msg_read_subject(struct wsmsg *, xmlNodePtr, const char **);
static int	 msg_read_recipients(struct wsmsg *, xmlNodePtr, const char **);
static int	 msg_read_sender(struct wsmsg *, xmlNodePtr, const char **);
static int	 msg_read_timestamp(struct wsmsg *, xmlNodePtr, const char **);
static int	 msg_read_flags(struct wsmsg *, xmlNodePtr, const char **);
static int	 msg_read_msgid(struct wsmsg *, xmlNodePtr, const char **);
static int	 msg_read_inreplyto(struct wsmsg *, xmlNodePtr, const char **);
static int	 msg_read_field(struct wsmsg *, xmlNodePtr, unsigned int *,
		    const char **);
static int	 msg_is_nil(xmlNodePtr);
static char	*msg_word(xmlNodePtr);
static int	 msg_valid(const char *);
static int	 msg_valid_all(const struct wsmsg *);
static void	 msg_put_id(const struct wsmsg *, struct wbuf *);

/* In the order of the schema, which is also that of composing. */
static const struct msg_field msg_fields[] = {
	{ "Body",		msg_read_body },
	{ "Subject",		msg_read_subject },
	{ "Recipients",		msg_read_recipients },
	{ "Sender",		msg_read_sender },
	{ "Timestamp",		msg_read_timestamp },
	{ "XmlAttachments",	wsmsg_read_attachments },
	{ "MessageFlags",	msg_read_flags },
	{ "MessageId",		msg_read_msgid },
	{ "InReplyTo",		msg_read_inreplyto },
};

/* Text without the white space around it; NULL: malformed. */
static char *
msg_word(xmlNodePtr n)
{
	char	*text;
	size_t	 skip, len;

	if ((text = xml_text(n, MSG_WORD_MAX)) == NULL)
		return NULL;
	skip = strspn(text, " \t\r\n");
	len = strlen(text + skip);
	while (len > 0 && strchr(" \t\r\n", text[skip + len - 1]) != NULL)
		len--;
	memmove(text, text + skip, len);
	text[len] = '\0';
	return text;
}

static int
msg_read_body(struct wsmsg *m, xmlNodePtr n, const char **why)
{
	*why = "malformed Body";
	return (m->body = xml_text(n, SIZE_MAX)) != NULL ? 0 : -1;
}

static int
msg_read_subject(struct wsmsg *m, xmlNodePtr n, const char **why)
{
	*why = "malformed Subject";
	return (m->subject = xml_text(n, SIZE_MAX)) != NULL ? 0 : -1;
}

static int
msg_read_recipients(struct wsmsg *m, xmlNodePtr n, const char **why)
{
	xmlNodePtr	 c;
	size_t		 count = 0;

	*why = "malformed Recipients";
	for (c = xml_first(n); c != NULL; c = xml_next(c))
		count++;
	if (count == 0)
		return 0;
	if ((m->rcpt = calloc(count, sizeof(*m->rcpt))) == NULL) {
		*why = "out of memory";
		return -1;
	}
	for (c = xml_first(n); c != NULL; c = xml_next(c), m->nrcpt++)
		if (!xml_is(c, NS_WSE, "string") ||
		    (m->rcpt[m->nrcpt] = msg_word(c)) == NULL)
			return -1;
	return 0;
}

static int
msg_read_sender(struct wsmsg *m, xmlNodePtr n, const char **why)
{
	*why = "malformed Sender";
	return (m->sender = msg_word(n)) != NULL ? 0 : -1;
}

static int
msg_read_timestamp(struct wsmsg *m, xmlNodePtr n, const char **why)
{
	char	*text;
	int	 rv;

	*why = "malformed Timestamp";
	if ((text = msg_word(n)) == NULL)
		return -1;
	rv = wstime_parse(text, &m->timestamp);
	free(text);
	return rv;
}

static int
msg_read_flags(struct wsmsg *m, xmlNodePtr n, const char **why)
{
	const char	*errstr = "malformed";
	char		*text;

	*why = "malformed MessageFlags";
	if ((text = msg_word(n)) != NULL)
		m->flags = (uint32_t)strtonum(text, 0, INT32_MAX, &errstr);
	free(text);
	return errstr == NULL ? 0 : -1;
}

static int
msg_read_msgid(struct wsmsg *m, xmlNodePtr n, const char **why)
{
	*why = "malformed MessageId";
	return (m->msgid = msg_word(n)) != NULL ? 0 : -1;
}

static int
msg_read_inreplyto(struct wsmsg *m, xmlNodePtr n, const char **why)
{
	*why = "malformed InReplyTo";
	return (m->inreplyto = msg_word(n)) != NULL ? 0 : -1;
}

/* Toolkits write an absent value as an empty element with xsi:nil. */
static int
msg_is_nil(xmlNodePtr n)
{
	char	*value;
	int	 nil;

	if ((value = xml_attr(n, NS_XSI, "nil")) == NULL)
		return 0;
	nil = strcmp(value, "true") == 0 || strcmp(value, "1") == 0;
	free(value);
	return nil && xml_first(n) == NULL;
}

static int
msg_read_field(struct wsmsg *m, xmlNodePtr n, unsigned int *seen,
    const char **why)
{
	size_t	 i;

	for (i = 0; i < nitems(msg_fields); i++)
		if (xml_is(n, NS_WSE, msg_fields[i].name))
			break;
	if (i == nitems(msg_fields)) {
		*why = "unknown element in theMessage";
		return -1;
	}
	if (*seen & 1U << i) {
		*why = "repeated element in theMessage";
		return -1;
	}
	*seen |= 1U << i;
	return msg_is_nil(n) ? 0 : msg_fields[i].read(m, n, why);
}

int
wsmsg_read(struct wsmsg *m, xmlNodePtr n, const char **why)
{
	unsigned int	 seen = 0;

	memset(m, 0, sizeof(*m));
	*why = "not theMessage";
	if (!xml_is(n, NS_WSE, "theMessage"))
		return -1;
	m->id = xml_attr(n, NULL, "Id");
	for (n = xml_first(n); n != NULL; n = xml_next(n))
		if (msg_read_field(m, n, &seen, why) == -1) {
			wsmsg_free(m);
			return -1;
		}
	*why = NULL;
	return 0;
}

void
wsmsg_free(struct wsmsg *m)
{
	size_t	 i;

	free(m->body);
	free(m->subject);
	for (i = 0; i < m->nrcpt; i++)
		free(m->rcpt[i]);
	free(m->rcpt);
	free(m->sender);
	wbuf_free(&m->attachments);
	free(m->msgid);
	free(m->inreplyto);
	free(m->id);
	memset(m, 0, sizeof(*m));
}

static int
msg_valid(const char *s)
{
	return s == NULL || xml_valid_text(s, strlen(s));
}

static int
msg_valid_all(const struct wsmsg *m)
{
	size_t	 i;

	for (i = 0; i < m->nrcpt; i++)
		if (!msg_valid(m->rcpt[i]))
			return 0;
	return msg_valid(m->body) && msg_valid(m->subject) &&
	    msg_valid(m->sender) && msg_valid(m->msgid) &&
	    msg_valid(m->inreplyto) && msg_valid(m->id);
}

/* " Id=..." by the MessageId, or the one that was given, or none. */
static void
msg_put_id(const struct wsmsg *m, struct wbuf *out)
{
	if (m->msgid == NULL && m->id == NULL)
		return;
	wbuf_puts(out, " Id=\"");
	if (m->msgid != NULL) {
		wbuf_puts(out, "m-");
		wbuf_raw(out, m->msgid, strcspn(m->msgid, "@"));
	} else
		xml_put_attr(out, m->id);
	wbuf_puts(out, "\"");
}

int
wsmsg_compose(const struct wsmsg *m, struct wbuf *out)
{
	char	 when[WSTIME_LEN], number[16];
	size_t	 i;

	/* The token goes into an Id, which is a name. */
	if (!msg_valid_all(m) ||
	    (m->msgid != NULL && !wsmsg_msgid_ok(m->msgid, NULL))) {
		errno = EINVAL;
		return -1;
	}
	wbuf_puts(out, "<theMessage xmlns=\"" NS_WSE "\"");
	msg_put_id(m, out);
	wbuf_puts(out, ">");
	xml_put_elem(out, "Body", m->body);
	xml_put_elem(out, "Subject", m->subject);
	if (m->nrcpt > 0) {
		wbuf_puts(out, "<Recipients>");
		for (i = 0; i < m->nrcpt; i++)
			xml_put_elem(out, "string", m->rcpt[i]);
		wbuf_puts(out, "</Recipients>");
	}
	xml_put_elem(out, "Sender", m->sender);
	if (m->timestamp != 0)
		xml_put_elem(out, "Timestamp", wstime_format(m->timestamp,
		    when, sizeof(when)));
	wbuf_raw(out, m->attachments.data, m->attachments.len);
	snprintf(number, sizeof(number), "%u", m->flags);
	xml_put_elem(out, "MessageFlags", number);
	xml_put_elem(out, "MessageId", m->msgid);
	xml_put_elem(out, "InReplyTo", m->inreplyto);
	wbuf_puts(out, "</theMessage>");
	if (out->error) {
		errno = out->error;
		return -1;
	}
	return 0;
}

void
wsmsg_intent(const struct wsmsg *m, uint8_t digest[32])
{
	struct wbuf	 w = { 0 };
	size_t		 i;

	wbuf_str(&w, m->body);
	wbuf_str(&w, m->subject);
	wbuf_u32(&w, (uint32_t)m->nrcpt);
	for (i = 0; i < m->nrcpt; i++)
		wbuf_str(&w, m->rcpt[i]);
	wbuf_bytes(&w, m->attachments.data, m->attachments.len);
	wbuf_u32(&w, m->flags);
	wbuf_str(&w, m->inreplyto);
	/*
	 * Out of memory: a random digest.  A retry is then taken for another
	 * message under the same id, which is refused, never lost.
	 */
	if (w.error)
		arc4random_buf(digest, 32);
	else
		SHA256(w.data, w.len, digest);
	wbuf_free(&w);
}

int
wsmsg_msgid_ok(const char *msgid, const char *domain)
{
	const char	*at;
	size_t		 i, len;

	if ((at = strchr(msgid, '@')) == NULL)
		return 0;
	len = (size_t)(at - msgid);
	if (len < MSG_TOKEN_MIN || len > MSG_TOKEN_MAX || msgid[0] == '-')
		return 0;
	for (i = 0; i < len; i++)
		if (!isascii((unsigned char)msgid[i]) ||
		    (!isalnum((unsigned char)msgid[i]) && msgid[i] != '-'))
			return 0;
	return domain == NULL || strcmp(at + 1, domain) == 0;
}

char *
wsmsg_msgid_new(const char *domain)
{
	uint8_t	 r[16];
	char	 hex[2 * sizeof(r) + 1], *msgid;
	size_t	 i;

	arc4random_buf(r, sizeof(r));
	for (i = 0; i < sizeof(r); i++)
		snprintf(hex + 2 * i, 3, "%02x", r[i]);
	if (asprintf(&msgid, "%s@%s", hex, domain) == -1)
		return NULL;
	return msgid;
}
