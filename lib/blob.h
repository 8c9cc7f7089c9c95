/* SPDX-License-Identifier: ISC */
/*
 * Message bodies too large for a record: files body/xx/<id> below the
 * store's directory.  Commit discipline: written to tmp/, fsync, rename,
 * fsync of the directory, and only then the transaction that names it.  A
 * file that no record names is collected at start; a record whose file is
 * missing or of the wrong size or digest is for quarantine (EILSEQ).
 */
#ifndef BLOB_H
#define BLOB_H

#define BLOB_INLINE_MAX	3000	/* up to here a body lives in its record */

/* Makes tmp/ and body/ with their fan-out below dir.  0 or -1. */
int	 blob_init(const char *dir);
/* Durable on return 0.  sha256 of the data is written to digest. */
int	 blob_write(uint64_t id, const void *, size_t, uint8_t digest[32]);
/* Whole content, caller frees; checked against len and digest: EILSEQ. */
uint8_t	*blob_read(uint64_t id, size_t len, const uint8_t digest[32]);
int	 blob_unlink(uint64_t id);
/*
 * Start-up: calls keep(id, arg) for every file; 0 means nobody names it and
 * it is removed.  Files with other names are moved to quarantine/ and logged.
 * Returns the number removed, or -1.
 */
int	 blob_collect(int (*keep)(uint64_t, void *), void *);

#endif /* BLOB_H */
