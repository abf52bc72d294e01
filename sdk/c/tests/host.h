/* SPDX-License-Identifier: Apache-2.0
 *
 * A host for tests, in the same process: it gives a task its input and keeps what comes out. It
 * has no files, processes or network; one stream of the call echoes what is written to it.
 */
#ifndef HOST_H
#define HOST_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <wxec.h>

typedef struct kept {
    uint8_t bytes[1 << 16];
    size_t length;
} kept;

static const uint8_t *host_input;
static size_t host_input_length;
static kept host_output, host_error, host_log, host_stream;
static size_t host_stream_at;

static void keep(kept *to, const void *bytes, size_t length)
{
    if (length > sizeof to->bytes - to->length)
        length = sizeof to->bytes - to->length;
    if (length != 0)
        memcpy(to->bytes + to->length, bytes, length);
    to->length += length;
}

#ifdef __cplusplus
extern "C" {
#endif

uint32_t wxec__input_len(void) { return (uint32_t)host_input_length; }
uint32_t wxec__input_read(uint32_t offset, void *buffer, size_t length)
{
    if (length > host_input_length - offset)
        length = host_input_length - offset;
    if (length != 0)
        memcpy(buffer, host_input + offset, length);
    return (uint32_t)length;
}
void wxec__output_write(const void *bytes, size_t length) { keep(&host_output, bytes, length); }
void wxec__error_write(const void *bytes, size_t length) { keep(&host_error, bytes, length); }
void wxec__log_record(int32_t level, const void *target, size_t target_length, const void *message, size_t length)
{
    (void)level, (void)target, (void)target_length;
    keep(&host_log, message, length);
}
void wxec__panic(const void *report, size_t length)
{
    fprintf(stderr, "panic: %.*s\n", (int)length, (const char *)report);
    abort();
}
int32_t wxec__cancelled(void) { return 1; }

#define REFUSAL "\xa2\x64kind\x70PermissionDenied\x63msg\x62no"
uint32_t wxec__reply_len(void) { return sizeof REFUSAL - 1; }
uint32_t wxec__reply_read(uint32_t offset, void *buffer, size_t length)
{
    memcpy(buffer, &REFUSAL[offset], length);
    return (uint32_t)length;
}
int32_t wxec__call_stream(int32_t index) { return index == 0 ? 7 : -1; }
int32_t wxec__stream_read(int32_t stream, void *buffer, size_t length)
{
    size_t left = host_stream.length - host_stream_at;
    (void)stream;
    length = left < length ? left : length;
    length = length > 3 ? 3 : length; /* streams are split anywhere */
    if (length != 0)
        memcpy(buffer, host_stream.bytes + host_stream_at, length);
    host_stream_at += length;
    return (int32_t)length;
}
int32_t wxec__stream_write(int32_t stream, const void *bytes, size_t length)
{
    (void)stream;
    length = length > 3 ? 3 : length;
    keep(&host_stream, bytes, length);
    return (int32_t)length;
}
int32_t wxec__stream_select(const void *q, size_t n) { return (void)q, (void)n, -1; }
int32_t wxec__stream_timeout(int32_t s, int32_t d, int64_t ms) { return (void)s, (void)d, (void)ms, 0; }
int32_t wxec__stream_close(int32_t s) { return (void)s, 0; }
int32_t wxec__process_start(const void *q, size_t n) { return (void)q, (void)n, -1; }
int32_t wxec__process_wait(int32_t p) { return (void)p, -1; }
int32_t wxec__process_kill(int32_t p, int32_t s) { return (void)p, (void)s, -1; }
int32_t wxec__process_forget(int32_t p) { return (void)p, 0; }
int32_t wxec__net_connect(const void *q, size_t n) { return (void)q, (void)n, -1; }
int32_t wxec__host_facts(void) { return -1; }
int32_t wxec__host_call(const void *q, size_t n, const void *i, size_t m) { return (void)q, (void)n, (void)i, (void)m, -1; }

#ifdef __cplusplus
}
#endif

/* Runs an export on an input, and returns its status. */
static int32_t run_task(int32_t (*task)(void), const void *input, size_t length)
{
    host_input = (const uint8_t *)input;
    host_input_length = length;
    host_output.length = host_error.length = host_log.length = 0;
    host_stream_at = 0;
    return task();
}

static int failures;

static void check_bytes(const char *what, const kept *found, const void *expected, size_t length)
{
    if (found->length == length && memcmp(found->bytes, expected, length) == 0)
        return;
    failures++;
    fprintf(stderr, "%s: expected %zu bytes, found %zu:", what, length, found->length);
    for (size_t i = 0; i < found->length; i++)
        fprintf(stderr, found->bytes[i] > 31 && found->bytes[i] < 127 ? "%c" : "\\x%02x", found->bytes[i]);
    fputc('\n', stderr);
}

/* The task returns this CBOR. */
#define RETURNS(task, input, value)                                                                \
    do {                                                                                           \
        if (run_task(task, input, sizeof input - 1) != 0)                                          \
            failures++, fprintf(stderr, "line %d: the task failed: %.*s\n", __LINE__,              \
                                (int)host_error.length, (const char *)host_error.bytes);           \
        check_bytes(#task " " #input, &host_output, value, sizeof value - 1);                      \
    } while (0)

/* The task ends with this status and this error. */
#define ENDS(task, input, status, error)                                                           \
    do {                                                                                           \
        int32_t ended = run_task(task, input, sizeof input - 1);                                   \
        if (ended != status)                                                                       \
            failures++, fprintf(stderr, "line %d: status %d\n", __LINE__, (int)ended);             \
        check_bytes(#task " " #input, &host_error, error, sizeof error - 1);                       \
    } while (0)

/* Random numbers that are the same in each run: xorshift. */
static uint32_t random_state = 2463534242u;

static uint32_t random_below(uint32_t limit)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state % limit;
}

#endif
