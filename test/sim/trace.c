// SPDX-License-Identifier: GPL-2.0-only
/*
 * trace.c - reads traces: "time_s,op,sector,sectors" with a header line, or one block number a line.
 *
 * NAME.gz is read through zcat.  What does not parse is an error, never skipped; lines of '*'
 * separate parts of a trace of block numbers and mean nothing here.
 */
#include <unistd.h>

#include "sim.h"

#define PAGE_SECTORS 8	/* what a reference to a block number reads of it */

struct trace *trace_alloc(const char *name, u64 nr)
{
	struct trace *t = calloc(1, sizeof(*t));

	snprintf(t->name, sizeof(t->name), "%s", name);
	t->r = malloc(nr * sizeof(*t->r));
	return t;
}

static void add(struct trace *t, u64 *room, struct request r)
{
	if (t->nr == *room) {
		*room = *room ? *room * 2 : 65536;
		t->r = realloc(t->r, *room * sizeof(*t->r));
	}
	t->r[t->nr++] = r;
	if (t->origin_sectors < r.sector + r.sectors)
		t->origin_sectors = r.sector + r.sectors;
}

static bool parse_line(const struct trace *t, const char *line, struct request *r)
{
	unsigned long long sector;
	unsigned int sectors;
	double time;
	char op, end;

	if (t->per_block) {
		if (sscanf(line, "%llu %c", &sector, &end) != 1)
			return false;
		*r = (struct request){ .sector = sector, .sectors = PAGE_SECTORS };
		return true;
	}
	if (sscanf(line, "%lf,%c,%llu,%u %c", &time, &op, &sector, &sectors, &end) != 4 ||
	    (op != 'R' && op != 'W') || !sectors || time < 0)
		return false;
	*r = (struct request){ .sector = sector, .sectors = sectors, .time_ms = time * 1000,
			       .write = op == 'W' };
	return true;
}

static FILE *open_trace(const char *path)
{
	char command[4200];
	size_t n = strlen(path);

	/* A name in quotes for the shell: one that has a quote itself is not opened. */
	if (n < 4 || strcmp(path + n - 3, ".gz") || strchr(path, '\''))
		return fopen(path, "r");
	if (access(path, R_OK))
		return NULL;
	snprintf(command, sizeof(command), "zcat '%s'", path);
	return popen(command, "r");
}

static void set_name(struct trace *t, const char *path)
{
	const char *base = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;

	snprintf(t->name, sizeof(t->name), "%.*s", (int)strcspn(base, "."), base);
}

struct trace *trace_read(const char *path)
{
	FILE *f = open_trace(path);
	struct trace *t = trace_alloc("", 0);
	u64 room = 0, line_nr = 0;
	struct request r;
	char line[256];

	if (!f) {
		fprintf(stderr, "sim: cannot open %s: %s\n", path, strerror(errno));
		return NULL;
	}
	set_name(t, path);
	while (fgets(line, sizeof(line), f)) {
		if (!line_nr++)
			t->per_block = !strchr(line, ',');
		if (line[0] == '*' || (line_nr == 1 && !strncmp(line, "time_s,", 7)))
			continue;
		if (!parse_line(t, line, &r)) {
			fprintf(stderr, "sim: %s, line %llu: not a request: %s", path, line_nr, line);
			return NULL;
		}
		add(t, &room, r);
	}
	if (!t->nr) {
		fprintf(stderr, "sim: %s: no requests\n", path);
		return NULL;
	}
	fclose(f);
	return t;
}

u64 trace_footprint(const struct trace *t, u32 block_sectors, u64 *references)
{
	u64 nr_oblocks = t->per_block ? t->origin_sectors : t->origin_sectors / block_sectors + 1;
	u8 *seen = calloc(nr_oblocks, 1);
	u64 i, nr = 0, total = 0;
	u32 j, pieces;

	for (i = 0; i < t->nr; i++) {
		pieces = request_pieces(t, &t->r[i], block_sectors);
		for (j = 0; j < pieces; j++, total++) {
			struct piece p = request_piece(t, &t->r[i], block_sectors, j);

			nr += !seen[p.oblock];
			seen[p.oblock] = 1;
		}
	}
	free(seen);
	if (references)
		*references = total;
	return nr;
}
