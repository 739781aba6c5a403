# Tests speak TAP. Unit tests are cmocka programs; the rest are Python scripts (tests/lib/tap.py).
# `make check`: unit, simulation, corpus and loopback tests. What needs namespaces, a browser or
# foreign peers is run by `./dev test`.

TEST_EXTENSIONS = .py .sh
TAP_DRIVER = env AM_TAP_AWK='$(AWK)' $(SHELL) $(top_srcdir)/build-aux/tap-driver.sh
LOG_DRIVER = $(TAP_DRIVER)
PY_LOG_DRIVER = $(TAP_DRIVER)
SH_LOG_DRIVER = $(TAP_DRIVER)
# What a program says on standard error, a sanitizer for one, belongs into its log.
AM_LOG_DRIVER_FLAGS = --merge
AM_PY_LOG_DRIVER_FLAGS = --merge
AM_SH_LOG_DRIVER_FLAGS = --merge
PY_LOG_COMPILER = python3 -B
SH_LOG_COMPILER = $(SHELL)
AM_TESTS_ENVIRONMENT = \
	CMOCKA_MESSAGE_OUTPUT=TAP; export CMOCKA_MESSAGE_OUTPUT; \
	PYTHONPATH=$(abs_top_srcdir)/tests/lib; export PYTHONPATH; \
	POSTERN_SOURCE=$(abs_top_srcdir); export POSTERN_SOURCE; \
	POSTERN_BUILD=$(abs_top_builddir); export POSTERN_BUILD;

unit_tests =

include tests/lib/local.mk
include tests/interop/local.mk
include tests/natlab/local.mk
include tests/package/local.mk
include tests/unit/local.mk
include tests/sim/local.mk
include tests/fuzz/local.mk
include tests/e2e/local.mk
include tests/bench/local.mk

if HAVE_CMOCKA
check_PROGRAMS += $(unit_tests)
TESTS += $(unit_tests)
endif
