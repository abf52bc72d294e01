/* SPDX-License-Identifier: Apache-2.0
 *
 * wxec.hpp: tasks for wxec in C++17, with the types of the standard library.
 *
 *     #include <wxec.hpp>
 *     using namespace wxec;
 *
 *     WXEC_TASK("words::stats", lengths, "Counts the words of each length.", (BTreeMap<u64, u64>),
 *               (text, String))
 *     {
 *         BTreeMap<u64, u64> lengths;
 *         …
 *         return lengths;
 *     }
 *
 * Types are written in the notation of wxec, which are aliases here: String is std::string,
 * Vec<T> is std::vector<T>, Option<T>, BTreeMap<K, V>, and i64, u64, f64, bool. Where the notation
 * is another than the type, it is given beside: `As("(String, u64)", std::pair<String, u64>)`.
 * A record is any struct, after `WXEC_FIELDS(Point, x, y)` at file level.
 *
 * The C++ libraries for WASI have no exceptions, so a task fails by `return wxec::fail(…);`. All of
 * wxec.h may be used as well; what is allocated there lasts until the end of the call.
 */
#ifndef WXEC_HPP
#define WXEC_HPP

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "wxec.h"

namespace wxec {

using i8 = std::int8_t;
using i16 = std::int16_t;
using i32 = std::int32_t;
using i64 = std::int64_t;
using u8 = std::uint8_t;
using u16 = std::uint16_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;
using f64 = double;
using String = std::string;
/** Bytes; also the type of Vec<u8>. */
using Bytes = std::vector<std::uint8_t>;
/** One CBOR item of any type. It lies in the arena. */
using Value = wxec_Value;
template <class T> using Vec = std::vector<T>;
template <class T> using Option = std::optional<T>;
template <class K, class V> using BTreeMap = std::map<K, V>;

/** Reads and writes a type: `static bool read(wxec_reader *, T &)`, which returns false after a
 *  mistake, and `static void write(wxec_writer *, const T &)`. Specialize it for types of your own. */
template <class T> struct Codec;

/** Reads a value; returns false after a mistake. */
template <class T> bool read_value(wxec_reader *r, T *value) { return Codec<T>::read(r, *value); }
/** Writes a value. */
template <class T> void write_value(wxec_writer *w, const T &value) { Codec<T>::write(w, value); }

/** Returns a text as one of C, which lasts as long as the text. */
inline wxec_String as_text(std::string_view text) { return wxec_String{text.data(), text.size()}; }

#define WXEC__CODEC(T, name)                                                                       \
    template <> struct Codec<T> {                                                                  \
        static bool read(wxec_reader *r, T &value) { return wxec_read_##name(r, &value); }         \
        static void write(wxec_writer *w, const T &value) { wxec_write_##name(w, value); }         \
    };
WXEC__CODEC(bool, Bool)
WXEC__CODEC(i8, i8)
WXEC__CODEC(i16, i16)
WXEC__CODEC(i32, i32)
WXEC__CODEC(i64, i64)
WXEC__CODEC(u8, u8)
WXEC__CODEC(u16, u16)
WXEC__CODEC(u32, u32)
WXEC__CODEC(u64, u64)
WXEC__CODEC(f64, f64)
WXEC__CODEC(wxec_Value, Value)
#undef WXEC__CODEC

template <> struct Codec<std::string> {
    static bool read(wxec_reader *r, std::string &value)
    {
        wxec_String text;
        bool done = wxec_read_String(r, &text);
        value.assign(text.bytes, text.length);
        return done;
    }
    static void write(wxec_writer *w, const std::string &value) { wxec_write_String(w, as_text(value)); }
};

template <> struct Codec<Bytes> {
    static bool read(wxec_reader *r, Bytes &value)
    {
        wxec_Bytes bytes;
        bool done = wxec_read_Bytes(r, &bytes);
        value.assign(bytes.bytes, bytes.bytes + bytes.length);
        return done;
    }
    static void write(wxec_writer *w, const Bytes &value)
    {
        wxec_write_Bytes(w, wxec_Bytes{value.data(), value.size()});
    }
};

template <class T> struct Codec<std::vector<T>> {
    static bool read(wxec_reader *r, std::vector<T> &value)
    {
        wxec_items items;
        value.clear();
        wxec_enter_array(r, &items, "an array");
        while (wxec_next(&items)) {
            T item{};
            if (!Codec<T>::read(r, item))
                return false;
            value.push_back(std::move(item));
        }
        return r->found == nullptr;
    }
    static void write(wxec_writer *w, const std::vector<T> &value)
    {
        wxec_write_array(w, value.size());
        for (const auto &item : value)
            Codec<T>::write(w, item);
    }
};

template <class T> struct Codec<std::optional<T>> {
    static bool read(wxec_reader *r, std::optional<T> &value)
    {
        value.reset();
        return wxec_read_null(r) || Codec<T>::read(r, value.emplace());
    }
    static void write(wxec_writer *w, const std::optional<T> &value)
    {
        if (value)
            Codec<T>::write(w, *value);
        else
            wxec_write_null(w);
    }
};

template <class K, class V> struct Codec<std::map<K, V>> {
    static bool read(wxec_reader *r, std::map<K, V> &value)
    {
        wxec_items items;
        value.clear();
        wxec_enter_map(r, &items, "a map");
        while (wxec_next(&items)) {
            K key{};
            V entry{};
            if (!Codec<K>::read(r, key) || !Codec<V>::read(r, entry))
                return false;
            value.insert_or_assign(std::move(key), std::move(entry));
        }
        return r->found == nullptr;
    }
    static void write(wxec_writer *w, const std::map<K, V> &value)
    {
        wxec_write_map(w, value.size());
        for (const auto &[key, entry] : value) {
            Codec<K>::write(w, key);
            Codec<V>::write(w, entry);
        }
    }
};

template <class... T> struct Codec<std::tuple<T...>> {
    static bool read(wxec_reader *r, std::tuple<T...> &value)
    {
        wxec_items items;
        std::size_t count;
        if (!wxec_enter_array(r, &items, "a tuple") || !wxec_count(&items, &count))
            return false;
        if (count != sizeof...(T))
            return wxec_mistake(r, "a tuple", "an array of another length");
        std::apply([&](T &...item) { (void)(... && (wxec_next(&items) && Codec<T>::read(r, item))); }, value);
        wxec_next(&items);
        return r->found == nullptr;
    }
    static void write(wxec_writer *w, const std::tuple<T...> &value)
    {
        wxec_write_array(w, sizeof...(T));
        std::apply([&](const T &...item) { (Codec<T>::write(w, item), ...); }, value);
    }
};

template <class A, class B> struct Codec<std::pair<A, B>> {
    static bool read(wxec_reader *r, std::pair<A, B> &value)
    {
        std::tuple<A, B> both;
        bool done = Codec<std::tuple<A, B>>::read(r, both);
        value = {std::move(std::get<0>(both)), std::move(std::get<1>(both))};
        return done;
    }
    static void write(wxec_writer *w, const std::pair<A, B> &value)
    {
        wxec_write_array(w, 2);
        Codec<A>::write(w, value.first);
        Codec<B>::write(w, value.second);
    }
};

/** Encodes a value, in the arena. */
template <class T> Value encode(const T &value)
{
    wxec_writer w{};
    write_value(&w, value);
    return wxec_written(&w);
}

/** A failure of the task, which its function returns in place of a value of any type. */
struct Failed {
    template <class T> operator T() const { return T{}; }
};

/** Makes the task fail with an error of a type and a message. */
inline Failed fail(std::string_view type, std::string_view message)
{
    wxec_failure failure{as_text(type), as_text(message), nullptr, 0, {nullptr, 0}};
    wxec_fail_with(&failure);
    return {};
}

/** The same with the error's causes, outermost first, and the error itself for callers that know
 *  its type. */
template <class T>
Failed fail(std::string_view type, std::string_view message, const std::vector<std::string> &chain, const T &data)
{
    std::vector<wxec_String> texts;
    for (const auto &cause : chain)
        texts.push_back(as_text(cause));
    wxec_failure failure{as_text(type), as_text(message), texts.data(), texts.size(), encode(data)};
    wxec_fail_with(&failure);
    return {};
}

/** Makes the task fail with the host's last refusal. */
inline Failed fail_refused()
{
    wxec_fail_refused();
    return {};
}

/** Writes a line to the log of the caller. */
inline void log(wxec_level level, const char *target, std::string_view message)
{
    wxec_log(level, target, as_text(message));
}

/** A stream of bytes, closed at the end of its life. */
class Stream {
public:
    Stream() = default;
    explicit Stream(i32 handle) : handle_(handle) {}
    Stream(Stream &&other) noexcept : handle_(std::exchange(other.handle_, -1)) {}
    Stream &operator=(Stream &&other) noexcept
    {
        std::swap(handle_, other.handle_);
        return *this;
    }
    ~Stream() { close(); }

    /** Connects to a TCP port. The stream is false if the host refuses. */
    static Stream connect(const char *host, u16 port) { return Stream(wxec_connect(host, port, 0)); }

    /** Returns false if there is no stream. */
    explicit operator bool() const { return handle_ >= 0; }
    /** Reads some bytes: returns how many, 0 at the end, and less if refused. */
    i32 read(void *buffer, std::size_t length) { return wxec_stream_read(handle_, buffer, length); }
    /** Writes all bytes. */
    bool write(const void *bytes, std::size_t length) { return wxec_stream_write(handle_, bytes, length); }
    /** Closes it: the other side reads its end. */
    void close()
    {
        if (handle_ >= 0)
            wxec_stream_close(std::exchange(handle_, -1));
    }

private:
    i32 handle_ = -1;
};

/** Items that the caller sends: `for (i64 number : numbers)`. A channel that breaks makes the task
 *  fail. */
template <class T> class Receiver {
public:
    Receiver() = default;
    explicit Receiver(wxec_Receiver taken) : receiver_(taken), stream_(taken.stream) {}

    /** Waits for the next item; there is none at the end. */
    Option<T> receive()
    {
        wxec_mark mark = wxec_marked();
        wxec_reader r;
        Option<T> item;
        if (!wxec_receive(&receiver_, &r))
            return item;
        if (!read_value(&r, &item.emplace()) || r.at != r.end) {
            fail("wxec::ChannelError", "an item is not of the type of the channel");
            item.reset();
        }
        if constexpr (!std::is_same_v<T, Value>)
            wxec_release(mark);
        return item;
    }

    struct iterator {
        Receiver *receiver;
        Option<T> item;
        bool operator!=(const iterator &) const { return item.has_value(); }
        iterator &operator++()
        {
            item = receiver->receive();
            return *this;
        }
        T &operator*() { return *item; }
    };
    iterator begin() { return {this, receive()}; }
    iterator end() { return {this, {}}; }

private:
    wxec_Receiver receiver_{};
    Stream stream_;
};

/** Place to send items to the caller, closed at the end of its life. */
template <class T> class Sender {
public:
    Sender() = default;
    explicit Sender(wxec_Sender taken) : sender_(taken), stream_(taken.stream) {}

    /** Takes the stream of the items that this task returns, once: see wxec_return_items. */
    static Sender returned()
    {
        wxec_Sender taken;
        return wxec_return_items(&taken) ? Sender(taken) : Sender();
    }

    /** Sends an item. Returns false if the caller takes no more. */
    bool send(const T &item)
    {
        if (!stream_)
            return false;
        wxec_mark mark = wxec_marked();
        bool sent = wxec_send(&sender_, encode(item));
        wxec_release(mark);
        return sent;
    }

private:
    wxec_Sender sender_{-1};
    Stream stream_;
};

template <class T> struct Codec<Receiver<T>> {
    static bool read(wxec_reader *r, Receiver<T> &value)
    {
        wxec_Receiver taken;
        if (!wxec_read_Receiver(r, &taken))
            return false;
        value = Receiver<T>(taken);
        return true;
    }
};

template <class T> struct Codec<Sender<T>> {
    static bool read(wxec_reader *r, Sender<T> &value)
    {
        wxec_Sender taken;
        if (!wxec_read_Sender(r, &taken))
            return false;
        value = Sender<T>(taken);
        return true;
    }
};

/** Result of a program that ran to its end. */
struct Output {
    Option<i64> code;   /**< Its exit code, if it exited. */
    Option<i64> signal; /**< The signal that ended it, if one did. */
    Bytes stdout_bytes;
    Bytes stderr_bytes;
};

/** A program of the host: `Command("uname").arg("-r").run()`. Needs the grant to run it. */
class Command {
public:
    explicit Command(std::string program) : program_(std::move(program)) {}

    /** Adds an argument. */
    Command &arg(std::string argument)
    {
        arguments_.push_back(std::move(argument));
        return *this;
    }
    /** Adds arguments. */
    Command &args(const Vec<String> &arguments)
    {
        arguments_.insert(arguments_.end(), arguments.begin(), arguments.end());
        return *this;
    }
    /** Sets a variable of its environment. */
    Command &env(std::string name, std::string value)
    {
        variables_.push_back(std::move(name));
        variables_.push_back(std::move(value));
        return *this;
    }
    /** Gives it an input. */
    Command &input(Bytes input)
    {
        input_ = std::move(input);
        return *this;
    }

    /** Runs it to its end. There is no output if the host refuses; see wxec_refusal. */
    Option<Output> run() const
    {
        Vec<wxec_String> arguments, variables;
        for (const auto &argument : arguments_)
            arguments.push_back(as_text(argument));
        for (const auto &variable : variables_)
            variables.push_back(as_text(variable));
        wxec_command command{};
        command.program = program_.c_str();
        command.arguments = arguments.data();
        command.argument_count = arguments.size();
        command.variables = variables.data();
        command.variable_count = variables.size() / 2;
        wxec_output output;
        if (!wxec_run(&command, wxec_Bytes{input_.data(), input_.size()}, &output))
            return std::nullopt;
        auto option = [](wxec_Option_i64 value) { return value.some ? Option<i64>(value.value) : std::nullopt; };
        auto bytes = [](wxec_Bytes value) { return Bytes(value.bytes, value.bytes + value.length); };
        return Output{option(output.end.code), option(output.end.signal), bytes(output.stdout_bytes),
                      bytes(output.stderr_bytes)};
    }

private:
    std::string program_;
    Vec<String> arguments_, variables_;
    Bytes input_;
};

} // namespace wxec

/** Makes a struct, which may be of a library, a record with up to 8 of its fields. In CBOR it is a
 *  map by names, in any order; unknown entries are ignored, and an absent field is a null. */
#define WXEC_FIELDS(T, ...)                                                                        \
    template <> struct wxec::Codec<T> {                                                            \
        static bool read(wxec_reader *r, T &value)                                                 \
        {                                                                                          \
            wxec_items items;                                                                      \
            wxec_String key;                                                                       \
            unsigned seen = 0;                                                                     \
            wxec_enter_map(r, &items, #T);                                                         \
            while (wxec_next(&items) && wxec_read_String(r, &key)) {                               \
                WXEC__EACH(WXEC__CPP_FIELD_READ, __VA_ARGS__) wxec_skip(r);                        \
            }                                                                                      \
            WXEC__EACH(WXEC__CPP_FIELD_ABSENT, __VA_ARGS__)                                        \
            return r->found == nullptr;                                                            \
        }                                                                                          \
        static void write(wxec_writer *w, const T &value)                                          \
        {                                                                                          \
            wxec_write_map(w, WXEC__COUNT(__VA_ARGS__));                                           \
            WXEC__EACH(WXEC__CPP_FIELD_WRITE, __VA_ARGS__)                                         \
        }                                                                                          \
    };
#define WXEC__CPP_FIELD_READ(i, field)                                                             \
    if (wxec_equal(key, #field)) {                                                                 \
        if ((seen & 1u << i) != 0)                                                                 \
            wxec_mistake(r, nullptr, "the field `" #field "` twice");                              \
        seen |= 1u << i;                                                                           \
        wxec::read_value(r, &value.field);                                                         \
    } else
#define WXEC__CPP_FIELD_ABSENT(i, field)                                                           \
    if (r->found == nullptr && (seen & 1u << i) == 0) {                                            \
        wxec_reader absent = WXEC__NULL_READER;                                                    \
        if (!wxec::read_value(&absent, &value.field))                                              \
            wxec_mistake(r, absent.expected, "no field `" #field "`");                             \
    }
#define WXEC__CPP_FIELD_WRITE(i, field)                                                            \
    wxec_write_text(w, #field);                                                                    \
    wxec::write_value(w, value.field);

/* The hooks of wxec.h. */
#undef WXEC__TYPE
#undef WXEC__READER
#undef WXEC__WRITER
#undef WXEC__MOVE
#define WXEC__TYPE(...) WXEC__CPP_TYPE_TEST((__VA_ARGS__), WXEC__CPP_TYPE_##__VA_ARGS__, ~)
#define WXEC__CPP_TYPE_TEST(...) WXEC__CPP_TYPE_TEST_(__VA_ARGS__)
#define WXEC__CPP_TYPE_TEST_(spec, first, ...) \
    WXEC__CAT(WXEC__CPP_TYPE_PICK_, WXEC__IS_PAREN(first))(spec, __VA_ARGS__)
#define WXEC__CPP_TYPE_PICK_0(spec, ...) WXEC__ONLY spec
#define WXEC__CPP_TYPE_PICK_1(spec, value, ...) WXEC__ONLY value
#define WXEC__CPP_TYPE_As(notation, ...) (), (__VA_ARGS__)
#define WXEC__READER(...) wxec::read_value
#define WXEC__WRITER(...) wxec::write_value
#define WXEC__MOVE(variable) std::move(variable)

#endif
