/* SPDX-License-Identifier: Apache-2.0
 *
 * Example guest in C: tasks that work on texts, and a C library that is used as it is: heatshrink
 * 0.4.1 by Scott Vokes (https://github.com/atomicobject/heatshrink), under the ISC license in
 * heatshrink/LICENSE.
 */
#include <stdlib.h>
#include <string.h>

#include <wxec.h>

#include "heatshrink/heatshrink_decoder.h"
#include "heatshrink/heatshrink_encoder.h"

/* Takes a letter off the front of a text, which is UTF-8 and not empty. */
static uint32_t take_letter(wxec_String *text)
{
    uint8_t first = (uint8_t)text->bytes[0];
    size_t length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    uint32_t letter = length == 1 ? first : first & (0x7fu >> length);
    for (size_t i = 1; i < length; i++)
        letter = letter << 6 | ((uint8_t)text->bytes[i] & 0x3f);
    text->bytes += length;
    text->length -= length;
    return letter;
}

/* Returns true for white space as Unicode defines it. */
static bool is_space(uint32_t letter)
{
    return letter == ' ' || (letter >= '\t' && letter <= '\r') || letter == 0x85 || letter == 0xa0 || letter == 0x1680
        || (letter >= 0x2000 && letter <= 0x200a) || letter == 0x2028 || letter == 0x2029 || letter == 0x202f
        || letter == 0x205f || letter == 0x3000;
}

/* Takes a word off the front of a text, and counts its letters. */
static bool take_word(wxec_String *text, wxec_String *word, uint64_t *letters)
{
    const char *start = NULL;
    *letters = 0;
    while (text->length > 0) {
        const char *at = text->bytes;
        bool space = is_space(take_letter(text));
        if (space && start == NULL)
            continue;
        if (start == NULL)
            start = at;
        *word = (wxec_String){start, (size_t)((space ? at : text->bytes) - start)};
        if (space)
            return true;
        ++*letters;
    }
    return start != NULL;
}

WXEC_TASK("words", count, "Counts the words of a text.", (u64), (text, String))
{
    wxec_String word;
    uint64_t words = 0, letters;
    while (take_word(&text, &word, &letters))
        words++;
    return words;
}

WXEC_PAIR(String, u64)
WXEC_VEC(Pair_String_u64)

static int by_text(const void *first, const void *second)
{
    const wxec_Pair_String_u64 *a = first, *b = second;
    size_t shorter = a->first.length < b->first.length ? a->first.length : b->first.length;
    int order = memcmp(a->first.bytes, b->first.bytes, shorter);
    return order != 0 ? order : (a->first.length > b->first.length) - (a->first.length < b->first.length);
}

static int by_frequency(const void *first, const void *second)
{
    const wxec_Pair_String_u64 *a = first, *b = second;
    return a->second != b->second ? (a->second < b->second ? 1 : -1) : by_text(first, second);
}

WXEC_TASK("words", top,
          "Returns the `n` most frequent words of a text, the most frequent first, equally frequent ones in "
          "alphabetical order.",
          (Vec(Pair(String, u64))), (text, String), (n, u64))
{
    size_t count = wxec_task_count(text), distinct = 0;
    wxec_Pair_String_u64 *words = wxec_alloc_array(count, sizeof *words);
    uint64_t letters;
    for (size_t i = 0; i < count; i++) {
        take_word(&text, &words[i].first, &letters);
        words[i].second = 1;
    }
    qsort(words, count, sizeof *words, by_text);
    for (size_t i = 0; i < count; i++) {
        if (distinct > 0 && by_text(&words[distinct - 1], &words[i]) == 0)
            words[distinct - 1].second++;
        else
            words[distinct++] = words[i];
    }
    qsort(words, distinct, sizeof *words, by_frequency);
    return (wxec_Vec_Pair_String_u64){words, n < distinct ? (size_t)n : distinct};
}

WXEC_MAP(u64, u64)

WXEC_TASK("words::stats", lengths, "Counts the words of each length, in letters.", (BTreeMap(u64, u64)), (text, String))
{
    size_t longest = 0;
    wxec_String rest = text, word;
    uint64_t letters;
    while (take_word(&rest, &word, &letters))
        longest = letters > longest ? (size_t)letters : longest;
    uint64_t *counts = wxec_alloc_array(longest + 1, sizeof *counts);
    memset(counts, 0, (longest + 1) * sizeof *counts);
    while (take_word(&text, &word, &letters))
        counts[letters]++;
    wxec_BTreeMap_u64_u64 lengths = {wxec_alloc_array(longest + 1, sizeof *lengths.entries), 0};
    for (size_t length = 1; length <= longest; length++)
        if (counts[length] != 0)
            lengths.entries[lengths.count++] = (wxec_Entry_u64_u64){length, counts[length]};
    return lengths;
}

/* A window of 2 KiB and repetitions of up to 16 bytes suit texts. */
enum { WINDOW_BITS = 11, LOOKAHEAD_BITS = 4 };

WXEC_TASK("words", pack, "Compresses bytes with heatshrink, in a window of 2 KiB.", (Bytes), (data, Bytes))
{
    wxec_writer packed = {0};
    heatshrink_encoder *encoder = heatshrink_encoder_alloc(WINDOW_BITS, LOOKAHEAD_BITS);
    WXEC_ASSERT(encoder != NULL);
    uint8_t part[256];
    size_t length;
    while (data.length > 0 || heatshrink_encoder_finish(encoder) == HSER_FINISH_MORE) {
        if (data.length > 0) {
            /* The library takes a pointer to changeable bytes, and only reads them. */
            heatshrink_encoder_sink(encoder, (uint8_t *)(uintptr_t)data.bytes, data.length, &length);
            data.bytes += length;
            data.length -= length;
        }
        while (heatshrink_encoder_poll(encoder, part, sizeof part, &length), length > 0)
            wxec_append(&packed, part, length);
    }
    heatshrink_encoder_free(encoder);
    return (wxec_Bytes){packed.bytes, packed.length};
}

WXEC_TASK("words", unpack, "Undoes `pack`.", (Bytes), (data, Bytes))
{
    wxec_writer plain = {0};
    heatshrink_decoder *decoder = heatshrink_decoder_alloc(256, WINDOW_BITS, LOOKAHEAD_BITS);
    WXEC_ASSERT(decoder != NULL);
    uint8_t part[256];
    size_t length;
    while (data.length > 0) {
        heatshrink_decoder_sink(decoder, (uint8_t *)(uintptr_t)data.bytes, data.length, &length);
        data.bytes += length;
        data.length -= length;
        while (heatshrink_decoder_poll(decoder, part, sizeof part, &length), length > 0)
            wxec_append(&plain, part, length);
    }
    heatshrink_decoder_free(decoder);
    return (wxec_Bytes){plain.bytes, plain.length};
}
