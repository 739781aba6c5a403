# One cmocka program a module: tests/unit/test_X.c. Each has one group, since its output is TAP.
UNIT_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
UNIT_LIBS = src/libcodec.la $(CMOCKA_LIBS)
