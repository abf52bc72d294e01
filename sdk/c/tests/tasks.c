/* SPDX-License-Identifier: Apache-2.0
 *
 * The tasks of the conformance module, run here with sanitizers: right inputs, wrong ones, and
 * random changes of both. The memory of each input is exactly as long as the input.
 */
#include "host.h"

#include "../conformance/conformance.c"

#define add wxec_export_add
#define greet wxec_export_greet
#define reverse wxec_export_reverse
#define scale wxec_export_scale
#define negate wxec_export_negate
#define sum wxec_export_sum
#define tally wxec_export_tally
#define first wxec_export_first
#define swap wxec_export_swap
#define pair wxec_export_pair
#define or_default wxec_export_or_default
#define nothing wxec_export_nothing
#define fail wxec_export_fail
#define say wxec_export_say
#define total wxec_export_total
#define count_to wxec_export_count_to
#define until_cancelled wxec_export_until_cancelled
#define run wxec_export_run

static void values_pass(void)
{
    RETURNS(add, "\x82\x01\x02", "\x03");
    RETURNS(add, "\x9f\x01\x02\xff", "\x03");
    RETURNS(add, "\xa2\x61" "b\x02\x61" "a\x01", "\x03");
    RETURNS(add, "\xbf\x61" "b\x02\x61" "a\x01\xff", "\x03");
    RETURNS(add, "\x82\x20\x00", "\x20");
    RETURNS(add, "\x82\x3b\x7f\xff\xff\xff\xff\xff\xff\xff\x00", "\x3b\x7f\xff\xff\xff\xff\xff\xff\xff");
    RETURNS(add, "\x82\x1b\x7f\xff\xff\xff\xff\xff\xff\xff\x00", "\x1b\x7f\xff\xff\xff\xff\xff\xff\xff");
    RETURNS(add, "\x82\x18\x64\x19\x03\xe8", "\x19\x04\x4c");
    RETURNS(greet, "\x81\x62\xc3\xa9", "\x6aHello, \xc3\xa9!");
    RETURNS(greet, "\x81\x7f\x61" "a\x61" "b\xff", "\x6aHello, ab!");
    RETURNS(greet, "\x81\xc1\x61" "a", "\x69Hello, a!");
    RETURNS(reverse, "\x81\x43\x01\x02\x03", "\x43\x03\x02\x01");
    RETURNS(reverse, "\x81\x5f\x41\x01\x42\x02\x03\xff", "\x43\x03\x02\x01");
    RETURNS(reverse, "\x81\x83\x01\x18\xff\x03", "\x43\x03\xff\x01");
    RETURNS(reverse, "\x81\x40", "\x40");
    RETURNS(scale, "\x82\xf9\x3c\x00\x02", "\xfb\x40\x00\x00\x00\x00\x00\x00\x00");
    RETURNS(scale, "\x82\xf9\x00\x01\x01", "\xfb\x3e\x70\x00\x00\x00\x00\x00\x00");
    RETURNS(scale, "\x82\xf9\xfc\x00\x01", "\xfb\xff\xf0\x00\x00\x00\x00\x00\x00");
    RETURNS(scale, "\x82\xf9\x80\x00\x01", "\xfb\x80\x00\x00\x00\x00\x00\x00\x00");
    RETURNS(scale, "\x82\xfa\x3f\xc0\x00\x00\x20", "\xfb\xbf\xf8\x00\x00\x00\x00\x00\x00");
    RETURNS(negate, "\x81\xf4", "\xf5");
    RETURNS(sum, "\x81\x83\x01\x02\x20", "\x02");
    RETURNS(sum, "\x81\x9f\x01\x02\xff", "\x03");
    RETURNS(tally, "\x81\x83\x61" "b\x61" "a\x61" "b", "\xa2\x61" "a\x01\x61" "b\x02");
    RETURNS(tally, "\x81\x80", "\xa0");
    RETURNS(first, "\x81\x82\x05\x06", "\x05");
    RETURNS(first, "\x81\x80", "\xf6");
    RETURNS(swap, "\x81\xa2\x61y\x02\x61x\x01", "\xa2\x61x\x02\x61y\x01");
    RETURNS(swap, "\x81\xa3\x61z\x81\xa0\x61y\x02\x61x\x01", "\xa2\x61x\x02\x61y\x01");
    RETURNS(pair, "\x82\x61" "a\x01", "\x82\x01\x61" "a");
    RETURNS(or_default, "\x80", "\x18\x2a");
    RETURNS(or_default, "\xa0", "\x18\x2a");
    RETURNS(or_default, "\x81\xf6", "\x18\x2a");
    RETURNS(or_default, "\x81\xd8\x7a\x07", "\x07");
    RETURNS(nothing, "\x80", "\xf6");
    RETURNS(nothing, "", "\xf6");
    RETURNS(nothing, "\xf6", "\xf6");
    RETURNS(say, "\x82\x03\x62hi", "\xf6");
    check_bytes("log", &host_log, "hi", 2);
    RETURNS(until_cancelled, "\x80", "\xf6");
}

static void wrong_arguments_are_explained(void)
{
    ENDS(add, "\x82\x01\x61x", 2, "argument `b`: expected i64, found a text");
    ENDS(add, "\x81\x01", 2, "argument `b`: expected i64, found nothing");
    ENDS(add, "\x83\x01\x02\x03", 2, "too many arguments: expected 2, found 3");
    ENDS(add, "\xa1\x61" "c\x01", 2, "there is no parameter `c`");
    ENDS(add, "\xa2\x61" "a\x01\x61" "a\x01", 2, "argument `a` is given twice");
    ENDS(add, "\x82\x1b\x80\x00\x00\x00\x00\x00\x00\x00\x01", 2,
         "argument `a`: expected i64, found an integer beyond its range");
    ENDS(add, "\x82\x3b\x80\x00\x00\x00\x00\x00\x00\x00\x01", 2,
         "argument `a`: expected i64, found an integer beyond its range");
    ENDS(add, "\x01", 2,
         "the arguments cannot be read: expected an array or a map of arguments, found an integer");
    ENDS(add, "\x82\x01", 2,
         "the arguments cannot be read: expected well-formed CBOR, found the end of the input");
    ENDS(add, "\x82\x01\x02\x03", 2,
         "the arguments cannot be read: expected well-formed CBOR, found bytes behind them");
    ENDS(sum, "\x81\x82\x01\x61x", 2, "argument `numbers`: expected Vec<i64>, found a text in place of i64");
    ENDS(greet, "\x81\x61\xff", 2, "argument `name`: expected String, found a text that is not UTF-8");
    ENDS(greet, "\x81\x63\xed\xa0\x80", 2, "argument `name`: expected String, found a text that is not UTF-8");
    ENDS(greet, "\x81\x62\xc0\x80", 2, "argument `name`: expected String, found a text that is not UTF-8");
    ENDS(swap, "\x81\xa1\x61x\x01", 2, "argument `point`: expected Point, found no field `y` in place of i64");
    ENDS(total, "\x81\x05", 2,
         "argument `numbers`: expected Receiver<i64>, found none that is free in place of a stream of the call");
    ENDS(fail, "\x81\x61m", 1,
         "\xa4\x64type\x74" "conformance::Failure\x63msg\x61m\x65" "chain\x81\x73" "because of the test"
         "\x64" "data\x47\xa1\x64" "code\x07");
    ENDS(run, "\x83\x61" "a\x80\x40", 1,
         "\xa4\x64type\x6fwxec::HostError\x63msg\x62no\x65" "chain\x80\x64" "data"
         "\x57\xa1\x64kind\x70PermissionDenied");
}

static void hostile_input_is_refused(void)
{
    static const char *const inputs[] = {
        "\x9b\xff\xff\xff\xff\xff\xff\xff\xff", "\x81\x9b\xff\xff\xff\xff\xff\xff\xff\xff",
        "\x81\x5b\xff\xff\xff\xff\xff\xff\xff\xff", "\x81\x7b\x7f\xff\xff\xff\xff\xff\xff\xff",
        "\x81\xff", "\x81\x1c", "\x81\x1f", "\x81\xdf", "\xbf\xff\xff", "\x9f", "\x81\x7f\x41",
    };
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++)
        if (run_task(sum, inputs[i], strlen(inputs[i])) != 2)
            failures++, fprintf(stderr, "hostile input %zu is not refused\n", i);
    uint8_t deep[1001];
    memset(deep, 0x81, 1000);
    deep[1000] = 0xf6;
    if (run_task(sum, deep, sizeof deep) != 2)
        failures++, fprintf(stderr, "a deep value is not refused\n");
    memset(deep + 1, 0xc1, 999);
    if (run_task(sum, deep, sizeof deep) != 2)
        failures++, fprintf(stderr, "many tags are not refused\n");
}

static void items_travel(void)
{
    host_stream.length = 0;
    RETURNS(count_to, "\x82\x03\x00", "\xf6");
    check_bytes("items", &host_stream, "\1\0\0\0\1\1\0\0\0\2\1\0\0\0\3", 15);
    RETURNS(total, "\x81\x00", "\x06");
    host_stream.length = 14;
    ENDS(total, "\x81\x00", 1,
         "\xa3\x64type\x72wxec::ChannelError\x63msg\x78\x1fthe stream ended within an item\x65" "chain\x80");
    memcpy(host_stream.bytes, "\xff\xff\xff\xff", 4);
    ENDS(total, "\x81\x00", 1,
         "\xa3\x64type\x72wxec::ChannelError\x63msg\x73" "an item is too long\x65" "chain\x80");
}

/* Numbers, with their borders, and texts come back as they were written. */
static void values_survive_a_round_trip(void)
{
    for (int i = 0; i < 20000; i++) {
        uint64_t bits = (uint64_t)random_below(UINT32_MAX) << 32 | random_below(UINT32_MAX);
        bits >>= random_below(64);
        int64_t number, again;
        memcpy(&number, &bits, sizeof number);
        double real, real_again;
        memcpy(&real, &bits, sizeof real);
        uint64_t natural;
        wxec_writer w = {0};
        wxec_write_i64(&w, number);
        wxec_write_i64(&w, ~number);
        wxec_write_u64(&w, bits);
        wxec_write_f64(&w, real);
        wxec_reader r = wxec_open(wxec_written(&w));
        if (!wxec_read_i64(&r, &again) || again != number || !wxec_read_i64(&r, &again) || again != ~number
            || !wxec_read_u64(&r, &natural) || natural != bits || !wxec_read_f64(&r, &real_again)
            || memcmp(&real, &real_again, sizeof real) != 0 || r.at != r.end)
            failures++, fprintf(stderr, "%llx does not survive\n", (unsigned long long)bits);
        wxec__reset();
    }
}

/* Random input, and input with random changes, never reads or writes outside of memory. */
static void random_input_does_no_harm(void)
{
    static int32_t (*const tasks[])(void) = {add, greet, reverse, scale, negate, sum, tally, first, swap, pair,
                                             or_default, nothing, fail, say, total, run};
    static const char seed[] = "\x9f\x83\x01\x18\xff\x20\x7f\x61" "a\x61" "b\xff\xa2\x61x\x01\x61y\x3b\x7f\x00\x00"
                               "\x00\x00\x00\x00\x00\xfb\x00\x00\x00\x00\x00\x00\x00\x01\x5f\x41\x00\xff\xff";
    for (int i = 0; i < 300000; i++) {
        size_t length = random_below(sizeof seed), from = random_below((uint32_t)(sizeof seed - length));
        uint8_t *input = (uint8_t *)malloc(length + 1);
        input[0] = (uint8_t)(0x81 + random_below(3));
        memcpy(input + 1, seed + from, length);
        for (uint32_t changes = random_below(4); changes > 0; changes--)
            input[random_below((uint32_t)length + 1)] = (uint8_t)random_below(256);
        host_stream.length = random_below(40);
        for (size_t at = 0; at < host_stream.length; at++)
            host_stream.bytes[at] = (uint8_t)(random_below(3) == 0 ? random_below(256) : at % 5 == 0);
        int32_t (*task)(void) = tasks[random_below(sizeof tasks / sizeof *tasks)];
        /* The sums of these may overflow, which is a panic. */
        if (task != add && task != sum && task != total)
            run_task(task, input, length + 1);
        wxec_Value value = {input, length + 1};
        wxec_reader r = wxec_open(value);
        while (wxec_skip(&r)) {
        }
        free(input);
    }
}

int main(void)
{
    values_pass();
    wrong_arguments_are_explained();
    hostile_input_is_refused();
    items_travel();
    values_survive_a_round_trip();
    random_input_does_no_harm();
    wxec__reset();
    if (failures != 0)
        return fprintf(stderr, "%d checks failed\n", failures), 1;
    puts("tasks.c: all passed");
    return 0;
}
