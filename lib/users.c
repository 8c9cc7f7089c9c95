/* SPDX-License-Identifier: ISC */
#include "compat.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>

#include <openssl/evp.h>

#include "addr.h"
#include "users.h"

/* RFC 7914 section 2; about 32 MB and some tens of ms. */
#define SCRYPT_LN	15
#define SCRYPT_R	8
#define SCRYPT_P	1
#define SCRYPT_MEM	(256UL << 20)

#define B64_MAX		64
#define LINE_ROOM	1024	/* any good line: getline never moves it */
#define VERIFIER_MAX	256	/* octets; those that we write have 100 */

struct text_verifier {		/* $scrypt$..., taken apart */
	int		 ln, r, p;
	uint8_t		 salt[USERS_SALT_LEN], hash[USERS_KEY_LEN];
};

struct seen {			/* on which line a user is */
	const char	*name;
	size_t		 line;
};
struct seen_list {
	struct seen	*v;
	size_t		 n, cap;
};

static void	 b64_put(char *, const uint8_t *, size_t);
static int	 b64_get(const char *, size_t, uint8_t *, size_t);
static int	 scrypt(const char *, const uint8_t *, int, int, int,
		    uint8_t *);
static int	 text_split(const char *, struct text_verifier *);
static char	*line_field(char **);
static int	 users_is_text(const char *, size_t);
static const struct conf_user *users_line(struct conf *, char *,
		    const char **);
static int	 seen_cmp(const void *, const void *);
static int	 seen_add(struct seen_list *, const char *, size_t);
static size_t	 seen_twice(struct seen_list *);
static int	 users_lines(struct conf *, FILE *, struct seen_list *,
		    size_t *, const char **);
static void	 users_empty(struct conf *);

/* Standard base64 with padding (RFC 4648 section 4). */
static void
b64_put(char *dst, const uint8_t *src, size_t len)
{
	(void)EVP_EncodeBlock((unsigned char *)dst, src, (int)len);
}

/* Exactly n octets out of exactly len characters.  0 or -1. */
static int
b64_get(const char *src, size_t len, uint8_t *dst, size_t n)
{
	uint8_t	 buf[B64_MAX];
	int	 got, pad = 0;

	if (len % 4 != 0 || len == 0 || len / 4 * 3 > sizeof(buf))
		return -1;
	while (pad < 2 && src[len - 1 - (size_t)pad] == '=')
		pad++;
	got = EVP_DecodeBlock(buf, (const unsigned char *)src, (int)len);
	if (got < 0 || (size_t)(got - pad) != n)
		return -1;
	memcpy(dst, buf, n);
	explicit_bzero(buf, sizeof(buf));
	return 0;
}

static int
scrypt(const char *pw, const uint8_t *salt, int ln, int r, int p,
    uint8_t *out)
{
	return EVP_PBE_scrypt(pw, strlen(pw), salt, USERS_SALT_LEN,
	    (uint64_t)1 << ln, (uint64_t)r, (uint64_t)p, SCRYPT_MEM, out,
	    USERS_KEY_LEN) == 1 ? 0 : -1;
}

int
users_derive(const char *password, const uint8_t *salt, size_t saltlen,
    uint32_t iterations, uint8_t key[USERS_KEY_LEN])
{
	return PKCS5_PBKDF2_HMAC(password, (int)strlen(password), salt,
	    (int)saltlen, (int)iterations, EVP_sha256(), USERS_KEY_LEN, key) ==
	    1 ? 0 : -1;
}

int
users_set_password(struct conf_user *u, const char *password)
{
	uint8_t	 salt[USERS_SALT_LEN], key[USERS_KEY_LEN];
	char	 s[B64_MAX], k[B64_MAX], *text = NULL, *mac = NULL;
	int	 ret = -1;

	arc4random_buf(salt, sizeof(salt));
	if (scrypt(password, salt, SCRYPT_LN, SCRYPT_R, SCRYPT_P, key) == -1)
		goto out;
	b64_put(s, salt, sizeof(salt));
	b64_put(k, key, sizeof(key));
	if (asprintf(&text, "$scrypt$ln=%d,r=%d,p=%d$%s$%s", SCRYPT_LN,
	    SCRYPT_R, SCRYPT_P, s, k) == -1)
		goto out;
	arc4random_buf(salt, sizeof(salt));
	if (users_derive(password, salt, sizeof(salt), USERS_MAC_ITERATIONS,
	    key) == -1)
		goto out;
	b64_put(s, salt, sizeof(salt));
	b64_put(k, key, sizeof(key));
	if (asprintf(&mac, "pbkdf2-sha256$%d$%s$%s", USERS_MAC_ITERATIONS, s,
	    k) == -1) {
		mac = NULL;
		goto out;
	}
	free(u->text);
	free(u->mac);
	u->text = text;
	u->mac = mac;
	text = NULL;
	ret = 0;
out:
	free(text);
	explicit_bzero(key, sizeof(key));
	explicit_bzero(k, sizeof(k));
	return ret;
}

/* 0, or -1: it cannot be read. */
static int
text_split(const char *verifier, struct text_verifier *v)
{
	const char	*s, *k;
	int		 n = 0;

	if (sscanf(verifier, "$scrypt$ln=%2d,r=%2d,p=%2d$%n", &v->ln, &v->r,
	    &v->p, &n) != 3 || n == 0 || v->ln < 10 || v->ln > 20 ||
	    v->r < 1 || v->r > 32 || v->p < 1 || v->p > 16)
		return -1;
	/* What EVP_PBE_scrypt(3) would take of memory. */
	if (128 * (uint64_t)v->r * (((uint64_t)1 << v->ln) + 2 +
	    (uint64_t)v->p) > SCRYPT_MEM)
		return -1;
	s = verifier + n;
	if ((k = strchr(s, '$')) == NULL)
		return -1;
	return b64_get(s, (size_t)(k - s), v->salt, sizeof(v->salt)) == -1 ||
	    b64_get(k + 1, strlen(k + 1), v->hash, sizeof(v->hash)) == -1 ?
	    -1 : 0;
}

int
users_is_text_verifier(const char *verifier)
{
	struct text_verifier	 v;
	int			 is = text_split(verifier, &v) == 0;

	explicit_bzero(&v, sizeof(v));
	return is;
}

int
users_check_text(const char *verifier, const char *password)
{
	struct text_verifier	 v;
	uint8_t			 got[USERS_KEY_LEN];
	int			 ret = -1;

	if (text_split(verifier, &v) == 0 &&
	    scrypt(password, v.salt, v.ln, v.r, v.p, got) == 0)
		ret = timingsafe_bcmp(v.hash, got, sizeof(got)) == 0;
	explicit_bzero(&v, sizeof(v));
	explicit_bzero(got, sizeof(got));
	return ret;
}

int
users_parse_mac(const char *mac, uint32_t *iterations,
    uint8_t salt[USERS_SALT_LEN], uint8_t key[USERS_KEY_LEN])
{
	const char	*s, *k;
	unsigned int	 it;
	int		 n = 0;

	/* A sign would be taken, too. */
	if (sscanf(mac, "pbkdf2-sha256$%9u$%n", &it, &n) != 1 || n == 0 ||
	    it < 1000 || it > 999999999)
		return -1;
	s = mac + n;
	if ((k = strchr(s, '$')) == NULL ||
	    b64_get(s, (size_t)(k - s), salt, USERS_SALT_LEN) == -1 ||
	    b64_get(k + 1, strlen(k + 1), key, USERS_KEY_LEN) == -1)
		return -1;
	*iterations = it;
	return 0;
}

static char *
line_field(char **p)
{
	char	*s = *p, *end;

	if (s == NULL)
		return NULL;
	if ((end = strchr(s, ':')) != NULL)
		*end++ = '\0';
	*p = end;
	return s;
}

/* An address may begin as a comment does, but would be one when written. */
int
users_is_name(const char *addr)
{
	return addr[0] != '#';
}

/* No control characters but tabs, which a comment may have. */
static int
users_is_text(const char *s, size_t len)
{
	size_t	 i;

	for (i = 0; i < len; i++)
		if (s[i] != '\t' && (s[i] == 0x7f || (unsigned char)s[i] < ' '))
			return 0;
	return 1;
}

/* One line into c->users.  NULL with what was expected. */
static const struct conf_user *
users_line(struct conf *c, char *line, const char **why)
{
	struct conf_user	*u;
	const char		*errstr = NULL;
	char			 addr[ADDR_MAX + 1], *f[5];
	size_t			 i;

	for (i = 0; i < nitems(f); i++)
		f[i] = line_field(&line);
	*why = "expected name:flags:quota:text:mac";
	if (f[4] == NULL || line != NULL)
		return NULL;
	*why = "expected an address first";
	if (addr_normalize(f[0], addr, sizeof(addr)) == -1 ||
	    !users_is_name(addr))
		return NULL;
	*why = "expected - or disabled as flags";
	if (strcmp(f[1], "-") != 0 && strcmp(f[1], "disabled") != 0)
		return NULL;
	*why = "a verifier that is too long";
	if (strlen(f[3]) > VERIFIER_MAX || strlen(f[4]) > VERIFIER_MAX)
		return NULL;
	*why = "out of memory";
	if ((u = calloc(1, sizeof(*u))) == NULL)
		return NULL;
	TAILQ_INSERT_TAIL(&c->users, u, entry);
	u->disabled = strcmp(f[1], "disabled") == 0;
	u->quota = -1;
	if ((u->name = strdup(addr)) == NULL ||
	    (strcmp(f[3], "*") != 0 && (u->text = strdup(f[3])) == NULL) ||
	    (strcmp(f[4], "*") != 0 && (u->mac = strdup(f[4])) == NULL))
		return NULL;
	*why = "expected octets or - as quota";
	if (strcmp(f[2], "-") != 0)
		u->quota = strtonum(f[2], 0, INT64_MAX, &errstr);
	return errstr == NULL ? u : NULL;
}

static int
seen_cmp(const void *va, const void *vb)
{
	const struct seen	*a = va, *b = vb;
	int			 d = strcmp(a->name, b->name);

	return d != 0 ? d : a->line < b->line ? -1 : a->line > b->line;
}

static int
seen_add(struct seen_list *l, const char *name, size_t line)
{
	struct seen	*v;
	size_t		 cap = l->cap == 0 ? 64 : 2 * l->cap;

	if (l->n == l->cap) {
		if ((v = reallocarray(l->v, cap, sizeof(*v))) == NULL)
			return -1;
		l->v = v;
		l->cap = cap;
	}
	l->v[l->n].name = name;
	l->v[l->n++].line = line;
	return 0;
}

/*
 * The first line that names a user again, or 0.  Sorted: to compare each line
 * with all before it takes minutes for a large table.
 */
static size_t
seen_twice(struct seen_list *l)
{
	size_t	 i, first = 0;

	if (l->n > 0)
		qsort(l->v, l->n, sizeof(*l->v), seen_cmp);
	for (i = 1; i < l->n; i++)
		if (strcmp(l->v[i].name, l->v[i - 1].name) == 0 &&
		    (first == 0 || l->v[i].line < first))
			first = l->v[i].line;
	return first;
}

static void
users_empty(struct conf *c)
{
	struct conf_user	*u;

	while ((u = TAILQ_FIRST(&c->users)) != NULL) {
		TAILQ_REMOVE(&c->users, u, entry);
		free(u->name);
		if (u->text != NULL)
			freezero(u->text, strlen(u->text));
		if (u->mac != NULL)
			freezero(u->mac, strlen(u->mac));
		free(u);
	}
}

/* 0, or -1 with the number of the line, and why; *why NULL is errno. */
static int
users_lines(struct conf *c, FILE *f, struct seen_list *seen, size_t *n,
    const char **why)
{
	const struct conf_user	*u;
	char			*line;
	size_t			 cap = LINE_ROOM, len;
	ssize_t			 got;
	int			 ret = -1, saved;

	*why = NULL;
	if ((line = malloc(cap)) == NULL)
		return -1;
	for (*n = 1; (got = getline(&line, &cap, f)) != -1; (*n)++) {
		len = (size_t)got;
		if (len > 0 && line[len - 1] == '\n')
			len--;
		if (len > 0 && line[len - 1] == '\r')
			len--;
		line[len] = '\0';
		*why = "expected text, got a control character";
		if (!users_is_text(line, len))
			goto out;
		if (len == 0 || line[0] == '#')
			continue;
		if ((u = users_line(c, line, why)) == NULL)
			goto out;
		*why = NULL;
		if (seen_add(seen, u->name, *n) == -1)
			goto out;
	}
	*why = NULL;
	if (!feof(f))
		goto out;
	*why = "a user named twice";
	if ((*n = seen_twice(seen)) == 0)
		ret = 0;
out:
	saved = errno;
	freezero(line, cap);
	errno = saved;
	return ret;
}

int
users_read(struct conf *c, const char *path, char *errbuf, size_t size)
{
	struct seen_list	 seen = { NULL, 0, 0 };
	const char		*why = NULL;
	FILE			*f;
	char			 buf[8192];	/* its own, to be wiped */
	size_t			 n = 0;
	int			 ret = -1, saved;

	users_empty(c);
	if ((f = fopen(path, "re")) != NULL &&
	    setvbuf(f, buf, _IOFBF, sizeof(buf)) == 0)
		ret = users_lines(c, f, &seen, &n, &why);
	saved = why != NULL ? EINVAL : errno;
	if (ret == -1 && why != NULL)
		snprintf(errbuf, size, "line %zu: %s", n, why);
	else if (ret == -1)
		snprintf(errbuf, size, "%s", strerror(saved));
	free(seen.v);
	if (f != NULL)
		fclose(f);
	explicit_bzero(buf, sizeof(buf));
	errno = saved;
	return ret;
}

int
users_write(const struct conf *c, const char *path)
{
	const struct conf_user	*u;
	struct stat		 st;
	FILE			*f = NULL;
	char			*tmp = NULL, *copy = NULL;
	int			 fd = -1, dfd = -1, saved;

	TAILQ_FOREACH(u, &c->users, entry)
		if (!users_is_name(u->name)) {
			errno = EINVAL;
			return -1;
		}
	if (asprintf(&tmp, "%s.XXXXXXXXXX", path) == -1)
		return -1;
	if ((copy = strdup(path)) == NULL || (fd = mkstemp(tmp)) == -1)
		goto err;
	/*
	 * Written by root for a daemon that another user started, it stays
	 * that user's to read.  Before the rename: the directory may be that
	 * user's, too, and any name in it then means what they like.
	 */
	if (geteuid() == 0 && stat(path, &st) == 0 &&
	    (st.st_uid != 0 || st.st_gid != 0) &&
	    fchown(fd, st.st_uid, st.st_gid) == -1)
		goto err;
	if (fchmod(fd, 0600) == -1 || (f = fdopen(fd, "w")) == NULL)
		goto err;
	fd = -1;
	fprintf(f, "# users of wsmtpd(8); written by wsctl(8)\n");
	TAILQ_FOREACH(u, &c->users, entry) {
		fprintf(f, "%s:%s:", u->name, u->disabled ? "disabled" : "-");
		if (u->quota >= 0)
			fprintf(f, "%lld", (long long)u->quota);
		else
			putc('-', f);
		fprintf(f, ":%s:%s\n", u->text != NULL ? u->text : "*",
		    u->mac != NULL ? u->mac : "*");
	}
	/* What failed before the flush is not tried again by it. */
	if (fflush(f) == EOF || ferror(f) || fsync(fileno(f)) == -1)
		goto err;
	if (fclose(f) == EOF) {
		f = NULL;
		goto err;
	}
	f = NULL;
	if (rename(tmp, path) == -1 ||
	    (dfd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) ==
	    -1 || fsync(dfd) == -1)
		goto err;
	close(dfd);
	free(copy);
	free(tmp);
	return 0;
err:
	saved = errno;
	if (f != NULL)
		fclose(f);
	if (fd != -1)
		close(fd);
	if (dfd != -1)
		close(dfd);
	(void)unlink(tmp);
	free(copy);
	free(tmp);
	errno = saved;
	return -1;
}
