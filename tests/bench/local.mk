# files of tests/bench
