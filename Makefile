# Thin: each target is a script or a meson command.  V=1 shows what is run.
SHELL := /bin/sh
BUILD ?= build

.PHONY: help build run shell test perf soak clean install setup hugepages format docs

help:
	@echo "make run      build, start the daemon, move real packets between two ports, show, stop"
	@echo "make shell    the same set-up, left running, with the client open on it"
	@echo "make test     everything that must hold, under 10 minutes; ends with 'N passed, N failed'"
	@echo "make build    install what is missing, compile into $(BUILD)/"
	@echo "make perf     benchmarks beside their peers, interleaved; $(BUILD)/perf/report.html, CSV, PNG"
	@echo "make soak     long random tests and fault matrices (SOAK_MINUTES=30)"
	@echo "make install  into PREFIX (default /usr/local), DESTDIR honoured"
	@echo "make clean    remove build folders and what a killed run left behind"
	@echo "make format   clang-format the sources"
	@echo "make docs     docs/reference.md from the public headers"

setup:
	@scripts/setup.sh

hugepages:
	@scripts/hugepages.sh

build: setup
	@scripts/build.sh $(BUILD)

run: build hugepages
	@scripts/run.sh --build $(BUILD)

shell: build hugepages
	@scripts/run.sh --build $(BUILD) --shell

test: setup hugepages
	@scripts/test.sh $(BUILD)

perf: build hugepages
	@scripts/perf.sh $(BUILD)

soak: build hugepages
	@scripts/soak.sh $(BUILD)

install: build
	@meson install -C $(BUILD) --no-rebuild

clean:
	@scripts/run.sh --cleanup
	@rm -rf $(BUILD) $(BUILD)-asan $(BUILD)-tsan $(BUILD)-clang

format:
	@git ls-files '*.c' '*.h' | xargs clang-format -i

docs:
	@scripts/reference.py -o docs/reference.md
