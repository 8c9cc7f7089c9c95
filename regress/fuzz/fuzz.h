/* SPDX-License-Identifier: ISC */
/*
 * A target is a function that libFuzzer calls with octets (LibFuzzer,
 * "Fuzz target").  What must hold is asserted also without NDEBUG.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdlib.h>

#define FUZZ_ASSERT(x)	do { if (!(x)) abort(); } while (0)

int	 LLVMFuzzerTestOneInput(const uint8_t *, size_t);

#endif /* FUZZ_H */
