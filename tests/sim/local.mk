# files of tests/sim

# ---- turn machine -----------------------------------------------------------------------------
check_LTLIBRARIES += tests/sim/libturnshell.la
tests_sim_libturnshell_la_SOURCES = tests/sim/turn_shell.c tests/sim/turn_shell.h tests/unit/seeded.h
