# files of tests/sim
