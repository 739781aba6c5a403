# man pages
dist_man_MANS += man/libpostern.3
dist_man_MANS += man/stunclient.1
dist_man_MANS += man/turnserver.8
dist_man_MANS += man/turnserver.conf.5
