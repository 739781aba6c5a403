# Systemd unit, sysusers, example configuration. Paths are written in by make, since only make knows
# what @sbindir@ and its like become (configure leaves ${prefix} in them).

exampledir = $(docdir)/examples
dist_example_DATA = dist/turnserver.conf

dist_sysusers_DATA = dist/postern.conf

EXTRA_DIST += dist/postern-turnserver.service.in
if INSTALL_UNIT
systemdsystemunit_DATA = dist/postern-turnserver.service
endif
CLEANFILES += dist/postern-turnserver.service
dist/postern-turnserver.service: $(srcdir)/dist/postern-turnserver.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) dist && \
	sed -e 's|@sbindir[@]|$(sbindir)|g' -e 's|@sysconfdir[@]|$(sysconfdir)|g' \
		$(srcdir)/dist/postern-turnserver.service.in >$@.new && mv $@.new $@

# A configuration that is there already is never touched, and one that was changed never removed.
configuration = $(DESTDIR)$(sysconfdir)/postern/turnserver.conf
install-data-hook:
	test -e '$(configuration)' || { \
		$(MKDIR_P) "$$(dirname '$(configuration)')" && \
		$(INSTALL_DATA) $(srcdir)/dist/turnserver.conf '$(configuration)'; }
uninstall-hook:
	if cmp -s $(srcdir)/dist/turnserver.conf '$(configuration)'; then rm -f '$(configuration)'; fi
