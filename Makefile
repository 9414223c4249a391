# Two commands do everything a fresh machine with Go, make and Python 3 needs:
#   make demo   builds plume and its plugins and runs the first experiment
#   make test   runs every check and test

GO      ?= go
PYTHON  ?= python3
BIN     := bin
VENV    := .venv
PLUGINS := $(notdir $(patsubst %/plugin.toml,%,$(wildcard plugins/*/plugin.toml)))
BINARY  := $(BIN)/plume $(foreach p,$(PLUGINS),$(BIN)/plugins/$(p))
LINT    := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
VULN    := golang.org/x/vuln/cmd/govulncheck@v1.9.0
ACTIONLINT := github.com/rhysd/actionlint/cmd/actionlint@v1.7.12

# The version of a commit that has the tag of its version, such as 0.1.0; of any other
# 0.1.0-dev+COMMIT.
STATED  := $(shell sed -n 's/^const version = "\(.*\)"$$/\1/p' host/internal/cli/version.go)
COMMIT  := $(shell git describe --tags --always --dirty --match 'v$(STATED)' 2>/dev/null)
VERSION := $(if $(filter v$(STATED),$(COMMIT)),$(STATED),$(STATED)-dev$(addprefix +,$(COMMIT)))
STAMP   := -X github.com/plume-da/plume/host/internal/cli.build=$(VERSION)

.PHONY: demo build test test-dist test-cluster dist site short lint python conformance experiments experiments-short fuzz fuzz-parsers fuzz-files vuln flips stops days terminal bench bench-wire bench-python bench-umbridge bench-fmu bench-filters bench-scale bench-dapper bench-cluster study browser gallery results proto builtin kernels clean FORCE

demo: build ## build everything and run the first experiment
	$(BIN)/plume run workflows/lorenz63-quick.toml

build: $(BINARY) ## build plume and its plugins into bin/

# Go decides what is out of date; no C is linked, as in releases. plume holds the plugins
# as well, and takes the programs in bin/plugins first; see docs/decisions/0035-one-program.md.
$(BIN)/plume: FORCE
	CGO_ENABLED=0 $(GO) build -ldflags "$(STAMP)" -o $@ ./host/cmd/plume

$(BIN)/plugins/%: FORCE
	CGO_ENABLED=0 $(GO) build -o $@ ./plugins/$*/cmd/$*

# The tests of the command line take longest, so they are the first to start.
test: build $(VENV)/ready lint python ## every check and test
	PLUME_PYTHON=$(abspath $(VENV))/bin/python $(GO) test -race -timeout 30m ./host/internal/cli ./...
	$(MAKE) conformance fuzz-parsers experiments-short

short: build ## the Go tests alone
	$(GO) test ./...

# For Windows plume builds as a program that says to use WSL.
lint: ## formatting, vet, also for macOS, the import law, and what runs on GitHub
	$(GO) vet ./...
	GOOS=darwin GOARCH=arm64 $(GO) vet ./...
	GOOS=windows $(GO) vet ./host/cmd/plume
	$(GO) run $(ACTIONLINT) .github/workflows/*.yml
	$(GO) run $(LINT) run ./...

python: build $(VENV)/ready ## the Python kit, the examples that use it, workflows as editors see them, the pages of results: linter, strict types, tests
	$(VENV)/bin/ruff check --config sdk/python/pyproject.toml sdk/python host/packaging docs/site examples/python examples/applications examples/analysis examples/notebook examples/surrogate bench/scale/ensf.py
	$(VENV)/bin/ruff format --check --config sdk/python/pyproject.toml sdk/python host/packaging docs/site examples/python examples/applications examples/analysis examples/notebook examples/surrogate bench/scale/ensf.py
	cd sdk/python && $(abspath $(VENV))/bin/mypy
	$(VENV)/bin/python -c "import nbformat; print(*(c.source for c in nbformat.read('examples/notebook/filter.ipynb', 4).cells if c.cell_type == 'code'), sep='\n')" > $(BIN)/notebook.py
	$(VENV)/bin/mypy --strict $(BIN)/notebook.py sdk/python/tests/typed.py examples/analysis/read_run_plume.py $(filter-out %/raw.py,$(wildcard examples/python/*.py))
	cd sdk/python && $(abspath $(VENV))/bin/python -m pytest -q
	$(VENV)/bin/taplo lint --colors never $(wildcard $(addsuffix /*.toml,workflows docs/* bench/dapper bench/scale examples/* examples/*/*)) 2>&1
	cd bench/results && $(abspath $(VENV))/bin/python -m pytest -q -p no:cacheprovider

# These need a server; their own tests and those of examples/umbridge-lorenz63 start one.
SERVED := umbridge obs-umbridge grpc4bmi

conformance: build ## put every built plugin through the conformance suite, over its socket
	$(BIN)/plume plugins test $(filter-out $(SERVED),$(PLUGINS))

experiments-short: build ## the short form of every workflow's expected numbers
	for w in workflows/*.toml; do $(BIN)/plume verify --profile short $$w || exit 1; done

experiments: build ## every workflow's expected numbers, at full length and with two seeds
	for w in workflows/*.toml; do for s in 1 2; do \
	  $(BIN)/plume verify --set experiment.seed=$$s $$w || exit 1; done; done

FUZZTIME ?= 20000x
FUZZ      = -fuzztime $(FUZZTIME) -fuzzminimizetime 10x
fuzz: fuzz-parsers fuzz-files ## the fuzz targets, each for FUZZTIME

fuzz-parsers: ## plume's own parsers; a part of make test
	$(GO) test ./host/internal/tomltext -run '^$$' -fuzz FuzzRead $(FUZZ)
	$(GO) test ./host/internal/tomltext -run '^$$' -fuzz FuzzArithmetic $(FUZZ)
	$(GO) test ./host/internal/workflow -run '^$$' -fuzz FuzzParse $(FUZZ)
	$(GO) test ./host/internal/workflow -run '^$$' -fuzz FuzzInclude $(FUZZ)
	$(GO) test ./host/internal/tabular -run '^$$' -fuzz FuzzText $(FUZZ)
	$(GO) test ./host/internal/observations -run '^$$' -fuzz FuzzRead $(FUZZ)
	$(GO) test ./sdk/wire -run '^$$' -fuzz FuzzDecode $(FUZZ)
	$(GO) test ./plugins/process -run '^$$' -fuzz FuzzResults $(FUZZ)
	$(GO) test ./plugins/process -run '^$$' -fuzz FuzzInstructions $(FUZZ)
	$(GO) test ./sdk/netcdf -run '^$$' -fuzz FuzzRead $(FUZZ)

# Arrow's readers of files do the work here. What is found in them may have to wait for
# Arrow, so these targets are not a part of make test, which runs what was found.
fuzz-files: ## damaged files of observations, members and results
	$(GO) test ./host/internal/plan -run '^$$' -fuzz FuzzSamples $(FUZZ)
	$(GO) test ./sdk/wire/rows -run '^$$' -fuzz FuzzRows $(FUZZ)
	$(GO) test ./sdk/wire/table -run '^$$' -fuzz FuzzTable $(FUZZ)

# It asks vuln.go.dev for what is known, so it is not a part of make test, which needs no
# network; .github/workflows/vulnerabilities.yml runs it.
vuln: ## known vulnerabilities in what plume calls, also of Go itself; needs the network
	$(GO) run $(VULN) ./...

flips: build $(VENV)/ready ## 1,000 bits flipped in files of stopped runs, of finished ones, and for the Python reader; half an hour
	PLUME_FLIPS=1000 $(GO) test ./host/internal/cli -run 'TestFlippedBits' -timeout 3h -v
	cd sdk/python && PLUME_FLIPS=1000 PYTHONPATH=src $(abspath $(VENV))/bin/python -m pytest -q -s tests/test_analysis.py -k flipped

stops: build $(VENV)/ready ## 160 runs stopped at random, some of them again when they are resumed, 20 records that arrive in parts, a program with restart files, and models in Python and with a Basic Model Interface, killed 30 times; most of an hour
	PLUME_STOPS=160 $(GO) test ./host/internal/cli -run 'TestStops$$' -timeout 3h -v
	PLUME_STOPS=20 $(GO) test ./host/internal/cli -run 'TestContinueDays$$' -timeout 1h -v
	PLUME_STOPS=30 $(GO) test ./examples/process -run 'TestKilledWithRestartFiles$$' -timeout 1h -v
	cd sdk/python && PLUME_STOPS=30 $(abspath $(VENV))/bin/python -m pytest -q -s tests/test_killed.py

days: ## a record of 60 days that arrive one by one, with gaps, late rows, a bad sensor and a crash a week, and 100,000 rows at 1,000 a second; some minutes
	PLUME_DAYS=60 $(GO) test ./host/internal/cli -run 'TestOperations$$' -timeout 1h -v
	PLUME_ROWS=100000 $(GO) test ./host/internal/cli -run 'TestFollowKeepsUp$$' -timeout 1h -v

terminal: ## 200 runs on a pseudo-terminal while every processor is busy
	PLUME_TERMINAL_RUNS=200 $(GO) test ./host/internal/cli -run 'TestTerminalUnderLoad$$' -timeout 2h -v

bench: build ## Go benchmarks of the hot paths
	$(GO) test -run '^$$' -bench . -benchmem ./...

bench-wire: ## ensembles through a plugin process, beside memcpy and a raw socket
	$(GO) run ./bench/wire

bench-python: $(VENV)/ready ## a plugin in Python beside the same one in Go: start, small calls, throughput
	$(GO) run ./bench/wire $(VENV)/bin/python

bench-umbridge: $(VENV)/ready ## a plugin in Python beside UM-Bridge's server and client
	$(GO) run ./bench/umbridge $(VENV)/bin/python

bench-fmu: $(VENV)/ready ## steps of an FMU through plume beside fmpy alone
	$(GO) run ./bench/fmu $(VENV)/bin/python

bench-filters: ## the filters' analysis step beside numpy and DAPPER; minutes
	$(PYTHON) -m venv bench/.venv
	bench/.venv/bin/pip install --quiet --disable-pip-version-check -r bench/filters/requirements.txt
	bench/.venv/bin/python bench/filters/filters.py

bench-scale: build $(RESULTS)/ready ## memory and time of states with up to a million values; minutes, 3 GB of memory
	$(RESULTS)/bin/python bench/scale/scale.py

bench-dapper: build ## whole experiments beside DAPPER; several minutes
	$(PYTHON) -m venv bench/.venv-dapper
	bench/.venv-dapper/bin/pip install --quiet --disable-pip-version-check -r bench/dapper/requirements.txt
	bench/.venv-dapper/bin/python bench/dapper/compare.py

# axe-core judges the pages of the browser tests; it is no part of plume.
AXE := 4.14.1
browser: ## the pages of reports in a browser, in three widths, light and dark, with axe-core; needs chromium and npm
	npm install --prefix $(BIN)/axe --no-save --no-audit --no-fund axe-core@$(AXE)
	PLUME_BROWSER=required PLUME_AXE=$(CURDIR)/$(BIN)/axe/node_modules/axe-core/axe.min.js \
	  $(GO) test ./host/internal/cli -run 'TestReportInBrowser|TestReportOfManyKinds' -timeout 30m

GALLERY := docs/gallery
gallery: build ## the runs and figures of docs/gallery.md and docs/concepts.md; about two minutes
	rm -rf $(BIN)/gallery && mkdir -p $(BIN)/gallery
	$(BIN)/plume run -q --run-dir $(BIN)/gallery $(GALLERY)/lorenz63.toml
	$(BIN)/plume run -q --run-dir $(BIN)/gallery $(GALLERY)/two-modes.toml
	$(BIN)/plume run -q --run-dir $(BIN)/gallery $(GALLERY)/lorenz96.toml
	$(BIN)/plume run -q --run-dir $(BIN)/gallery workflows/sakov2008-lorenz96.toml --set time.cycles=1000
	$(BIN)/plume run -q --run-dir $(BIN)/gallery workflows/nile.toml
	$(BIN)/plume run -q --run-dir $(BIN)/gallery docs/concepts/inflation.toml
	$(BIN)/plume run -q --run-dir $(BIN)/gallery docs/concepts/localization.toml
	$(BIN)/plume run -q --run-dir $(BIN)/gallery docs/concepts/window.toml
	for r in $(BIN)/gallery/*/*; do $(BIN)/plume report $$r --figures svg > $$r/figures.txt || exit 1; done
	for f in w2-reference-by-ensemble-size members-over-time members trajectory-joint phase-joint; do cp $(BIN)/gallery/gallery-lorenz63/*/figures/$$f.svg $(GALLERY)/lorenz63-$$f.svg || exit 1; done
	cp $(BIN)/gallery/gallery-two-modes/*/figures/marginals.svg $(GALLERY)/two-modes-marginals.svg
	for f in rmse-by-ensemble-size differences field-joint; do cp $(BIN)/gallery/gallery-lorenz96/*/figures/$$f.svg $(GALLERY)/lorenz96-$$f.svg || exit 1; done
	cp $(BIN)/gallery/nile/*/figures/trajectory-etkf.svg $(GALLERY)/nile-trajectory-etkf.svg
	cp $(BIN)/gallery/sakov2008-lorenz96/*/figures/rank-histograms.svg $(GALLERY)/sakov2008-rank-histograms.svg
	cp $(BIN)/gallery/concepts-inflation/*/figures/rmse-by-filter-etkf-params-inflation.svg docs/concepts/inflation.svg
	cp $(BIN)/gallery/concepts-inflation/*/figures/rmse.svg docs/concepts/divergence.svg
	cp $(BIN)/gallery/concepts-inflation/*/figures/rank-histograms.svg docs/concepts/ranks.svg
	cp $(BIN)/gallery/concepts-localization/*/figures/rmse-by-filter-etkf-params-cutoff.svg docs/concepts/localization.svg
	cp $(BIN)/gallery/concepts-window/*/figures/rmse-by-filter-joint-window-length.svg docs/concepts/window.svg

RESULTS := $(VENV)-results
results: build $(RESULTS)/ready ## the sweeps, tables and figures of docs/results; many hours, goes on where it stopped
	bench/results/sweeps
	$(RESULTS)/bin/python bench/results/results.py
	$(RESULTS)/bin/python bench/results/square.py
	$(RESULTS)/bin/python bench/results/windows.py
	$(RESULTS)/bin/python bench/results/records.py
	$(RESULTS)/bin/python bench/results/smoothers.py
	$(RESULTS)/bin/python bench/results/calibration.py
	$(RESULTS)/bin/python bench/results/field.py

$(RESULTS)/ready: bench/results/requirements.txt
	$(PYTHON) -m venv $(RESULTS)
	$(RESULTS)/bin/pip install --quiet --disable-pip-version-check -r $<
	touch $@

site: $(VENV)-site/ready ## the documentation site, into bin/site; a broken link is an error
	NO_MKDOCS_2_WARNING=1 $(VENV)-site/bin/mkdocs build --strict --clean

$(VENV)-site/ready: docs/requirements.txt
	$(PYTHON) -m venv $(VENV)-site
	$(VENV)-site/bin/pip install --quiet --disable-pip-version-check -r $<
	touch $@

# The Python side of the tests: real readers of the tables plume writes, other
# packages' scores, and an UM-Bridge server.
$(VENV)/ready: examples/analysis/requirements.txt examples/applications/requirements.txt examples/grpc4bmi/requirements.txt examples/pipelines/requirements.txt examples/surrogate/requirements.txt host/internal/score/testdata/requirements.txt examples/umbridge-lorenz63/requirements.txt sdk/python/requirements.txt sdk/python/pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check $(addprefix -r ,$(filter %.txt,$^))
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --no-deps --editable sdk/python
	touch $@

proto: ## generate sdk/proto from its definition, and the protocol of grpc4bmi from that of its project
	$(PYTHON) -m venv $(VENV)-proto
	$(VENV)-proto/bin/pip install --quiet --disable-pip-version-check grpcio-tools==1.85.1
	GOBIN=$(abspath $(VENV)-proto)/bin $(GO) install google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.12
	GOBIN=$(abspath $(VENV)-proto)/bin $(GO) install google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.6.2
	cd sdk/proto && PATH=$(abspath $(VENV)-proto)/bin:$$PATH python -m grpc_tools.protoc -I. \
	  --go_out=. --go_opt=paths=source_relative --go-grpc_out=. --go-grpc_opt=paths=source_relative plume/v1/plugin.proto
	cd plugins/grpc4bmi/bmi && PATH=$(abspath $(VENV)-proto)/bin:$$PATH python -m grpc_tools.protoc -I. \
	  --go_out=. --go-grpc_out=. $(foreach o,go_opt go-grpc_opt,--$(o)=paths=source_relative,Mbmi.proto=github.com/plume-da/plume/plugins/grpc4bmi/bmi) bmi.proto
	cd sdk/proto && $(abspath $(VENV)-proto)/bin/python -m grpc_tools.protoc -I. \
	  --python_out=$(abspath $(VENV)-proto) --pyi_out=$(abspath $(VENV)-proto) plume/v1/plugin.proto
	cp $(VENV)-proto/plume/v1/plugin_pb2.py $(VENV)-proto/plume/v1/plugin_pb2.pyi sdk/python/src/plume/_proto/

builtin: ## generate the list of plugins that plume holds from the folders of plugins/
	$(GO) generate ./host/cmd/plume

kernels: ## generate the assembly of sdk/linalg from its generator
	$(GO) generate ./sdk/linalg

# What is released, cross-compiled on Linux for all platforms; docs/decisions/0045-distribution.md.
DIST      := dist
PLATFORMS ?= linux-amd64 linux-arm64 darwin-amd64 darwin-arm64
CYCLONEDX := github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0
# The time of the commit: what is built twice has the same bytes.
export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 0)

dist: $(VENV)-dist/ready $(BIN)/plume ## the archives, wheels, SBOMs and checksums of a release, into dist/
	rm -rf $(DIST) && mkdir -p $(addprefix $(DIST)/share/,man/man1 bash-completion/completions zsh/site-functions fish/vendor_completions.d doc/plume)
	$(GO) test ./host/internal/cli -run ManPages -man $(abspath $(DIST))/share/man/man1
	$(BIN)/plume completion bash > $(DIST)/share/bash-completion/completions/plume
	$(BIN)/plume completion zsh > $(DIST)/share/zsh/site-functions/_plume
	$(BIN)/plume completion fish > $(DIST)/share/fish/vendor_completions.d/plume.fish
	cp LICENSE README.md CHANGELOG.md CITATION.cff $(DIST)/share/doc/plume
	GOBIN=$(abspath $(DIST))/tools $(GO) install $(CYCLONEDX)
	for p in $(PLATFORMS); do $(MAKE) dist-$$p VERSION=$(VERSION) || exit 1; done
	cd $(DIST) && sha256sum plume* > SHA256SUMS

dist-%: TREE = $(DIST)/$*
dist-%: DOC = $(TREE)/share/doc/plume
dist-%:
	mkdir -p $(TREE)/bin && cp -r $(DIST)/share $(TREE)
	CGO_ENABLED=0 GOOS=$(word 1,$(subst -, ,$*)) GOARCH=$(word 2,$(subst -, ,$*)) $(GO) build -trimpath -ldflags "-s -w $(STAMP)" -o $(TREE)/bin/plume ./host/cmd/plume
	$(PYTHON) host/packaging/licences.py $(TREE)/bin/plume > $(DOC)/THIRD-PARTY-LICENSES.txt
	GOPROXY=off GOSUMDB=off $(DIST)/tools/cyclonedx-gomod bin -json -licenses -std -noserial -version $(VERSION) -output $(DIST)/sbom $(TREE)/bin/plume
	sed '/"timestamp"/d' $(DIST)/sbom > $(DOC)/plume.cdx.json && cp $(DOC)/plume.cdx.json $(DIST)/plume-$(VERSION)-$*.cdx.json
	cd $(DIST) && tar --sort=name --mtime=@$(SOURCE_DATE_EPOCH) --owner=0 --group=0 --numeric-owner --mode=u+w,go-w,a+rX \
	  --transform 's,^$*,plume-$(VERSION)-$*,' -cf plume.tar $* && gzip -9nc plume.tar > plume-$(VERSION)-$*.tar.gz && rm plume.tar
	cd sdk/python && PLUME_VERSION=$(VERSION) PLUME_BUILD=$(abspath $(TREE)) $(abspath $(VENV)-dist)/bin/python -m hatchling build -t wheel -d $(abspath $(DIST))

$(VENV)-dist/ready: host/packaging/requirements.txt
	$(PYTHON) -m venv $(VENV)-dist
	$(VENV)-dist/bin/pip install --quiet --disable-pip-version-check -r $<
	touch $@

test-dist: ## what a release of this platform gives, installed where there is no Go
	$(MAKE) dist PLATFORMS=$(shell $(GO) env GOOS)-$(shell $(GO) env GOARCH)
	$(VENV)-dist/bin/python -m pytest -q -p no:cacheprovider host/packaging

test-cluster: build ## plugins on real engines: Slurm on three nodes, HyperQueue, sshd; a few minutes, installs what is missing where it may
	host/internal/remote/testdata/test-cluster $(BIN)

bench-cluster: build ## calls, replicas and bytes on three Slurm nodes of this machine, into bench/cluster/measured.json; minutes
	host/internal/remote/testdata/test-cluster $(BIN) bench/cluster/measured.json

study: $(RESULTS)/ready ## ten thousand simulated replicas and workers, into bench/cluster/*.csv and decision 99; minutes
	$(GO) test ./host/internal/launch ./host/internal/experiment -run 'TestStudy$$' -study $(CURDIR)/bench/cluster -timeout 1h -v
	$(RESULTS)/bin/python bench/cluster/study.py

clean: ## remove what was built
	rm -rf $(BIN) $(DIST) $(VENV) $(VENV)-dist $(VENV)-proto $(VENV)-site $(RESULTS)
