# The front door: one target per job. Each target installs what it needs, where it can.
#   make demo  DATA=path         the main job on your pictures (default: synthetic)
#   make test  CIFAR10=path      tests that want real pictures run too

DATA ?= synthetic
DEMO_FLAGS ?=
RUN ?= runs/demo
CIFAR10 ?=
PREFIX ?= /usr/local
BENCH_FLAGS ?=

folders := engine data layers compress zoo apps tests
sources = $(shell find $(folders) -name '*.h' -o -name '*.cpp')
jobs := $(shell nproc 2>/dev/null || sysctl -n hw.ncpu)
configure := cmake --log-level=NOTICE --preset
demo_command = build/bonsai compress --net vgg_small --data $(DATA) --out $(RUN) $(DEMO_FLAGS)

# Tests skip what needs CIFAR-10 unless they are told where it is.
ifneq ($(CIFAR10),)
  ifeq ($(wildcard $(CIFAR10)),)
    $(error CIFAR10=$(CIFAR10): no such file or folder)
  endif
  export BONSAI_CIFAR10 := $(abspath $(CIFAR10))
endif

.DEFAULT_GOAL := help
.PHONY: help setup build demo test check sanitize layers format format-check tidy bench arm64 \
        install clean

help: ## this list
	@echo "Bonsai: train, prune and measure convolutional networks. Targets:"
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  make \1|\2/p' $(firstword $(MAKEFILE_LIST)) | \
	  awk -F'|' '{ printf "%-20s %s\n", $$1, $$2 }'

setup: ## install the packages that building and testing need
	@cmake/setup.sh build test

build: ## build the command, build/bonsai
	@cmake/setup.sh build
	@$(configure) release >/dev/null
	@cmake --build build --target bonsai

demo: ## train, prune, fine-tune, measure and report; DATA=path for your pictures
	@cmake/setup.sh build
	@$(configure) release >/dev/null
	@cmake --build build --target bonsai
	$(demo_command)

test: ## build and run all tests; CIFAR10=path adds those on real pictures
	@cmake/setup.sh build test
	@$(configure) release >/dev/null
	@cmake --build build
	@cmake/run_tests.sh build

check: layers format-check sanitize tidy ## layering, format, tests under sanitizers, clang-tidy

sanitize: ## tests under ASan and UBSan, those of threads under TSan
	@cmake/setup.sh build test
	@$(configure) debug >/dev/null
	@cmake --build build-debug
	@cmake/run_tests.sh build-debug '~[slow]'
	@$(configure) tsan >/dev/null
	@cmake --build build-tsan --target bonsai_tests
	@TEST_PROGRAMS=bonsai_tests cmake/run_tests.sh build-tsan '[threads]~[slow]'

layers: ## check that includes follow the order of dependence
	@cmake/check_layers.sh

format: ## rewrite the sources with clang-format
	@cmake/setup.sh check
	@clang-format -i $(sources)

format-check: ## check the format of the sources
	@cmake/setup.sh check
	@clang-format --dry-run -Werror $(sources)

tidy: ## run clang-tidy
	@cmake/setup.sh build test check
	@$(configure) debug >/dev/null
	@run-clang-tidy -quiet -p build-debug -j $(jobs) '/(engine|data|layers|compress|zoo|apps)/'

bench: ## measure kernels and training steps, beside oneDNN and PyTorch where installed (20 minutes)
	@cmake/setup.sh build bench
	@$(configure) release >/dev/null
	@cmake --build build --target bonsai bonsai_bench
	@mkdir -p bench-results
	build/bonsai_bench --benchmark_out=bench-results/kernels.json $(BENCH_FLAGS)
	apps/bench/layers.sh | tee bench-results/layers.md
	apps/bench/training.sh

arm64: ## cross-build for 64-bit ARM and run the short tests under qemu
	@cmake/setup.sh build test arm64
	@$(configure) arm64 >/dev/null
	@cmake --build build-arm64
	@EMULATOR="env OPENBLAS_NUM_THREADS=1 qemu-aarch64" cmake/run_tests.sh build-arm64 '~[slow]'

install: build ## install the command, headers and libraries under PREFIX
	@cmake --build build --target all
	@cmake --install build --prefix $(PREFIX)

clean: ## remove everything that was built
	rm -rf build build-debug build-tsan build-arm64
