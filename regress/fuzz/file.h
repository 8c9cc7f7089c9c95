/* SPDX-License-Identifier: ISC */
/* A file for what is read by its name; fuzz.sh removes its directory. */
#ifndef FILE_H
#define FILE_H

/* Its name, the same at each call, with this in it. */
const char	*file_with(const void *, size_t);

#endif /* FILE_H */
