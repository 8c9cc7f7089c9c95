/* SPDX-License-Identifier: ISC */
/* Identifiers of attachments in text; the messages are in test_codecs.c. */
#include "compat.h"

#include <errno.h>

#include "msg_attach.h"
#include "tap.h"

int
main(void)
{
	uint8_t	 id[ATTACH_ID], got[ATTACH_ID];
	char	 buf[ATTACH_HEX + 1];
	size_t	 i;

	for (i = 0; i < sizeof(id); i++)
		id[i] = (uint8_t)(0xf8 + i);
	is_str(attach_id_str(id, buf), "f8f9fafbfcfdfeff0001020304050607",
	    "an id in text");
	ok(attach_id_parse(buf, got) == 0 && memcmp(id, got, sizeof(id)) == 0,
	    "and back");
	buf[0] = 'F';
	ok(attach_id_parse(buf, got) == -1 && errno == EINVAL,
	    "not in upper case");
	ok(attach_id_parse("f8", got) == -1, "not short");
	memset(buf, '0', ATTACH_HEX);
	buf[ATTACH_HEX] = '\0';
	ok(attach_id_parse(buf, got) == -1, "not long");
	buf[ATTACH_HEX - 1] = '\0';
	buf[3] = 'g';
	ok(attach_id_parse(buf, got) == -1, "digits only");
	return done_testing();
}
