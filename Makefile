# SPDX-License-Identifier: ISC
# WSEmail: everything starts here (GNU make or BSD make).
#	make			builds
#	make deps		installs the packages that are missing (see packages)
#	make demo, demo-stop	two domains on this machine; ends them
#	make regress [T=unit]	the tests, or those below regress/unit
#	make soak [MINUTES=3]	load and faults for so long, an exact ledger
#	make bench		latencies, and under which conditions
#	make formal		the protocol's models, by the provers that are there
#	make fuzz [SECONDS=20]	libFuzzer on each target for so long (clang)
#	make lint		what CI asks of the sources and the manuals
#	make install [DESTDIR=], uninstall, dist, clean
# Flags, paths and the version are in Makefile.inc.

include Makefile.inc

SUBDIRS =	lib wsmtpd wsqueue wslocal wsattach wsplug plugins wsctl wsmail
TESTDIRS =	regress/unit regress/system
JOBS !=		getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1
T =
MINUTES =	3
SECONDS =	20

MAN1 =		man/wsmail.1
MAN3 =		man/wsplugin.3
MAN5 =		man/wsmtpd.conf.5 man/wsmtpd-users.5 man/wsemail-store.5 \
		man/wsemail-log.5
MAN7 =		man/wsemail.7 man/wsemail-reliability.7
MAN8 =		man/wsmtpd.8 man/wsqueue.8 man/wslocal.8 man/wsattach.8 man/wsctl.8 \
		man/wsctl-ca.8 man/wsplug.8 man/wsplugin-im.8 man/wsplugin-vacation.8 \
		man/wsplugin-limits.8 man/wsplugin-exec.8 \
		man/wsplugin-archive.8 man/wsplugin-filter.8
CHILDREN =	wsmtpd/wsmtpd-control wsmtpd/wsmtpd-frontend \
		wsmtpd/wsmtpd-soap wsmtpd/wsmtpd-keys wsmtpd/wsmtpd-relay \
		wsqueue/wsqueue wslocal/wslocal wsattach/wsattach \
		wsplug/wsplug

all: have-packages $(SUBDIRS)

# Says what to do instead of a page of compiler errors.
have-packages:
	@pkg-config --exists $(PKGS) libtls libxml-2.0 libcares 2>/dev/null || \
	    { echo "libraries are missing: run make deps" >&2; exit 1; }

$(SUBDIRS): have-packages
	@cd $@ && $(MAKE) all

wsmtpd wsqueue wslocal wsattach wsplug plugins wsctl wsmail $(TESTDIRS): lib
# Its tests start the programs and link parts of them.
wsctl: wsmtpd
$(TESTDIRS): have-packages wsmtpd wsqueue wslocal wsattach wsplug plugins wsctl \
    wsmail
	@cd $@ && $(MAKE) all

deps:
	@sh etc/deps.sh $(CI)

demo: deps
	@$(MAKE) all
	@sh etc/demo.sh start

demo-stop:
	@sh etc/demo.sh stop

regress: deps
	@$(MAKE) $(TESTDIRS)
	@sh regress/regress.sh -j $(JOBS) $(T)

soak: deps
	@$(MAKE) all
	@MINUTES=$(MINUTES) WS_TIMEOUT=0 sh regress/run.sh regress/soak.sh

# Each figure's conditions stand in its script.
bench: deps
	@$(MAKE) all
	@cd regress/system && $(MAKE) all
	@for b in regress/bench/*.sh; do sh regress/run.sh $$b || exit 1; done

# The model for eprover is among the tests, too; those for ProVerif and Coq,
# which most machines lack, are not.
formal:
	@sh regress/formal/formal.sh

fuzz:
	@cd regress/fuzz && $(MAKE) all
	@SECONDS_EACH=$(SECONDS) sh regress/fuzz/fuzz.sh

lint:
	@sh regress/lint.sh

install: all
	@DESTDIR='$(DESTDIR)' BINDIR='$(BINDIR)' SBINDIR='$(SBINDIR)' \
	    LIBEXECDIR='$(LIBEXECDIR)' MANDIR='$(MANDIR)' \
	    DATADIR='$(DATADIR)' SYSCONFDIR='$(SYSCONFDIR)' \
	    UNITDIR='$(UNITDIR)' SPOOLDIR='$(SPOOLDIR)' RUNDIR='$(RUNDIR)' \
	    CHILDREN='$(CHILDREN)' MAN='$(MAN1) $(MAN3) $(MAN5) $(MAN7) $(MAN8)' INCDIR='$(PREFIX)/include' \
	    sh etc/install.sh install

uninstall:
	@DESTDIR='$(DESTDIR)' BINDIR='$(BINDIR)' SBINDIR='$(SBINDIR)' \
	    LIBEXECDIR='$(LIBEXECDIR)' MANDIR='$(MANDIR)' \
	    DATADIR='$(DATADIR)' SYSCONFDIR='$(SYSCONFDIR)' \
	    UNITDIR='$(UNITDIR)' SPOOLDIR='$(SPOOLDIR)' RUNDIR='$(RUNDIR)' \
	    CHILDREN='$(CHILDREN)' MAN='$(MAN1) $(MAN3) $(MAN5) $(MAN7) $(MAN8)' INCDIR='$(PREFIX)/include' \
	    sh etc/install.sh uninstall

# A tarball of what git tracks.
dist:
	mkdir -p dist
	git archive --prefix=wsemail-$(VERSION)/ HEAD | \
	    gzip -9n >dist/wsemail-$(VERSION).tar.gz
	@echo dist/wsemail-$(VERSION).tar.gz

clean:
	@for d in $(SUBDIRS) $(TESTDIRS); do (cd $$d && $(MAKE) clean) || \
	    exit 1; done
	rm -f .flags .depend.mk

.PHONY: all have-packages deps demo demo-stop regress soak bench formal fuzz lint install uninstall \
	dist clean $(SUBDIRS) $(TESTDIRS)
