/* SPDX-License-Identifier: ISC */
/* A directory of its own for a test, and its removal. */
#ifndef TESTDIR_H
#define TESTDIR_H

#include <sys/stat.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline int
testdir_unlink(const char *path, const struct stat *st, int flag,
    struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

/* Removes a tree; one that is not there is no error. */
static inline int
testdir_remove(const char *path)
{
	struct stat	st;

	if (lstat(path, &st) == -1)
		return 0;
	return nftw(path, testdir_unlink, 16, FTW_DEPTH | FTW_PHYS);
}

/* Makes a new directory from a template and enters it. */
static inline void
testdir_enter(char *template)
{
	if (mkdtemp(template) == NULL || chdir(template) == -1) {
		perror(template);
		exit(1);
	}
}

#endif /* TESTDIR_H */
