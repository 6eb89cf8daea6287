# make help lists the targets.

OPENRESTY_PREFIX ?= /usr/local/openresty
ifneq ($(wildcard $(OPENRESTY_PREFIX)/nginx/sbin/nginx),)
LUA_LIB_DIR      ?= $(OPENRESTY_PREFIX)/site/lualib
LUA_CLIB_DIR     ?= $(LUA_LIB_DIR)
else ifeq ($(origin LUA_LIB_DIR),undefined)
# Where a stock nginx with lua-nginx-module looks without any directive.
LUA_LIB_DIR      := /usr/local/share/lua/5.1
LUA_CLIB_DIR     ?= /usr/local/lib/lua/5.1
else
LUA_CLIB_DIR     ?= $(LUA_LIB_DIR)
endif
PREFIX           ?= /usr/local
SBIN_DIR         ?= $(PREFIX)/sbin
MAN_DIR          ?= $(PREFIX)/share/man
BASH_DIR         ?= $(PREFIX)/share/bash-completion/completions
ZSH_DIR          ?= $(PREFIX)/share/zsh/site-functions
FISH_DIR         ?= $(PREFIX)/share/fish/vendor_completions.d
NGINX            ?= $(firstword $(wildcard $(OPENRESTY_PREFIX)/nginx/sbin/nginx) nginx)

CARGO            ?= cargo
INSTALL          ?= install
CORE             := target/release/libresty_vrrp_core.so
GUARD            := target/release/resty-vrrp-guard
CLI              := target/release/resty-vrrp
# Man pages and completions, which the program makes of its own arguments.
SHARE            := target/release/share
# Its time is that of the last build.
BUILT            := target/release/.built

# What packages are made of runs with every C library since that of RHEL 7 (2012), and so it is linked
# by zig. Both tools come from PyPI, by their hashes.
ARCHITECTURE     := $(shell uname -m)
PORTABLE         := target/$(ARCHITECTURE)-unknown-linux-gnu
GLIBC            := 2.17
TOOLS            := target/tools
PACKAGES         := target/packages

.PHONY: help build install uninstall portable deb rpm test-packages check lint test pictures demo bench packages clean

help: ## Show this list
	@sed -n 's/^\([a-z -]*\):.*## /\1	/p' $(MAKEFILE_LIST) | expand -t 16

build: ## Build the native library, the guard, and resty-vrrp with its man pages and completions (release)
	$(CARGO) build --release --locked -p resty-vrrp -p resty-vrrp-core
	$(CLI) generate $(SHARE)
	@touch $(BUILT)

install: ## Install what `make build` made, into LUA_LIB_DIR (Lua), LUA_CLIB_DIR (core.so, guard; the same unless given), SBIN_DIR and MAN_DIR
	@test -f $(BUILT) || { echo "there is nothing to install: run make build first, not as root"; exit 1; }
	@test -z "$$(find Cargo.toml Cargo.lock src -newer $(BUILT) -type f)" || \
		echo "warning: sources have changed since make build: what it made then is installed"
	$(INSTALL) -d $(DESTDIR)$(LUA_LIB_DIR)/resty/vrrp $(DESTDIR)$(LUA_CLIB_DIR)/resty/vrrp
	$(INSTALL) -m 644 lua/resty/vrrp.lua $(DESTDIR)$(LUA_LIB_DIR)/resty/vrrp.lua
	$(INSTALL) -m 644 lua/resty/vrrp/*.lua lua/resty/vrrp/page.html $(DESTDIR)$(LUA_LIB_DIR)/resty/vrrp/
	# By rename: what nginx has mapped or the kernel executes is replaced, never written into.
	$(INSTALL) -m 755 $(CORE) $(DESTDIR)$(LUA_CLIB_DIR)/resty/vrrp/.core.so.new
	mv -f $(DESTDIR)$(LUA_CLIB_DIR)/resty/vrrp/.core.so.new $(DESTDIR)$(LUA_CLIB_DIR)/resty/vrrp/core.so
	$(INSTALL) -m 755 $(GUARD) $(DESTDIR)$(LUA_CLIB_DIR)/resty/vrrp/.guard.new
	mv -f $(DESTDIR)$(LUA_CLIB_DIR)/resty/vrrp/.guard.new $(DESTDIR)$(LUA_CLIB_DIR)/resty/vrrp/guard
	$(INSTALL) -d $(DESTDIR)$(SBIN_DIR) $(DESTDIR)$(MAN_DIR)/man8
	$(INSTALL) -m 755 $(CLI) $(DESTDIR)$(SBIN_DIR)/.resty-vrrp.new
	mv -f $(DESTDIR)$(SBIN_DIR)/.resty-vrrp.new $(DESTDIR)$(SBIN_DIR)/resty-vrrp
	$(INSTALL) -m 644 $(SHARE)/*.8 $(DESTDIR)$(MAN_DIR)/man8/
	$(INSTALL) -D -m 644 $(SHARE)/resty-vrrp.bash $(DESTDIR)$(BASH_DIR)/resty-vrrp
	$(INSTALL) -D -m 644 $(SHARE)/_resty-vrrp $(DESTDIR)$(ZSH_DIR)/_resty-vrrp
	$(INSTALL) -D -m 644 $(SHARE)/resty-vrrp.fish $(DESTDIR)$(FISH_DIR)/resty-vrrp.fish

uninstall: ## Remove what `make install` installed
	rm -f $(DESTDIR)$(LUA_LIB_DIR)/resty/vrrp.lua
	rm -rf $(DESTDIR)$(LUA_LIB_DIR)/resty/vrrp $(DESTDIR)$(LUA_CLIB_DIR)/resty/vrrp
	rm -f $(DESTDIR)$(SBIN_DIR)/resty-vrrp $(DESTDIR)$(MAN_DIR)/man8/resty-vrrp.8 $(DESTDIR)$(MAN_DIR)/man8/resty-vrrp-*.8
	rm -f $(DESTDIR)$(BASH_DIR)/resty-vrrp $(DESTDIR)$(ZSH_DIR)/_resty-vrrp $(DESTDIR)$(FISH_DIR)/resty-vrrp.fish

portable: $(TOOLS)/.complete
	. $(TOOLS)/bin/activate && $(CARGO) zigbuild --release --locked -p resty-vrrp -p resty-vrrp-core \
		--target $(notdir $(PORTABLE)).$(GLIBC)
	@touch $(PORTABLE)/release/.built

$(TOOLS)/.complete: nginx-conf/packages/tools.txt
	python3 -m venv $(TOOLS) || { echo "on Debian: apt install python3-venv"; exit 1; }
	$(TOOLS)/bin/pip install --quiet --require-hashes --only-binary :all: -r $<
	@touch $@

deb: portable ## Build a package for Debian and Ubuntu, in target/packages
rpm: portable ## Build a package for RHEL and its like, in target/packages
deb rpm:
	@NEWEST_GLIBC=$(GLIBC) nginx-conf/packages/build $@ $(PORTABLE)/release $(PACKAGES)

test-packages: deb rpm ## Test what is in the packages: that it needs no newer C library, and that nginx runs with it
	RESTY_VRRP_CORE=$(CURDIR)/$(PORTABLE)/release/libresty_vrrp_core.so $(CARGO) test --locked --test nginx -- \
		--test-threads=2 packages:: getting_started:: old_kernel:: upgrade:: handover::

check: ## Check CONF=/path/to/nginx.conf and its setup { } without starting anything
	@test -n "$(CONF)" || { echo "usage: make check CONF=/path/to/nginx.conf [NGINX=/path/to/nginx]"; exit 2; }
	@$(or $(wildcard $(GUARD)),$(LUA_CLIB_DIR)/resty/vrrp/guard) check $(NGINX) -c "$(abspath $(CONF))"

packages:
	@t/install-packages

lint: packages ## Format, clippy, luacheck
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	luacheck --quiet lua

test: packages build ## Everything CI runs: unit, wire, simulator, lab, real nginx, real keepalived (root)
	# Nothing is compiled any more once something is measured.
	$(CARGO) test --locked --lib --test '*' --no-run
	$(CARGO) build --locked --lib --bins --test tidy
	$(CARGO) build --locked -p resty-vrrp-core --features failpoints --example fallible
	$(CARGO) test --locked --lib
	$(CARGO) test --locked --test tidy --test documents --test wire --test keepalived --test sim
	# Four at a time run those that only wait, one at a time those that need the whole machine.
	$(CARGO) test --locked --test lab --test nginx -- --test-threads=4 beside::
	$(CARGO) test --locked --test lab --test nginx -- --test-threads=2 --skip beside:: --skip alone::
	$(CARGO) test --locked --test lab --test nginx -- --test-threads=1 alone::
	$(CARGO) test --locked --test browser -- --test-threads=2

pictures: packages ## Renew the pictures of the page for people (root)
	PICTURES=1 $(CARGO) test --locked --test browser

demo: packages build ## Two hosts, one virtual address: kill the active one and watch
	@RESTY_VRRP_CORE=$(CURDIR)/$(CORE) $(CARGO) run --locked --quiet --example demo

bench: packages build ## Side by side with keepalived + nginx + check script (QUICK=1, ONLY=heal,hung); results in target/bench
	# What measures is built as for tests; what is measured as for users.
	RESTY_VRRP_CORE=$(CURDIR)/$(CORE) $(CARGO) bench --locked --profile dev --bench pair

clean: ## Remove what was built
	$(CARGO) clean
