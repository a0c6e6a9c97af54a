# What there is to type after a clone; everything else is cargo.

.DEFAULT_GOAL := help
.PHONY: help demo test setup setup-tests

help:
	@echo 'make demo            e-commerce events flow from CSV files into PostgreSQL while you watch'
	@echo "make demo ARGS='…'   the same with options, such as ARGS='--rows 100000 --fresh'"
	@echo 'make test            all tests'
	@echo
	@echo "Both install what is missing on Debian and Ubuntu (PostgreSQL's server, a C compiler,"
	@echo 'and for the tests PgBouncer and promtool) with root or sudo, and say so. Rust has to be there: https://rustup.rs'

demo: setup
	@cargo run --release -- demo $(ARGS)

# Most tests wait for most of their time, so there are more at once than cores; not many more, or the server that
# they share would have too many connections. RUST_TEST_THREADS=2 make test is slower, and needs less.
export RUST_TEST_THREADS ?= $(shell cores=$$(nproc); echo $$((cores < 3 ? 4 * cores : 12)))
test: setup-tests
	@cargo test --workspace --lib --tests --features failpoints $(ARGS)

setup:
	@.ci/setup

setup-tests:
	@.ci/setup tests
