# turnserver: the machines, what servers share, and the program around them.

sbin_PROGRAMS += turnserver/turnserver
turnserver_turnserver_SOURCES = \
	turnserver/installation.h \
	turnserver/main.c \
	turnserver/make_key.c turnserver/make_key.h \
	turnserver/options.c turnserver/options.h \
	turnserver/password.c turnserver/password.h \
	turnserver/service.c turnserver/service.h turnserver/service_internal.h \
	turnserver/service_reload.c \
	turnserver/try.c turnserver/try.h turnserver/try_state.c turnserver/try_text.c \
	turnserver/user_command.c turnserver/user_command.h
nodist_turnserver_turnserver_SOURCES = turnserver/installation.c
turnserver_turnserver_CFLAGS = $(AM_CFLAGS) $(OPENSSL_CFLAGS) $(LIBCONFIG_CFLAGS) $(LIBEVENT_CFLAGS) -pthread
turnserver_turnserver_LDADD = \
	turnserver/librendezvousservice.la turnserver/librendezvous.la turnserver/libworker.la turnserver/libsettings.la turnserver/libops.la \
	turnserver/libusers.la turnserver/libcluster.la turnserver/libturn.la turnserver/libdatapath.la \
	src/libnet.la src/libbase.la src/libcodec.la \
	$(LIBCONFIG_LIBS) $(LIBEVENT_LIBS) $(OPENSSL_LIBS) $(LIBCRYPTO_LIBS) $(SYSTEMD_LIBS)

dist_doc_DATA += docs/rendezvous.md docs/rendezvous.schema.json

EXTRA_DIST += turnserver/installation.c.in
CLEANFILES += turnserver/installation.c
turnserver/installation.c: $(srcdir)/turnserver/installation.c.in Makefile
	$(AM_V_GEN)$(MKDIR_P) turnserver && \
	sed -e 's|@sysconfdir[@]|$(sysconfdir)|g' -e 's|@VERSION[@]|$(PACKAGE_VERSION)|g' \
		$(srcdir)/turnserver/installation.c.in >$@.new && mv $@.new $@

# The machines: packets and time in, packets and events out. No socket, clock, thread or event here.
noinst_LTLIBRARIES += turnserver/libturn.la
turnserver_libturn_la_SOURCES = \
	turnserver/auth/auth.c turnserver/auth/auth.h turnserver/auth/auth_internal.h \
	turnserver/auth/claim.c turnserver/auth/claim.h \
	turnserver/auth/digests.c turnserver/auth/digests.h \
	turnserver/auth/holder.c turnserver/auth/holder.h \
	turnserver/auth/issue.c \
	turnserver/auth/lookup.c turnserver/auth/lookup.h \
	turnserver/auth/nonce.c turnserver/auth/nonce.h \
	turnserver/auth/opaque_string.c turnserver/auth/opaque_string.h \
	turnserver/auth/policy.c turnserver/auth/policy.h \
	turnserver/auth/realms.c \
	turnserver/auth/rest.c turnserver/auth/rest.h \
	turnserver/auth/token.c turnserver/auth/token.h \
	turnserver/auth/user_table.c turnserver/auth/user_table.h \
	turnserver/turn/account.c turnserver/turn/account.h \
	turnserver/turn/allocate.c \
	turnserver/turn/allocation.c turnserver/turn/allocation.h \
	turnserver/turn/bandwidth.h \
	turnserver/turn/binding.c \
	turnserver/turn/channel.c \
	turnserver/turn/channel_table.c turnserver/turn/channel_table.h \
	turnserver/turn/connect.c \
	turnserver/turn/connection_bind.c \
	turnserver/turn/deferred.c turnserver/turn/deferred.h \
	turnserver/turn/event_queue.c turnserver/turn/event_queue.h \
	turnserver/turn/handover.c \
	turnserver/turn/icmp.c \
	turnserver/turn/mobility.c turnserver/turn/mobility.h \
	turnserver/turn/parking.c turnserver/turn/parking.h \
	turnserver/turn/peer_rules.c turnserver/turn/peer_rules.h \
	turnserver/turn/permission.c \
	turnserver/turn/permission_table.c turnserver/turn/permission_table.h \
	turnserver/turn/port_pool.c turnserver/turn/port_pool.h \
	turnserver/turn/redirect.c \
	turnserver/turn/refresh.c \
	turnserver/turn/relay.c \
	turnserver/turn/reply.c \
	turnserver/turn/reservation.c turnserver/turn/reservation.h \
	turnserver/turn/send.c \
	turnserver/turn/server.c \
	turnserver/turn/shared_port.c turnserver/turn/shared_port.h \
	turnserver/turn/special_ranges.c turnserver/turn/special_ranges.h \
	turnserver/turn/tcp_connection.c turnserver/turn/tcp_connection.h \
	turnserver/turn/turn.h turnserver/turn/turn_internal.h
turnserver_libturn_la_CFLAGS = $(AM_CFLAGS) $(LIBCRYPTO_CFLAGS)

noinst_LTLIBRARIES += turnserver/librendezvous.la
turnserver_librendezvous_la_SOURCES = \
	turnserver/rendezvous/account.c \
	turnserver/rendezvous/call.c \
	turnserver/rendezvous/connection.c \
	turnserver/rendezvous/credentials.c \
	turnserver/rendezvous/events.c \
	turnserver/rendezvous/hello.c \
	turnserver/rendezvous/output.c \
	turnserver/rendezvous/rendezvous.c \
	turnserver/rendezvous/rendezvous.h turnserver/rendezvous/rendezvous_internal.h \
	turnserver/rendezvous/session.c

# What several workers or servers share.
noinst_LTLIBRARIES += turnserver/libcluster.la
turnserver_libcluster_la_SOURCES = \
	turnserver/cluster/local_bandwidth.c turnserver/cluster/local_bandwidth.h \
	turnserver/cluster/local_quota.c turnserver/cluster/local_quota.h
turnserver_libcluster_la_CFLAGS = $(AM_CFLAGS) $(LIBCRYPTO_CFLAGS) -pthread

# Users who are kept elsewhere: a thread, and what is behind it.
noinst_LTLIBRARIES += turnserver/libusers.la
turnserver_libusers_la_SOURCES = \
	turnserver/users/origin_table.c turnserver/users/origin_table.h \
	turnserver/users/sqlite_backend.c \
	turnserver/users/user_backend.h \
	turnserver/users/user_database.h \
	turnserver/users/user_source.c turnserver/users/user_source.h
if HAVE_SQLITE
turnserver_libusers_la_SOURCES += turnserver/users/user_database_sqlite.c
else
turnserver_libusers_la_SOURCES += turnserver/users/user_database_absent.c
endif
if HAVE_HIREDIS
turnserver_libusers_la_SOURCES += turnserver/users/redis_backend.c
else
turnserver_libusers_la_SOURCES += turnserver/users/redis_absent.c
endif
turnserver_libusers_la_CFLAGS = $(AM_CFLAGS) $(LIBEVENT_CFLAGS) $(LIBCRYPTO_CFLAGS) \
	$(SQLITE_CFLAGS) $(HIREDIS_CFLAGS) -pthread
turnserver_libusers_la_LIBADD = $(SQLITE_LIBS) $(HIREDIS_LIBS) $(LIBCRYPTO_LIBS)

# How packets enter and leave: the shell around the machines.
noinst_LTLIBRARIES += turnserver/libdatapath.la
turnserver_libdatapath_la_SOURCES = \
	turnserver/datapath/datapath.h \
	turnserver/datapath/link_scopes.h \
	turnserver/datapath/packet_ring.c turnserver/datapath/packet_ring.h \
	turnserver/datapath/socket.c \
	turnserver/datapath/socket_batch.c turnserver/datapath/socket_batch.h \
	turnserver/datapath/socket_slots.c turnserver/datapath/socket_slots.h
turnserver_libdatapath_la_CFLAGS = $(AM_CFLAGS) $(LIBEVENT_CFLAGS)

# The configuration: file -> text -> syntax -> draft -> boot and policy.
noinst_LTLIBRARIES += turnserver/libsettings.la
turnserver_libsettings_la_SOURCES = \
	turnserver/config.c turnserver/config.h \
	turnserver/config_auth.c \
	turnserver/config_boot.c turnserver/config_build.h \
	turnserver/config_certificate.c turnserver/config_certificate.h \
	turnserver/config_draft.c \
	turnserver/config_host.c turnserver/config_host.h \
	turnserver/config_keys.c turnserver/config_keys.h \
	turnserver/config_listener.c \
	turnserver/config_nat_behavior.c \
	turnserver/config_oauth.c \
	turnserver/config_policy.c \
	turnserver/config_read.c \
	turnserver/config_rendezvous.c \
	turnserver/config_report.c turnserver/config_report.h \
	turnserver/config_syntax.c turnserver/config_syntax.h \
	turnserver/config_text.c turnserver/config_text.h \
	turnserver/config_tls.c \
	turnserver/dns_records.c turnserver/dns_records.h
turnserver_libsettings_la_CFLAGS = $(AM_CFLAGS) $(LIBCONFIG_CFLAGS) $(OPENSSL_CFLAGS)
turnserver_libsettings_la_LIBADD = $(LIBCONFIG_LIBS) $(OPENSSL_LIBS)

# A worker: the loop that knows every step of a packet.
noinst_LTLIBRARIES += turnserver/libworker.la
turnserver_libworker_la_SOURCES = \
	turnserver/listener.c turnserver/listener.h \
	turnserver/streams.c turnserver/streams.h \
	turnserver/tcp_relay.c turnserver/tcp_relay.h \
	turnserver/tcp_sockets.c turnserver/tcp_sockets.h \
	turnserver/worker.c turnserver/worker.h turnserver/worker_internal.h \
	turnserver/worker_mail.c
turnserver_libworker_la_CFLAGS = $(AM_CFLAGS) $(LIBEVENT_CFLAGS) -pthread

# The rendezvous service: a thread beside the workers.
noinst_LTLIBRARIES += turnserver/librendezvousservice.la
turnserver_librendezvousservice_la_SOURCES = \
	turnserver/ops/rendezvous_events.c turnserver/ops/rendezvous_events.h \
	turnserver/rendezvous_http.c \
	turnserver/rendezvous_link.c \
	turnserver/rendezvous_service.c turnserver/rendezvous_service.h \
	turnserver/rendezvous_service_internal.h
turnserver_librendezvousservice_la_CFLAGS = $(AM_CFLAGS) $(LIBEVENT_CFLAGS) $(OPENSSL_CFLAGS) -pthread

# Log lines, readiness, privileges.
noinst_LTLIBRARIES += turnserver/libops.la
turnserver_libops_la_SOURCES = \
	turnserver/ops/counters.h \
	turnserver/ops/events.c turnserver/ops/events.h \
	turnserver/ops/notify.h \
	turnserver/priv/drop.c turnserver/priv/drop.h \
	turnserver/priv/monitor.c turnserver/priv/monitor.h \
	turnserver/priv/trusted_open.c turnserver/priv/trusted_open.h
if HAVE_SYSTEMD
turnserver_libops_la_SOURCES += turnserver/ops/notify_systemd.c
else
turnserver_libops_la_SOURCES += turnserver/ops/notify_absent.c
endif
turnserver_libops_la_CFLAGS = $(AM_CFLAGS) $(SYSTEMD_CFLAGS)
turnserver_libops_la_LIBADD = $(SYSTEMD_LIBS)
