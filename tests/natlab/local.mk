# The NAT lab needs namespaces: `./dev test natlab`.
EXTRA_DIST += \
	tests/natlab/capture.py \
	tests/natlab/calls.py \
	tests/natlab/delay.py \
	tests/natlab/demo.py \
	tests/natlab/lab.py \
	tests/natlab/nats.py \
	tests/natlab/probe.py \
	tests/natlab/stun_server.py \
	tests/natlab/test_calls.py \
	tests/natlab/test_demo.py \
	tests/natlab/test_models.py \
	tests/natlab/test_nat_types.py
