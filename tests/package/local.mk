# Run by `./dev test`: they use the build from outside.
EXTRA_DIST += \
	tests/package/lint.py \
	tests/package/test_distcheck.py \
	tests/package/test_install.py \
	tests/package/test_systemd.py \
	tests/package/test_try.py
