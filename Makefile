# Needs Go, git, make and a POSIX shell; everything else is fetched as a Go module at a pinned version.

GO         ?= go
# The cgroup version that the tests on a real node are to run on, 1 or 2; empty is the machine's own.
CGROUP     ?=
# The version of a release; the private key that signs it, as cosign takes it, or KEYLESS=1 in a workflow; the URI of who builds it,
# and the program cosign, which is built if there is none.
VERSION    ?=
KEY        ?=
KEYLESS    ?=
BUILDER    ?=
COSIGN     ?=
# RACE=1 runs the tests under the race detector, which needs a C compiler.
RACE       ?=
FUZZTIME   ?= 30s
# Regular expressions: which fuzz targets and which benchmarks to run.
FUZZ       ?= .
BENCH      ?= .
# A regular expression: which kernels to measure, such as ^6\.12. All if empty.
KERNELS    ?=
# A regular expression: which chaos scenarios to run, all if empty; the seed of their order, another one each time if 0; and how many
# minutes they go on at random once all have had a turn.
CHAOS      ?=
SEED       ?= 0
MINUTES    ?= 0
BENCH_PKGS ?= ./policy/... ./webhook
# What to measure, and for how long: on the real API server in all, and at half of the highest rate.
BENCH_PARTS ?= go,path,load,growth
BENCH_TIME  ?= 5m
SOAK        ?= 20s
# Which packages to mutate, and of those the files that match a regular expression.
MUTATE_PKGS ?= ./policy ./policy/sizing ./policy/matchcondition ./policy/v1alpha1
MUTATE      ?= .
# The cases of each property test, how many mutants at a time, the seconds of processor time that one package's tests may use,
# and MUTATE_RESUME=1 to mutate only the files without a report below out/mutants.
MUTATE_CHECKS  ?= 50
MUTATE_WORKERS ?= 2
MUTATE_SECONDS ?= 20
MUTATE_RESUME  ?=

# The build tags of what needs a real node, or QEMU, or minutes, or a browser. (A comma would end an argument of make's call.)
comma      := ,
TAGS       := node$(comma)kernels$(comma)chaos$(comma)chromium$(comma)cost$(comma)helm$(comma)release

# Without cgo, like the programs of the control plane: what both need is then compiled once, and only the race detector needs a C compiler.
export CGO_ENABLED ?= $(if $(filter-out 0,$(RACE)),1,0)

SHELL      := /bin/sh
TEST       := $(GO) test -timeout 30m$(if $(filter-out 0,$(RACE)), -race)
# The tools have a module file of their own, so that what they depend on never becomes a dependency of the product.
TOOL       := $(GO) tool -modfile=$(CURDIR)/tools/go.mod
# Modules below this one, which `./...` does not reach: those with tests of ours, and those that only pin programs to build.
NESTED     := $(sort $(patsubst ./%/go.mod,%,$(shell find . \( -name '.?*' -o -name testdata -o -path ./tools -o -path ./bin -o -path ./envtest/binaries \) -prune -o -name go.mod ! -path ./go.mod -print))) tools/release tools/site
PINS       := tools $(sort $(patsubst ./%/go.mod,%,$(wildcard ./envtest/binaries/*/go.mod ./tools/release/programs/*/go.mod)))

# each runs a command in the root module and in every nested one, or in those of a second argument, all of them even if one fails.
define each
failed=; \
for dir in $(or $(2),. $(NESTED)); do \
	echo "# in $$dir: $(1)"; \
	(cd "$$dir" && $(1)) || failed="$$failed\nmake $@: failed in $$dir; to repeat it: cd $$dir && $(1)"; \
done; \
[ -z "$$failed" ] || { printf "$$failed\n" >&2; exit 1; }
endef

# generate_into writes everything generated below a folder.
generate_into = $(TOOL) controller-gen object crd paths=./policy/v1alpha1/... \
	output:object:dir=$(1)/policy/v1alpha1 output:crd:dir=$(1)/manifests/crd && \
	mkdir -p $(1)/manifests/monitoring && sed -n -f manifests/monitoring/prometheusrule.sed manifests/monitoring/rules.yaml >$(1)/manifests/monitoring/prometheusrule.yaml && \
	charts/generate.sh $(1) && \
	mkdir -p $(1)/docs/reference && \
	$(GO) run ./cmd/kubectl-shm/internal/manual -page $(1)/docs/reference/command-line.md && \
	$(GO) run ./charts/reference charts/shmkeeper $(1)/docs/reference/chart-values.md

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

.PHONY: build
build: ## Build the kubectl plugin, bin/kubectl-shm, and bin/kubectl_complete-shm, by which kubectl completes its arguments
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/kubectl-shm ./cmd/kubectl-shm
	ln -sf kubectl-shm bin/kubectl_complete-shm

# The image's name and the address of the files are flags of the program: see docs/how-to/release.md.
.PHONY: release
release: ## Build a release into out/release (VERSION=v0.1.0; KEY=cosign.key signs it): image, plugin, manifests, bills of materials, checksums
	@cd tools/release && $(GO) build -o ../../bin/release .
	@exec bin/release -version '$(VERSION)' $(if $(KEY),-key '$(KEY)') $(if $(filter-out 0,$(KEYLESS)),-keyless) \
		$(if $(BUILDER),-builder '$(BUILDER)') $(if $(COSIGN),-cosign '$(COSIGN)')

# Builds cosign, syft and krew from their modules, which takes minutes the first time.
.PHONY: test-release
test-release: ## Sign a release and verify it by cosign, compare its bills of materials with what syft finds, install the plugin by krew
	@cd tools/release && $(GO) test -tags release -count=1 -timeout 60m -v -run 'TestSign|AsSyftFinds|TestKrew' .

# Built and not `go run`, which would not pass on the signal that ends it, and so leave the control plane running.
.PHONY: demo
demo: demo-offline ## Show the incident in examples/: reviewed offline, then admitted by a real API server
	@mkdir -p bin && $(GO) build -o bin/demo ./envtest/cmd/demo && exec bin/demo

.PHONY: demo-offline
demo-offline: ## The first part of the demo alone: review and simulate, without a cluster
	@./examples/demo.sh

.PHONY: run
run: ## Start a real API server with shmkeeper in it, and leave it up until Ctrl-C
	@mkdir -p bin && $(GO) build -o bin/demo ./envtest/cmd/demo && exec bin/demo run

# The control plane's programs come first: a first build takes longer than `go test` gives a package. The tests on a real node need root: they
# have a build tag and a target of their own.
.PHONY: test
test: ## Run the tests of every module (RACE=1: under the race detector)
	@$(GO) run ./envtest/cmd/binaries >/dev/null
	@# Go remembers results, and knows of no file outside of a module: the chart and the overlays are.
	@chart=0; (cd test/chart && $(TEST) -count=1 ./...) || chart=1; \
	$(call each,$(TEST) ./...,. $(filter-out test/chart,$(NESTED))) && \
	[ "$$chart" = 0 ] || { echo "make test: failed in test/chart; to repeat it: cd test/chart && $(TEST) -count=1 ./..." >&2; exit 1; }

# The API server, the controllers and kubectl are of the oldest release that shmkeeper is written for, and are built the first time.
.PHONY: test-oldest
test-oldest: export SHMKEEPER_ENVTEST_RELEASE = 1.30
test-oldest: ## Run the tests on a real API server on Kubernetes 1.30, the oldest release that shmkeeper is written for
	@unset KUBEBUILDER_ASSETS; $(GO) run ./envtest/cmd/binaries >/dev/null && $(TEST) -count=1 -v ./envtest/e2e ./envtest/api

.PHONY: monitoring-test
monitoring-test: ## Test the rules, alerts and dashboard of manifests/monitoring alone; make test does so too
	@cd test/monitoring && $(TEST) -count=1 ./...

# Helm is built from its module, which takes minutes the first time.
.PHONY: test-chart
test-chart: ## Install, upgrade, roll back and uninstall the Helm chart on a real API server, by the real helm
	@$(GO) run ./envtest/cmd/binaries >/dev/null
	@cd test/chart && $(GO) test -tags helm -count=1 -timeout 30m -v ./...

# Three at a time: each sends 720 requests a second, and with a fourth two cores fall behind. User Mode Linux has one processor.
.PHONY: test-node
test-node: ## Replay the incident on a real node: needs Linux, root and containerd (CGROUP=2: on cgroup v2, UPDATE=1: write docs/incident.*)
	@[ "$$(uname -s)" = Linux ] || { echo "make test-node: a kubelet needs Linux, and this is $$(uname -s); run it on a Linux machine, as root" >&2; exit 1; }
	@cd test/node && $(GO) test -tags node -count=1 -timeout 45m -parallel $(if $(filter 2,$(CGROUP)),1,3) -v ./incident $(if $(CGROUP),-cgroup '$(CGROUP)') $(if $(filter-out 0,$(UPDATE)),-update)

# Two at a time: each is one processor's work.
.PHONY: test-kernels
test-kernels: ## Measure what files cost on Debian's kernels, in QEMU, those that match KERNELS (UPDATE=1: write the table of docs/explanation/sizing.md)
	@[ "$$(uname -s)" = Linux ] || { echo "make test-kernels: the kernels are Debian's packages, and this is $$(uname -s): run it on Debian" >&2; exit 1; }
	@test/kernels/packages.sh
	@$(GO) test -tags kernels -count=1 -timeout 90m -parallel 2 -v -run 'TestKernels$$' ./test/kernels \
		-args -kernels '$(value KERNELS)' $(if $(filter-out 0,$(UPDATE)),-update)

# chaos runs the scenarios, with further flags.
chaos = [ "$$(uname -s)" = Linux ] || { echo "make $@: it needs /proc, and this is $$(uname -s): run it on Linux" >&2; exit 1; }; \
	$(GO) run ./envtest/cmd/binaries >/dev/null && \
	$(GO) test -tags chaos -count=1 -timeout 12h -v -run 'TestChaos$$' ./envtest/chaos \
		-args -scenarios '$(value CHAOS)' -seed $(SEED) -minutes $(MINUTES) $(1)

.PHONY: chaos
chaos: ## Break what a running shmkeeper depends on, one thing after the other (SEED=7 MINUTES=30 CHAOS=certificate; UPDATE=1: write docs/explanation/resilience.md)
	@$(call chaos,$(if $(filter-out 0,$(UPDATE)),-update))

.PHONY: chaos-short
chaos-short: ## The chaos scenarios that take seconds
	@$(call chaos,-short)

# Each replica drains for as long as it does in a Pod, so this takes minutes.
.PHONY: restarts
restarts: ## Replace replicas 20 times, with the flags that ship, while 40 clients create Pods: none may be rejected
	@$(GO) run ./envtest/cmd/binaries >/dev/null
	@SHMKEEPER_LONG=1 $(TEST) -count=1 -v -run 'TestRestarts_NoPodRejected$$' ./envtest/e2e

# The targets are read from the source: `go test -list` would build every test, and start what their TestMain starts.
# Each package is built once for all of its targets. The new inputs that a run finds interesting are kept in Go's cache, as `go test` does.
.PHONY: fuzz
fuzz: ## Run each fuzz target for FUZZTIME (30s), those that match FUZZ
	@tmp=$$(mktemp -d) && trap 'rm -rf "$$tmp"' EXIT && cache=$$($(GO) env GOCACHE)/fuzz && \
	for dir in . $(NESTED); do \
		(cd "$$dir" && $(GO) list -f '{{range .TestGoFiles}}{{$$.ImportPath}} {{$$.Dir}}/{{.}}{{"\n"}}{{end}}{{range .XTestGoFiles}}{{$$.ImportPath}} {{$$.Dir}}/{{.}}{{"\n"}}{{end}}' ./... >"$$tmp/files") || exit 1; \
		while read -r pkg file; do \
			[ -z "$$file" ] || sed -n "s|^func \(Fuzz[[:alnum:]_]*\)(.*|$$dir $$pkg \1|p" "$$file"; \
		done <"$$tmp/files" >>"$$tmp/all"; \
	done; \
	grep -e '$(FUZZ)' "$$tmp/all" >"$$tmp/targets" || { echo "make fuzz: no fuzz target matches '$(FUZZ)'" >&2; exit 1; }; \
	built=; while read -r dir pkg target; do \
		[ "$$pkg" = "$$built" ] || { (cd "$$dir" && $(GO) test -c -fuzz . -o "$$tmp/fuzz" "$$pkg") || exit 1; built=$$pkg; }; \
		echo "# $$target in $$pkg, for $(FUZZTIME)"; \
		(cd "$$dir" && cd "$$($(GO) list -f '{{.Dir}}' "$$pkg")" && "$$tmp/fuzz" -test.run '^$$' -test.fuzz "^$$target\$$" \
			-test.fuzztime $(FUZZTIME) -test.fuzzminimizetime 5x -test.fuzzcachedir "$$cache/$$pkg") </dev/null || \
			{ echo "make fuzz: $$target failed; to repeat it: cd $$dir && $(GO) test -run '^$$target\$$' $$pkg" >&2; exit 1; }; \
	done <"$$tmp/targets"

.PHONY: pictures
pictures: ## Open the pages of the plugin in Chromium, Debian's package chromium (UPDATE=1: write docs/how-to/audit.png, top.png, recommend.png)
	@$(GO) run ./envtest/cmd/binaries >/dev/null
	@$(GO) test -tags chromium -count=1 -v -run 'TestPage_InABrowser' ./cmd/kubectl-shm/e2e ./cmd/kubectl-shm/top ./cmd/kubectl-shm/recommend $(if $(filter-out 0,$(UPDATE)),-args -pictures '$(CURDIR)/docs/how-to')

.PHONY: site
site: ## Write the documentation as a web site into out/site, with every link checked
	@cd tools/site && $(GO) run . -root '$(CURDIR)' -out '$(CURDIR)/out/site'

.PHONY: test-site
test-site: ## Open every page of that site in Chromium, Debian's package chromium, as wide as a phone and a desk, light and dark
	@cd tools/site && $(GO) test -tags chromium -count=1 -v -run InABrowser .

.PHONY: bench
bench: ## Measure engine, handlers and the whole path on a real API server, see docs/explanation/performance.md (BENCH_TIME=40m SOAK=10m UPDATE=1: write it)
	@$(GO) run ./envtest/cmd/binaries >/dev/null
	@mkdir -p bin && $(GO) build -o bin/bench ./test/bench && exec bin/bench -bench '$(BENCH)' -packages '$(BENCH_PKGS)' \
		-parts '$(BENCH_PARTS)' -time '$(BENCH_TIME)' -soak '$(SOAK)' $(if $(filter-out 0,$(UPDATE)),-update)

.PHONY: mutate
mutate: ## Check that the tests notice mutants of the engine, in files that match MUTATE
	@GO='$(GO)' MUTATE='$(MUTATE)' MUTATE_CHECKS='$(MUTATE_CHECKS)' \
		MUTATE_WORKERS='$(MUTATE_WORKERS)' MUTATE_SECONDS='$(MUTATE_SECONDS)' MUTATE_RESUME='$(MUTATE_RESUME)' \
		tools/mutate/run $(MUTATE_PKGS)

.PHONY: generate
generate: ## Write the deep copies and the CRD from policy/v1alpha1, the PrometheusRule, the chart's copies of manifests/, and the generated pages of docs/reference
	$(call generate_into,.)

.PHONY: golden
golden: ## Rewrite the golden files; read the difference before you commit it
	@pkgs=$$(find ./policy ./cmd ./internal -name '*_test.go' -exec grep -lE 'flag\.Bool.*"update"|clitest\.Golden' {} + | sed 's|/[^/]*$$||' | sort -u); \
	[ -n "$$pkgs" ] || { echo "make golden: no test has an -update flag" >&2; exit 1; }; \
	echo "$(GO) test" $$pkgs "-update"; \
	$(GO) test $$pkgs -update

.PHONY: fmt
fmt: ## Format the code
	$(TOOL) golangci-lint fmt

.PHONY: vet
vet: ## Run go vet in every module
	@$(call each,$(GO) vet -tags $(TAGS) ./...)

.PHONY: lint
lint: ## Run golangci-lint in every module
	@$(call each,$(TOOL) golangci-lint run ./...)

.PHONY: verify
verify: verify-generate verify-imports verify-shape verify-prose verify-site verify-mutants verify-fmt verify-tidy vet lint ## Check all that can be checked without running the product
	@echo "make verify: all is as it should be"

.PHONY: verify-generate
verify-generate: ## Check that generated files are what make generate writes
	@tmp=$$(mktemp -d) && trap 'rm -rf "$$tmp"' EXIT && \
	$(call generate_into,"$$tmp") || exit 1; \
	bad=; \
	for f in $$(cd "$$tmp" && find . -type f); do \
		diff -u "$$f" "$$tmp/$$f" || bad="$$bad $$f"; \
	done; \
	for f in $$(find . -name 'zz_generated*.go' ! -path '*/.*/*') $$(grep -ls 'controller-gen.kubebuilder.io/version' manifests/crd/*.yaml) \
		$$(find charts/shmkeeper/crds charts/shmkeeper/files -type f); do \
		f=./$${f#./}; [ -e "$$tmp/$$f" ] || { echo "$$f: nothing generates it any more"; bad="$$bad $$f"; }; \
	done; \
	[ -z "$$bad" ] || { echo "make verify: generated files differ:$$bad; run 'make generate', remove what is left over and commit the result" >&2; exit 1; }

.PHONY: verify-imports
verify-imports: ## Check the diagram of imports in CONTRIBUTING.md, and what is linked
	$(GO) test -count=1 ./internal/imports

.PHONY: verify-prose
verify-prose: ## Check the words of comments, messages and documents
	$(GO) test -count=1 ./internal/prose

.PHONY: verify-site
verify-site: ## Check every link, anchor and picture of the documentation
	@cd tools/site && $(GO) test -count=1 .

.PHONY: verify-shape
verify-shape: ## Check how long functions and files are
	$(GO) test -count=1 ./internal/shape

.PHONY: verify-mutants
verify-mutants: ## Check make mutate, and that the justified mutants name lines that are there
	@$(GO) run ./internal/mutants
	@cd tools && $(GO) test ./mutate

.PHONY: verify-fmt
verify-fmt: ## Check that the code is formatted
	@$(TOOL) golangci-lint fmt --diff || { echo "make verify: the files above are not formatted; run 'make fmt' and commit the result" >&2; exit 1; }

.PHONY: verify-tidy
verify-tidy: ## Check that every go.mod and go.sum is tidy, that of the tools too
	@for dir in . $(PINS) $(NESTED); do \
		(cd "$$dir" && $(GO) mod tidy -diff) || \
			{ echo "make verify: go.mod or go.sum in $$dir is not tidy; run 'cd $$dir && go mod tidy' and commit the result" >&2; exit 1; }; \
	done

.PHONY: clean
clean: ## Remove what was built
	rm -rf bin out .cache coverage.*
