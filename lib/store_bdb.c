/* SPDX-License-Identifier: ISC */
/*
 * The embedded back end of store.h: Berkeley DB 5.3, one private environment
 * a process.  wsqueue and wslocal call it; no DB_ENV, DB or DBT is seen
 * outside this file.
 *
 * One thread, one process: no locking subsystem is opened, so that a reader
 * never waits for our own writer.  The price is the rule in store.h: one
 * transaction at a time, and no cursor outlives the turn that opened it.
 *
 * All paths are relative to the environment's directory, which is the current
 * one in the daemons, because the sandbox leaves nothing else.
 */
#include "compat.h"

#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <db.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>

#include "store.h"

#define STORE_PAGE	16384
#define STORE_LOG_FILE	(16U << 20)
#define STORE_LOG_BUF	(1U << 20)
#define STORE_CKP_KB	(16U << 10)	/* a checkpoint each 16 MB of log */
#define STORE_TABLES	32
#define STORE_SUM	4		/* octets of checksum behind each value */
#define STORE_CRC32C	0x82f63b78U	/* RFC 3720 B.4, bits reflected */
#define STORE_META	"meta"
#define STORE_VERSION	"version"

struct store_table {
	struct store	*store;
	DB		*db;
	char		*name;
};

struct store_txn {
	struct store	*store;
	DB_TXN		*txn;
};

struct store_cursor {
	struct store	*store;
	DBC		*dbc;
};

struct store {
	DB_ENV		*env;
	char		*dir;
	int		 lockfd;
	int		 broken;	/* DB_RUNRECOVERY was seen */
	struct store_table *table[STORE_TABLES];
	size_t		 ntables;
	uint32_t	 crc[8][256];
	uint8_t		*buf;		/* a value with its checksum */
	size_t		 bufsize;
	char		 errstr[256];
};

static int	 store_error(struct store *, int);
static int	 store_sync_error(struct store *, int);
static void	 store_errcall(const DB_ENV *, const char *, const char *);
static void	 store_msgcall(const DB_ENV *, const char *);
static int	 store_lock_dir(struct store *);
static int	 store_has_tables(const char *);
static int	 store_open_env(struct store *, size_t);
static int	 store_check_version(struct store *, uint32_t, int);
static void	 store_crc_init(struct store *);
static uint32_t	 store_crc(const struct store *, uint32_t, const void *,
		    size_t);
static void	 store_sum(const struct store *, const DBT *, const void *,
		    size_t, uint8_t[STORE_SUM]);
static int	 store_value(struct store *, const DBT *, const DBT *,
		    struct store_val *);
static int	 store_write(struct store_table *, struct store_txn *,
		    const void *, size_t, const void *, size_t, uint32_t);
static DB_TXN	*store_dbtxn(struct store_txn *);
static void	 store_dbt(DBT *, const void *, size_t);
static int	 store_cursor_get(struct store_cursor *, DBT *, DBT *,
		    uint32_t, struct store_val *, struct store_val *);

/* Turns a Berkeley DB return value into 0, or -1 and errno. */
static int
store_error(struct store *s, int ret)
{
	switch (ret) {
	case 0:
		return 0;
	case DB_NOTFOUND:
	case DB_KEYEMPTY:
		errno = ENOENT;
		return -1;
	case DB_KEYEXIST:
		errno = EEXIST;
		return -1;
	case DB_RUNRECOVERY:
		s->broken = 1;
		errno = EFAULT;
		return -1;
	case DB_LOCK_DEADLOCK:
		errno = EDEADLK;
		return -1;
	case DB_OLD_VERSION:
	case DB_VERSION_MISMATCH:
		errno = EPROTONOSUPPORT;
		return -1;
	case DB_PAGE_NOTFOUND:
	case DB_VERIFY_BAD:
	case DB_SECONDARY_BAD:
		errno = EILSEQ;
		return -1;
	default:
		if (s->errstr[0] == '\0')
			strlcpy(s->errstr, db_strerror(ret), sizeof(s->errstr));
		/*
		 * EINVAL is what an unreadable file or page becomes inside
		 * the library; our own arguments are checked before.
		 */
		if (ret == EINVAL)
			errno = EILSEQ;
		else if (ret > 0 && ret != EFAULT)
			errno = ret;
		else
			errno = EIO;
		return -1;
	}
}

/*
 * Of a commit or a checkpoint.  After an fsync(2) that failed the kernel takes
 * the pages for clean, so that the next one succeeds without them: nothing
 * that is written later may be trusted before recovery has read what is there.
 */
static int
store_sync_error(struct store *s, int ret)
{
	if (store_error(s, ret) == 0)
		return 0;
	if (errno == EIO) {
		s->broken = 1;
		errno = EFAULT;
	}
	return -1;
}

static void
store_errcall(const DB_ENV *env, const char *prefix, const char *msg)
{
	struct store	*s = env->app_private;

	(void)prefix;
	strlcpy(s->errstr, msg, sizeof(s->errstr));
}

/* Progress of recovery: of no interest, and must not reach standard output. */
static void
store_msgcall(const DB_ENV *env, const char *msg)
{
	(void)env;
	(void)msg;
}

/* Two processes in one private environment destroy it, hence the lock. */
static int
store_lock_dir(struct store *s)
{
	char	path[PATH_MAX];
	int	n;

	if (mkdir(s->dir, 0700) == -1 && errno != EEXIST)
		return -1;
	n = snprintf(path, sizeof(path), "%s/lock", s->dir);
	if (n < 0 || (size_t)n >= sizeof(path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	s->lockfd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (s->lockfd == -1)
		return -1;
	if (flock(s->lockfd, LOCK_EX | LOCK_NB) == -1) {
		if (errno == EWOULDBLOCK) {
			errno = EBUSY;
			strlcpy(s->errstr, "another process has this store open",
			    sizeof(s->errstr));
		}
		return -1;
	}
	return 0;
}

/* Are there tables here other than the one with the version?  1, 0, or -1. */
static int
store_has_tables(const char *dir)
{
	struct dirent	*de;
	size_t		 n;
	DIR		*d;
	int		 found = 0;

	if ((d = opendir(dir)) == NULL)
		return -1;
	while ((de = readdir(d)) != NULL) {
		n = strlen(de->d_name);
		if (n > 3 && strcmp(de->d_name + n - 3, ".db") == 0 &&
		    strcmp(de->d_name, STORE_META ".db") != 0)
			found = 1;
	}
	closedir(d);
	return found;
}

static int
store_open_env(struct store *s, size_t cache)
{
	DB_ENV	*env;
	int	 ret;

	if ((ret = db_env_create(&env, 0)) != 0)
		return store_error(s, ret);
	s->env = env;
	env->app_private = s;
	env->set_errcall(env, store_errcall);
	env->set_msgcall(env, store_msgcall);
	/* The library's search for a directory would leave the sandbox. */
	if ((ret = env->set_tmp_dir(env, ".")) != 0 ||
	    (ret = env->set_cachesize(env, (uint32_t)(cache >> 30),
	    (uint32_t)(cache & 0x3fffffff), 1)) != 0 ||
	    (ret = env->set_lg_max(env, STORE_LOG_FILE)) != 0 ||
	    (ret = env->set_lg_bsize(env, STORE_LOG_BUF)) != 0 ||
	    (ret = env->log_set_config(env, DB_LOG_AUTO_REMOVE, 1)) != 0 ||
	    /* Preallocated log: a commit need not change the file's size. */
	    (ret = env->log_set_config(env, DB_LOG_ZERO, 1)) != 0)
		return store_error(s, ret);
	ret = env->open(env, s->dir, DB_CREATE | DB_PRIVATE | DB_RECOVER |
	    DB_INIT_TXN | DB_INIT_LOG | DB_INIT_MPOOL, 0600);
	return store_error(s, ret);
}

static int
store_check_version(struct store *s, uint32_t version, int populated)
{
	struct store_table	*meta;
	struct store_txn	*txn;
	struct store_val	 val = { NULL, 0 };
	uint8_t			 v[4];

	if ((meta = store_table(s, STORE_META)) == NULL)
		return -1;
	v[0] = (uint8_t)(version >> 24);
	v[1] = (uint8_t)(version >> 16);
	v[2] = (uint8_t)(version >> 8);
	v[3] = (uint8_t)version;
	if (store_get(meta, NULL, STORE_VERSION, strlen(STORE_VERSION),
	    &val) == 0) {
		if (val.len == sizeof(v) && memcmp(val.p, v, sizeof(v)) == 0)
			return 0;
		strlcpy(s->errstr, "written by another version of the format",
		    sizeof(s->errstr));
		errno = EPROTONOSUPPORT;
		return -1;
	}
	if (errno != ENOENT)
		return -1;
	if (populated) {
		strlcpy(s->errstr, "tables without a format version",
		    sizeof(s->errstr));
		errno = EPROTONOSUPPORT;
		return -1;
	}
	if ((txn = store_begin(s)) == NULL)
		return -1;
	if (store_put(meta, txn, STORE_VERSION, strlen(STORE_VERSION), v,
	    sizeof(v)) == -1) {
		store_abort(txn);
		return -1;
	}
	return store_commit(txn, 1);
}

struct store *
store_open(const char *dir, size_t cache, uint32_t version)
{
	struct store	*s;
	int		 populated, saved;

	if ((s = calloc(1, sizeof(*s))) == NULL)
		return NULL;
	s->lockfd = -1;
	store_crc_init(s);
	if ((s->dir = strdup(dir)) == NULL || store_lock_dir(s) == -1 ||
	    (populated = store_has_tables(dir)) == -1 ||
	    store_open_env(s, cache) == -1 ||
	    store_check_version(s, version, populated) == -1) {
		saved = errno;
		store_close(s);
		errno = saved;
		return NULL;
	}
	return s;
}

void
store_close(struct store *s)
{
	size_t	i;

	if (s == NULL)
		return;
	if (s->env != NULL && !s->broken && s->ntables > 0)
		(void)s->env->txn_checkpoint(s->env, 0, 0, 0);
	for (i = 0; i < s->ntables; i++) {
		(void)s->table[i]->db->close(s->table[i]->db, 0);
		free(s->table[i]->name);
		free(s->table[i]);
	}
	if (s->env != NULL)
		(void)s->env->close(s->env, 0);
	if (s->lockfd != -1)
		close(s->lockfd);
	free(s->buf);
	free(s->dir);
	free(s);
}

struct store_table *
store_table(struct store *s, const char *name)
{
	struct store_table	*t;
	char			 file[64];
	size_t			 i;
	int			 n, ret;

	for (i = 0; i < s->ntables; i++)
		if (strcmp(s->table[i]->name, name) == 0)
			return s->table[i];
	n = snprintf(file, sizeof(file), "%s.db", name);
	if (s->ntables == STORE_TABLES || n < 0 || (size_t)n >= sizeof(file)) {
		errno = EINVAL;
		return NULL;
	}
	s->errstr[0] = '\0';
	if ((t = calloc(1, sizeof(*t))) == NULL)
		return NULL;
	t->store = s;
	if ((t->name = strdup(name)) == NULL) {
		free(t);
		return NULL;
	}
	if ((ret = db_create(&t->db, s->env, 0)) != 0)
		goto fail;
	/*
	 * Not DB_CHKSUM: one wrong octet in a page would lose us the whole
	 * environment.  Each record has a checksum of ours instead.
	 */
	if ((ret = t->db->set_pagesize(t->db, STORE_PAGE)) == 0)
		ret = t->db->open(t->db, NULL, file, NULL, DB_BTREE,
		    DB_CREATE | DB_AUTO_COMMIT, 0600);
	if (ret != 0) {
		(void)t->db->close(t->db, 0);
		goto fail;
	}
	s->table[s->ntables++] = t;
	return t;
 fail:
	free(t->name);
	free(t);
	(void)store_error(s, ret);
	return NULL;
}

struct store_txn *
store_begin(struct store *s)
{
	struct store_txn	*t;
	int			 ret;

	if ((t = calloc(1, sizeof(*t))) == NULL)
		return NULL;
	t->store = s;
	s->errstr[0] = '\0';
	if ((ret = s->env->txn_begin(s->env, NULL, &t->txn, 0)) != 0) {
		free(t);
		(void)store_error(s, ret);
		return NULL;
	}
	return t;
}

int
store_commit(struct store_txn *t, int sync)
{
	struct store	*s = t->store;
	int		 ret;

	ret = t->txn->commit(t->txn, sync ? DB_TXN_SYNC : DB_TXN_WRITE_NOSYNC);
	free(t);
	return store_sync_error(s, ret);
}

void
store_abort(struct store_txn *t)
{
	struct store	*s = t->store;
	int		 ret;

	/* An abort that fails leaves the environment for recovery. */
	if ((ret = t->txn->abort(t->txn)) != 0)
		(void)store_error(s, ret);
	free(t);
}

static DB_TXN *
store_dbtxn(struct store_txn *t)
{
	return t == NULL ? NULL : t->txn;
}

static void
store_dbt(DBT *d, const void *p, size_t len)
{
	memset(d, 0, sizeof(*d));
	d->data = (void *)(uintptr_t)p;	/* the library does not write there */
	d->size = (uint32_t)len;
}

/* CRC-32C, eight octets a step. */
static void
store_crc_init(struct store *s)
{
	uint32_t	c, i, k;

	for (i = 0; i < 256; i++) {
		c = i;
		for (k = 0; k < 8; k++)
			c = c & 1 ? c >> 1 ^ STORE_CRC32C : c >> 1;
		s->crc[0][i] = c;
	}
	for (i = 0; i < 256; i++)
		for (k = 1; k < 8; k++)
			s->crc[k][i] = s->crc[k - 1][i] >> 8 ^
			    s->crc[0][s->crc[k - 1][i] & 0xff];
}

static uint32_t
store_crc(const struct store *s, uint32_t c, const void *data, size_t len)
{
	const uint8_t	*p = data;

	for (; len >= 8; p += 8, len -= 8) {
		c ^= (uint32_t)p[0] | (uint32_t)p[1] << 8 |
		    (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
		c = s->crc[7][c & 0xff] ^ s->crc[6][c >> 8 & 0xff] ^
		    s->crc[5][c >> 16 & 0xff] ^ s->crc[4][c >> 24] ^
		    s->crc[3][p[4]] ^ s->crc[2][p[5]] ^ s->crc[1][p[6]] ^
		    s->crc[0][p[7]];
	}
	for (; len > 0; p++, len--)
		c = c >> 8 ^ s->crc[0][(c ^ *p) & 0xff];
	return c;
}

/* Over key and value: a value that came under another key is wrong too. */
static void
store_sum(const struct store *s, const DBT *k, const void *val, size_t len,
    uint8_t sum[STORE_SUM])
{
	uint32_t	c;

	c = store_crc(s, 0xffffffffU, k->data, k->size);
	c = ~store_crc(s, c, val, len);
	sum[0] = (uint8_t)(c >> 24);
	sum[1] = (uint8_t)(c >> 16);
	sum[2] = (uint8_t)(c >> 8);
	sum[3] = (uint8_t)c;
}

/*
 * Takes the checksum off.  -1 and EILSEQ when it is wrong; *val is what is
 * there all the same, for the quarantine.
 */
static int
store_value(struct store *s, const DBT *k, const DBT *v,
    struct store_val *val)
{
	uint8_t	sum[STORE_SUM];

	val->p = v->data;
	val->len = v->size;
	if (v->size >= STORE_SUM) {
		val->len -= STORE_SUM;
		store_sum(s, k, val->p, val->len, sum);
		if (memcmp((const uint8_t *)v->data + val->len, sum,
		    STORE_SUM) == 0)
			return 0;
	}
	strlcpy(s->errstr, "a record has a wrong checksum",
	    sizeof(s->errstr));
	errno = EILSEQ;
	return -1;
}

int
store_get(struct store_table *t, struct store_txn *txn, const void *key,
    size_t klen, struct store_val *val)
{
	struct store_val	is;
	DBT			k, v;
	int			ret;

	store_dbt(&k, key, klen);
	store_dbt(&v, NULL, 0);
	t->store->errstr[0] = '\0';
	if ((ret = t->db->get(t->db, store_dbtxn(txn), &k, &v, 0)) != 0)
		return store_error(t->store, ret);
	return store_value(t->store, &k, &v, val == NULL ? &is : val);
}

static int
store_write(struct store_table *t, struct store_txn *txn, const void *key,
    size_t klen, const void *val, size_t vlen, uint32_t how)
{
	struct store	*s = t->store;
	DBT		 k, v;
	uint8_t		*p;

	if (txn == NULL || klen > UINT32_MAX ||
	    vlen > UINT32_MAX - STORE_SUM) {
		errno = EINVAL;
		return -1;
	}
	if (vlen + STORE_SUM > s->bufsize) {
		if ((p = realloc(s->buf, vlen + STORE_SUM)) == NULL)
			return -1;
		s->buf = p;
		s->bufsize = vlen + STORE_SUM;
	}
	store_dbt(&k, key, klen);
	if (vlen > 0)
		memcpy(s->buf, val, vlen);
	store_sum(s, &k, s->buf, vlen, s->buf + vlen);
	store_dbt(&v, s->buf, vlen + STORE_SUM);
	s->errstr[0] = '\0';
	return store_error(s, t->db->put(t->db, txn->txn, &k, &v, how));
}

int
store_put(struct store_table *t, struct store_txn *txn, const void *key,
    size_t klen, const void *val, size_t vlen)
{
	return store_write(t, txn, key, klen, val, vlen, 0);
}

int
store_add(struct store_table *t, struct store_txn *txn, const void *key,
    size_t klen, const void *val, size_t vlen)
{
	return store_write(t, txn, key, klen, val, vlen, DB_NOOVERWRITE);
}

int
store_del(struct store_table *t, struct store_txn *txn, const void *key,
    size_t klen)
{
	DBT	k;

	if (txn == NULL) {
		errno = EINVAL;
		return -1;
	}
	store_dbt(&k, key, klen);
	t->store->errstr[0] = '\0';
	return store_error(t->store, t->db->del(t->db, txn->txn, &k, 0));
}

struct store_cursor *
store_cursor(struct store_table *t, struct store_txn *txn)
{
	struct store_cursor	*c;
	int			 ret;

	if ((c = calloc(1, sizeof(*c))) == NULL)
		return NULL;
	c->store = t->store;
	c->store->errstr[0] = '\0';
	ret = t->db->cursor(t->db, store_dbtxn(txn), &c->dbc, 0);
	if (ret != 0) {
		free(c);
		(void)store_error(t->store, ret);
		return NULL;
	}
	return c;
}

static int
store_cursor_get(struct store_cursor *c, DBT *k, DBT *v, uint32_t how,
    struct store_val *key, struct store_val *val)
{
	int	ret;

	c->store->errstr[0] = '\0';
	if ((ret = c->dbc->get(c->dbc, k, v, how)) != 0)
		return store_error(c->store, ret);
	if (key != NULL) {
		key->p = k->data;
		key->len = k->size;
	}
	/* A walk goes on over a damaged record: it has its key and no value. */
	if (val != NULL && store_value(c->store, k, v, val) == -1)
		val->len = 0;
	return 0;
}

int
store_seek_ge(struct store_cursor *c, const void *p, size_t len,
    struct store_val *key, struct store_val *val)
{
	DBT	k, v;

	store_dbt(&k, p, len);
	store_dbt(&v, NULL, 0);
	return store_cursor_get(c, &k, &v, DB_SET_RANGE, key, val);
}

int
store_seek_le(struct store_cursor *c, const void *p, size_t len,
    struct store_val *key, struct store_val *val)
{
	struct store_val	found;
	DBT			k, v;

	store_dbt(&k, p, len);
	store_dbt(&v, NULL, 0);
	if (store_cursor_get(c, &k, &v, DB_SET_RANGE, &found, val) == 0) {
		if (found.len == len && memcmp(found.p, p, len) == 0) {
			if (key != NULL)
				*key = found;
			return 0;
		}
		return store_prev(c, key, val);
	}
	if (errno != ENOENT)
		return -1;
	store_dbt(&k, NULL, 0);
	return store_cursor_get(c, &k, &v, DB_LAST, key, val);
}

int
store_next(struct store_cursor *c, struct store_val *key,
    struct store_val *val)
{
	DBT	k, v;

	store_dbt(&k, NULL, 0);
	store_dbt(&v, NULL, 0);
	return store_cursor_get(c, &k, &v, DB_NEXT, key, val);
}

int
store_prev(struct store_cursor *c, struct store_val *key,
    struct store_val *val)
{
	DBT	k, v;

	store_dbt(&k, NULL, 0);
	store_dbt(&v, NULL, 0);
	return store_cursor_get(c, &k, &v, DB_PREV, key, val);
}

void
store_cursor_close(struct store_cursor *c)
{
	if (c == NULL)
		return;
	(void)c->dbc->close(c->dbc);
	free(c);
}

int
store_maintain(struct store *s, int force)
{
	s->errstr[0] = '\0';
	return store_sync_error(s, s->env->txn_checkpoint(s->env,
	    force ? 0 : STORE_CKP_KB, 0, force ? DB_FORCE : 0));
}

int64_t
store_free_space(struct store *s)
{
	struct statvfs	sv;

	if (statvfs(s->dir, &sv) == -1)
		return -1;
	return (int64_t)sv.f_bavail * (int64_t)sv.f_frsize;
}

const char *
store_errstr(struct store *s)
{
	return s->errstr[0] == '\0' ? "no details" : s->errstr;
}
