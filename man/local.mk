# man pages
dist_man_MANS += man/libpostern.3
