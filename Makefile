# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Builds kvmscope. Files are found by wildcard: a new domain, command or test needs no edit here.
# `make help` lists the targets.

SHELL := /bin/bash
.DELETE_ON_ERROR:
.SECONDARY:
.DEFAULT_GOAL := all

NATIVE  := $(patsubst aarch64,arm64,$(patsubst x86_64,x86,$(shell uname -m)))
ARCH    ?= $(NATIVE)
ifeq ($(origin CC),default) # make's own, cc, is not everywhere
  CC := gcc
endif
CLANG   ?= clang
BPFTOOL ?= bpftool
V       ?= 0
B       ?= build$(if $(filter-out $(NATIVE),$(ARCH)),/$(ARCH))

TRIPLET_x86   := x86_64-linux-gnu
TRIPLET_arm64 := aarch64-linux-gnu
TRIPLET       := $(TRIPLET_$(ARCH))

prefix      ?= /usr/local
sbindir     ?= $(prefix)/sbin
mandir      ?= $(prefix)/share/man
datadir     ?= $(prefix)/share
# where kvmscoped looks, whatever the prefix; the unit tells it of another place
sysconfdir  ?= /etc
unitdir     ?= $(prefix)/lib/systemd/system
sysusersdir ?= $(prefix)/lib/sysusers.d
completions ?= $(prefix)/share/bash-completion/completions

VERSION := $(shell sed -n 's/^## \[\([0-9][^]]*\)\].*/\1/p' CHANGELOG.md | head -n 1)

ifeq ($(V),0)
  Q = @
  say = @printf '  %-8s %s\n' '$(1)' '$(patsubst $(B)/%,%,$@)'
endif

# bpftool's Debian package lives in /usr/sbin
export PATH := $(PATH):/usr/sbin:/sbin

# `make ARCH=arm64` elsewhere: clang makes code for any machine, and what it needs of that one, Debian's
# packages have. They are unpacked once, into a cache.
ifneq ($(ARCH),$(NATIVE))
  SYSROOT_PACKAGES := $(filter %-dev,$(shell packaging/install-deps --list build)) \
                      libgcc-12-dev libcmocka-dev busybox-static iproute2
  SYSROOT ?= $(shell packaging/debian-tree bookworm $(ARCH) $(SYSROOT_PACKAGES))
  ifeq ($(SYSROOT),)
    $(error there is nothing to build for $(ARCH) against)
  endif
  CC         := $(CLANG) --target=$(TRIPLET) --sysroot=$(SYSROOT)
  LDFLAGS    += -fuse-ld=lld
  PKG_CONFIG := PKG_CONFIG_LIBDIR=$(SYSROOT)/usr/lib/$(TRIPLET)/pkgconfig \
                PKG_CONFIG_SYSROOT_DIR=$(SYSROOT) pkg-config
else
  PKG_CONFIG := pkg-config
endif

BPF_SRCS   := $(sort $(wildcard bpf/*.bpf.c))
BPF_OBJS   := $(BPF_SRCS:bpf/%.c=$(B)/bpf/%.o)
LIB_SRCS   := $(sort $(wildcard src/*.c))
PROTO      := $(B)/prometheus.pb-c
LIB_OBJS   := $(LIB_SRCS:src/%.c=$(B)/src/%.o)
# What kvmscoped alone uses, by the libraries that it includes
DAEMON_LIB := $(patsubst src/%.c,$(B)/src/%.o,$(shell grep -lE '<(microhttpd|zlib)\.h>|pb-c\.h' $(LIB_SRCS))) \
              $(PROTO).o
# Domains register themselves: they are linked as objects. Of the rest each program takes what it uses.
LIB        := $(filter $(B)/src/domain_%.o,$(LIB_OBJS)) $(B)/libkvmscope.a
# tools/NAME_*.c and tools/NAME.c are of the program NAME, all else in there is kvmscope's
TOOL_OBJS  := $(patsubst tools/%.c,$(B)/tools/%.o,$(sort $(wildcard tools/*.c)))
DAEMON_OBJS := $(filter $(B)/tools/kvmscoped.o $(B)/tools/kvmscoped_%.o,$(TOOL_OBJS))
CLI_OBJS   := $(filter-out $(DAEMON_OBJS),$(TOOL_OBJS))
UNIT_TESTS := $(patsubst tests/unit/%.c,$(B)/tests/unit/%,$(sort $(wildcard tests/unit/test_*.c)))
FUZZERS    := $(patsubst tests/unit/%.c,$(B)/tests/unit/%,$(sort $(wildcard tests/unit/fuzz_*.c)))
SKEL       := $(B)/kvmscope.skel.h

WERROR   ?= -Werror
WARN     := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
            -Wformat=2 -Wno-unused-parameter $(WERROR)
LIBS     := libbpf json-c expat libcap-ng
DAEMON_LIBS := libmicrohttpd libprotobuf-c zlib libsystemd
CPPFLAGS += -D_GNU_SOURCE -DKVMSCOPE_VERSION='"$(VERSION)"' -Iinclude -iquote src -iquote $(B)
CFLAGS   ?= -O2 -g
CFLAGS   += -std=gnu17 $(WARN) -ffile-prefix-map=$(CURDIR)=.
LDFLAGS  += -Wl,--as-needed
LDLIBS   += $(shell $(PKG_CONFIG) --libs $(LIBS) 2>/dev/null)
DAEMON_LDLIBS := $(LDLIBS) $(shell $(PKG_CONFIG) --libs $(DAEMON_LIBS) 2>/dev/null) -lm
BPFFLAGS := -g -O2 -target bpf -mcpu=v3 -D__TARGET_ARCH_$(ARCH) -Ivmlinux/$(ARCH) -Iinclude \
            $(addprefix --sysroot=,$(SYSROOT)) -I$(SYSROOT)/usr/include/$(TRIPLET) \
            -Wall -Wextra -Wno-unused-parameter -Werror

SUDO := $(if $(filter-out 0,$(shell id -u)),sudo,)

.PHONY: all check check-bpf check-live check-kernels record-verifier record-kernels bench static install deb demo test help clean sysroot test-programs sanitized unit-tests check-toolchains check-packages \
        deps-build deps-deb deps-test

all: $(B)/kvmscope $(B)/kvmscoped ## build/kvmscope, build/kvmscoped

# --- kernel side: every domain one object, linked to one, wrapped in one skeleton

$(B)/bpf/%.bpf.o: bpf/%.bpf.c | $(B)/bpf
	$(call say,BPF)
	$(Q)$(CLANG) $(BPFFLAGS) -MMD -MP -c $< -o $@

$(B)/kvmscope.bpf.o: $(BPF_OBJS)
	$(call say,BPFLINK)
	$(Q)$(BPFTOOL) gen object $@ $^

$(SKEL): $(B)/kvmscope.bpf.o
	$(call say,SKEL)
	$(Q)$(BPFTOOL) gen skeleton $< name kvmscope_bpf > $@

# --- user space

$(B)/src/%.o: src/%.c | $(B)/src
	$(call say,CC)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

$(B)/src/session.o $(B)/src/session_maps.o: $(SKEL)

$(PROTO).c: src/prometheus.proto | $(B)/src
	$(call say,PROTO)
	$(Q)protoc-c --proto_path=src --c_out=$(B) $<

$(PROTO).h: $(PROTO).c ;

$(B)/%.pb-c.o: $(B)/%.pb-c.c
	$(call say,CC)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -c $< -o $@

$(B)/src/sink_protobuf.o $(B)/fuzz/sink_protobuf.o: $(PROTO).h

$(B)/tools/%.o: tools/%.c | $(B)/tools
	$(call say,CC)
	$(Q)$(CC) $(CPPFLAGS) -iquote tools $(CFLAGS) -MMD -MP -c $< -o $@

$(B)/libkvmscope.a: $(filter-out $(B)/src/domain_%.o $(DAEMON_LIB),$(LIB_OBJS))
	$(call say,AR)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(B)/kvmscope: $(CLI_OBJS) $(LIB)
	$(call say,LINK)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ $(LDLIBS) -o $@

$(B)/kvmscoped: $(DAEMON_OBJS) $(DAEMON_LIB) $(LIB)
	$(call say,LINK)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ $(DAEMON_LDLIBS) -o $@

# The dynamic objects again, linked with static libraries: one file for any host of that architecture.
# GNU's linker warns of functions that look up users; they are libcap-ng's, and never called.
QUIET_LD := $(shell $(CC) -Wl,--help 2>/dev/null | grep -q -e --no-warnings && echo -Wl,--no-warnings)
static: $(B)/static/kvmscope ## build/static/kvmscope: one file for any host
$(B)/static/kvmscope: $(CLI_OBJS) $(LIB) | $(B)/static
	$(call say,LINK)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -static $(QUIET_LD) $^ \
		$(shell $(PKG_CONFIG) --static --libs $(LIBS)) -o $@

# --- tests

$(B)/tests/unit/test_%: tests/unit/test_%.c $(DAEMON_LIB) $(LIB) | $(B)/tests/unit
	$(call say,TEST)
	$(Q)$(CC) $(CPPFLAGS) -iquote tests/unit $(CFLAGS) -MMD -MP $< $(DAEMON_LIB) $(LIB) $(LDFLAGS) $(DAEMON_LDLIBS) -lcmocka -o $@

FUZZFLAGS := -std=gnu17 -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined
$(B)/fuzz/%.o: src/%.c | $(B)/fuzz
	$(call say,CC)
	$(Q)$(CLANG) $(CPPFLAGS) -MMD -MP -std=gnu17 -O1 -g -fsanitize=fuzzer-no-link,address,undefined -c $< -o $@
$(B)/fuzz/session.o $(B)/fuzz/session_maps.o: $(SKEL)
$(B)/tests/unit/fuzz_%: tests/unit/fuzz_%.c $(LIB_SRCS:src/%.c=$(B)/fuzz/%.o) $(PROTO).o | $(B)/tests/unit
	$(call say,FUZZ)
	$(Q)$(CLANG) $(CPPFLAGS) -iquote tests/unit -MMD -MP $(FUZZFLAGS) $< $(filter %.o,$^) $(LDFLAGS) $(DAEMON_LDLIBS) -o $@

GUEST_SRCS := $(sort $(wildcard tests/guest/*.c tests/guest/$(ARCH)/*.c tests/guest/$(ARCH)/*.S))
$(B)/tests/kvmguest: $(GUEST_SRCS) $(wildcard tests/guest/*.h tests/guest/$(ARCH)/*.h) | $(B)/tests
	$(call say,GUEST)
	$(Q)$(CC) -O2 -g -Wall -Wextra -Wno-unused-parameter -Itests/guest/$(ARCH) $(LDFLAGS) -static -pthread $(GUEST_SRCS) -o $@

NESTED_SRCS := $(sort $(wildcard tests/guest/nested/*.c tests/guest/nested/*.S))
$(B)/tests/nestedguest: $(NESTED_SRCS) $(wildcard tests/guest/nested/*.h) | $(B)/tests
	$(call say,GUEST)
	$(Q)$(CC) -O2 -g -Wall -Wextra -static -pthread $(NESTED_SRCS) -o $@

GUEST := $(B)/tests/kvmguest
GUESTS := $(GUEST) $(if $(filter x86,$(ARCH)),$(B)/tests/nestedguest)

BPF_TESTS := $(B)/tests/bpf_tests
$(BPF_TESTS): $(sort $(wildcard tests/bpf/*.c)) $(B)/libkvmscope.a $(wildcard tests/bpf/*.h include/kvmscope/*) | $(B)/tests
	$(call say,TEST)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(filter %.c %.a,$^) $(LDFLAGS) $(LDLIBS) -lcmocka -o $@

# The unit tests again, with each access to memory and each operation looked at. The instrumented code
# misleads gcc's warnings: those are for the build without.
sanitized: # build/sanitized/tests/unit
	$(Q)CFLAGS='-O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined' \
		$(MAKE) --no-print-directory B=$(B)/sanitized WERROR=-w unit-tests

unit-tests: $(UNIT_TESTS)

check-toolchains: ## all with the compilers of Debian 12 and 13; network for the first time
	$(Q)tests/run toolchains $(B)

check-packages: ## make deb, clean by lintian
	$(Q)tests/run packages $(B)

check: all $(UNIT_TESTS) sanitized $(FUZZERS) ## unit tests and a few seconds of fuzzing; no root
	$(Q)tests/run unit $(B)

check-bpf: all $(BPF_TESTS) ## loads every program on this kernel; root
	$(Q)$(SUDO) tests/run bpf $(B)

check-live: all $(GUEST) ## real VMs on this machine's kernel; root
	$(Q)$(SUDO) tests/run live $(B)

test-programs: static $(GUESTS) $(BPF_TESTS) # what tests/kernels takes into a kernel

check-kernels: all test-programs ## real VMs on other kernels in QEMU; KERNELS="6.1 6.12"
	$(Q)KERNELS="$(KERNELS)" tests/run kernels $(B)

record-verifier: test-programs ## renews tests/kernels/verifier.tsv: the programs' cost to load
	$(Q)$(MAKE) --no-print-directory ARCH=arm64 B=$(B)/arm64 test-programs
	$(Q)tests/kernels/verifier record $(B) $(KERNELS)

record-kernels: # renews README's table of kernels, from what the last check-kernels has left
	$(Q)tests/kernels/support write $(B)/kernels.tsv

BENCH := $(addprefix $(B)/bench/,floor.bpf.o attach sink soak switches blktrace-kernel)

$(B)/bench/%.bpf.o: tests/bench/%.bpf.c | $(B)/bench
	$(call say,BPF)
	$(Q)$(CLANG) $(BPFFLAGS) -c $< -o $@

$(B)/bench/fleet: tests/bench/fleet.c $(DAEMON_LIB) $(LIB) | $(B)/bench
	$(call say,CC)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(filter %.c %.o %.a,$^) $(LDFLAGS) $(DAEMON_LDLIBS) -o $@

$(B)/bench/%: tests/bench/%.c | $(B)/bench
	$(call say,CC)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $< -Wl,--as-needed -lbpf -o $@

bench: all static $(GUEST) $(BENCH) ## what an event costs, in instructions, beside its peers
	$(Q)tests/bench/run $(B)
	$(Q)tests/bench/net $(B)

test: deps-test ## installs what the tests need, builds, runs them all
	$(Q)$(MAKE) --no-print-directory -j2 all static $(GUESTS) $(BPF_TESTS) $(UNIT_TESTS) sanitized $(FUZZERS)
	$(Q)tests/run all $(B)

demo: deps-build ## installs what the build needs, builds, traces this host's VMs and a demo VM
	$(Q)$(MAKE) --no-print-directory -j2 all $(GUEST)
	$(Q)tests/demo $(B)

deps-build deps-deb deps-test:
	$(Q)packaging/install-deps $(@:deps-%=%)

config = $(sysconfdir)/kvmscope/kvmscoped.conf
install: all ## DESTDIR, prefix, sysconfdir; an existing configuration stays
	install -D -m 755 $(B)/kvmscope $(DESTDIR)$(sbindir)/kvmscope
	install -D -m 755 $(B)/kvmscoped $(DESTDIR)$(sbindir)/kvmscoped
	install -D -m 644 -t $(DESTDIR)$(mandir)/man8 tools/kvmscope.8 tools/kvmscoped.8
	install -D -m 644 packaging/kvmscope.bash $(DESTDIR)$(completions)/kvmscope
	@if [ -e '$(DESTDIR)$(config)' ]; then \
		echo '$(DESTDIR)$(config) is kept as it is; packaging/kvmscoped.conf is what is new'; \
	else \
		set -x; install -D -m 644 packaging/kvmscoped.conf '$(DESTDIR)$(config)'; \
	fi
	install -d $(DESTDIR)$(unitdir)
	sed 's,/usr/sbin/kvmscoped,$(sbindir)/kvmscoped$(if $(filter /etc,$(sysconfdir)),, --config=$(config)),' \
		packaging/systemd/kvmscoped.service \
		>$(DESTDIR)$(unitdir)/kvmscoped.service
	install -m 644 -t $(DESTDIR)$(unitdir) packaging/systemd/kvmscoped.socket
	install -D -m 644 packaging/systemd/kvmscope.sysusers $(DESTDIR)$(sysusersdir)/kvmscope.conf
	install -D -m 644 -t $(DESTDIR)$(datadir)/kvmscope packaging/prometheus/kvmscope.rules.yml \
		packaging/grafana/kvmscope.json

sysroot: # for ARCH=arm64: where its libraries are
	@echo $(SYSROOT)

# Debian's tools want debian/ in the source: in a copy
deb: deps-deb ## build/deb/*.deb: packages kvmscope and kvmscoped, for this machine's architecture
	$(if $(filter-out $(NATIVE),$(ARCH)),$(error packages are made on a machine of their architecture))
	$(Q)packaging/deb $(B)/deb $(VERSION)

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

clean: ## removes build/
	rm -rf $(B)

$(B)/bpf $(B)/src $(B)/tools $(B)/static $(B)/tests $(B)/tests/unit $(B)/fuzz $(B)/bench:
	@mkdir -p $@

-include $(wildcard $(B)/bpf/*.d $(B)/src/*.d $(B)/tools/*.d $(B)/tests/unit/*.d $(B)/fuzz/*.d)
