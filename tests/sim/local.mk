# files of tests/sim

# ---- turn machine -----------------------------------------------------------------------------
check_LTLIBRARIES += tests/sim/libturnshell.la
tests_sim_libturnshell_la_SOURCES = tests/sim/turn_shell.c tests/sim/turn_shell.h tests/unit/seeded.h

# ---- client machines in simulated networks, on virtual time ------------------------------------
SIM_LIBS = src/libproto.la src/libbase.la src/libcodec.la $(CMOCKA_LIBS)
SIM_NAT_WORLD = tests/sim/nat_world.c tests/sim/nat_world.h

unit_tests += tests/sim/sim_nat_probe
tests_sim_sim_nat_probe_SOURCES = tests/sim/sim_nat_probe.c $(SIM_NAT_WORLD)
tests_sim_sim_nat_probe_CFLAGS = $(UNIT_CFLAGS)
tests_sim_sim_nat_probe_LDADD = $(SIM_LIBS)

check_PROGRAMS += tests/sim/sim_turn
TESTS += tests/sim/sim_turn
tests_sim_sim_turn_SOURCES = tests/sim/sim_turn.c tests/sim/turn_model.c tests/sim/turn_model.h
tests_sim_sim_turn_LDADD = $(TURN_SHELL_LIBS)

unit_tests += tests/sim/sim_nat_extras
tests_sim_sim_nat_extras_SOURCES = tests/sim/sim_nat_extras.c $(SIM_NAT_WORLD)
tests_sim_sim_nat_extras_CFLAGS = $(UNIT_CFLAGS)
tests_sim_sim_nat_extras_LDADD = $(SIM_LIBS)

unit_tests += tests/sim/sim_turn_test
tests_sim_sim_turn_test_CFLAGS = $(UNIT_CFLAGS)
tests_sim_sim_turn_test_LDADD = tests/sim/libturnshell.la turnserver/libturn.la \
	stunclient/libstunclient.la $(SIM_LIBS)

# ---- two ICE agents, NATs, and our TURN server ---------------------------------------------------
check_LTLIBRARIES += tests/sim/libiceworld.la
tests_sim_libiceworld_la_SOURCES = \
	tests/sim/ice_box.c tests/sim/ice_box.h \
	tests/sim/ice_call.c tests/sim/ice_call.h \
	tests/sim/ice_kinds.c tests/sim/ice_kinds.h \
	tests/sim/ice_world.c tests/sim/ice_world.h tests/sim/ice_world_events.c \
	tests/sim/ice_world_host.c tests/sim/ice_world_internal.h tests/sim/ice_world_network.c
SIM_ICE_LIBS = tests/sim/libiceworld.la tests/sim/libturnshell.la turnserver/libturn.la \
	src/libproto.la src/libwire.la src/libbase.la src/libcodec.la

check_PROGRAMS += tests/sim/sim_ice
TESTS += tests/sim/sim_ice
tests_sim_sim_ice_LDADD = $(SIM_ICE_LIBS)

unit_tests += tests/sim/sim_ice_scenarios
tests_sim_sim_ice_scenarios_CFLAGS = $(UNIT_CFLAGS)
tests_sim_sim_ice_scenarios_LDADD = $(SIM_ICE_LIBS) $(CMOCKA_LIBS)

unit_tests += tests/sim/sim_ice_faults
tests_sim_sim_ice_faults_CFLAGS = $(UNIT_CFLAGS)
tests_sim_sim_ice_faults_LDADD = $(SIM_ICE_LIBS) $(CMOCKA_LIBS)

unit_tests += tests/sim/sim_ice_time
tests_sim_sim_ice_time_CFLAGS = $(UNIT_CFLAGS)
tests_sim_sim_ice_time_LDADD = $(SIM_ICE_LIBS) $(CMOCKA_LIBS)
