# Rules for modules in C and C++. A Makefile of a project is
#
#     all: build/words.wasm
#     include …/wxec.mk
#
# and makes build/NAME.wasm from NAME.c or NAME.cpp. More objects are named as prerequisites:
# `build/words.wasm: build/stem.o`. `make ZIG="python3 -m ziglang"` compiles with Zig's clang, which
# brings its own C library; otherwise clang, lld and a wasi-libc have to be installed.

WXEC_INCLUDE := $(dir $(lastword $(MAKEFILE_LIST)))include

ifdef ZIG
WXEC_CC := $(ZIG) cc
WXEC_CXX := $(ZIG) c++
WXEC_LDFLAGS := -mexec-model=reactor -s
else
WXEC_CC ?= clang
WXEC_CXX ?= clang++
# A stack that overflows leaves the memory with --stack-first, and traps.
WXEC_LDFLAGS := -mexec-model=reactor -Wl,--strip-all -Wl,--stack-first
endif

# The C++ libraries for WASI have no exceptions.
WXEC_CPPFLAGS = --target=wasm32-wasi -I$(WXEC_INCLUDE)
WXEC_CFLAGS = -std=gnu11 -Os -Wall -Wextra -Wpedantic
WXEC_CXXFLAGS = -std=gnu++17 -fno-exceptions -Os -Wall -Wextra -Wpedantic
WXEC_HEADERS = $(wildcard $(WXEC_INCLUDE)/*)

build/%.wasm: %.c $(WXEC_HEADERS)
	@mkdir -p build
	$(WXEC_CC) $(WXEC_CPPFLAGS) $(CPPFLAGS) $(WXEC_CFLAGS) $(CFLAGS) $(WXEC_LDFLAGS) $(LDFLAGS) -o $@ $< $(filter %.o,$^)

build/%.wasm: %.cpp $(WXEC_HEADERS)
	@mkdir -p build
	$(WXEC_CXX) $(WXEC_CPPFLAGS) $(CPPFLAGS) $(WXEC_CXXFLAGS) $(CXXFLAGS) $(WXEC_LDFLAGS) $(LDFLAGS) -o $@ $< $(filter %.o,$^)

build/%.o: %.c $(WXEC_HEADERS)
	@mkdir -p build
	$(WXEC_CC) $(WXEC_CPPFLAGS) $(CPPFLAGS) $(WXEC_CFLAGS) $(CFLAGS) -c -o $@ $<

.PHONY: clean
clean:
	rm -rf build
