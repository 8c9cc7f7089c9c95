/* SPDX-License-Identifier: ISC */
/*
 * One thread that does nothing but the slow hash of passwords, so that a
 * signature never waits for a log-in.  It is made before the sandbox closes.
 * What it shares with the event loop is in struct worker, under its mutex.
 */
#include "compat.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>

#include "keys.h"
#include "log.h"

#define WORKER_MAX	128	/* waiting; some ten seconds of work */

struct worker {
	pthread_t		 thread;
	pthread_mutex_t		 mtx;
	pthread_cond_t		 cond;
	TAILQ_HEAD(, work)	 todo;
	TAILQ_HEAD(, work)	 done;
	size_t			 ntodo;
	int			 stop;
	int			 fd[2];		/* wakes the loop */
	struct event		*ev;
	void			(*cb)(struct work *);
};

static void	*worker_main(void *);
static void	 worker_event(evutil_socket_t, short, void *);
static int	 worker_start(struct worker *);

static void *
worker_main(void *arg)
{
	struct worker	*wk = arg;
	struct work	*w;
	char		 c = 0;

	pthread_mutex_lock(&wk->mtx);
	for (;;) {
		while (!wk->stop && TAILQ_EMPTY(&wk->todo))
			pthread_cond_wait(&wk->cond, &wk->mtx);
		if (wk->stop)
			break;
		w = TAILQ_FIRST(&wk->todo);
		TAILQ_REMOVE(&wk->todo, w, entry);
		pthread_mutex_unlock(&wk->mtx);

		w->result = users_check_text(w->verifier, w->password);

		pthread_mutex_lock(&wk->mtx);
		wk->ntodo--;
		TAILQ_INSERT_TAIL(&wk->done, w, entry);
		/* A full pipe wakes the loop as well as one octet more. */
		while (write(wk->fd[1], &c, 1) == -1 && errno == EINTR)
			continue;
	}
	pthread_mutex_unlock(&wk->mtx);
	return NULL;
}

static void
worker_event(evutil_socket_t fd, short what, void *arg)
{
	TAILQ_HEAD(, work)	 done = TAILQ_HEAD_INITIALIZER(done);
	struct worker		*wk = arg;
	struct work		*w;
	char			 buf[64];

	(void)what;
	while (read(fd, buf, sizeof(buf)) > 0)
		continue;
	pthread_mutex_lock(&wk->mtx);
	while ((w = TAILQ_FIRST(&wk->done)) != NULL) {
		TAILQ_REMOVE(&wk->done, w, entry);
		TAILQ_INSERT_TAIL(&done, w, entry);
	}
	pthread_mutex_unlock(&wk->mtx);
	while ((w = TAILQ_FIRST(&done)) != NULL) {
		TAILQ_REMOVE(&done, w, entry);
		wk->cb(w);
	}
}

/* Signals are the event loop's. */
static int
worker_start(struct worker *wk)
{
	sigset_t	all, old;
	int		error;

	sigfillset(&all);
	if ((error = pthread_sigmask(SIG_BLOCK, &all, &old)) == 0) {
		error = pthread_create(&wk->thread, NULL, worker_main, wk);
		(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	}
	errno = error;
	return error == 0 ? 0 : -1;
}

struct worker *
worker_new(struct event_base *base, void (*done)(struct work *))
{
	struct worker	*wk;

	if ((wk = calloc(1, sizeof(*wk))) == NULL) {
		log_warn("keys: worker");
		return NULL;
	}
	TAILQ_INIT(&wk->todo);
	TAILQ_INIT(&wk->done);
	wk->cb = done;
	if (pipe2(wk->fd, O_CLOEXEC | O_NONBLOCK) == -1) {
		log_warn("keys: pipe");
		free(wk);
		return NULL;
	}
	if (pthread_mutex_init(&wk->mtx, NULL) != 0 ||
	    pthread_cond_init(&wk->cond, NULL) != 0 ||
	    (wk->ev = event_new(base, wk->fd[0], EV_READ | EV_PERSIST,
	    worker_event, wk)) == NULL || event_add(wk->ev, NULL) == -1) {
		log_warnx("keys: cannot set up the worker");
		goto fail;
	}
	if (worker_start(wk) == -1) {
		log_warn("keys: thread");
		goto fail;
	}
	return wk;
 fail:
	if (wk->ev != NULL)
		event_free(wk->ev);
	close(wk->fd[0]);
	close(wk->fd[1]);
	free(wk);
	return NULL;
}

int
worker_add(struct worker *wk, const char *verifier, const char *password,
    void *arg)
{
	struct work	*w;

	if ((w = calloc(1, sizeof(*w))) == NULL)
		return -1;
	w->arg = arg;
	if ((w->verifier = strdup(verifier)) == NULL ||
	    (w->password = strdup(password)) == NULL) {
		work_free(w);
		errno = ENOMEM;
		return -1;
	}
	pthread_mutex_lock(&wk->mtx);
	if (wk->ntodo >= WORKER_MAX) {
		pthread_mutex_unlock(&wk->mtx);
		work_free(w);
		errno = EAGAIN;
		return -1;
	}
	wk->ntodo++;
	TAILQ_INSERT_TAIL(&wk->todo, w, entry);
	pthread_cond_signal(&wk->cond);
	pthread_mutex_unlock(&wk->mtx);
	return 0;
}

void
work_free(struct work *w)
{
	if (w->verifier != NULL)
		freezero(w->verifier, strlen(w->verifier));
	if (w->password != NULL)
		freezero(w->password, strlen(w->password));
	free(w);
}

size_t
worker_waiting(struct worker *wk)
{
	size_t	n;

	pthread_mutex_lock(&wk->mtx);
	n = wk->ntodo;
	pthread_mutex_unlock(&wk->mtx);
	return n;
}

void
worker_free(struct worker *wk)
{
	struct work	*w;

	if (wk == NULL)
		return;
	pthread_mutex_lock(&wk->mtx);
	wk->stop = 1;
	pthread_cond_signal(&wk->cond);
	pthread_mutex_unlock(&wk->mtx);
	(void)pthread_join(wk->thread, NULL);
	while ((w = TAILQ_FIRST(&wk->todo)) != NULL) {
		TAILQ_REMOVE(&wk->todo, w, entry);
		work_free(w);
	}
	while ((w = TAILQ_FIRST(&wk->done)) != NULL) {
		TAILQ_REMOVE(&wk->done, w, entry);
		work_free(w);
	}
	event_free(wk->ev);
	close(wk->fd[0]);
	close(wk->fd[1]);
	pthread_cond_destroy(&wk->cond);
	pthread_mutex_destroy(&wk->mtx);
	free(wk);
}
