// SPDX-License-Identifier: Apache-2.0
//
// Example guest in C++: tasks that work on texts, with the containers of the standard library.
#include <algorithm>

#include <wxec.hpp>

using namespace wxec;

/** Splits a text at white space, as Unicode defines it. */
static Vec<std::u32string> split(const String &text)
{
    Vec<std::u32string> words;
    bool within = false;
    for (std::size_t at = 0; at < text.size();) {
        // Texts that arrive are valid UTF-8.
        unsigned char first = static_cast<unsigned char>(text[at]);
        std::size_t length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
        char32_t letter = length == 1 ? first : first & (0x7fu >> length);
        for (std::size_t i = 1; i < length; i++)
            letter = letter << 6 | (static_cast<unsigned char>(text[at + i]) & 0x3f);
        at += length;

        static constexpr std::u32string_view spaces =
            U" \t\n\v\f\r\u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008"
            U"\u2009\u200a\u2028\u2029\u202f\u205f\u3000";
        bool space = spaces.find(letter) != spaces.npos;
        if (!space && !within)
            words.emplace_back();
        if (!space)
            words.back().push_back(letter);
        within = !space;
    }
    return words;
}

/** Returns a word in UTF-8. */
static String utf8(const std::u32string &word)
{
    String text;
    for (char32_t letter : word) {
        int more = letter < 0x80 ? 0 : letter < 0x800 ? 1 : letter < 0x10000 ? 2 : 3;
        text += static_cast<char>(more == 0 ? letter : (0xf00u >> more & 0xff) | letter >> 6 * more);
        while (more-- > 0)
            text += static_cast<char>(0x80 | (letter >> 6 * more & 0x3f));
    }
    return text;
}

WXEC_TASK("words", count, "Counts the words of a text.", (u64), (text, String))
{
    return split(text).size();
}

WXEC_TASK("words", top,
          "Returns the `n` most frequent words of a text, the most frequent first, equally frequent ones in "
          "alphabetical order.",
          (As("Vec<(String, u64)>", Vec<std::pair<String, u64>>)), (text, String), (n, u64))
{
    BTreeMap<std::u32string, u64> counts;
    for (const auto &word : split(text))
        counts[word]++;
    Vec<std::pair<String, u64>> words;
    for (const auto &[word, count] : counts)
        words.emplace_back(utf8(word), count);
    std::stable_sort(words.begin(), words.end(), [](const auto &a, const auto &b) { return a.second > b.second; });
    if (n < words.size())
        words.resize(n);
    return words;
}

WXEC_TASK("words::stats", lengths, "Counts the words of each length, in letters.", (BTreeMap<u64, u64>),
          (text, String))
{
    BTreeMap<u64, u64> lengths;
    for (const auto &word : split(text))
        lengths[word.size()]++;
    return lengths;
}

WXEC_TASK("words", anagrams, "Groups the words that consist of the same letters.", (Vec<Vec<String>>), (text, String))
{
    auto words = split(text);
    std::sort(words.begin(), words.end());
    words.erase(std::unique(words.begin(), words.end()), words.end());
    BTreeMap<std::u32string, Vec<String>> groups;
    for (const auto &word : words) {
        auto letters = word;
        std::sort(letters.begin(), letters.end());
        groups[letters].push_back(utf8(word));
    }
    Vec<Vec<String>> anagrams;
    for (auto &[letters, group] : groups)
        if (group.size() > 1)
            anagrams.push_back(std::move(group));
    return anagrams;
}
