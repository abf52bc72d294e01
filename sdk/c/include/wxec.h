/* SPDX-License-Identifier: Apache-2.0
 *
 * wxec.h: tasks for wxec in C11, and in C++17 with wxec.hpp.
 *
 *     #include <wxec.h>
 *
 *     WXEC_TASK("words", count, "Counts the words of a text.", (u64), (text, String))
 *     {
 *         uint64_t words = 0;
 *         for (size_t i = 0; i < text.length; i++)
 *             words += text.bytes[i] != ' ' && (i == 0 || text.bytes[i - 1] == ' ');
 *         return words;
 *     }
 *
 *     clang --target=wasm32-wasi -Os -mexec-model=reactor -I… -o words.wasm words.c
 *     wxec call local: ./words.wasm::words::count "to be or not to be"
 *
 * The header is the whole SDK. Memory comes from an arena that lasts as long as one call, so that a
 * task needs no allocator; of the C library only memcmp, memcpy, memmove, memset and strlen are
 * used. A name with two underscores, such as wxec__put, is not public.
 *
 * Contents: types, memory, failures, logs, CBOR reader, CBOR writer, composed types, the host
 * (streams, channels, processes, connections, facts, calls), tasks.
 */
#ifndef WXEC_H
#define WXEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#ifndef __wasm__
#include <stdlib.h>
#endif

/* ---- Types -------------------------------------------------------------------------------------
 *
 * A type T of the notation, such as `String` or `u64`, is `wxec_T` in C, is read by `wxec_read_T`
 * and written by `wxec_write_T`. In the parameters of a task only T is written.
 */

/** A text in UTF-8 without a terminating zero. */
typedef struct wxec_String {
    const char *bytes;
    size_t length;
} wxec_String;

/** Bytes of any kind. */
typedef struct wxec_Bytes {
    const uint8_t *bytes;
    size_t length;
} wxec_Bytes;

/** One CBOR item of any type, encoded. `wxec_open` makes a reader of it. */
typedef struct wxec_Value {
    const uint8_t *bytes;
    size_t length;
} wxec_Value;

/** A truth. The notation is `bool`. */
typedef bool wxec_Bool;
/** A floating point number. */
typedef double wxec_f64;

/* ---- Imports of the host, for the parts below ---------------------------------------------------
 * Outside WebAssembly they are ordinary functions, which tests define.
 */

#ifdef __wasm__
#define WXEC__IMPORT(name) __attribute__((import_module("wxec_v1"), import_name(#name))) extern
#define WXEC__EXPORT(name) __asm__(name) __attribute__((export_name(name), used))
#else
#define WXEC__IMPORT(name) extern
#define WXEC__EXPORT(name) __attribute__((used))
#endif

/* A function that is not copied to each place that calls it, and may be unused. */
#define WXEC__FUNCTION __attribute__((noinline, unused)) static

#ifdef __cplusplus
extern "C" {
#endif

WXEC__IMPORT(input_len) uint32_t wxec__input_len(void);
WXEC__IMPORT(input_read) uint32_t wxec__input_read(uint32_t offset, void *buffer, size_t length);
WXEC__IMPORT(output_write) void wxec__output_write(const void *bytes, size_t length);
WXEC__IMPORT(error_write) void wxec__error_write(const void *bytes, size_t length);
WXEC__IMPORT(log_record) void wxec__log_record(int32_t level, const void *target, size_t target_length,
                                               const void *message, size_t message_length);
WXEC__IMPORT(panic) void wxec__panic(const void *report, size_t length);
WXEC__IMPORT(cancelled) int32_t wxec__cancelled(void);
WXEC__IMPORT(reply_len) uint32_t wxec__reply_len(void);
WXEC__IMPORT(reply_read) uint32_t wxec__reply_read(uint32_t offset, void *buffer, size_t length);
WXEC__IMPORT(call_stream) int32_t wxec__call_stream(int32_t index);
WXEC__IMPORT(stream_read) int32_t wxec__stream_read(int32_t stream, void *buffer, size_t length);
WXEC__IMPORT(stream_write) int32_t wxec__stream_write(int32_t stream, const void *bytes, size_t length);
WXEC__IMPORT(stream_select) int32_t wxec__stream_select(const void *question, size_t length);
WXEC__IMPORT(stream_timeout) int32_t wxec__stream_timeout(int32_t stream, int32_t direction, int64_t ms);
WXEC__IMPORT(stream_close) int32_t wxec__stream_close(int32_t stream);
WXEC__IMPORT(process_start) int32_t wxec__process_start(const void *question, size_t length);
WXEC__IMPORT(process_wait) int32_t wxec__process_wait(int32_t process);
WXEC__IMPORT(process_kill) int32_t wxec__process_kill(int32_t process, int32_t signal);
WXEC__IMPORT(process_forget) int32_t wxec__process_forget(int32_t process);
WXEC__IMPORT(net_connect) int32_t wxec__net_connect(const void *question, size_t length);
WXEC__IMPORT(host_facts) int32_t wxec__host_facts(void);
WXEC__IMPORT(host_call) int32_t wxec__host_call(const void *question, size_t length,
                                                const void *input, size_t input_length);

/* The allocator of the C library, if the module has one. */
#ifdef __wasm__
__attribute__((weak)) void *__libc_malloc(size_t size);
#endif

/* ---- Memory -------------------------------------------------------------------------------------
 * An arena of chunks. It is empty when a call begins; its chunks are kept for the next call in the
 * same instance. They come from the allocator of the C library if the module uses that for other
 * things, because some versions of it claim all memory up to the present end when they are first
 * called; else from the host.
 */

typedef struct wxec__chunk {
    struct wxec__chunk *next;
    size_t size;
} wxec__chunk;

/* Bytes before the memory of a chunk, which stays aligned to 16. */
#define WXEC__CHUNK_HEAD ((size_t)16)

typedef struct wxec__globals {
    wxec__chunk *first, *current;
    size_t used;
    wxec__chunk *kept; /* chunks of buffers that outlive wxec_release */
    bool failed;
    uint8_t report[4096]; /* the record of a panic, which may be for want of memory */
} wxec__globals;

/* All files of a module share one. */
__attribute__((weak)) wxec__globals wxec__state;

/** Ends the call: the caller gets the message, with the file and the line. */
#define WXEC_PANIC(message) wxec_panic_at((message), __FILE__, __LINE__)

/** Ends the call with a panic if the condition is false. Unlike assert, it is never left out. */
#define WXEC_ASSERT(condition) \
    ((condition) ? (void)0 : wxec_panic_at("assertion failed: " #condition, __FILE__, __LINE__))

/** Ends the call, like WXEC_PANIC, for a place in the source that the caller names. */
__attribute__((noreturn, unused)) static void wxec_panic_at(const char *message, const char *file, uint32_t line);

WXEC__FUNCTION wxec__chunk *wxec__new_chunk(size_t size)
{
    wxec__chunk *chunk;
    if (size > SIZE_MAX / 2 - WXEC__CHUNK_HEAD)
        WXEC_PANIC("memory allocation of more bytes failed");
    size += WXEC__CHUNK_HEAD;
#ifdef __wasm__
    const size_t page = 65536;
    if (__libc_malloc != NULL) {
        size = size > page ? size : page;
        chunk = (wxec__chunk *)__libc_malloc(size);
        if (chunk == NULL)
            WXEC_PANIC("memory allocation of more bytes failed");
    } else {
        const size_t pages = (size + page - 1) / page, old = __builtin_wasm_memory_grow(0, pages);
        if (old == SIZE_MAX)
            WXEC_PANIC("memory allocation of more bytes failed");
        wxec__chunk *last = wxec__state.current;
        if (last != NULL && last->next == NULL && (uintptr_t)last + last->size == old * page) {
            last->size += pages * page;
            return NULL;
        }
        chunk = (wxec__chunk *)(old * page);
        size = pages * page;
    }
#else
    chunk = (wxec__chunk *)malloc(size);
    if (chunk == NULL)
        WXEC_PANIC("memory allocation of more bytes failed");
#endif
    chunk->next = NULL;
    chunk->size = size;
    return chunk;
}

/** Returns memory that is aligned to 16 bytes and lasts until the end of the call, or until
 *  wxec_release. It is not cleared. Panics if there is none left. */
WXEC__FUNCTION void *wxec_alloc(size_t size)
{
    if (size > SIZE_MAX / 2)
        WXEC_PANIC("memory allocation of more bytes failed");
    size = (size + 15) / 16 * 16;
    for (;;) {
        wxec__chunk *chunk = wxec__state.current;
        if (chunk != NULL && chunk->size - wxec__state.used >= size) {
            uint8_t *memory = (uint8_t *)chunk + wxec__state.used;
            wxec__state.used += size;
            return memory;
        }
        if (chunk != NULL && chunk->next != NULL) {
            wxec__state.current = chunk->next;
            wxec__state.used = WXEC__CHUNK_HEAD;
            continue;
        }
        wxec__chunk *added = wxec__new_chunk(size);
        if (added == NULL)
            continue; /* the last chunk has grown */
        if (chunk == NULL)
            wxec__state.first = added;
        else
            chunk->next = added;
        wxec__state.current = added;
        wxec__state.used = WXEC__CHUNK_HEAD;
    }
}

/** Returns memory for `count` things of `size` bytes each, as wxec_alloc does. */
WXEC__FUNCTION void *wxec_alloc_array(size_t count, size_t size)
{
    if (size != 0 && count > SIZE_MAX / 2 / size)
        WXEC_PANIC("memory allocation of more bytes failed");
    return wxec_alloc(count * size);
}

/** A position of the arena. */
typedef struct wxec_mark {
    wxec__chunk *chunk;
    size_t used;
} wxec_mark;

/** Returns the present position of the arena, for wxec_release. */
static inline wxec_mark wxec_marked(void)
{
    wxec_mark mark = {wxec__state.current, wxec__state.used};
    return mark;
}

/** Frees all that was allocated since the mark: for loops over many items. */
static inline void wxec_release(wxec_mark mark)
{
    wxec__state.current = mark.chunk != NULL ? mark.chunk : wxec__state.first;
    wxec__state.used = mark.chunk != NULL ? mark.used : WXEC__CHUNK_HEAD;
}

/* Allocates a buffer that wxec_release does not free. */
static inline uint8_t *wxec__alloc_kept(size_t size)
{
    wxec__chunk *current = wxec__state.current;
    wxec__state.current = NULL; /* so that no chunk of the arena grows instead */
    wxec__chunk *chunk = wxec__new_chunk(size);
    wxec__state.current = current;
    if (chunk == NULL)
        WXEC_PANIC("memory allocation of more bytes failed");
    chunk->next = wxec__state.kept;
    wxec__state.kept = chunk;
    return (uint8_t *)chunk + WXEC__CHUNK_HEAD;
}

/* Empties the arena. */
WXEC__FUNCTION void wxec__reset(void)
{
    wxec__globals *state = &wxec__state;
    while (state->kept != NULL) {
        wxec__chunk *chunk = state->kept;
        state->kept = chunk->next;
        chunk->next = state->first;
        state->first = chunk;
    }
#ifndef __wasm__
    while (state->first != NULL) {
        wxec__chunk *chunk = state->first;
        state->first = chunk->next;
        free(chunk);
    }
#endif
    state->current = state->first;
    state->used = WXEC__CHUNK_HEAD;
    state->failed = false;
}

/* ---- Texts -------------------------------------------------------------------------------------- */

/** Makes a text of a C string. Does not copy it. */
WXEC__FUNCTION wxec_String wxec_text(const char *string)
{
    wxec_String text = {string, string != NULL ? __builtin_strlen(string) : 0};
    return text;
}

/** Makes a C string of a text, in the arena. A text with a zero in it ends there. */
static inline const char *wxec_c_string(wxec_String text)
{
    char *string = (char *)wxec_alloc(text.length + 1);
    if (text.length != 0)
        __builtin_memcpy(string, text.bytes, text.length);
    string[text.length] = 0;
    return string;
}

/** Returns true if a text has the bytes of a C string. */
WXEC__FUNCTION bool wxec_equal(wxec_String text, const char *string)
{
    size_t length = __builtin_strlen(string);
    return text.length == length && (length == 0 || __builtin_memcmp(text.bytes, string, length) == 0);
}

/** Joins two texts, in the arena. */
static inline wxec_String wxec_join(wxec_String first, wxec_String second)
{
    char *bytes = (char *)wxec_alloc(first.length + second.length);
    if (first.length != 0)
        __builtin_memcpy(bytes, first.bytes, first.length);
    if (second.length != 0)
        __builtin_memcpy(bytes + first.length, second.bytes, second.length);
    wxec_String joined = {bytes, first.length + second.length};
    return joined;
}

/** Returns true if the bytes are UTF-8: no surrogates, no needlessly long forms. */
WXEC__FUNCTION bool wxec_is_utf8(const void *bytes, size_t length)
{
    const uint8_t *at = (const uint8_t *)bytes;
    size_t i = 0;
    while (i < length) {
        uint8_t first = at[i++];
        if (first < 0x80)
            continue;
        int more = first >= 0xc2 && first <= 0xdf ? 1 : first >= 0xe0 && first <= 0xef ? 2
                 : first >= 0xf0 && first <= 0xf4 ? 3 : 0;
        if (more == 0 || length - i < (size_t)more)
            return false;
        uint8_t low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
        uint8_t high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
        if (at[i] < low || at[i] > high)
            return false;
        for (i++; --more > 0; i++)
            if ((at[i] & 0xc0) != 0x80)
                return false;
    }
    return true;
}

/* ---- CBOR writer -------------------------------------------------------------------------------- */

/** Encodes values, one after another. `wxec_writer w = {0};` collects them in the arena. */
typedef struct wxec_writer {
    uint8_t *bytes;
    size_t length, capacity;
    void (*sink)(const void *bytes, size_t length); /* takes the bytes whenever the buffer is full */
} wxec_writer;

WXEC__FUNCTION void wxec__put(wxec_writer *w, const void *bytes, size_t length)
{
    if (length > w->capacity - w->length) {
        if (w->sink != NULL) {
            w->sink(w->bytes, w->length);
            w->length = 0;
            if (length > w->capacity) {
                w->sink(bytes, length);
                return;
            }
        } else {
            if (length > SIZE_MAX / 4 - w->length)
                WXEC_PANIC("memory allocation of more bytes failed");
            size_t capacity = w->capacity * 2 + 64;
            if (capacity < w->length + length)
                capacity = w->length + length;
            uint8_t *larger = (uint8_t *)wxec_alloc(capacity);
            if (w->length != 0)
                __builtin_memcpy(larger, w->bytes, w->length);
            w->bytes = larger;
            w->capacity = capacity;
        }
    }
    if (length != 0)
        __builtin_memcpy(w->bytes + w->length, bytes, length);
    w->length += length;
}

/* Writes the head of an item: its major type, and a number or a length. */
WXEC__FUNCTION void wxec__put_head(wxec_writer *w, unsigned major, uint64_t value)
{
    uint8_t head[9];
    size_t width = value < 24 ? 0 : value <= 0xff ? 1 : value <= 0xffff ? 2 : value <= 0xffffffff ? 4 : 8;
    unsigned info = width == 0 ? (unsigned)value : width == 1 ? 24 : width == 2 ? 25 : width == 4 ? 26 : 27;
    head[0] = (uint8_t)(major << 5 | info);
    for (size_t i = 0; i < width; i++)
        head[1 + i] = (uint8_t)(value >> 8 * (width - 1 - i));
    wxec__put(w, head, 1 + width);
}

/** Writes a null: the value of `()` and of an absent option. */
static inline void wxec_write_null(wxec_writer *w) { wxec__put(w, "\xf6", 1); }

/** Writes a bool. */
static inline void wxec_write_Bool(wxec_writer *w, bool value) { wxec__put(w, value ? "\xf5" : "\xf4", 1); }

/** Writes a signed number. */
static inline void wxec_write_i64(wxec_writer *w, int64_t value)
{
    wxec__put_head(w, value < 0, value < 0 ? ~(uint64_t)value : (uint64_t)value);
}

/** Writes a number. */
static inline void wxec_write_u64(wxec_writer *w, uint64_t value) { wxec__put_head(w, 0, value); }

/** Writes a floating point number, in 8 bytes. */
WXEC__FUNCTION void wxec_write_f64(wxec_writer *w, double value)
{
    uint8_t bytes[9] = {0xfb};
    uint64_t bits;
    __builtin_memcpy(&bits, &value, sizeof bits);
    for (int i = 0; i < 8; i++)
        bytes[1 + i] = (uint8_t)(bits >> (56 - 8 * i));
    wxec__put(w, bytes, sizeof bytes);
}

/** Writes a text. Panics if it is not UTF-8, because no caller could read it. */
WXEC__FUNCTION void wxec_write_String(wxec_writer *w, wxec_String value)
{
    if (!wxec_is_utf8(value.bytes, value.length))
        WXEC_PANIC("a text that is not UTF-8 cannot be written");
    wxec__put_head(w, 3, value.length);
    wxec__put(w, value.bytes, value.length);
}

/** Writes a C string as a text. */
WXEC__FUNCTION void wxec_write_text(wxec_writer *w, const char *value) { wxec_write_String(w, wxec_text(value)); }

/** Writes bytes. */
WXEC__FUNCTION void wxec_write_Bytes(wxec_writer *w, wxec_Bytes value)
{
    wxec__put_head(w, 2, value.length);
    wxec__put(w, value.bytes, value.length);
}

/** Begins an array; `count` items must follow. */
static inline void wxec_write_array(wxec_writer *w, size_t count) { wxec__put_head(w, 4, count); }

/** Begins a map; `count` keys must follow, each with its value. */
static inline void wxec_write_map(wxec_writer *w, size_t count) { wxec__put_head(w, 5, count); }

/** Writes an item that is encoded already. */
static inline void wxec_write_Value(wxec_writer *w, wxec_Value value) { wxec__put(w, value.bytes, value.length); }

/** Appends bytes as they are: for collecting bytes, or CBOR from elsewhere. */
static inline void wxec_append(wxec_writer *w, const void *bytes, size_t length) { wxec__put(w, bytes, length); }

/** Returns what a writer has collected in the arena. */
static inline wxec_Value wxec_written(const wxec_writer *w)
{
    wxec_Value value = {w->bytes, w->length};
    return value;
}

/* ---- Failures and logs -------------------------------------------------------------------------- */

WXEC__FUNCTION wxec_String wxec__shortened(const char *string, size_t limit)
{
    wxec_String text = wxec_text(string);
    if (text.length > limit)
        for (text.length = limit; text.length > 0 && (text.bytes[text.length] & 0xc0) == 0x80;)
            text.length--;
    if (!wxec_is_utf8(text.bytes, text.length))
        text = wxec_text("a text that is not UTF-8");
    return text;
}

__attribute__((noreturn, unused)) static void wxec_panic_at(const char *message, const char *file, uint32_t line)
{
    wxec_writer w = {wxec__state.report, 0, sizeof wxec__state.report, NULL};
    wxec_write_map(&w, 3);
    wxec_write_text(&w, "msg");
    wxec_write_String(&w, wxec__shortened(message, 2048));
    wxec_write_text(&w, "file");
    wxec_write_String(&w, wxec__shortened(file, 1024));
    wxec_write_text(&w, "line");
    wxec_write_u64(&w, line);
    wxec__panic(w.bytes, w.length);
    __builtin_trap();
}

/** A failure of a task: what its caller gets in place of a value. */
typedef struct wxec_failure {
    wxec_String type;         /**< Name of the error's type, such as "words::TooLong". */
    wxec_String message;      /**< The error for people. */
    const wxec_String *chain; /**< Its causes, outermost first. */
    size_t chain_length;
    wxec_Value data;          /**< The error itself, for callers that know its type; may be empty. */
} wxec_failure;

/** Makes the task fail; what it returns then is ignored. Only the first failure counts. */
WXEC__FUNCTION void wxec_fail_with(const wxec_failure *failure)
{
    if (wxec__state.failed)
        return;
    wxec__state.failed = true;
    wxec_writer w = {NULL, 0, 0, NULL};
    wxec_write_map(&w, failure->data.length != 0 ? 4 : 3);
    wxec_write_text(&w, "type");
    wxec_write_String(&w, failure->type);
    wxec_write_text(&w, "msg");
    wxec_write_String(&w, failure->message);
    wxec_write_text(&w, "chain");
    wxec_write_array(&w, failure->chain_length);
    for (size_t i = 0; i < failure->chain_length; i++)
        wxec_write_String(&w, failure->chain[i]);
    if (failure->data.length != 0) {
        wxec_Bytes data = {failure->data.bytes, failure->data.length};
        wxec_write_text(&w, "data");
        wxec_write_Bytes(&w, data);
    }
    wxec__error_write(w.bytes, w.length);
}

/** Makes the task fail with an error of a type and a message; what it returns then is ignored:
 *  `return wxec_fail("words::Empty", "there are no words"), 0;` */
WXEC__FUNCTION void wxec_fail(const char *type, const char *message)
{
    wxec_failure failure = {wxec_text(type), wxec_text(message), NULL, 0, {NULL, 0}};
    wxec_fail_with(&failure);
}

/** Returns true once the task has failed. */
static inline bool wxec_failed(void) { return wxec__state.failed; }

/** Importance of a line of the log. */
typedef enum wxec_level { WXEC_ERROR = 1, WXEC_WARN, WXEC_INFO, WXEC_DEBUG, WXEC_TRACE } wxec_level;

/** Writes a line to the log of the caller. The target names the part of the program. */
static inline void wxec_log(wxec_level level, const char *target, wxec_String message)
{
    wxec__log_record((int32_t)level, target, __builtin_strlen(target), message.bytes, message.length);
}

/** Returns true if the caller has given up: tasks that work for long may ask. */
static inline bool wxec_cancelled(void) { return wxec__cancelled() != 0; }

/* ---- CBOR reader --------------------------------------------------------------------------------
 *
 * A reader never believes a length, and bounds the depth. After the first mistake it fails for
 * ever, so that checking once, at the end, is enough.
 */

/** Largest number of nested arrays and maps, as everywhere in wxec. */
#define WXEC_MAX_DEPTH 128
/** Largest number of tags around one item, as everywhere in wxec. */
#define WXEC_MAX_TAGS 512
/** Longest item of a channel. */
#define WXEC_MAX_ITEM_BYTES ((size_t)16 << 20)

/** Reads values, one after another. */
typedef struct wxec_reader {
    const uint8_t *at, *end;
    const char *expected; /**< The type that was wanted at the mistake, if one was. */
    const char *found;    /**< The thing that is there instead: not NULL after a mistake. */
} wxec_reader;

/** Makes a reader of a value. */
static inline wxec_reader wxec_open(wxec_Value value)
{
    wxec_reader r = {value.bytes, value.bytes + value.length, NULL, NULL};
    return r;
}

/** Notes a mistake, unless there was one before, and returns false. */
WXEC__FUNCTION bool wxec_mistake(wxec_reader *r, const char *expected, const char *found)
{
    if (r->found == NULL) {
        r->expected = expected;
        r->found = found;
    }
    return false;
}

/** Head of an item. */
typedef struct wxec_head {
    uint64_t value; /**< A number, a length, a count, a tag or the bits of a float. */
    uint8_t major;  /**< 0 number, 1 negative, 2 bytes, 3 text, 4 array, 5 map, 6 tag, 7 other. */
    uint8_t info;   /**< The low five bits of the first byte; 31 is an open length. */
} wxec_head;

/** Reads the head of an item, tags included. */
WXEC__FUNCTION bool wxec_read_head(wxec_reader *r, wxec_head *head)
{
    if (r->found != NULL)
        return false;
    if (r->at == r->end)
        return wxec_mistake(r, NULL, "the end of the input");
    uint8_t first = *r->at++;
    head->major = first >> 5;
    head->info = first & 31;
    head->value = head->info;
    if (head->info < 24 || head->info == 31)
        return head->info < 24 || (head->major >= 2 && head->major != 6)
            || wxec_mistake(r, NULL, "malformed CBOR");
    if (head->info > 27)
        return wxec_mistake(r, NULL, "malformed CBOR");
    size_t width = (size_t)1 << (head->info - 24);
    if ((size_t)(r->end - r->at) < width)
        return wxec_mistake(r, NULL, "the end of the input");
    for (head->value = 0; width > 0; width--)
        head->value = head->value << 8 | *r->at++;
    return true;
}

/* Reads the head of an item behind its tags. */
WXEC__FUNCTION bool wxec__read_value_head(wxec_reader *r, wxec_head *head)
{
    for (int tags = 0; tags <= WXEC_MAX_TAGS; tags++) {
        if (!wxec_read_head(r, head))
            return false;
        if (head->major != 6)
            return true;
    }
    return wxec_mistake(r, NULL, "too many tags");
}

/* Names an item for people. */
WXEC__FUNCTION const char *wxec__kind(wxec_head head)
{
    static const char *const kinds[] = {"an integer", "a negative integer", "bytes",
                                        "a text",     "an array",           "a map"};
    if (head.major < 6)
        return kinds[head.major];
    return head.info == 20 || head.info == 21 ? "a bool" : head.info == 22 || head.info == 23 ? "null"
         : head.info >= 25 && head.info <= 27 ? "a float" : "malformed CBOR";
}

/* Takes bytes of the input. */
static inline const uint8_t *wxec__take(wxec_reader *r, uint64_t length)
{
    if (length > (uint64_t)(r->end - r->at)) {
        wxec_mistake(r, NULL, "the end of the input");
        return NULL;
    }
    const uint8_t *taken = r->at;
    r->at += (size_t)length;
    return taken;
}

static inline bool wxec__at_break(wxec_reader *r) { return r->at != r->end && *r->at == 0xff; }

/* Skips an item that stands inside `depth` others. */
WXEC__FUNCTION bool wxec__skip(wxec_reader *r, int depth)
{
    wxec_head head;
    if (!wxec__read_value_head(r, &head))
        return false;
    bool open = head.info == 31;
    if (head.major == 2 || head.major == 3) {
        if (!open)
            return wxec__take(r, head.value) != NULL;
        while (!wxec__at_break(r)) {
            wxec_head part;
            if (!wxec_read_head(r, &part))
                return false;
            if (part.major != head.major || part.info == 31)
                return wxec_mistake(r, NULL, "malformed CBOR");
            if (wxec__take(r, part.value) == NULL)
                return false;
        }
        r->at++;
    } else if (head.major == 4 || head.major == 5) {
        if (depth >= WXEC_MAX_DEPTH)
            return wxec_mistake(r, NULL, "a value that nests too deeply");
        for (uint64_t i = 0; open ? !wxec__at_break(r) : i < head.value; i++)
            if (!wxec__skip(r, depth + 1) || (head.major == 5 && !wxec__skip(r, depth + 1)))
                return false;
        r->at += open;
    } else if (open) {
        return wxec_mistake(r, NULL, "malformed CBOR"); /* a break outside of everything */
    }
    return true;
}

/** Skips one item, with all that is inside. */
static inline bool wxec_skip(wxec_reader *r) { return wxec__skip(r, 0); }

/** Takes one item of any type, unread. */
WXEC__FUNCTION bool wxec_read_Value(wxec_reader *r, wxec_Value *value)
{
    value->bytes = r->at;
    value->length = 0;
    if (!wxec_skip(r))
        return false;
    value->length = (size_t)(r->at - value->bytes);
    return true;
}

/** Returns true, and takes it, if a null is next. */
static inline bool wxec_read_null(wxec_reader *r)
{
    if (r->found != NULL || r->at == r->end || (*r->at != 0xf6 && *r->at != 0xf7))
        return false;
    r->at++;
    return true;
}

/** Reads a bool. */
WXEC__FUNCTION bool wxec_read_Bool(wxec_reader *r, bool *value)
{
    wxec_head head;
    *value = false;
    if (!wxec__read_value_head(r, &head))
        return false;
    *value = head.major == 7 && head.info == 21;
    return (head.major == 7 && (head.info == 20 || head.info == 21)) || wxec_mistake(r, "bool", wxec__kind(head));
}

WXEC__FUNCTION bool wxec__read_signed(wxec_reader *r, int64_t *value, int64_t max, const char *type)
{
    wxec_head head;
    *value = 0;
    if (!wxec__read_value_head(r, &head))
        return false;
    if (head.major > 1)
        return wxec_mistake(r, type, wxec__kind(head));
    if (head.value > (uint64_t)max)
        return wxec_mistake(r, type, "an integer beyond its range");
    *value = head.major == 0 ? (int64_t)head.value : -1 - (int64_t)head.value;
    return true;
}

WXEC__FUNCTION bool wxec__read_unsigned(wxec_reader *r, uint64_t *value, uint64_t max, const char *type)
{
    wxec_head head;
    *value = 0;
    if (!wxec__read_value_head(r, &head))
        return false;
    if (head.major != 0)
        return wxec_mistake(r, type, wxec__kind(head));
    if (head.value > max)
        return wxec_mistake(r, type, "an integer beyond its range");
    *value = head.value;
    return true;
}

/* Defines the type of an integer, its reader, and its writer unless that is defined above. */
#define WXEC__INTEGER(T, C, wide, base, max)                                                       \
    typedef C wxec_##T; /**< An integer. */                                                        \
    static inline bool wxec_read_##T(wxec_reader *r, wxec_##T *value)                              \
    {                                                                                              \
        wide##_t number;                                                                           \
        bool done = wxec__read_##base(r, &number, max, #T);                                        \
        *value = (C)number;                                                                        \
        return done;                                                                               \
    }
#define WXEC__SHORT_INTEGER(T, C, wide, base, max, as)                                             \
    WXEC__INTEGER(T, C, wide, base, max)                                                           \
    static inline void wxec_write_##T(wxec_writer *w, wxec_##T value) { wxec_write_##as(w, value); }

WXEC__INTEGER(i64, int64_t, int64, signed, INT64_MAX)
WXEC__INTEGER(u64, uint64_t, uint64, unsigned, UINT64_MAX)
WXEC__SHORT_INTEGER(i32, int32_t, int64, signed, INT32_MAX, i64)
WXEC__SHORT_INTEGER(i16, int16_t, int64, signed, INT16_MAX, i64)
WXEC__SHORT_INTEGER(i8, int8_t, int64, signed, INT8_MAX, i64)
WXEC__SHORT_INTEGER(u32, uint32_t, uint64, unsigned, UINT32_MAX, u64)
WXEC__SHORT_INTEGER(u16, uint16_t, uint64, unsigned, UINT16_MAX, u64)
WXEC__SHORT_INTEGER(u8, uint8_t, uint64, unsigned, UINT8_MAX, u64)

/** Reads a floating point number of any width, or an integer. */
WXEC__FUNCTION bool wxec_read_f64(wxec_reader *r, double *value)
{
    wxec_head head;
    *value = 0;
    if (!wxec__read_value_head(r, &head))
        return false;
    if (head.major == 0) {
        *value = (double)head.value;
    } else if (head.major == 1 && head.value <= INT64_MAX) {
        *value = (double)(-1 - (int64_t)head.value);
    } else if (head.major == 7 && head.info == 27) {
        __builtin_memcpy(value, &head.value, sizeof *value);
    } else if (head.major == 7 && head.info == 26) {
        float narrow;
        uint32_t bits = (uint32_t)head.value;
        __builtin_memcpy(&narrow, &bits, sizeof narrow);
        *value = narrow;
    } else if (head.major == 7 && head.info == 25) {
        uint64_t fraction = head.value & 0x3ff, exponent = head.value >> 10 & 31, bits;
        if (exponent == 0) { /* zero, or a subnormal: a fraction of 2^-24 */
            *value = (double)fraction / 16777216.0;
            __builtin_memcpy(&bits, value, sizeof bits);
        } else {
            bits = (exponent == 31 ? 0x7ff : exponent + 1008) << 52 | fraction << 42;
        }
        bits |= (head.value >> 15) << 63;
        __builtin_memcpy(value, &bits, sizeof *value);
    } else {
        return wxec_mistake(r, "f64", wxec__kind(head));
    }
    return true;
}

/* Reads a text or bytes. Those in one piece stay in the input; those in parts are joined. */
WXEC__FUNCTION bool wxec__read_string(wxec_reader *r, unsigned major, const char *type, wxec_Bytes *value)
{
    wxec_head head;
    value->bytes = (const uint8_t *)"";
    value->length = 0;
    if (!wxec__read_value_head(r, &head))
        return false;
    if (head.major != major)
        return wxec_mistake(r, type, wxec__kind(head));
    if (head.info != 31) {
        const uint8_t *taken = wxec__take(r, head.value);
        if (taken == NULL)
            return false;
        if (major == 3 && !wxec_is_utf8(taken, (size_t)head.value))
            return wxec_mistake(r, type, "a text that is not UTF-8");
        value->bytes = taken;
        value->length = (size_t)head.value;
        return true;
    }
    wxec_writer joined = {NULL, 0, 0, NULL};
    while (!wxec__at_break(r)) {
        if (!wxec_read_head(r, &head))
            return false;
        if (head.major != major || head.info == 31)
            return wxec_mistake(r, type, "malformed CBOR");
        const uint8_t *taken = wxec__take(r, head.value);
        if (taken == NULL)
            return false;
        if (major == 3 && !wxec_is_utf8(taken, (size_t)head.value))
            return wxec_mistake(r, type, "a text that is not UTF-8");
        wxec__put(&joined, taken, (size_t)head.value);
    }
    r->at++;
    if (joined.length != 0)
        value->bytes = joined.bytes;
    value->length = joined.length;
    return true;
}

/** Reads a text. It lies in the input, or in the arena if it came in parts. */
WXEC__FUNCTION bool wxec_read_String(wxec_reader *r, wxec_String *value)
{
    wxec_Bytes bytes;
    bool done = wxec__read_string(r, 3, "String", &bytes);
    value->bytes = (const char *)bytes.bytes;
    value->length = bytes.length;
    return done;
}

/** Items of an array, or entries of a map, that are being read. */
typedef struct wxec_items {
    wxec_reader *reader;
    uint64_t left;
    bool open; /* ends with a break, not after `left` items */
    bool pairs;
} wxec_items;

WXEC__FUNCTION bool wxec__enter(wxec_reader *r, wxec_items *items, unsigned major, const char *type)
{
    wxec_head head;
    items->reader = r;
    items->left = 0;
    items->open = false;
    items->pairs = major == 5;
    if (!wxec__read_value_head(r, &head))
        return false;
    if (head.major != major)
        return wxec_mistake(r, type, wxec__kind(head));
    items->open = head.info == 31;
    items->left = items->open ? 0 : head.value;
    return true;
}

/** Enters an array. `type` names it in mistakes. */
static inline bool wxec_enter_array(wxec_reader *r, wxec_items *items, const char *type)
{
    return wxec__enter(r, items, 4, type);
}

/** Enters a map. After each wxec_next, read a key and its value. */
static inline bool wxec_enter_map(wxec_reader *r, wxec_items *items, const char *type)
{
    return wxec__enter(r, items, 5, type);
}

/** Returns true if another item can be read: `while (wxec_next(&items)) wxec_read_i64(r, &number);` */
WXEC__FUNCTION bool wxec_next(wxec_items *items)
{
    wxec_reader *r = items->reader;
    if (r->found != NULL)
        return false;
    if (!items->open)
        return items->left > 0 && items->left-- > 0;
    if (!wxec__at_break(r))
        return r->at != r->end || wxec_mistake(r, NULL, "the end of the input");
    r->at++;
    items->open = false;
    return false;
}

/** Counts the items that are left, by looking at each: the count can be trusted for allocations. */
WXEC__FUNCTION bool wxec_count(const wxec_items *items, size_t *count)
{
    wxec_reader ahead = *items->reader;
    wxec_items rest = *items;
    rest.reader = &ahead;
    for (*count = 0; wxec_next(&rest); ++*count)
        if (!wxec_skip(&ahead) || (items->pairs && !wxec_skip(&ahead)))
            break;
    return ahead.found == NULL || wxec_mistake(items->reader, NULL, ahead.found);
}

/** Reads bytes, also from an array of numbers below 256. They lie in the input or in the arena. */
WXEC__FUNCTION bool wxec_read_Bytes(wxec_reader *r, wxec_Bytes *value)
{
    wxec_reader ahead = *r;
    wxec_head head;
    wxec_items items;
    size_t count = 0;
    value->bytes = (const uint8_t *)"";
    value->length = 0;
    if (!wxec__read_value_head(&ahead, &head) || head.major != 4)
        return wxec__read_string(r, 2, "Bytes", value);
    if (!wxec_enter_array(r, &items, "Bytes") || !wxec_count(&items, &count))
        return false;
    uint8_t *bytes = (uint8_t *)wxec_alloc(count);
    for (size_t i = 0; wxec_next(&items); i++)
        if (!wxec_read_u8(r, &bytes[i]))
            return false;
    value->bytes = bytes;
    value->length = count;
    return true;
}

/* ---- Composed types -----------------------------------------------------------------------------
 *
 * Each macro stands at file level, once, and defines a type with its reader and writer. In a task
 * the type is written as on the right:
 *
 *     WXEC_VEC(u32)                              (numbers, Vec(u32))
 *     WXEC_OPTION(u32)                           (number, Option(u32))
 *     WXEC_MAP(String, u64)                      (counts, BTreeMap(String, u64))
 *     WXEC_PAIR(String, u64)                     (entry, Pair(String, u64))
 *     WXEC_RECORD(Point, (x, i64), (y, i64))     (point, Point)
 *     WXEC_VEC(Pair_String_u64)                  (entries, Vec(Pair(String, u64)))
 *
 * Vec and Option of Bool, i64, u64, f64, String and Bytes are defined below, and need no macro.
 */

/** Defines `wxec_Vec_T`: `count` values at `items`. */
#define WXEC_VEC(T)                                                                                \
    typedef struct wxec_Vec_##T {                                                                  \
        wxec_##T *items;                                                                           \
        size_t count;                                                                              \
    } wxec_Vec_##T;                                                                                \
    __attribute__((unused)) static bool wxec_read_Vec_##T(wxec_reader *r, wxec_Vec_##T *value)     \
    {                                                                                              \
        wxec_items items;                                                                          \
        value->items = NULL;                                                                       \
        value->count = 0;                                                                          \
        if (!wxec_enter_array(r, &items, "an array") || !wxec_count(&items, &value->count))        \
            return false;                                                                          \
        value->items = (wxec_##T *)wxec_alloc_array(value->count, sizeof(wxec_##T));               \
        for (size_t i = 0; wxec_next(&items); i++)                                                 \
            if (!wxec_read_##T(r, &value->items[i]))                                               \
                return false;                                                                      \
        return r->found == NULL;                                                                   \
    }                                                                                              \
    __attribute__((unused)) static void wxec_write_Vec_##T(wxec_writer *w, wxec_Vec_##T value)     \
    {                                                                                              \
        wxec_write_array(w, value.count);                                                          \
        for (size_t i = 0; i < value.count; i++)                                                   \
            wxec_write_##T(w, value.items[i]);                                                     \
    }

/** Defines `wxec_Option_T`: a value, if `some`. */
#define WXEC_OPTION(T)                                                                             \
    typedef struct wxec_Option_##T {                                                               \
        bool some;                                                                                 \
        wxec_##T value;                                                                            \
    } wxec_Option_##T;                                                                             \
    __attribute__((unused)) static bool wxec_read_Option_##T(wxec_reader *r, wxec_Option_##T *value) \
    {                                                                                              \
        __builtin_memset(value, 0, sizeof *value);                                                 \
        value->some = !wxec_read_null(r);                                                          \
        return value->some ? wxec_read_##T(r, &value->value) : true;                               \
    }                                                                                              \
    __attribute__((unused)) static void wxec_write_Option_##T(wxec_writer *w, wxec_Option_##T value) \
    {                                                                                              \
        if (value.some)                                                                            \
            wxec_write_##T(w, value.value);                                                        \
        else                                                                                       \
            wxec_write_null(w);                                                                    \
    }

/** Defines `wxec_BTreeMap_K_V`: `count` entries, each with a `key` and a `value`. The order is that
 *  of the author, who should sort them, as callers in other languages do. */
#define WXEC_MAP(K, V)                                                                             \
    typedef struct wxec_Entry_##K##_##V {                                                          \
        wxec_##K key;                                                                              \
        wxec_##V value;                                                                            \
    } wxec_Entry_##K##_##V;                                                                        \
    typedef struct wxec_BTreeMap_##K##_##V {                                                       \
        wxec_Entry_##K##_##V *entries;                                                             \
        size_t count;                                                                              \
    } wxec_BTreeMap_##K##_##V;                                                                     \
    __attribute__((unused)) static bool wxec_read_BTreeMap_##K##_##V(wxec_reader *r,                 \
                                                                     wxec_BTreeMap_##K##_##V *value) \
    {                                                                                              \
        wxec_items items;                                                                          \
        value->entries = NULL;                                                                     \
        value->count = 0;                                                                          \
        if (!wxec_enter_map(r, &items, "a map") || !wxec_count(&items, &value->count))             \
            return false;                                                                          \
        value->entries = (wxec_Entry_##K##_##V *)wxec_alloc_array(value->count, sizeof *value->entries); \
        for (size_t i = 0; wxec_next(&items); i++)                                                 \
            if (!wxec_read_##K(r, &value->entries[i].key) || !wxec_read_##V(r, &value->entries[i].value)) \
                return false;                                                                      \
        return r->found == NULL;                                                                   \
    }                                                                                              \
    __attribute__((unused)) static void wxec_write_BTreeMap_##K##_##V(wxec_writer *w,                \
                                                                      wxec_BTreeMap_##K##_##V value) \
    {                                                                                              \
        wxec_write_map(w, value.count);                                                            \
        for (size_t i = 0; i < value.count; i++) {                                                 \
            wxec_write_##K(w, value.entries[i].key);                                               \
            wxec_write_##V(w, value.entries[i].value);                                             \
        }                                                                                          \
    }

/** Defines `wxec_Pair_A_B`: a `first` and a `second`. The notation is `(A, B)`. */
#define WXEC_PAIR(A, B)                                                                            \
    typedef struct wxec_Pair_##A##_##B {                                                           \
        wxec_##A first;                                                                            \
        wxec_##B second;                                                                           \
    } wxec_Pair_##A##_##B;                                                                         \
    __attribute__((unused)) static bool wxec_read_Pair_##A##_##B(wxec_reader *r, wxec_Pair_##A##_##B *value) \
    {                                                                                              \
        wxec_items items;                                                                          \
        size_t count;                                                                              \
        __builtin_memset(value, 0, sizeof *value);                                                 \
        if (!wxec_enter_array(r, &items, "a pair") || !wxec_count(&items, &count))                 \
            return false;                                                                          \
        if (count != 2)                                                                            \
            return wxec_mistake(r, "a pair", "an array of another length");                        \
        wxec_next(&items);                                                                         \
        wxec_read_##A(r, &value->first);                                                           \
        wxec_next(&items);                                                                         \
        wxec_read_##B(r, &value->second);                                                          \
        wxec_next(&items);                                                                         \
        return r->found == NULL;                                                                   \
    }                                                                                              \
    __attribute__((unused)) static void wxec_write_Pair_##A##_##B(wxec_writer *w, wxec_Pair_##A##_##B value) \
    {                                                                                              \
        wxec_write_array(w, 2);                                                                    \
        wxec_write_##A(w, value.first);                                                            \
        wxec_write_##B(w, value.second);                                                           \
    }

/** Defines the record `wxec_NAME` with up to 8 fields, each `(name, T)`. In CBOR it is a map by
 *  names, in any order; unknown entries are ignored, and an absent field is a null. */
#define WXEC_RECORD(Name, ...)                                                                     \
    typedef struct wxec_##Name {                                                                   \
        WXEC__EACH(WXEC__FIELD_MEMBER, __VA_ARGS__)                                                \
    } wxec_##Name;                                                                                 \
    __attribute__((unused)) static bool wxec_read_##Name(wxec_reader *r, wxec_##Name *value)       \
    {                                                                                              \
        wxec_items items;                                                                          \
        wxec_String key;                                                                           \
        unsigned seen = 0;                                                                         \
        __builtin_memset(value, 0, sizeof *value);                                                 \
        if (!wxec_enter_map(r, &items, #Name))                                                     \
            return false;                                                                          \
        while (wxec_next(&items) && wxec_read_String(r, &key)) {                                   \
            WXEC__EACH(WXEC__FIELD_READ, __VA_ARGS__) wxec_skip(r);                                \
        }                                                                                          \
        WXEC__EACH(WXEC__FIELD_ABSENT, __VA_ARGS__)                                                \
        return r->found == NULL;                                                                   \
    }                                                                                              \
    __attribute__((unused)) static void wxec_write_##Name(wxec_writer *w, wxec_##Name value)       \
    {                                                                                              \
        wxec_write_map(w, WXEC__COUNT(__VA_ARGS__));                                               \
        WXEC__EACH(WXEC__FIELD_WRITE, __VA_ARGS__)                                                 \
    }

/* Reads a field that is not in the map, as a null. */
#define WXEC__NULL_READER {(const uint8_t *)"\xf6", (const uint8_t *)"\xf6" + 1, NULL, NULL}

#define WXEC__FIELD_MEMBER(i, field) WXEC__CAT(wxec_, WXEC__ID(WXEC__SPEC field)) WXEC__NAME field;
#define WXEC__FIELD_READ(i, field)                                                                 \
    if (wxec_equal(key, WXEC__STRING(WXEC__NAME field))) {                                         \
        if ((seen & 1u << i) != 0)                                                                 \
            wxec_mistake(r, NULL, "the field `" WXEC__STRING(WXEC__NAME field) "` twice");         \
        seen |= 1u << i;                                                                           \
        WXEC__CAT(wxec_read_, WXEC__ID(WXEC__SPEC field))(r, &value->WXEC__NAME field);            \
    } else
#define WXEC__FIELD_ABSENT(i, field)                                                               \
    if (r->found == NULL && (seen & 1u << i) == 0) {                                               \
        wxec_reader absent = WXEC__NULL_READER;                                                    \
        if (!WXEC__CAT(wxec_read_, WXEC__ID(WXEC__SPEC field))(&absent, &value->WXEC__NAME field)) \
            wxec_mistake(r, absent.expected, "no field `" WXEC__STRING(WXEC__NAME field) "`");     \
    }
#define WXEC__FIELD_WRITE(i, field)                                                                \
    wxec_write_text(w, WXEC__STRING(WXEC__NAME field));                                            \
    WXEC__CAT(wxec_write_, WXEC__ID(WXEC__SPEC field))(w, value.WXEC__NAME field);

WXEC_VEC(Bool)
WXEC_VEC(i64)
WXEC_VEC(u64)
WXEC_VEC(f64)
WXEC_VEC(String)
WXEC_VEC(Bytes)
WXEC_OPTION(Bool)
WXEC_OPTION(i64)
WXEC_OPTION(u64)
WXEC_OPTION(f64)
WXEC_OPTION(String)
WXEC_OPTION(Bytes)

/* ---- The host -----------------------------------------------------------------------------------
 *
 * A function that asks the host returns false, or a negative number, if the host refuses. Then
 * `wxec_refusal` tells why, and `wxec_fail_refused` makes the task fail with it.
 */

/** Reason why the host refused. */
typedef struct wxec_refused {
    wxec_String kind;    /**< "NotFound", "PermissionDenied", "TimedOut" and so on. */
    wxec_String message; /**< The reason for people; it names the grant that is missing. */
} wxec_refused;

/** Reads the reply to the last question, into the arena. */
WXEC__FUNCTION wxec_reader wxec_reply(void)
{
    size_t length = wxec__reply_len();
    uint8_t *bytes = (uint8_t *)wxec_alloc(length);
    length = wxec__reply_read(0, bytes, length);
    wxec_Value reply = {bytes, length};
    return wxec_open(reply);
}

/** Returns the reason of the last refusal. Ask before the next question. */
WXEC__FUNCTION wxec_refused wxec_refusal(void)
{
    wxec_refused refused = {wxec_text("Other"), wxec_text("the host refused")};
    wxec_reader r = wxec_reply();
    wxec_items items;
    wxec_String key;
    if (!wxec_enter_map(&r, &items, "HostError"))
        return refused;
    while (wxec_next(&items) && wxec_read_String(&r, &key)) {
        if (wxec_equal(key, "kind"))
            wxec_read_String(&r, &refused.kind);
        else if (wxec_equal(key, "msg"))
            wxec_read_String(&r, &refused.message);
        else
            wxec_skip(&r);
    }
    return refused;
}

/** Makes the task fail with the last refusal: an error of type `wxec::HostError`, with the host's
 *  message and its kind as data. */
WXEC__FUNCTION void wxec_fail_refused(void)
{
    wxec_refused refused = wxec_refusal();
    wxec_writer w = {NULL, 0, 0, NULL};
    wxec_write_map(&w, 1);
    wxec_write_text(&w, "kind");
    wxec_write_String(&w, refused.kind);
    wxec_failure failure = {wxec_text("wxec::HostError"), refused.message, NULL, 0, wxec_written(&w)};
    wxec_fail_with(&failure);
}

/** Reads from a stream: returns how many bytes came, 0 at the end, and less if refused. */
static inline int32_t wxec_stream_read(int32_t stream, void *buffer, size_t length)
{
    return wxec__stream_read(stream, buffer, length);
}

/** Writes all bytes to a stream, and waits while it is full. */
WXEC__FUNCTION bool wxec_stream_write(int32_t stream, const void *bytes, size_t length)
{
    const uint8_t *at = (const uint8_t *)bytes;
    while (length > 0) {
        int32_t taken = wxec__stream_write(stream, at, length);
        if (taken < 0)
            return false;
        at += taken;
        length -= (size_t)taken;
    }
    return true;
}

/** Limits the time of reads (direction 0) or writes (1) of a stream; a negative time is no limit. */
static inline bool wxec_stream_timeout(int32_t stream, int direction, int64_t ms)
{
    return wxec__stream_timeout(stream, direction, ms) >= 0;
}

/** Closes a stream: the other side reads its end. */
static inline void wxec_stream_close(int32_t stream) { wxec__stream_close(stream); }

/** Items that the caller sends. The notation is `Receiver<T>`, the parameter `(name, Receiver(T))`. */
typedef struct wxec_Receiver {
    int32_t stream;
    uint8_t *bytes;
    size_t start, end, capacity;
} wxec_Receiver;

/** Place to send items to the caller. The notation is `Sender<T>`, the parameter `(name, Sender(T))`. */
typedef struct wxec_Sender {
    int32_t stream;
} wxec_Sender;

static inline bool wxec__take_stream(wxec_reader *r, int32_t *stream)
{
    uint64_t index;
    *stream = -1;
    if (!wxec__read_unsigned(r, &index, INT32_MAX, "a stream of the call"))
        return false;
    *stream = wxec__call_stream((int32_t)index);
    return *stream >= 0 || wxec_mistake(r, "a stream of the call", "none that is free");
}

/** Takes the stream of an argument. */
static inline bool wxec_read_Receiver(wxec_reader *r, wxec_Receiver *value)
{
    __builtin_memset(value, 0, sizeof *value);
    return wxec__take_stream(r, &value->stream);
}

/** Takes the stream of an argument. */
static inline bool wxec_read_Sender(wxec_reader *r, wxec_Sender *value)
{
    return wxec__take_stream(r, &value->stream);
}

/** Fills a receiver's buffer until it has this many bytes. Returns false at the end of the stream. */
WXEC__FUNCTION bool wxec__fill(wxec_Receiver *receiver, size_t wanted)
{
    while (receiver->end - receiver->start < wanted) {
        size_t held = receiver->end - receiver->start;
        if (receiver->capacity - receiver->start < wanted) {
            uint8_t *bytes = receiver->bytes;
            if (receiver->capacity < wanted) {
                /* Grows by what has arrived, never by what was announced. */
                receiver->capacity = held * 2 > 65520 ? held * 2 : 65520;
                bytes = wxec__alloc_kept(receiver->capacity);
            }
            if (held != 0)
                __builtin_memmove(bytes, receiver->bytes + receiver->start, held);
            receiver->bytes = bytes;
            receiver->start = 0;
            receiver->end = held;
        }
        if (receiver->end == receiver->capacity)
            continue;
        int32_t read = wxec__stream_read(receiver->stream, receiver->bytes + receiver->end,
                                         receiver->capacity - receiver->end);
        if (read < 0) {
            wxec_fail_refused();
            return false;
        }
        if (read == 0)
            return false;
        receiver->end += (size_t)read;
    }
    return true;
}

/** Waits for the next item: true with a reader of it, false at the end. A channel that breaks makes
 *  the task fail. Texts of the item last until the next item. */
WXEC__FUNCTION bool wxec_receive(wxec_Receiver *receiver, wxec_reader *item)
{
    if (!wxec__fill(receiver, 4)) {
        if (receiver->end != receiver->start)
            wxec_fail("wxec::ChannelError", "the stream ended within an item");
        return false;
    }
    const uint8_t *head = receiver->bytes + receiver->start;
    size_t length = (size_t)head[0] | (size_t)head[1] << 8 | (size_t)head[2] << 16 | (size_t)head[3] << 24;
    if (length > WXEC_MAX_ITEM_BYTES) {
        wxec_fail("wxec::ChannelError", "an item is too long");
        return false;
    }
    if (!wxec__fill(receiver, 4 + length)) {
        wxec_fail("wxec::ChannelError", "the stream ended within an item");
        return false;
    }
    wxec_Value value = {receiver->bytes + receiver->start + 4, length};
    receiver->start += 4 + length;
    *item = wxec_open(value);
    return true;
}

/** Sends an encoded item. Returns false if the caller takes no more; a channel that breaks in
 *  another way makes the task fail as well. */
WXEC__FUNCTION bool wxec_send(wxec_Sender *sender, wxec_Value item)
{
    if (item.length > WXEC_MAX_ITEM_BYTES) {
        wxec_fail("wxec::ChannelError", "an item is too long");
        return false;
    }
    uint8_t head[4];
    for (int i = 0; i < 4; i++)
        head[i] = (uint8_t)(item.length >> 8 * i);
    if (wxec_stream_write(sender->stream, head, 4) && wxec_stream_write(sender->stream, item.bytes, item.length))
        return true;
    wxec_refused refused = wxec_refusal();
    if (!wxec_equal(refused.kind, "BrokenPipe"))
        wxec_fail_refused();
    return false;
}

/** Takes the stream of the items that this task returns. The result of such a task is described as
 *  `(As("Receiver<i64>", void))`; it calls this once, and then sends. Returns false if the caller
 *  takes no items. */
static inline bool wxec_return_items(wxec_Sender *sender)
{
    wxec_Value begun = {(const uint8_t *)"\xf6", 1};
    sender->stream = wxec__call_stream(-1);
    if (sender->stream >= 0)
        return wxec_send(sender, begun);
    wxec_fail_refused();
    return false;
}

/** Defines `wxec_receive_T` and `wxec_send_T` for a type, which must have no memory in the arena
 *  when it is received in an endless loop; see wxec_release. */
#define WXEC_CHANNEL(T)                                                                            \
    __attribute__((unused)) static bool wxec_receive_##T(wxec_Receiver *receiver, wxec_##T *item)  \
    {                                                                                              \
        wxec_reader r;                                                                             \
        if (!wxec_receive(receiver, &r))                                                           \
            return false;                                                                          \
        if (wxec_read_##T(&r, item) && r.at == r.end)                                              \
            return true;                                                                           \
        wxec_fail("wxec::ChannelError", "an item is not of type " #T);                             \
        return false;                                                                              \
    }                                                                                              \
    __attribute__((unused)) static bool wxec_send_##T(wxec_Sender *sender, wxec_##T item)          \
    {                                                                                              \
        wxec_mark mark = wxec_marked();                                                            \
        wxec_writer w = {NULL, 0, 0, NULL};                                                        \
        wxec_write_##T(&w, item);                                                                  \
        bool sent = wxec_send(sender, wxec_written(&w));                                           \
        wxec_release(mark);                                                                        \
        return sent;                                                                               \
    }

WXEC_CHANNEL(i64)
WXEC_CHANNEL(u64)
WXEC_CHANNEL(f64)
WXEC_CHANNEL(String)
WXEC_CHANNEL(Bytes)

/** Kind of a process' standard stream. */
typedef enum wxec_stdio {
    WXEC_NULL,   /**< Empty, or discarded. */
    WXEC_PIPED,  /**< A stream of this task. */
    WXEC_INHERIT /**< The stream of this task's call. */
} wxec_stdio;

/** A program to start. Zeroes are the defaults: `wxec_command c = {.program = "uname"};` */
typedef struct wxec_command {
    const char *program;          /**< By name or by path, spelled as in the grant. */
    const wxec_String *arguments; /**< Without the program's own name. */
    size_t argument_count;
    const wxec_String *variables; /**< Names and values of its environment, by turns. */
    size_t variable_count;        /**< Number of pairs. */
    bool clear_environment;
    const char *directory;        /**< NULL is the host's choice. */
    wxec_stdio stdin_kind, stdout_kind, stderr_kind;
} wxec_command;

/** A process that was started. Streams that are not piped are -1. */
typedef struct wxec_process {
    int32_t handle;
    uint32_t id;
    int32_t stdin_stream, stdout_stream, stderr_stream;
} wxec_process;

/** Starts a program. Needs the grant to run it. */
WXEC__FUNCTION bool wxec_start(const wxec_command *command, wxec_process *process)
{
    static const char *const kinds[] = {"null", "piped", "inherit"};
    wxec_writer w = {NULL, 0, 0, NULL};
    wxec_write_map(&w, command->directory != NULL ? 8 : 7);
    wxec_write_text(&w, "program");
    wxec_write_text(&w, command->program);
    wxec_write_text(&w, "args");
    wxec_write_array(&w, command->argument_count);
    for (size_t i = 0; i < command->argument_count; i++)
        wxec_write_String(&w, command->arguments[i]);
    wxec_write_text(&w, "env");
    wxec_write_array(&w, command->variable_count);
    for (size_t i = 0; i < command->variable_count; i++) {
        wxec_write_array(&w, 2);
        wxec_write_String(&w, command->variables[2 * i]);
        wxec_write_String(&w, command->variables[2 * i + 1]);
    }
    wxec_write_text(&w, "clear_env");
    wxec_write_Bool(&w, command->clear_environment);
    if (command->directory != NULL) {
        wxec_write_text(&w, "cwd");
        wxec_write_text(&w, command->directory);
    }
    wxec_write_text(&w, "stdin");
    wxec_write_text(&w, kinds[command->stdin_kind]);
    wxec_write_text(&w, "stdout");
    wxec_write_text(&w, kinds[command->stdout_kind]);
    wxec_write_text(&w, "stderr");
    wxec_write_text(&w, kinds[command->stderr_kind]);

    process->id = 0;
    process->stdin_stream = process->stdout_stream = process->stderr_stream = -1;
    process->handle = wxec__process_start(w.bytes, w.length);
    if (process->handle < 0)
        return false;
    wxec_reader r = wxec_reply();
    wxec_items items;
    wxec_String key;
    wxec_enter_map(&r, &items, "ProcessStarted");
    while (wxec_next(&items) && wxec_read_String(&r, &key)) {
        int32_t *stream = wxec_equal(key, "stdin")  ? &process->stdin_stream
                        : wxec_equal(key, "stdout") ? &process->stdout_stream
                        : wxec_equal(key, "stderr") ? &process->stderr_stream : NULL;
        if (wxec_equal(key, "id"))
            wxec_read_u32(&r, &process->id);
        else if (stream == NULL)
            wxec_skip(&r);
        else if (!wxec_read_null(&r))
            wxec_read_i32(&r, stream);
    }
    return true;
}

/** End of a process. */
typedef struct wxec_end {
    wxec_Option_i64 code;   /**< Its exit code, if it exited. */
    wxec_Option_i64 signal; /**< The signal that ended it, if one did. */
} wxec_end;

/** Waits until a process has ended. */
WXEC__FUNCTION bool wxec_wait(const wxec_process *process, wxec_end *end)
{
    __builtin_memset(end, 0, sizeof *end);
    if (wxec__process_wait(process->handle) < 0)
        return false;
    wxec_reader r = wxec_reply();
    wxec_items items;
    wxec_String key;
    wxec_enter_map(&r, &items, "ProcessEnd");
    while (wxec_next(&items) && wxec_read_String(&r, &key)) {
        if (wxec_equal(key, "code"))
            wxec_read_Option_i64(&r, &end->code);
        else if (wxec_equal(key, "signal"))
            wxec_read_Option_i64(&r, &end->signal);
        else
            wxec_skip(&r);
    }
    return r.found == NULL;
}

/** Sends a signal to a process; 9 ends it. */
static inline bool wxec_kill(const wxec_process *process, int signal)
{
    return wxec__process_kill(process->handle, signal) >= 0;
}

/** Waits until one of some streams is ready: returns its place in `writing` followed by `reading`.
 *  Streams of the call cannot be waited for. */
WXEC__FUNCTION int32_t wxec_select(const int32_t *writing, size_t write_count, const int32_t *reading,
                                   size_t read_count)
{
    wxec_mark mark = wxec_marked();
    wxec_writer w = {NULL, 0, 0, NULL};
    wxec_write_map(&w, 2);
    wxec_write_text(&w, "write");
    wxec_write_array(&w, write_count);
    for (size_t i = 0; i < write_count; i++)
        wxec_write_i64(&w, writing[i]);
    wxec_write_text(&w, "read");
    wxec_write_array(&w, read_count);
    for (size_t i = 0; i < read_count; i++)
        wxec_write_i64(&w, reading[i]);
    int32_t place = wxec__stream_select(w.bytes, w.length);
    wxec_release(mark);
    return place;
}

/** Result of a program that ran to its end. */
typedef struct wxec_output {
    wxec_end end;
    wxec_Bytes stdout_bytes, stderr_bytes; /**< In the arena. */
} wxec_output;

/** Runs a program to its end with an input, and collects its output. The command's kinds of
 *  standard streams do not matter. */
WXEC__FUNCTION bool wxec_run(const wxec_command *command, wxec_Bytes input, wxec_output *output)
{
    wxec_command piped = *command;
    wxec_process process;
    wxec_writer collected[2] = {{NULL, 0, 0, NULL}, {NULL, 0, 0, NULL}};
    piped.stdin_kind = piped.stdout_kind = piped.stderr_kind = WXEC_PIPED;
    __builtin_memset(output, 0, sizeof *output);
    if (!wxec_start(&piped, &process))
        return false;
    int32_t from[2] = {process.stdout_stream, process.stderr_stream};
    int32_t to = process.stdin_stream;
    size_t written = 0;
    if (input.length == 0) {
        wxec_stream_close(to);
        to = -1;
    }
    /* Reads while it writes: a program that is not read may stop reading. */
    while (from[0] >= 0 || from[1] >= 0) {
        int32_t reading[2];
        size_t count = 0;
        for (int i = 0; i < 2; i++)
            if (from[i] >= 0)
                reading[count++] = from[i];
        int32_t place = wxec_select(&to, to >= 0, reading, count);
        if (place < 0)
            return false;
        if (to >= 0 && place-- == 0) {
            int32_t taken = wxec__stream_write(to, input.bytes + written, input.length - written);
            written += taken > 0 ? (size_t)taken : 0;
            /* A program that closes its input early has read what it wanted. */
            if (taken < 0 || written == input.length) {
                wxec_stream_close(to);
                to = -1;
            }
            continue;
        }
        int which = reading[place] == from[0] ? 0 : 1;
        uint8_t part[4096];
        int32_t read = wxec__stream_read(from[which], part, sizeof part);
        if (read < 0)
            return false;
        wxec__put(&collected[which], part, (size_t)read);
        if (read == 0) {
            wxec_stream_close(from[which]);
            from[which] = -1;
        }
    }
    if (to >= 0)
        wxec_stream_close(to);
    output->stdout_bytes.bytes = collected[0].bytes;
    output->stdout_bytes.length = collected[0].length;
    output->stderr_bytes.bytes = collected[1].bytes;
    output->stderr_bytes.length = collected[1].length;
    bool waited = wxec_wait(&process, &output->end);
    wxec__process_forget(process.handle);
    return waited;
}

/** Connects to a TCP port and returns the stream, or less than 0. Needs the grant of the place; a
 *  `timeout_ms` of 0 leaves the limit to the host. */
static inline int32_t wxec_connect(const char *host, uint16_t port, uint64_t timeout_ms)
{
    wxec_writer w = {NULL, 0, 0, NULL};
    wxec_write_map(&w, timeout_ms != 0 ? 3 : 2);
    wxec_write_text(&w, "host");
    wxec_write_text(&w, host);
    wxec_write_text(&w, "port");
    wxec_write_u64(&w, port);
    if (timeout_ms != 0) {
        wxec_write_text(&w, "timeout_ms");
        wxec_write_u64(&w, timeout_ms);
    }
    return wxec__net_connect(w.bytes, w.length);
}

/** Asks for facts about the host; `facts` reads the map of them. Needs the grant of facts. */
static inline bool wxec_facts(wxec_reader *facts)
{
    if (wxec__host_facts() < 0)
        return false;
    *facts = wxec_reply();
    return true;
}

/** Calls a task of this module on another host. `arguments` is an array of them. Returns 0, and
 *  `reply` reads the value; 1, and `reply` reads the error of the call; or less, if refused. */
static inline int32_t wxec_call(const char *address, const char *function, wxec_Value arguments,
                                wxec_reader *reply)
{
    wxec_writer w = {NULL, 0, 0, NULL};
    wxec_write_map(&w, 2);
    wxec_write_text(&w, "address");
    wxec_write_text(&w, address);
    wxec_write_text(&w, "function");
    wxec_write_text(&w, function);
    int32_t number = wxec__host_call(w.bytes, w.length, arguments.bytes, arguments.length);
    if (number >= 0)
        *reply = wxec_reply();
    return number;
}

/* ---- Tasks --------------------------------------------------------------------------------------
 *
 *     WXEC_TASK(module, name, documentation, (result), (parameter, type)...) { body }
 *
 * defines the task `module::name` with up to 8 parameters. The body is that of the function
 * `wxec_task_NAME`, which takes the parameters and returns the result, and which the file may call
 * as well. A result of `(void)` is none. The description of the task, with the types as written,
 * goes to a section of the module, where `wxec inspect` reads it.
 *
 *     WXEC_TASK_WITH(module, name, documentation, details, (result), (parameter, type)...) { body }
 *
 * adds details, one behind another without commas:
 *
 *     WXEC_FAILS("words::Empty")                   the type of its error
 *     WXEC_WANTS(WXEC_READS("/etc", "/usr/share")  the grants that it declares to need
 *                WXEC_RUNS("uname") WXEC_WANTS_FACTS)
 *
 * The type `As("Vec<Shape>", Value)` is a Value that is described as `Vec<Shape>`. Within one file,
 * the names of tasks differ even if their modules do.
 */

/** Defines a task. */
#define WXEC_TASK(module, name, documentation, ...) WXEC_TASK_WITH(module, name, documentation, "", __VA_ARGS__)

/** Defines a task, with the type of its error or with the grants that it wants. */
#define WXEC_TASK_WITH(module, name, documentation, details, ...)                                  \
    WXEC__DESCRIBE(module, name, documentation, details, __VA_ARGS__)                              \
    static WXEC__RESULT(__VA_ARGS__) wxec_task_##name(WXEC__PARAMETERS(__VA_ARGS__));              \
    int32_t wxec_export_##name(void) WXEC__EXPORT("wx1_" module "::" #name);                       \
    int32_t wxec_export_##name(void)                                                               \
    {                                                                                              \
        static const char *const wxec__names[] = {WXEC__EACH_PARAMETER(WXEC__LIST_NAME, __VA_ARGS__) NULL}; \
        wxec__arguments wxec__args;                                                                \
        WXEC__EACH_PARAMETER(WXEC__DECLARE, __VA_ARGS__)                                           \
        if (!wxec__begin(&wxec__args, wxec__names, sizeof wxec__names / sizeof *wxec__names - 1))  \
            return 2;                                                                              \
        WXEC__EACH_PARAMETER(WXEC__READ, __VA_ARGS__)                                              \
        WXEC__ANSWER(name, __VA_ARGS__)                                                            \
    }                                                                                              \
    static WXEC__RESULT(__VA_ARGS__) wxec_task_##name(WXEC__PARAMETERS(__VA_ARGS__))

/** Names the type of a task's error. */
#define WXEC_FAILS(type) ".ascii \"\\143err\"\n" WXEC__TEXT(type)
/** Lists the grants that a task declares to need. */
#define WXEC_WANTS(list) ".ascii \"\\145wants\"\n.int8 0xbf\n" list ".int8 0xff\n"
/** Wants to read paths. */
#define WXEC_READS(...) ".ascii \"\\144read\"\n" WXEC__TEXTS(__VA_ARGS__)
/** Wants to read and change paths. */
#define WXEC_WRITES(...) ".ascii \"\\145write\"\n" WXEC__TEXTS(__VA_ARGS__)
/** Wants to run programs. */
#define WXEC_RUNS(...) ".ascii \"\\143run\"\n" WXEC__TEXTS(__VA_ARGS__)
/** Wants to see variables of the agent's environment. */
#define WXEC_SEES(...) ".ascii \"\\143env\"\n" WXEC__TEXTS(__VA_ARGS__)
/** Wants to connect to places in the network. */
#define WXEC_CONNECTS(...) ".ascii \"\\143net\"\n" WXEC__TEXTS(__VA_ARGS__)
/** Wants to call tasks on hosts. */
#define WXEC_CALLS(...) ".ascii \"\\144host\"\n" WXEC__TEXTS(__VA_ARGS__)
/** Wants facts about the host. */
#define WXEC_WANTS_FACTS ".ascii \"\\145facts\"\n.int8 0xf5\n"

#ifdef __cplusplus
}
#endif

typedef struct wxec__arguments {
    wxec_Value values[8]; /* absent ones have length 0 */
    wxec_reader reader;
} wxec__arguments;

WXEC__FUNCTION void wxec__say(const char *text) { wxec__error_write(text, __builtin_strlen(text)); }

static inline void wxec__say_number(size_t number)
{
    char digits[24];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    wxec__error_write(digits + at, sizeof digits - at);
}

/* Reads the input of the call and splits it into the arguments. */
WXEC__FUNCTION bool wxec__begin(wxec__arguments *arguments, const char *const *names, size_t count)
{
    wxec__reset();
    __builtin_memset(arguments, 0, sizeof *arguments);
    size_t length = wxec__input_len();
    uint8_t *input = (uint8_t *)wxec_alloc(length);
    length = wxec__input_read(0, input, length);
    wxec_Value whole = {input, length};
    wxec_reader r = wxec_open(whole);
    wxec_items items;
    size_t given = 0;
    /* No arguments at all may also be nothing, or a null. */
    if (length == 0 || (length == 1 && wxec_read_null(&r)))
        return true;
    bool by_name = input[0] >> 5 == 5;
    wxec__enter(&r, &items, by_name ? 5 : 4, "an array or a map of arguments");
    for (; wxec_next(&items); given++) {
        wxec_String key = {NULL, 0};
        wxec_Value value;
        size_t place = by_name ? 0 : given;
        if (by_name) {
            if (!wxec_read_String(&r, &key))
                break;
            while (place < count && !wxec_equal(key, names[place]))
                place++;
        }
        if (!wxec_read_Value(&r, &value))
            break;
        if (place < count && arguments->values[place].length != 0) {
            wxec__say("argument `");
            wxec__say(names[place]);
            wxec__say("` is given twice");
            return false;
        }
        if (place < count) {
            arguments->values[place] = value;
        } else if (by_name) {
            wxec__say("there is no parameter `");
            wxec__error_write(key.bytes, key.length < 100 ? key.length : 0);
            wxec__say("`");
            return false;
        }
    }
    if (r.found != NULL || r.at != r.end) {
        wxec__say("the arguments cannot be read: expected ");
        wxec__say(r.expected != NULL ? r.expected : "well-formed CBOR");
        wxec__say(", found ");
        wxec__say(r.found != NULL ? r.found : "bytes behind them");
        return false;
    }
    if (given > count) {
        wxec__say("too many arguments: expected ");
        wxec__say_number(count);
        wxec__say(", found ");
        wxec__say_number(given);
        return false;
    }
    return true;
}

/* Returns the reader of an argument. An absent one is a null. */
WXEC__FUNCTION wxec_reader *wxec__argument(wxec__arguments *arguments, size_t place)
{
    static const uint8_t null_item[] = {0xf6};
    wxec_Value absent = {null_item, 1};
    wxec_Value value = arguments->values[place];
    arguments->reader = wxec_open(value.length != 0 ? value : absent);
    return &arguments->reader;
}

/* Explains that an argument does not fit. */
WXEC__FUNCTION int32_t wxec__refuse(wxec__arguments *arguments, size_t place, const char *name,
                                                    const char *type)
{
    const char *expected = arguments->reader.expected;
    wxec__say("argument `");
    wxec__say(name);
    wxec__say("`: expected ");
    wxec__say(type);
    wxec__say(", found ");
    wxec__say(arguments->values[place].length == 0 ? "nothing"
              : arguments->reader.found != NULL    ? arguments->reader.found : "bytes behind it");
    if (arguments->values[place].length != 0 && expected != NULL && !wxec_equal(wxec_text(expected), type)) {
        wxec__say(" in place of ");
        wxec__say(expected);
    }
    return 2;
}

/* Writes what is left in the buffers of the C library, if the module has one: no `exit` does so. */
#ifdef __wasm__
#ifdef __cplusplus
extern "C"
#else
extern
#endif
__attribute__((weak)) void __stdio_exit(void);
#endif

static inline int32_t wxec__finish(int32_t status)
{
#ifdef __wasm__
    if (__stdio_exit != NULL)
        __stdio_exit();
#endif
    return status;
}

/* Hooks, which wxec.hpp defines anew: a type of the notation as one of C, its reader and writer. */
#define WXEC__TYPE(...) WXEC__CAT(wxec_, WXEC__ID(__VA_ARGS__))
#define WXEC__READER(...) WXEC__CAT(wxec_read_, WXEC__ID(__VA_ARGS__))
#define WXEC__WRITER(...) WXEC__CAT(wxec_write_, WXEC__ID(__VA_ARGS__))
#define WXEC__MOVE(variable) variable

typedef void wxec_void;

#define WXEC__RESULT(...) WXEC__RESULT_(__VA_ARGS__, ~)
#define WXEC__RESULT_(result, ...) WXEC__TYPE result
#define WXEC__RESULT_WRITER(...) WXEC__RESULT_WRITER_(__VA_ARGS__, ~)
#define WXEC__RESULT_WRITER_(result, ...) WXEC__WRITER result
#define WXEC__RESULT_NOTATION(...) WXEC__RESULT_NOTATION_(__VA_ARGS__, ~)
#define WXEC__RESULT_NOTATION_(result, ...) WXEC__NOTATION result

#define WXEC__PARAMETER(p) WXEC__TYPE_OF(WXEC__SPEC p) WXEC__NAME p
#define WXEC__PASS(p) WXEC__MOVE(WXEC__NAME p)
#define WXEC__TYPE_OF(...) WXEC__TYPE(__VA_ARGS__)
#define WXEC__READER_OF(...) WXEC__READER(__VA_ARGS__)
#define WXEC__NOTATION_OF(...) WXEC__NOTATION(__VA_ARGS__)
#define WXEC__LIST_NAME(i, p) WXEC__STRING(WXEC__NAME p),
#define WXEC__DECLARE(i, p) WXEC__TYPE_OF(WXEC__SPEC p) WXEC__NAME p;
#define WXEC__READ(i, p)                                                                           \
    if (!WXEC__READER_OF(WXEC__SPEC p)(wxec__argument(&wxec__args, i), &WXEC__NAME p) ||            \
        wxec__args.reader.at != wxec__args.reader.end)                                             \
        return wxec__refuse(&wxec__args, i, wxec__names[i], WXEC__NOTATION_OF(WXEC__SPEC p));

/* Calls the body and writes its result, or a null if that is void. */
#define WXEC__ANSWER(name, ...) WXEC__CAT(WXEC__ANSWER_, WXEC__IS_VOID(__VA_ARGS__))(name, __VA_ARGS__)
#define WXEC__ANSWER_0(name, ...)                                                                  \
    WXEC__RESULT(__VA_ARGS__) wxec__value = wxec_task_##name(WXEC__PASSED(__VA_ARGS__));           \
    if (wxec__state.failed)                                                                        \
        return wxec__finish(1);                                                                    \
    uint8_t wxec__buffer[512];                                                                     \
    wxec_writer wxec__output = {wxec__buffer, 0, sizeof wxec__buffer, wxec__output_write};         \
    WXEC__RESULT_WRITER(__VA_ARGS__)(&wxec__output, wxec__value);                                  \
    wxec__output_write(wxec__output.bytes, wxec__output.length);                                   \
    return wxec__finish(0);
#define WXEC__ANSWER_1(name, ...)                                                                  \
    wxec_task_##name(WXEC__PASSED(__VA_ARGS__));                                                   \
    if (wxec__state.failed)                                                                        \
        return wxec__finish(1);                                                                    \
    wxec__output_write("\xf6", 1);                                                                 \
    return wxec__finish(0);
#define WXEC__IS_VOID(...) WXEC__IS_VOID_(__VA_ARGS__, ~)
#define WXEC__IS_VOID_(result, ...) WXEC__IS_PAREN(WXEC__VOID_OF result)
#define WXEC__VOID_OF(...) WXEC__FIRST(WXEC__VOID_##__VA_ARGS__, ~)
#define WXEC__VOID_void ()
#define WXEC__VOID_As(notation, ...) WXEC__VOID_##__VA_ARGS__

/* The record of a task: its length, and an array of the module's name and a map. Clang's assembler
 * writes custom sections, and measures texts by labels. Texts have a head of three bytes. */
#ifdef __wasm__
#define WXEC__DESCRIBE(module, name, documentation, details, ...)                                  \
    __asm__(".section .custom_section.wxec.fn.v1,\"\",@\n.int32 9f-8f\n8:\n.int8 0x82\n"            \
            WXEC__TEXT(module) ".int8 0xbf\n.ascii \"\\144name\"\n" WXEC__TEXT(#name)               \
            ".ascii \"\\143doc\"\n" WXEC__TEXT(documentation)                                     \
            ".ascii \"\\146params\"\n.int8 0x9f\n" WXEC__EACH_PARAMETER(WXEC__DESCRIBE_PARAMETER, __VA_ARGS__) \
            ".int8 0xff\n.ascii \"\\143ret\"\n" WXEC__TEXT(WXEC__RESULT_NOTATION(__VA_ARGS__))      \
            details ".int8 0xff\n9:\n.text\n");
#else
#define WXEC__DESCRIBE(module, name, documentation, details, ...)
#endif
#define WXEC__DESCRIBE_PARAMETER(i, p)                                                             \
    ".int8 0xa2\n.ascii \"\\144name\"\n" WXEC__TEXT(WXEC__STRING(WXEC__NAME p))                     \
    ".ascii \"\\142ty\"\n" WXEC__TEXT(WXEC__NOTATION_OF(WXEC__SPEC p))
#define WXEC__TEXT(text)                                                                           \
    ".int8 0x79\n.int8 ((7f-6f)>>8)&255\n.int8 (7f-6f)&255\n6:\n.ascii " WXEC__STRING(text) "\n7:\n"
#define WXEC__TEXTS(...) ".int8 0x9f\n" WXEC__EACH(WXEC__TEXT_ITEM, __VA_ARGS__) ".int8 0xff\n"
#define WXEC__TEXT_ITEM(i, text) WXEC__TEXT(text)

/* The name of a type in C: `Vec(i64)` is Vec_i64. A macro that exists for a type begins its
 * expansion with `()`, which WXEC__IS_PAREN finds; a type without such a macro is its own name. */
#define WXEC__ID(...) WXEC__ID_TEST((__VA_ARGS__), WXEC__ID_##__VA_ARGS__, ~)
#define WXEC__ID_TEST(...) WXEC__ID_TEST_(__VA_ARGS__)
#define WXEC__ID_TEST_(spec, first, ...) WXEC__CAT(WXEC__ID_PICK_, WXEC__IS_PAREN(first))(spec, __VA_ARGS__)
#define WXEC__ID_PICK_0(spec, ...) WXEC__ONLY spec
#define WXEC__ID_PICK_1(spec, value, ...) WXEC__ONLY value
#define WXEC__ID_bool (), (Bool)
#define WXEC__ID__Bool (), (Bool)
#define WXEC__ID_Vec(t) (), (WXEC__CAT(Vec_, WXEC__INNER_ID(t)))
#define WXEC__ID_Option(t) (), (WXEC__CAT(Option_, WXEC__INNER_ID(t)))
#define WXEC__ID_BTreeMap(k, v) \
    (), (WXEC__CAT(WXEC__CAT(BTreeMap_, WXEC__INNER_ID(k)), WXEC__CAT(_, WXEC__INNER_ID(v))))
#define WXEC__ID_Pair(a, b) \
    (), (WXEC__CAT(WXEC__CAT(Pair_, WXEC__INNER_ID(a)), WXEC__CAT(_, WXEC__INNER_ID(b))))
#define WXEC__ID_Sender(t) (), (Sender)
#define WXEC__ID_Receiver(t) (), (Receiver)
#define WXEC__ID_As(notation, t) (), (t)

/* The same for types within types: a macro does not expand within itself. */
#define WXEC__INNER_ID(...) WXEC__INNER_ID_TEST((__VA_ARGS__), WXEC__INNER_ID_##__VA_ARGS__, ~)
#define WXEC__INNER_ID_TEST(...) WXEC__INNER_ID_TEST_(__VA_ARGS__)
#define WXEC__INNER_ID_TEST_(spec, first, ...) \
    WXEC__CAT(WXEC__INNER_ID_PICK_, WXEC__IS_PAREN(first))(spec, __VA_ARGS__)
#define WXEC__INNER_ID_PICK_0(spec, ...) WXEC__ONLY spec
#define WXEC__INNER_ID_PICK_1(spec, value, ...) WXEC__ONLY value
#define WXEC__INNER_ID_bool (), (Bool)
#define WXEC__INNER_ID__Bool (), (Bool)
#define WXEC__INNER_ID_Vec(t) (), (WXEC__CAT(Vec_, WXEC__BASIC_ID(t)))
#define WXEC__INNER_ID_Option(t) (), (WXEC__CAT(Option_, WXEC__BASIC_ID(t)))
#define WXEC__INNER_ID_BTreeMap(k, v) \
    (), (WXEC__CAT(WXEC__CAT(BTreeMap_, WXEC__BASIC_ID(k)), WXEC__CAT(_, WXEC__BASIC_ID(v))))
#define WXEC__INNER_ID_Pair(a, b) \
    (), (WXEC__CAT(WXEC__CAT(Pair_, WXEC__BASIC_ID(a)), WXEC__CAT(_, WXEC__BASIC_ID(b))))

/* The same for types without others in them: `bool` is a macro of C. */
#define WXEC__BASIC_ID(t) WXEC__BASIC(WXEC__BASIC_ID_##t, t, ~)
#define WXEC__BASIC_ID_bool ~, Bool
#define WXEC__BASIC_ID__Bool ~, Bool
#define WXEC__BASIC(...) WXEC__BASIC_(__VA_ARGS__)
#define WXEC__BASIC_(first, second, ...) second

/* The notation of a type, as literals. */
#define WXEC__NOTATION(...) WXEC__NOTATION_TEST((__VA_ARGS__), WXEC__NOTATION_##__VA_ARGS__, ~)
#define WXEC__NOTATION_TEST(...) WXEC__NOTATION_TEST_(__VA_ARGS__)
#define WXEC__NOTATION_TEST_(spec, first, ...) \
    WXEC__CAT(WXEC__NOTATION_PICK_, WXEC__IS_PAREN(first))(spec, __VA_ARGS__)
#define WXEC__NOTATION_PICK_0(spec, ...) WXEC__SPELT spec
#define WXEC__NOTATION_PICK_1(spec, value, ...) WXEC__ONLY value
#define WXEC__SPELT(...) #__VA_ARGS__
#define WXEC__NOTATION_void (), ("()")
#define WXEC__NOTATION_bool (), ("bool")
#define WXEC__NOTATION__Bool (), ("bool")
#define WXEC__NOTATION_Bool (), ("bool")
#define WXEC__NOTATION_Vec(t) (), ("Vec<" WXEC__INNER_NOTATION(t) ">")
#define WXEC__NOTATION_Option(t) (), ("Option<" WXEC__INNER_NOTATION(t) ">")
#define WXEC__NOTATION_BTreeMap(k, v) \
    (), ("BTreeMap<" WXEC__INNER_NOTATION(k) ", " WXEC__INNER_NOTATION(v) ">")
#define WXEC__NOTATION_Pair(a, b) (), ("(" WXEC__INNER_NOTATION(a) ", " WXEC__INNER_NOTATION(b) ")")
#define WXEC__NOTATION_Sender(t) (), ("Sender<" WXEC__INNER_NOTATION(t) ">")
#define WXEC__NOTATION_Receiver(t) (), ("Receiver<" WXEC__INNER_NOTATION(t) ">")
#define WXEC__NOTATION_As(notation, ...) (), (notation)

#define WXEC__INNER_NOTATION(...) WXEC__INNER_NOTATION_TEST((__VA_ARGS__), WXEC__INNER_NOTATION_##__VA_ARGS__, ~)
#define WXEC__INNER_NOTATION_TEST(...) WXEC__INNER_NOTATION_TEST_(__VA_ARGS__)
#define WXEC__INNER_NOTATION_TEST_(spec, first, ...) \
    WXEC__CAT(WXEC__INNER_NOTATION_PICK_, WXEC__IS_PAREN(first))(spec, __VA_ARGS__)
#define WXEC__INNER_NOTATION_PICK_0(spec, ...) WXEC__SPELT spec
#define WXEC__INNER_NOTATION_PICK_1(spec, value, ...) WXEC__ONLY value
#define WXEC__INNER_NOTATION_bool (), ("bool")
#define WXEC__INNER_NOTATION__Bool (), ("bool")
#define WXEC__INNER_NOTATION_Bool (), ("bool")
#define WXEC__INNER_NOTATION_Vec(t) (), ("Vec<" WXEC__BASIC_NOTATION(t) ">")
#define WXEC__INNER_NOTATION_Option(t) (), ("Option<" WXEC__BASIC_NOTATION(t) ">")
#define WXEC__INNER_NOTATION_BTreeMap(k, v) \
    (), ("BTreeMap<" WXEC__BASIC_NOTATION(k) ", " WXEC__BASIC_NOTATION(v) ">")
#define WXEC__INNER_NOTATION_Pair(a, b) (), ("(" WXEC__BASIC_NOTATION(a) ", " WXEC__BASIC_NOTATION(b) ")")

#define WXEC__BASIC_NOTATION(t) WXEC__BASIC(WXEC__BASIC_NOTATION_##t, #t, ~)
#define WXEC__BASIC_NOTATION_bool ~, "bool"
#define WXEC__BASIC_NOTATION__Bool ~, "bool"
#define WXEC__BASIC_NOTATION_Bool ~, "bool"

/* Tools of the macros above. */
#define WXEC__CAT(a, b) WXEC__CAT_(a, b)
#define WXEC__CAT_(a, b) a##b
#define WXEC__STRING(text) WXEC__STRING_(text)
#define WXEC__STRING_(...) #__VA_ARGS__
#define WXEC__ONLY(...) __VA_ARGS__
#define WXEC__FIRST(...) WXEC__FIRST_(__VA_ARGS__)
#define WXEC__FIRST_(first, ...) first
#define WXEC__SECOND(...) WXEC__SECOND_(__VA_ARGS__)
#define WXEC__SECOND_(first, second, ...) second
#define WXEC__IS_PAREN(x) WXEC__SECOND(WXEC__PROBE x, 0, ~)
#define WXEC__PROBE(...) ~, 1
#define WXEC__NAME(name, ...) name
#define WXEC__SPEC(name, ...) __VA_ARGS__
#define WXEC__COUNT(...) WXEC__TENTH(__VA_ARGS__, 9, 8, 7, 6, 5, 4, 3, 2, 1, ~)
#define WXEC__TENTH(a, b, c, d, e, f, g, h, i, tenth, ...) tenth
/* Applies a macro to each argument, with its place. */
#define WXEC__EACH(m, ...) WXEC__CAT(WXEC__EACH_, WXEC__COUNT(__VA_ARGS__))(m, __VA_ARGS__)
#define WXEC__EACH_1(m, a) m(0, a)
#define WXEC__EACH_2(m, a, b) m(0, a) m(1, b)
#define WXEC__EACH_3(m, a, b, c) m(0, a) m(1, b) m(2, c)
#define WXEC__EACH_4(m, a, b, c, d) m(0, a) m(1, b) m(2, c) m(3, d)
#define WXEC__EACH_5(m, a, b, c, d, e) m(0, a) m(1, b) m(2, c) m(3, d) m(4, e)
#define WXEC__EACH_6(m, a, b, c, d, e, f) m(0, a) m(1, b) m(2, c) m(3, d) m(4, e) m(5, f)
#define WXEC__EACH_7(m, a, b, c, d, e, f, g) m(0, a) m(1, b) m(2, c) m(3, d) m(4, e) m(5, f) m(6, g)
#define WXEC__EACH_8(m, a, b, c, d, e, f, g, h) m(0, a) m(1, b) m(2, c) m(3, d) m(4, e) m(5, f) m(6, g) m(7, h)

/* The same for the parameters, behind the result. */
#define WXEC__EACH_PARAMETER(m, ...) WXEC__CAT(WXEC__EACH_PARAMETER_, WXEC__COUNT(__VA_ARGS__))(m, __VA_ARGS__)
#define WXEC__EACH_PARAMETER_1(m, r)
#define WXEC__EACH_PARAMETER_2(m, r, a) m(0, a)
#define WXEC__EACH_PARAMETER_3(m, r, a, b) WXEC__EACH_PARAMETER_2(m, r, a) m(1, b)
#define WXEC__EACH_PARAMETER_4(m, r, a, b, c) WXEC__EACH_PARAMETER_3(m, r, a, b) m(2, c)
#define WXEC__EACH_PARAMETER_5(m, r, a, b, c, d) WXEC__EACH_PARAMETER_4(m, r, a, b, c) m(3, d)
#define WXEC__EACH_PARAMETER_6(m, r, a, b, c, d, e) WXEC__EACH_PARAMETER_5(m, r, a, b, c, d) m(4, e)
#define WXEC__EACH_PARAMETER_7(m, r, a, b, c, d, e, f) WXEC__EACH_PARAMETER_6(m, r, a, b, c, d, e) m(5, f)
#define WXEC__EACH_PARAMETER_8(m, r, a, b, c, d, e, f, g) WXEC__EACH_PARAMETER_7(m, r, a, b, c, d, e, f) m(6, g)
#define WXEC__EACH_PARAMETER_9(m, r, a, b, c, d, e, f, g, h) WXEC__EACH_PARAMETER_8(m, r, a, b, c, d, e, f, g) m(7, h)

/* The parameters of the body. */
#define WXEC__PARAMETERS(...) WXEC__CAT(WXEC__PARAMETERS_, WXEC__COUNT(__VA_ARGS__))(__VA_ARGS__)
#define WXEC__PARAMETERS_1(r) void
#define WXEC__PARAMETERS_2(r, a) WXEC__PARAMETER(a)
#define WXEC__PARAMETERS_3(r, a, b) WXEC__PARAMETERS_2(r, a), WXEC__PARAMETER(b)
#define WXEC__PARAMETERS_4(r, a, b, c) WXEC__PARAMETERS_3(r, a, b), WXEC__PARAMETER(c)
#define WXEC__PARAMETERS_5(r, a, b, c, d) WXEC__PARAMETERS_4(r, a, b, c), WXEC__PARAMETER(d)
#define WXEC__PARAMETERS_6(r, a, b, c, d, e) WXEC__PARAMETERS_5(r, a, b, c, d), WXEC__PARAMETER(e)
#define WXEC__PARAMETERS_7(r, a, b, c, d, e, f) WXEC__PARAMETERS_6(r, a, b, c, d, e), WXEC__PARAMETER(f)
#define WXEC__PARAMETERS_8(r, a, b, c, d, e, f, g) WXEC__PARAMETERS_7(r, a, b, c, d, e, f), WXEC__PARAMETER(g)
#define WXEC__PARAMETERS_9(r, a, b, c, d, e, f, g, h) WXEC__PARAMETERS_8(r, a, b, c, d, e, f, g), WXEC__PARAMETER(h)

/* The arguments for the body. */
#define WXEC__PASSED(...) WXEC__CAT(WXEC__PASSED_, WXEC__COUNT(__VA_ARGS__))(__VA_ARGS__)
#define WXEC__PASSED_1(r)
#define WXEC__PASSED_2(r, a) WXEC__PASS(a)
#define WXEC__PASSED_3(r, a, b) WXEC__PASSED_2(r, a), WXEC__PASS(b)
#define WXEC__PASSED_4(r, a, b, c) WXEC__PASSED_3(r, a, b), WXEC__PASS(c)
#define WXEC__PASSED_5(r, a, b, c, d) WXEC__PASSED_4(r, a, b, c), WXEC__PASS(d)
#define WXEC__PASSED_6(r, a, b, c, d, e) WXEC__PASSED_5(r, a, b, c, d), WXEC__PASS(e)
#define WXEC__PASSED_7(r, a, b, c, d, e, f) WXEC__PASSED_6(r, a, b, c, d, e), WXEC__PASS(f)
#define WXEC__PASSED_8(r, a, b, c, d, e, f, g) WXEC__PASSED_7(r, a, b, c, d, e, f), WXEC__PASS(g)
#define WXEC__PASSED_9(r, a, b, c, d, e, f, g, h) WXEC__PASSED_8(r, a, b, c, d, e, f, g), WXEC__PASS(h)

#endif
