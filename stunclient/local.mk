# bin_PROGRAMS += stunclient/stunclient
