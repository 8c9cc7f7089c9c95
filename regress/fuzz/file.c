/* SPDX-License-Identifier: ISC */
#include "compat.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>

#include "file.h"
#include "fuzz.h"

/* Opened anew each time, as what is tried may put another file there. */
const char *
file_with(const void *data, size_t size)
{
	static char	 path[1024];
	const char	*dir = getenv("TMPDIR");
	int		 fd;

	if (path[0] == '\0')
		snprintf(path, sizeof(path), "%s/fuzz.%ld",
		    dir != NULL ? dir : "/tmp", (long)getpid());
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	FUZZ_ASSERT(fd != -1 && write(fd, data, size) == (ssize_t)size);
	close(fd);
	return path;
}
