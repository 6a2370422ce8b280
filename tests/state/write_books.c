/* Writes messages of order books as lists and flat, and the lines that any reader must find:
     write_books DIR SEED MESSAGES
   gives DIR/lists.parquet, DIR/rows.parquet and DIR/lists.txt (book_fixture.h), and
   DIR/cut.parquet: lists whose row groups end anywhere. */
#include "tests/state/book_fixture.h"

#include <stdlib.h>

int main(int argc, char **argv)
{
    char path[4096];
    tm_book_fixture_t books;
    if (argc != 4) {
        fprintf(stderr, "usage: write_books DIR SEED MESSAGES\n");
        return 2;
    }
    tm_book_fixture_make(&books, strtoull(argv[2], NULL, 10), (uint32_t)strtoul(argv[3], NULL, 10));
    for (int lists = 0; lists < 2; lists++) {
        snprintf(path, sizeof path, "%s/%s.parquet", argv[1], lists ? "lists" : "rows");
        tm_book_fixture_write(&books, path, lists, books.level_cnt);
    }
    snprintf(path, sizeof path, "%s/cut.parquet", argv[1]);
    tm_book_fixture_write(&books, path, true, 700);
    snprintf(path, sizeof path, "%s/lists.txt", argv[1]);
    FILE *out = fopen(path, "w");
    if (!out) return 1;
    tm_book_fixture_text(&books, out);
    tm_book_fixture_free(&books);
    return fclose(out) == 0 ? 0 : 1;
}
