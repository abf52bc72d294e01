// SPDX-License-Identifier: Apache-2.0
//
// The tasks by which SDKs are compared, in C++.
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <time.h>

#include <wxec.hpp>

using namespace wxec;

struct Point {
    i64 x, y;
};
WXEC_FIELDS(Point, x, y)

struct FailureData {
    i64 code;
};
WXEC_FIELDS(FailureData, code)

WXEC_TASK("conformance", add, "Adds two numbers.", (i64), (a, i64), (b, i64))
{
    i64 sum;
    if (__builtin_add_overflow(a, b, &sum))
        WXEC_PANIC("the sum overflows");
    return sum;
}

WXEC_TASK("conformance", greet, "Greets by name.", (String), (name, String))
{
    return "Hello, " + name + "!";
}

WXEC_TASK("conformance", reverse, "Reverses bytes.", (Bytes), (data, Bytes))
{
    std::reverse(data.begin(), data.end());
    return data;
}

WXEC_TASK("conformance", scale, "Multiplies.", (f64), (x, f64), (by, f64))
{
    return x * by;
}

WXEC_TASK("conformance", negate, "Negates a truth.", (bool), (flag, bool))
{
    return !flag;
}

WXEC_TASK("conformance", sum, "Adds numbers.", (i64), (numbers, Vec<i64>))
{
    i64 sum = 0;
    for (i64 number : numbers)
        if (__builtin_add_overflow(sum, number, &sum))
            WXEC_PANIC("the sum overflows");
    return sum;
}

WXEC_TASK("conformance", tally, "Counts equal words.", (BTreeMap<String, u64>), (words, Vec<String>))
{
    BTreeMap<String, u64> tally;
    for (const auto &word : words)
        tally[word]++;
    return tally;
}

WXEC_TASK("conformance", first, "Returns the first number.", (Option<i64>), (numbers, Vec<i64>))
{
    return numbers.empty() ? Option<i64>() : numbers.front();
}

WXEC_TASK("conformance", swap, "Swaps the coordinates of a point.", (Point), (point, Point))
{
    return {point.y, point.x};
}

WXEC_TASK("conformance", pair, "Swaps a text and a number.", (As("(i64, String)", std::pair<i64, String>)),
          (a, String), (b, i64))
{
    return {b, a};
}

WXEC_TASK("conformance", or_default, "Returns the number, or 42.", (i64), (number, Option<i64>))
{
    return number.value_or(42);
}

WXEC_TASK("conformance", nothing, "Does nothing.", (void))
{
}

WXEC_TASK_WITH("conformance", fail, "Fails with a message.", WXEC_FAILS("conformance::Failure"), (void),
               (message, String))
{
    fail("conformance::Failure", message, {"because of the test"}, FailureData{7});
}

WXEC_TASK("conformance", crash, "Panics with a message.", (void), (message, String))
{
    WXEC_PANIC(message.c_str());
}

WXEC_TASK("conformance", trap, "Traps without a panic.", (void))
{
    __builtin_trap();
}

WXEC_TASK("conformance", say, "Logs a message.", (void), (level, i64), (message, String))
{
    wxec::log(static_cast<wxec_level>(level), "conformance", message);
}

WXEC_TASK("conformance", print, "Prints a line to stdout and to stderr.", (void), (message, String))
{
    message += '\n';
    std::fputs(message.c_str(), stdout);
    std::fputs(message.c_str(), stderr);
}

WXEC_TASK("conformance", total, "Adds the numbers that come.", (i64), (numbers, Receiver<i64>))
{
    i64 total = 0;
    for (i64 number : numbers)
        if (__builtin_add_overflow(total, number, &total))
            WXEC_PANIC("the sum overflows");
    return total;
}

WXEC_TASK("conformance", count_to, "Sends the numbers from 1 to n.", (void), (n, i64), (out, Sender<i64>))
{
    for (i64 i = 1; i <= n && out.send(i); i++) {
    }
}

WXEC_TASK("conformance", double, "Sends the double of each number that comes.", (void), (numbers, Receiver<i64>),
          (out, Sender<i64>))
{
    for (i64 number : numbers) {
        if (__builtin_mul_overflow(number, 2, &number))
            WXEC_PANIC("the double overflows");
        if (!out.send(number))
            return;
    }
}

WXEC_TASK("conformance", until_cancelled, "Waits until its caller gives up.", (void))
{
    while (!wxec_cancelled()) {
        timespec pause{0, 1000000};
        nanosleep(&pause, nullptr);
    }
    wxec::log(WXEC_INFO, "conformance", "cancelled");
}

WXEC_TASK_WITH("conformance", run, "Runs a program, and returns its exit code and its output.",
               WXEC_FAILS("wxec::HostError"), (As("(i64, Bytes)", std::pair<i64, Bytes>)), (program, String),
               (arguments, Vec<String>), (input, Bytes))
{
    auto output = Command(program).args(arguments).input(input).run();
    if (!output)
        return fail_refused();
    return {output->code.value_or(-1), output->stdout_bytes};
}

static Failed fail_with_errno(const String &path)
{
    return fail("conformance::FileError", path + ": " + std::strerror(errno));
}

WXEC_TASK_WITH("conformance", read, "Reads a file.", WXEC_FAILS("conformance::FileError"), (String), (path, String))
{
    std::FILE *file = std::fopen(path.c_str(), "rb");
    if (file == nullptr)
        return fail_with_errno(path);
    String content;
    char part[4096];
    while (std::size_t length = std::fread(part, 1, sizeof part, file))
        content.append(part, length);
    bool failed = std::ferror(file);
    std::fclose(file);
    if (failed)
        return fail_with_errno(path);
    return content;
}

WXEC_TASK_WITH("conformance", write, "Writes a file.", WXEC_FAILS("conformance::FileError"), (void), (path, String),
               (text, String))
{
    std::FILE *file = std::fopen(path.c_str(), "wb");
    if (file == nullptr || std::fwrite(text.data(), 1, text.size(), file) != text.size() || std::fflush(file) != 0)
        fail_with_errno(path);
    if (file != nullptr)
        std::fclose(file);
}

WXEC_TASK("conformance", spin, "Never ends.", (void))
{
    for (volatile unsigned turns = 0;; turns = turns + 1) {
    }
}

WXEC_TASK("conformance", hog, "Allocates without an end.", (void))
{
    for (;;)
        std::memset(wxec_alloc(1 << 20), 1, 1 << 20);
}
