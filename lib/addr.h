/* SPDX-License-Identifier: ISC */
/* Mail addresses: user@domain, ASCII, compared without regard to case. */
#ifndef ADDR_H
#define ADDR_H

#define ADDR_LOCAL_MAX	64	/* RFC 5321 4.5.3.1.1 */
#define ADDR_DOMAIN_MAX	253	/* RFC 1035 2.3.4, in text */
#define ADDR_MAX	(ADDR_LOCAL_MAX + 1 + ADDR_DOMAIN_MAX)

/*
 * Checks and lower-cases.  Local part: dot-atom of RFC 5322 3.2.3; domain:
 * LDH labels (RFC 1123 2.1), at least one.  Surrounding white space is
 * dropped.  0, or -1 and EINVAL.  dst holds ADDR_MAX + 1.
 */
int		 addr_normalize(const char *, char *dst, size_t);
/* The part after the @ of a normalized address, or NULL. */
const char	*addr_domain(const char *);
int		 addr_domain_normalize(const char *, char *dst, size_t);

#endif /* ADDR_H */
