/* SPDX-License-Identifier: ISC */
/*
 * Attachments of a message that a user sends.  A file that comes in the
 * message itself is uploaded first as if its owner had done so; then all
 * uploads that the message names become attachments for its recipients, and
 * in place of each the message says where it is and what it is.  This is
 * before plug-ins and the signature: what they see is what is sent.
 *
 *	collected -> [begin -> pieces -> finish], each -> named -> replaced
 */
#include "compat.h"

#include <errno.h>
#include <stdio.h>

#include <openssl/sha.h>

#include "log.h"
#include "ondemand.h"
#include "soap.h"

struct named {
	uint8_t		 upload[ATTACH_ID];
	char		*name, *type, *description;	/* of a file that came */
	uint8_t		*data;				/* along, or NULL */
	size_t		 len;
	uint8_t		 digest[ATTACH_DIGEST];
	int		 ours;		/* upload was begun here */
};

struct names {
	struct request	*r;
	struct named	*at;		/* in the message's order */
	size_t		 n;
	size_t		 next;		/* that is looked at */
	uint64_t	 offset;	/* of it, that is there */
	struct wsmsg	*msg;
	char		**rcpt;		/* with aliases of ours resolved */
	uint32_t	 nrcpt;
	int64_t		 since;		/* ms: what is older was not made by this */
	const struct attach_list *made;	/* while the message is rewritten */
	uint8_t		(*mine)[ATTACH_ID];
	size_t		 nmine;
	uint8_t		(*came)[ATTACH_ID];	/* of them, files that came along */
	size_t		 ncame;
	void		(*done)(void *, uint32_t, const char *);
	void		*arg;
};

struct inside {			/* an alias that is being expanded */
	const char		*name;
	const struct inside	*outer;
	int64_t			 depth;
};

static xmlNodePtr names_nodes(xmlNodePtr);
static int	 names_add(struct names *, xmlNodePtr, uint32_t *,
		    const char **);
static int	 names_add_upload(struct named *, xmlNodePtr);
static int	 names_add_inline(struct named *, xmlNodePtr, size_t);
static char	*names_text(xmlNodePtr, const char *, size_t);
static const char *names_expand(struct names *, const char *,
		    const struct inside *, size_t *);
static const char *names_recipient(struct names *, const char *);
static void	 names_fail(struct names *, uint32_t, const char *);
static void	 names_next(struct names *);
static void	 names_begin(struct names *);
static void	 names_go_on(struct names *);
static int	 names_uploaded(void *, struct imsg *, const char *);
static void	 names_ask(struct names *);
static int	 names_result(void *, struct imsg *, const char *);
static int	 names_replace(xmlNodePtr, struct wbuf *, void *);
static void	 names_keep(struct names *, const struct attach_list *);
static void	 names_abort(struct names *);
static void	 names_withdraw(struct names *, uint8_t (*)[ATTACH_ID], size_t);
static int	 names_forgotten(void *, struct imsg *, const char *);
static int	 names_aborted(void *, struct imsg *, const char *);

/* --- what the message has ---------------------------------------------------- */

static xmlNodePtr
names_nodes(xmlNodePtr message)
{
	return xml_first(xml_child(message, NS_WSE, "XmlAttachments"));
}

struct names *
names_collect(struct request *r, xmlNodePtr message, uint32_t *code,
    const char **why)
{
	struct names	*x = NULL;
	xmlNodePtr	 n, c;

	*why = NULL;
	for (n = names_nodes(message); n != NULL; n = xml_next(n)) {
		c = xml_first(n);
		if (xml_is(c, NS_WSE2, "OnDemandAttachment")) {
			*code = ST_DENIED;
			*why = "an OnDemandAttachment is its server's to "
			    "write";
			break;
		}
		if (!xml_is(c, NS_WSE2, "AttachmentUpload") &&
		    !xml_is(c, NS_WSE2, "InlineAttachment"))
			continue;
		*code = ST_TEMPFAIL;
		*why = "out of memory";
		if (x == NULL && (x = calloc(1, sizeof(*x))) == NULL)
			break;
		x->r = r;
		if (names_add(x, c, code, why) == -1)
			break;
		*why = NULL;
	}
	if (*why == NULL)
		return x;
	names_free(x);
	return NULL;
}

void
names_free(struct names *x)
{
	size_t	 i;

	if (x == NULL)
		return;
	for (i = 0; i < x->n; i++) {
		free(x->at[i].name);
		free(x->at[i].type);
		free(x->at[i].description);
		free(x->at[i].data);
	}
	for (i = 0; i < x->nrcpt; i++)
		free(x->rcpt[i]);
	free(x->rcpt);
	free(x->at);
	free(x->mine);
	free(x->came);
	free(x);
}

static int
names_add(struct names *x, xmlNodePtr c, uint32_t *code, const char **why)
{
	struct named	*p;

	if (x->n == ATTACH_PER_MESSAGE) {
		*code = ST_BAD;
		*why = "too many attachments";
		return -1;
	}
	if ((p = reallocarray(x->at, x->n + 1, sizeof(*p))) == NULL)
		return -1;
	x->at = p;
	p += x->n++;
	memset(p, 0, sizeof(*p));
	if ((xml_is(c, NS_WSE2, "AttachmentUpload") ? names_add_upload(p, c) :
	    names_add_inline(p, c,
	    2 * (size_t)soap_limit(x->r->s, LIM_MESSAGE_SIZE))) == 0)
		return 0;
	*code = ST_BAD;
	*why = "a malformed AttachmentUpload or InlineAttachment";
	return -1;
}

static int
names_add_upload(struct named *p, xmlNodePtr c)
{
	char	*text;
	int	 rv = -1;

	if ((text = xml_text(c, 256)) != NULL)
		rv = attach_id_parse(text, p->upload);
	free(text);
	return rv;
}

static char *
names_text(xmlNodePtr c, const char *name, size_t max)
{
	xmlNodePtr	 n;
	int		 count;

	n = xml_child_count(c, NS_WSE2, name, &count);
	return count == 0 ? strdup("") : count == 1 ? xml_text(n, max) : NULL;
}

/*
 * Its octets are taken out of the tree, and their digest left for them: so
 * that the same message is known again by what its author wrote.
 */
static int
names_add_inline(struct named *p, xmlNodePtr c, size_t max)
{
	struct wbuf	 w = { 0 };
	xmlNodePtr	 n;
	char		*text;
	int		 count;

	n = xml_child_count(c, NS_WSE2, "Data", &count);
	if (count != 1 || (text = xml_text(n, max)) == NULL)
		return -1;
	p->data = xml_base64(text, &p->len);
	free(text);
	if (p->data == NULL || (p->name = names_text(c, "Name",
	    ATTACH_NAME_MAX)) == NULL || (p->type = names_text(c, "Type",
	    ATTACH_TYPE_MAX)) == NULL || (p->description = names_text(c,
	    "Description", ATTACH_DESC_MAX)) == NULL)
		return -1;
	SHA256(p->data, p->len, p->digest);
	xml_put_base64(&w, p->digest, sizeof(p->digest));
	wbuf_u8(&w, 0);
	if (!w.error)
		xmlNodeSetContent(n, w.data);
	count = w.error ? -1 : 0;
	wbuf_free(&w);
	return count;
}

/* --- recipients -------------------------------------------------------------- */

/* NULL, or what is wrong. */
static const char *
names_recipient(struct names *x, const char *addr)
{
	int64_t	  max;
	uint32_t  i;
	char	**p;

	for (i = 0; i < x->nrcpt; i++)
		if (strcmp(x->rcpt[i], addr) == 0)
			return NULL;
	max = soap_limit(x->r->s, LIM_RECIPIENTS) +
	    soap_limit(x->r->s, LIM_ALIAS_MEMBERS);
	if (x->nrcpt >= max)
		return "too many recipients of an attachment (limit "
		    "alias-members)";
	if ((p = reallocarray(x->rcpt, x->nrcpt + 1, sizeof(*p))) == NULL)
		return "out of memory";
	x->rcpt = p;
	if ((p[x->nrcpt] = strdup(addr)) == NULL)
		return "out of memory";
	x->nrcpt++;
	return NULL;
}

/*
 * Members of an alias of ours instead of it, as wsqueue resolves it: inside
 * of itself its name means the user, and what goes over a limit is not
 * delivered at all.  Aliases that name each other are as many ways as there
 * are orders of them: the limit on members bounds the work.
 */
static const char *
names_expand(struct names *x, const char *addr, const struct inside *outer,
    size_t *members)
{
	const struct conf	*conf = x->r->s->p->conf;
	const struct conf_alias	*a;
	const struct inside	*p;
	struct inside		 in = { addr, outer, 1 };
	const char		*why;
	size_t			 i;

	for (p = outer; p != NULL; p = p->outer)
		if (strcmp(p->name, addr) == 0)
			return names_recipient(x, addr);
	if ((a = conf_alias(conf, addr)) == NULL)
		return names_recipient(x, addr);
	if (outer != NULL)
		in.depth += outer->depth;
	if (in.depth > conf->limit[LIM_HOPS])
		return "too many aliases in a row (limit hops)";
	for (i = 0; i < a->nto; i++) {
		if ((int64_t)++*members > conf->limit[LIM_ALIAS_MEMBERS])
			return "alias has too many members (limit "
			    "alias-members)";
		if ((why = names_expand(x, a->to[i], &in, members)) != NULL)
			return why;
	}
	return NULL;
}

/* --- files that came along ---------------------------------------------------- */

void
names_start(struct names *x, struct wsmsg *msg, const struct rcpt *rcpt,
    uint32_t nrcpt, void (*done)(void *, uint32_t, const char *), void *arg)
{
	const char	*why;
	size_t		 members;
	uint32_t	 i;

	x->msg = msg;
	x->done = done;
	x->arg = arg;
	x->since = x->r->rules.now;
	for (i = 0; i < nrcpt; i++) {
		members = 0;
		why = names_expand(x, rcpt[i].addr, NULL, &members);
		if (why != NULL) {
			names_fail(x, ST_LOOP, why);
			return;
		}
	}
	names_next(x);
}

/* What was uploaded for this message is of use to no other. */
static void
names_fail(struct names *x, uint32_t code, const char *why)
{
	names_abort(x);
	x->done(x->arg, code, why);
}

static void
names_next(struct names *x)
{
	while (x->next < x->n && x->at[x->next].data == NULL)
		x->next++;
	if (x->next < x->n)
		names_begin(x);
	else
		names_ask(x);
}

static void
names_begin(struct names *x)
{
	struct named		*p = &x->at[x->next];
	struct upload_begin	 q = { .owner = x->r->principal };
	struct wbuf		 w = { 0 };

	q.name = p->name;
	q.type = p->type;
	q.description = p->description;
	q.size = p->len;
	q.has_digest = 1;
	memcpy(q.digest, p->digest, sizeof(q.digest));
	upload_begin_put(&w, &q);
	if (soap_ask(x->r->s, P_ATTACH, IMSG_ATTACH_UPLOAD_BEGIN, &w,
	    IMSG_SOAP_UPLOAD_RESULT, ATTACH_TIMEOUT, names_uploaded, x) == -1)
		names_fail(x, ST_TEMPFAIL, NO_ATTACH);
}

/* The next piece, or that it was the last. */
static void
names_go_on(struct names *x)
{
	struct named		*p = &x->at[x->next];
	struct upload_req	 q = { .owner = x->r->principal };
	struct wbuf		 w = { 0 };
	size_t			 len;
	int			 fd = -1;

	memcpy(q.id, p->upload, sizeof(q.id));
	q.offset = x->offset;
	if (x->offset < p->len) {
		len = (size_t)soap_limit(x->r->s, LIM_ATTACHMENT_PIECE);
		if (len > p->len - x->offset)
			len = p->len - (size_t)x->offset;
		if ((fd = upload_file(p->data + x->offset, len)) == -1) {
			names_fail(x, ST_TEMPFAIL, NO_ATTACH);
			return;
		}
	}
	memcpy(q.digest, p->digest, sizeof(q.digest));
	upload_req_put(&w, &q);
	if (soap_ask_fd(x->r->s, P_ATTACH, fd != -1 ?
	    IMSG_ATTACH_UPLOAD_PIECE : IMSG_ATTACH_UPLOAD_FINISH, fd, &w,
	    IMSG_SOAP_UPLOAD_RESULT, ATTACH_TIMEOUT, names_uploaded, x) == -1)
		names_fail(x, ST_TEMPFAIL, NO_ATTACH);
}

static int
names_uploaded(void *arg, struct imsg *imsg, const char *why)
{
	struct names		*x = arg;
	struct named		*p = &x->at[x->next];
	struct upload_result	 res;
	struct rbuf		 rb;

	if (imsg == NULL) {
		names_fail(x, ST_TEMPFAIL, why);
		return 0;
	}
	rbuf_init(&rb, imsg->data, imsg->hdr.len);
	if (upload_result_get(&rb, &res) == -1) {
		names_fail(x, ST_TEMPFAIL, NO_ATTACH);
		return -1;
	}
	if (res.code != ST_OK)
		names_fail(x, res.code == ST_RESYNC ? ST_TEMPFAIL : res.code,
		    res.text);
	else if (res.complete) {
		free(p->data);
		p->data = NULL;
		x->offset = 0;
		names_next(x);
	} else {
		memcpy(p->upload, res.id, sizeof(p->upload));
		p->ours = 1;
		x->offset = res.offset;
		names_go_on(x);
	}
	upload_result_free(&res);
	return 0;
}

/* --- named, and written into the message ----------------------------------------- */

static void
names_ask(struct names *x)
{
	struct name_req	 q = { .owner = x->r->principal };
	struct wbuf	 w = { 0 };
	size_t		 i;

	q.msgid = x->msg->msgid;
	q.nrcpt = x->nrcpt;
	q.rcpt = x->rcpt;
	if ((q.upload = calloc(x->n, sizeof(*q.upload))) == NULL) {
		names_fail(x, ST_TEMPFAIL, "out of memory");
		return;
	}
	q.nuploads = (uint32_t)x->n;
	for (i = 0; i < x->n; i++)
		memcpy(q.upload[i], x->at[i].upload, ATTACH_ID);
	name_req_put(&w, &q);
	free(q.upload);
	if (soap_ask(x->r->s, P_ATTACH, IMSG_ATTACH_NAME, &w,
	    IMSG_SOAP_NAME_RESULT, ATTACH_TIMEOUT, names_result, x) == -1)
		names_fail(x, ST_TEMPFAIL, NO_ATTACH);
}

/* What this message made, and no message before it. */
static void
names_keep(struct names *x, const struct attach_list *l)
{
	uint32_t	 i;

	if ((x->mine = calloc(x->n, sizeof(*x->mine))) == NULL ||
	    (x->came = calloc(x->n, sizeof(*x->came))) == NULL)
		return;
	for (i = 0; i < l->n; i++) {
		if (l->info[i].created >= x->since)
			memcpy(x->mine[x->nmine++], l->info[i].id, ATTACH_ID);
		if (x->at[i].ours)
			memcpy(x->came[x->ncame++], l->info[i].id, ATTACH_ID);
	}
}

static int
names_result(void *arg, struct imsg *imsg, const char *why)
{
	struct names		*x = arg;
	struct attach_list	 l;
	struct rbuf		 rb;

	if (imsg == NULL) {
		names_fail(x, ST_TEMPFAIL, why);
		return 0;
	}
	rbuf_init(&rb, imsg->data, imsg->hdr.len);
	if (attach_list_get(&rb, &l) == -1 ||
	    (l.code == ST_OK && l.n != x->n)) {
		names_fail(x, ST_TEMPFAIL, NO_ATTACH);
		return -1;
	}
	if (l.code != ST_OK)
		names_fail(x, l.code, l.text);
	else {
		names_keep(x, &l);
		x->made = &l;
		x->next = 0;
		if (wsmsg_replace_attachments(x->msg, names_replace, x,
		    &why) == -1 || x->next != x->n)
			names_fail(x, ST_TEMPFAIL,
			    "the message cannot be composed");
		else
			x->done(x->arg, ST_OK, NULL);
	}
	attach_list_free(&l);
	return 0;
}

/* They stand there in the order in which they were collected. */
static int
names_replace(xmlNodePtr c, struct wbuf *out, void *arg)
{
	struct names			*x = arg;
	const struct attach_info	*i;
	struct ondemand			 o;

	if (!xml_is(c, NS_WSE2, "AttachmentUpload") &&
	    !xml_is(c, NS_WSE2, "InlineAttachment"))
		return 0;
	if (x->next == x->n)
		return -1;
	i = &x->made->info[x->next++];
	o.location = x->r->domain;
	attach_id_str(i->id, o.id);
	o.name = i->name;
	o.type = i->type;
	o.description = i->description;
	o.size = i->size;
	memcpy(o.digest, i->digest, sizeof(o.digest));
	ondemand_put(out, &o);
	return 1;
}

/* --- taken back ------------------------------------------------------------------ */

/* Those that became attachments are no uploads any more. */
static int
names_aborted(void *arg, struct imsg *imsg, const char *why)
{
	(void)arg;
	if (imsg == NULL)
		log_warnx("soap: uploads of a message that was refused stay "
		    "until they expire: %s", why);
	return 0;
}

static void
names_abort(struct names *x)
{
	struct upload_req	 q = { .owner = x->r->principal };
	struct wbuf		 w = { 0 };
	size_t			 i;

	for (i = 0; i < x->n; i++) {
		if (!x->at[i].ours)
			continue;
		memcpy(q.id, x->at[i].upload, sizeof(q.id));
		upload_req_put(&w, &q);
		if (soap_ask(x->r->s, P_ATTACH, IMSG_ATTACH_UPLOAD_ABORT, &w,
		    IMSG_SOAP_UPLOAD_RESULT, ATTACH_TIMEOUT, names_aborted,
		    NULL) == -1)
			(void)names_aborted(NULL, NULL, NO_ATTACH);
		x->at[i].ours = 0;
	}
}

static int
names_forgotten(void *arg, struct imsg *imsg, const char *why)
{
	(void)arg;
	if (imsg == NULL)
		log_warnx("soap: attachments of a message that was refused "
		    "stay with their owner: %s", why);
	return 0;
}

static void
names_withdraw(struct names *x, uint8_t (*id)[ATTACH_ID], size_t n)
{
	struct attach_change	 q = { .owner = x->r->principal };
	struct wbuf		 w = { 0 };
	size_t			 i;

	q.addr = (char *)(uintptr_t)"";
	for (i = 0; i < n; i++) {
		memcpy(q.id, id[i], sizeof(q.id));
		attach_change_put(&w, &q);
		if (soap_ask(x->r->s, P_ATTACH, IMSG_ATTACH_WITHDRAW, &w,
		    IMSG_SOAP_ATTACH_CHANGE_RESULT, ATTACH_TIMEOUT,
		    names_forgotten, NULL) == -1)
			(void)names_forgotten(NULL, NULL, NO_ATTACH);
	}
}

void
names_take_back(struct names *x)
{
	names_withdraw(x, x->mine, x->nmine);
	x->nmine = x->ncame = 0;
}

/*
 * Of uploads the message before made the same attachments; a file that comes
 * along is a new one each time.
 */
void
names_known(struct names *x)
{
	names_withdraw(x, x->came, x->ncame);
	x->ncame = 0;
}
