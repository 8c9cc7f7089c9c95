/* SPDX-License-Identifier: ISC */
/*
 * The users table on disk (wsmtpd-users(5)): one line a user, fields by colon
 *	name:flags:quota:text:mac
 * flags: "-" or "disabled"; quota: octets or "-"; text: a verifier for the
 * password as text, $scrypt$ln=15,r=8,p=1$<b64 salt>$<b64 hash>, or "*";
 * mac: pbkdf2-sha256$<iterations>$<b64 salt>$<b64 key>, or "*".
 * wsctl(8) writes it (temporary file, fsync, rename, under a lock file); the
 * parent reads it; the verifiers go to keys alone.
 */
#ifndef USERS_H
#define USERS_H

#include "conf.h"

#define USERS_MAC_ITERATIONS	600000	/* OWASP, PBKDF2-HMAC-SHA256 */
#define USERS_KEY_LEN		32
#define USERS_SALT_LEN		16

/*
 * Reads the table into c->users (emptied first).  A line that does not parse
 * is an error with its number in errbuf: -1.  Missing file: -1, ENOENT.
 */
int	 users_read(struct conf *, const char *path, char *errbuf, size_t);
/* Can this (normalized) address be a user's name?  Not one that begins with #. */
int	 users_is_name(const char *);
/*
 * Writes the whole table durably, mode 0600; as root for the owner that it
 * had.  0, or -1 and errno (EINVAL: a name): then the old one is still there, unless it was
 * the last sync that failed.
 */
int	 users_write(const struct conf *, const char *path);
/* Fills u->text and u->mac anew from a password; wiped after use by caller. */
int	 users_set_password(struct conf_user *, const char *password);
/* Could a password be checked against it? */
int	 users_is_text_verifier(const char *);
/* 1 right, 0 wrong, -1 the verifier cannot be read. */
int	 users_check_text(const char *verifier, const char *password);
/* Splits a mac verifier; salt and key are written.  0 or -1. */
int	 users_parse_mac(const char *, uint32_t *iterations,
	    uint8_t salt[USERS_SALT_LEN], uint8_t key[USERS_KEY_LEN]);
/* PBKDF2-HMAC-SHA256 (RFC 8018 5.2).  0 or -1. */
int	 users_derive(const char *password, const uint8_t *salt, size_t,
	    uint32_t iterations, uint8_t key[USERS_KEY_LEN]);

#endif /* USERS_H */
