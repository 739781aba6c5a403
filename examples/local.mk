# What others may copy from.
EXTRA_DIST += \
	examples/browser/call.html \
	examples/browser/postern.js
