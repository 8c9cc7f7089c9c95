/* SPDX-License-Identifier: ISC */
/*
 * Where the parent keeps the secrets of the configuration while no child
 * needs them: in an anonymous file that is not mapped, so that its memory
 * has none of them and a child that is started again still gets those of the
 * configuration in force, whatever became of the files since.
 */
#include "compat.h"

#include <errno.h>

#include "log.h"
#include "wsmtpd.h"

static int	 vault_write(int, const uint8_t *, size_t);
static int	 vault_read(int, uint8_t *, size_t);
static void	 vault_wipe(struct conf *);

static int
vault_write(int fd, const uint8_t *p, size_t len)
{
	ssize_t	 n;

	for (; len > 0; p += n, len -= (size_t)n)
		if ((n = write(fd, p, len)) == -1) {
			if (errno != EINTR)
				return -1;
			n = 0;
		}
	return 0;
}

static int
vault_read(int fd, uint8_t *p, size_t len)
{
	size_t	 done = 0;
	ssize_t	 n;

	while (done < len) {
		n = pread(fd, p + done, len - done, (off_t)done);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0) {
			if (n == 0)
				errno = EIO;
			return -1;
		}
		done += (size_t)n;
	}
	return 0;
}

static void
vault_wipe(struct conf *c)
{
	struct conf_domain	*d;
	struct conf_user	*u;

	TAILQ_FOREACH(d, &c->domains, entry) {
		conf_blob_wipe(&d->key);
		conf_blob_wipe(&d->tls_key);
	}
	TAILQ_FOREACH(u, &c->users, entry)
		conf_user_wipe(u);
	explicit_bzero(c->secret, sizeof(c->secret));
}

void
vault_fill(struct vault *v, struct conf *c)
{
	struct conf_domain	*d;
	struct conf_user	*u;
	struct wbuf		 w = { 0 };

	vault_free(v);
	TAILQ_FOREACH(d, &c->domains, entry) {
		conf_blob_put(&w, &d->key, 1);
		conf_blob_put(&w, &d->tls_key, 1);
	}
	TAILQ_FOREACH(u, &c->users, entry) {
		conf_str_put(&w, u->text);
		conf_str_put(&w, u->mac);
	}
	wbuf_raw(&w, c->secret, sizeof(c->secret));
	if (w.error == 0 && (v->fd = compat_anonfd()) != -1 &&
	    vault_write(v->fd, w.data, w.len) == 0) {
		v->len = w.len;
		vault_wipe(c);
	} else {
		log_warn("secrets stay in the parent's memory");
		vault_free(v);
	}
	wbuf_free(&w);
}

int
vault_open(const struct vault *v, struct conf *c)
{
	struct conf_domain	*d;
	struct conf_user	*u;
	struct rbuf		 r;
	uint8_t			*data;
	int			 ret = -1;

	if (v->fd == -1)
		return 0;
	if ((data = malloc(v->len)) == NULL ||
	    vault_read(v->fd, data, v->len) == -1)
		goto out;
	vault_wipe(c);
	rbuf_init(&r, data, v->len);
	TAILQ_FOREACH(d, &c->domains, entry) {
		conf_blob_get(&r, &d->key);
		conf_blob_get(&r, &d->tls_key);
	}
	TAILQ_FOREACH(u, &c->users, entry) {
		u->text = conf_str_get(&r);
		u->mac = conf_str_get(&r);
	}
	rbuf_raw(&r, c->secret, sizeof(c->secret));
	ret = rbuf_end(&r);
out:
	if (ret == -1) {
		log_warn("secrets of the configuration");
		vault_wipe(c);
	}
	freezero(data, data == NULL ? 0 : v->len);
	return ret;
}

void
vault_shut(const struct vault *v, struct conf *c)
{
	if (v->fd != -1)
		vault_wipe(c);
}

void
vault_free(struct vault *v)
{
	if (v->fd != -1)
		close(v->fd);
	v->fd = -1;
}
