/* SPDX-License-Identifier: ISC */
/* soap <-> keys: what needs a secret.  Answers carry the request's id. */
#ifndef MSG_KEYS_H
#define MSG_KEYS_H

#include "wire.h"

struct keys_password {		/* IMSG_KEYS_PASSWORD_CHECK */
	char		*user;		/* normalized address */
	char		*password;
	char		*peer;		/* client address, for slowing guesses */
};
void	 keys_password_put(struct wbuf *, const struct keys_password *);
int	 keys_password_get(struct rbuf *, struct keys_password *);
void	 keys_password_free(struct keys_password *);	/* wipes */

struct keys_mac {		/* IMSG_KEYS_MAC_CHECK: HMAC-SHA256 over canonical SignedInfo */
	char		*user;
	char		*peer;
	const uint8_t	*salt;		/* as the client named it: must be the user's */
	size_t		 salt_len;
	uint32_t	 iterations;
	const uint8_t	*text;
	size_t		 text_len;
	const uint8_t	*mac;		/* 32 octets, or it is refused */
	size_t		 mac_len;
};
void	 keys_mac_put(struct wbuf *, const struct keys_mac *);
int	 keys_mac_get(struct rbuf *, struct keys_mac *);
void	 keys_mac_free(struct keys_mac *);

/* IMSG_SOAP_AUTH_RESULT */
#define AUTH_OK		0
#define AUTH_FAILED	1	/* wrong, unknown or disabled: never told apart */
#define AUTH_SLOWED	2	/* too many failures: later */
#define AUTH_ERROR	3	/* could not check: temporary */
void	 auth_result_put(struct wbuf *, uint32_t);
int	 auth_result_get(struct rbuf *, uint32_t *);

/* IMSG_KEYS_PARAMS_GET: payload one string, the user; anybody may ask.
 * An unknown user gets a salt made from keys' secret and the name: stable. */
struct keys_params {		/* IMSG_SOAP_PARAMS_RESULT */
	uint32_t	 iterations;
	uint8_t		 salt[16];
};
void	 keys_params_put(struct wbuf *, const struct keys_params *);
int	 keys_params_get(struct rbuf *, struct keys_params *);

struct keys_sign {		/* IMSG_KEYS_SIGN: over the octets, SHA-256 */
	char		*domain;	/* hosted: its key */
	const uint8_t	*text;		/* canonical SignedInfo */
	size_t		 text_len;
};
void	 keys_sign_put(struct wbuf *, const struct keys_sign *);
int	 keys_sign_get(struct rbuf *, struct keys_sign *);
void	 keys_sign_free(struct keys_sign *);

/*
 * IMSG_SOAP_SIGN_RESULT: the value as XMLDSIG wants it (for ECDSA r|s, RFC
 * 4050/XMLDSIG 1.1 section 6.4.3), empty when there is no such key.
 */
void	 sign_result_put(struct wbuf *, const uint8_t *, size_t);
const uint8_t *sign_result_get(struct rbuf *, size_t *);

#endif /* MSG_KEYS_H */
