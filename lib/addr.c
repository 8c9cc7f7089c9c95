/* SPDX-License-Identifier: ISC */
#include "compat.h"

#include <ctype.h>
#include <errno.h>

#include "addr.h"

static int	 addr_local_ok(const char *, size_t);
static int	 addr_trim(const char **, size_t *);

/* White space around; 0, or -1 when nothing is left. */
static int
addr_trim(const char **s, size_t *len)
{
	*s += strspn(*s, " \t\r\n");
	*len = strlen(*s);
	while (*len > 0 && strchr(" \t\r\n", (*s)[*len - 1]) != NULL)
		(*len)--;
	return *len > 0 ? 0 : -1;
}

/* dot-atom-text, RFC 5322 3.2.3 */
static int
addr_local_ok(const char *s, size_t len)
{
	size_t	 i;

	if (len == 0 || len > ADDR_LOCAL_MAX || s[0] == '.' ||
	    s[len - 1] == '.')
		return 0;
	for (i = 0; i < len; i++) {
		if (s[i] == '.' && s[i - 1] == '.')
			return 0;
		if (s[i] == '\0' || (!isalnum((unsigned char)s[i]) &&
		    strchr(".!#$%&'*+-/=?^_`{|}~", s[i]) == NULL))
			return 0;
	}
	return 1;
}

/* LDH labels of 1 to 63 octets, no hyphen at an end (RFC 1123 2.1). */
int
addr_domain_normalize(const char *s, char *dst, size_t size)
{
	size_t	 len, i, label = 0;

	if (addr_trim(&s, &len) == -1 || len > ADDR_DOMAIN_MAX || len >= size)
		goto bad;
	for (i = 0; i < len; i++) {
		if (s[i] == '.') {
			if (label == 0 || s[i - 1] == '-')
				goto bad;
			label = 0;
		} else if (isalnum((unsigned char)s[i]) ||
		    (s[i] == '-' && label > 0)) {
			if (++label > 63)
				goto bad;
		} else
			goto bad;
		dst[i] = (char)tolower((unsigned char)s[i]);
	}
	if (label == 0 || s[len - 1] == '-')
		goto bad;
	dst[len] = '\0';
	return 0;
bad:
	errno = EINVAL;
	return -1;
}

int
addr_normalize(const char *s, char *dst, size_t size)
{
	const char	*at;
	size_t		 len, i, local;

	if (addr_trim(&s, &len) == -1 || (at = memchr(s, '@', len)) == NULL ||
	    len > ADDR_MAX || len >= size)
		goto bad;
	local = (size_t)(at - s);
	/* What follows drops white space at its ends: here it is inside. */
	if (!addr_local_ok(s, local) || strchr(" \t\r\n", at[1]) != NULL ||
	    addr_domain_normalize(at + 1, dst + local + 1, size - local - 1) ==
	    -1)
		goto bad;
	for (i = 0; i < local; i++)
		dst[i] = (char)tolower((unsigned char)s[i]);
	dst[local] = '@';
	return 0;
bad:
	errno = EINVAL;
	return -1;
}

const char *
addr_domain(const char *addr)
{
	const char	*at = strchr(addr, '@');

	return at == NULL ? NULL : at + 1;
}
