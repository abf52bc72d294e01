/* SPDX-License-Identifier: Apache-2.0
 *
 * The tasks by which SDKs are compared, in C.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <wxec.h>

WXEC_RECORD(Point, (x, i64), (y, i64))
WXEC_MAP(String, u64)
WXEC_PAIR(i64, String)
WXEC_PAIR(i64, Bytes)

WXEC_TASK("conformance", add, "Adds two numbers.", (i64), (a, i64), (b, i64))
{
    int64_t sum;
    if (__builtin_add_overflow(a, b, &sum))
        WXEC_PANIC("the sum overflows");
    return sum;
}

WXEC_TASK("conformance", greet, "Greets by name.", (String), (name, String))
{
    return wxec_join(wxec_join(wxec_text("Hello, "), name), wxec_text("!"));
}

WXEC_TASK("conformance", reverse, "Reverses bytes.", (Bytes), (data, Bytes))
{
    uint8_t *reversed = wxec_alloc(data.length);
    for (size_t i = 0; i < data.length; i++)
        reversed[i] = data.bytes[data.length - 1 - i];
    return (wxec_Bytes){reversed, data.length};
}

WXEC_TASK("conformance", scale, "Multiplies.", (f64), (x, f64), (by, f64))
{
    return x * by;
}

WXEC_TASK("conformance", negate, "Negates a truth.", (bool), (flag, bool))
{
    return !flag;
}

WXEC_TASK("conformance", sum, "Adds numbers.", (i64), (numbers, Vec(i64)))
{
    int64_t sum = 0;
    for (size_t i = 0; i < numbers.count; i++)
        if (__builtin_add_overflow(sum, numbers.items[i], &sum))
            WXEC_PANIC("the sum overflows");
    return sum;
}

static int by_bytes(const void *first, const void *second)
{
    const wxec_String *a = first, *b = second;
    int order = memcmp(a->bytes, b->bytes, a->length < b->length ? a->length : b->length);
    return order != 0 ? order : (a->length > b->length) - (a->length < b->length);
}

WXEC_TASK("conformance", tally, "Counts equal words.", (BTreeMap(String, u64)), (words, Vec(String)))
{
    wxec_BTreeMap_String_u64 tally = {wxec_alloc_array(words.count, sizeof *tally.entries), 0};
    if (words.count > 1)
        qsort(words.items, words.count, sizeof *words.items, by_bytes);
    for (size_t i = 0; i < words.count; i++) {
        if (i == 0 || by_bytes(&words.items[i - 1], &words.items[i]) != 0)
            tally.entries[tally.count++] = (wxec_Entry_String_u64){words.items[i], 0};
        tally.entries[tally.count - 1].value++;
    }
    return tally;
}

WXEC_TASK("conformance", first, "Returns the first number.", (Option(i64)), (numbers, Vec(i64)))
{
    return (wxec_Option_i64){numbers.count > 0, numbers.count > 0 ? numbers.items[0] : 0};
}

WXEC_TASK("conformance", swap, "Swaps the coordinates of a point.", (Point), (point, Point))
{
    return (wxec_Point){.x = point.y, .y = point.x};
}

WXEC_TASK("conformance", pair, "Swaps a text and a number.", (Pair(i64, String)), (a, String), (b, i64))
{
    return (wxec_Pair_i64_String){b, a};
}

WXEC_TASK("conformance", or_default, "Returns the number, or 42.", (i64), (number, Option(i64)))
{
    return number.some ? number.value : 42;
}

WXEC_TASK("conformance", nothing, "Does nothing.", (void))
{
}

WXEC_TASK_WITH("conformance", fail, "Fails with a message.", WXEC_FAILS("conformance::Failure"), (void),
               (message, String))
{
    wxec_String chain[] = {wxec_text("because of the test")};
    wxec_writer data = {0};
    wxec_write_map(&data, 1);
    wxec_write_text(&data, "code");
    wxec_write_i64(&data, 7);
    wxec_fail_with(&(wxec_failure){
        .type = wxec_text("conformance::Failure"),
        .message = message,
        .chain = chain,
        .chain_length = 1,
        .data = wxec_written(&data),
    });
}

WXEC_TASK("conformance", crash, "Panics with a message.", (void), (message, String))
{
    WXEC_PANIC(wxec_c_string(message));
}

WXEC_TASK("conformance", trap, "Traps without a panic.", (void))
{
    __builtin_trap();
}

WXEC_TASK("conformance", say, "Logs a message.", (void), (level, i64), (message, String))
{
    wxec_log((wxec_level)level, "conformance", message);
}

WXEC_TASK("conformance", print, "Prints a line to stdout and to stderr.", (void), (message, String))
{
    FILE *outputs[] = {stdout, stderr};
    for (int i = 0; i < 2; i++) {
        fwrite(message.bytes, 1, message.length, outputs[i]);
        fputc('\n', outputs[i]);
    }
}

WXEC_TASK("conformance", total, "Adds the numbers that come.", (i64), (numbers, Receiver(i64)))
{
    int64_t total = 0, number;
    while (wxec_receive_i64(&numbers, &number))
        if (__builtin_add_overflow(total, number, &total))
            WXEC_PANIC("the sum overflows");
    return total;
}

WXEC_TASK("conformance", count_to, "Sends the numbers from 1 to n.", (void), (n, i64), (out, Sender(i64)))
{
    for (int64_t i = 1; i <= n && wxec_send_i64(&out, i); i++) {
    }
}

WXEC_TASK("conformance", double, "Sends the double of each number that comes.", (void), (numbers, Receiver(i64)),
          (out, Sender(i64)))
{
    int64_t number;
    while (wxec_receive_i64(&numbers, &number)) {
        if (__builtin_mul_overflow(number, 2, &number))
            WXEC_PANIC("the double overflows");
        if (!wxec_send_i64(&out, number))
            return;
    }
}

WXEC_TASK("conformance", until_cancelled, "Waits until its caller gives up.", (void))
{
    while (!wxec_cancelled())
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    wxec_log(WXEC_INFO, "conformance", wxec_text("cancelled"));
}

WXEC_TASK_WITH("conformance", run, "Runs a program, and returns its exit code and its output.",
               WXEC_FAILS("wxec::HostError"), (Pair(i64, Bytes)), (program, String), (arguments, Vec(String)),
               (input, Bytes))
{
    wxec_command command = {
        .program = wxec_c_string(program),
        .arguments = arguments.items,
        .argument_count = arguments.count,
    };
    wxec_output output;
    if (!wxec_run(&command, input, &output))
        wxec_fail_refused();
    return (wxec_Pair_i64_Bytes){output.end.code.some ? output.end.code.value : -1, output.stdout_bytes};
}

/* Makes the task fail with a path and the reason in errno. */
static void fail_with_errno(wxec_String path)
{
    const char *reason = strerror(errno);
    wxec_fail("conformance::FileError",
              wxec_c_string(wxec_join(wxec_join(path, wxec_text(": ")), wxec_text(reason))));
}

WXEC_TASK_WITH("conformance", read, "Reads a file.", WXEC_FAILS("conformance::FileError"), (String), (path, String))
{
    FILE *file = fopen(wxec_c_string(path), "rb");
    wxec_String content = {"", 0};
    if (file == NULL)
        return fail_with_errno(path), content;
    char part[4096];
    size_t length;
    while ((length = fread(part, 1, sizeof part, file)) > 0)
        content = wxec_join(content, (wxec_String){part, length});
    if (ferror(file))
        fail_with_errno(path);
    fclose(file);
    return content;
}

WXEC_TASK_WITH("conformance", write, "Writes a file.", WXEC_FAILS("conformance::FileError"), (void), (path, String),
               (text, String))
{
    FILE *file = fopen(wxec_c_string(path), "wb");
    if (file == NULL || fwrite(text.bytes, 1, text.length, file) != text.length || fflush(file) != 0)
        fail_with_errno(path);
    if (file != NULL)
        fclose(file);
}

WXEC_TASK("conformance", spin, "Never ends.", (void))
{
    for (volatile unsigned turns = 0;; turns++) {
    }
}

WXEC_TASK("conformance", hog, "Allocates without an end.", (void))
{
    for (;;)
        memset(wxec_alloc(1 << 20), 1, 1 << 20);
}
