/* SPDX-License-Identifier: GPL-2.0-only */
/* Splits an input into words, as dmsetup's users separate them. */
#ifndef FUZZ_WORDS_H
#define FUZZ_WORDS_H

#include "fuzz.h"

#define MAX_WORDS 1100

struct words {
	char *text;
	unsigned int nr;
	char *word[MAX_WORDS];
};

static inline void words_init(struct words *w, const uint8_t *data, size_t size)
{
	char *save = NULL, *word;

	w->text = malloc(size + 1);
	memcpy(w->text, data, size);
	w->text[size] = 0;
	w->nr = 0;
	for (word = strtok_r(w->text, " \t\n", &save); word && w->nr < MAX_WORDS;
	     word = strtok_r(NULL, " \t\n", &save))
		w->word[w->nr++] = word;
}

static inline void words_free(struct words *w)
{
	free(w->text);
}

#endif
