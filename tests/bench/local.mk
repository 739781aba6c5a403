# files of tests/bench

# Benchmarks are built when asked for: make tests/bench/bench_stun, or ./dev bench.
EXTRA_PROGRAMS += tests/bench/bench_relay tests/bench/bench_stun tests/bench/bench_turn
CLEANFILES += tests/bench/bench_relay tests/bench/bench_stun tests/bench/bench_turn

# What a relayed packet costs a server.
tests_bench_bench_relay_SOURCES = tests/bench/bench_relay.c
tests_bench_bench_relay_LDADD = src/libcodec.la src/libbase.la

if HOST_X86
bench_cycles = tests/bench/cycles.h tests/bench/cycles_x86.c
else
bench_cycles = tests/bench/cycles.h tests/bench/cycles_absent.c
endif

tests_bench_bench_stun_SOURCES = tests/bench/bench_stun.c $(bench_cycles)
tests_bench_bench_stun_LDADD = src/libcodec.la

# What the TURN machine costs without sockets.
tests_bench_bench_turn_SOURCES = tests/bench/bench_turn.c
tests_bench_bench_turn_LDADD = $(TURN_SHELL_LIBS)

# Everything that is measured, on a quiet machine: times are no tests.
.PHONY: bench
bench: tests/bench/bench_relay tests/bench/bench_stun tests/bench/bench_turn all
	tests/bench/bench_stun
	tests/bench/bench_turn
	$(AM_TESTS_ENVIRONMENT) python3 -B $(top_srcdir)/tests/bench/run_relay.py
EXTRA_DIST += tests/bench/run_data_channel.py
EXTRA_DIST += tests/bench/run_memory.py tests/bench/run_relay.py
EXTRA_DIST += tests/bench/run_rendezvous.py
