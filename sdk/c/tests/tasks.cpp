// SPDX-License-Identifier: Apache-2.0
//
// The tasks of the conformance module in C++, run here with sanitizers.
#include "host.h"

#include "../conformance/conformance_cpp.cpp"

int main()
{
    RETURNS(wxec_export_add, "\x82\x01\x02", "\x03");
    RETURNS(wxec_export_greet, "\x81\x7f\x61" "a\x61" "b\xff", "\x6aHello, ab!");
    RETURNS(wxec_export_reverse, "\x81\x43\x01\x02\x03", "\x43\x03\x02\x01");
    RETURNS(wxec_export_sum, "\x81\x9f\x01\x02\xff", "\x03");
    RETURNS(wxec_export_tally, "\x81\x83\x61" "b\x61" "a\x61" "b", "\xa2\x61" "a\x01\x61" "b\x02");
    RETURNS(wxec_export_first, "\x81\x80", "\xf6");
    RETURNS(wxec_export_swap, "\x81\xa2\x61y\x02\x61x\x01", "\xa2\x61x\x02\x61y\x01");
    RETURNS(wxec_export_pair, "\x82\x61" "a\x01", "\x82\x01\x61" "a");
    RETURNS(wxec_export_or_default, "\x80", "\x18\x2a");
    RETURNS(wxec_export_nothing, "\x80", "\xf6");
    ENDS(wxec_export_swap, "\x81\xa1\x61x\x01", 2,
         "argument `point`: expected Point, found no field `y` in place of i64");
    ENDS(wxec_export_sum, "\x81\x9b\xff\xff\xff\xff\xff\xff\xff\xff", 2,
         "the arguments cannot be read: expected well-formed CBOR, found the end of the input");
    ENDS(wxec_export_fail, "\x81\x61m", 1,
         "\xa4\x64type\x74" "conformance::Failure\x63msg\x61m\x65" "chain\x81\x73" "because of the test"
         "\x64" "data\x47\xa1\x64" "code\x07");
    host_stream.length = 0;
    RETURNS(wxec_export_count_to, "\x82\x03\x00", "\xf6");
    RETURNS(wxec_export_total, "\x81\x00", "\x06");

    std::tuple<Bytes, Option<String>, BTreeMap<u64, Vec<bool>>, f64> value{{1, 2}, "text", {{7, {true, false}}}, -0.5};
    wxec_reader r = wxec_open(encode(value));
    decltype(value) again;
    if (!read_value(&r, &again) || again != value)
        failures++, std::fprintf(stderr, "a tuple does not survive\n");

    static int32_t (*const tasks[])() = {wxec_export_greet, wxec_export_reverse, wxec_export_tally, wxec_export_first,
                                         wxec_export_swap, wxec_export_pair, wxec_export_or_default, wxec_export_run};
    for (int i = 0; i < 100000; i++) {
        Bytes input(1 + random_below(12));
        for (auto &byte : input)
            byte = static_cast<u8>(random_below(3) != 0 ? random_below(256) : 0x60 + random_below(0x43));
        input[0] = static_cast<u8>(0x81 + random_below(3));
        run_task(tasks[random_below(sizeof tasks / sizeof *tasks)], input.data(), input.size());
    }
    wxec__reset();
    if (failures != 0)
        return std::fprintf(stderr, "%d checks failed\n", failures), 1;
    std::puts("tasks.cpp: all passed");
}
