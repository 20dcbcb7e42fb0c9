# Everything a developer or a reviewer runs. `make` alone lists the targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
UV_VERSION := 0.13.9
TORCH_VERSION := 2.13.0
ENVS := workflow/envs
# What of Cellpose 3 is used, its networks, needs these.
NETWORKS := torch==$(TORCH_VERSION) fastremap fill-voids natsort roifile tqdm
# Versions that an environment for --use-conda pins, one a line.
PINS = sed -n '/- voxelmill/d; s/^ *- \([^ ]*==.*\)/\1/p'
# Without byte code every step would compile a thousand files again.
unexport PYTHONDONTWRITEBYTECODE
CLUSTERS := slurm or rgw or oidc or kubernetes

.DEFAULT_GOAL := help
.PHONY: help demo test cellpose spatialdata lint format bench real test-clusters test-slurm \
	test-rgw test-oidc test-kubernetes smoke lock browser clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*##/\1:/p' $(MAKEFILE_LIST) | column -t -s ':'

demo: $(READY)  ## make a synthetic plate, run the workflow on it, print what was found
	$(BIN)/voxelmill demo --out demo

test: $(READY) browser  ## run the test suite (without the cluster tests)
	$(BIN)/python -m pytest -n 2 --timeout 300 -m 'not ($(CLUSTERS))'

# The lock stays free of PyTorch, whose builds for CPU and CUDA differ. Cellpose 3 asks for an
# older NumPy (< 2.1) than it needs for what is used of it, so it comes after the others, alone.
cellpose: $(READY)  ## add Cellpose 3, BioImage.IO and PyTorch (for CPU) to the environment
	$(BIN)/python -m pip freeze --exclude-editable > $(VENV)/constraints.txt
	$(PINS) $(ENVS)/cellpose3.yaml $(ENVS)/bioimageio.yaml >> $(VENV)/constraints.txt
	$(BIN)/python -m pip install --quiet -c $(VENV)/constraints.txt $(NETWORKS) \
	bioimageio.core onnxruntime onnx
	PATH=$(CURDIR)/$(BIN):$$PATH sh $(ENVS)/cellpose3.post-deploy.sh

# Its metadata ask for an older Dask than the lock has, for what is not used of it: points.
spatialdata: $(READY)  ## add SpatialData to the environment
	$(BIN)/python -m pip freeze --exclude-editable > $(VENV)/constraints.txt
	$(BIN)/python -m pip install --quiet -c $(VENV)/constraints.txt annsel click dask-image \
	datashader geopandas multiscale-spatial-image==2.0.3 networkx pooch shapely spatial-image \
	universal-pathlib xarray-spatial
	$(BIN)/python -m pip install --quiet --no-deps spatialdata==0.7.3

lint: $(READY)  ## check style, types, workflow and layering
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/snakefmt --check workflow
	$(BIN)/snakemake --lint
	$(BIN)/python -m pytest tests/unit/test_layering.py tests/unit/test_structure.py

format: $(READY)  ## let the formatters rewrite the sources
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	$(BIN)/snakefmt workflow

bench: $(READY)  ## measure speed and accuracy against published peers
	$(BIN)/python -m benchmarks

real: $(READY)  ## run the workflow on real images (../shared/data)
	@if [ -d ../shared/data ]; then $(BIN)/python -m benchmarks.real; \
	else echo "make real: skipped, the real images (../shared/data) are not on this machine"; fi

# One after the other: they would take processors, ports and daemons from each other.
test-clusters: $(READY)  ## run the tests that start real servers (SLURM, Ceph, OpenID, Kubernetes)
	+$(MAKE) --no-print-directory --jobs 1 --keep-going test-slurm test-rgw test-oidc \
	$(shell tests/clusters/kubernetes/build --check && echo test-kubernetes)
	@tests/clusters/kubernetes/build --check || \
	echo "make test-clusters: no Kubernetes here; make test-kubernetes builds one (7 minutes)"

smoke: $(READY)  ## run a few of them on each server; those of Kubernetes where it is built
	for server in slurm rgw oidc kubernetes; do $(BIN)/python -m pytest tests/clusters \
	--timeout 900 -m "$$server and smoke" --durations 5 || failed=1; done; exit $${failed:-0}

test-slurm test-rgw test-oidc test-kubernetes: test-%: $(READY)
	$(if $(filter kubernetes,$*),tests/clusters/kubernetes/build)
	$(BIN)/python -m pytest tests/clusters --timeout 900 -m $* --durations 5

# The lock names no index: hashes make any mirror serve the same files. Add UPGRADE=--upgrade for
# newer versions. 3.11.4 only steers the resolver: it reads "> 3.11" as "not 3.11".
lock: build/uv/bin/uv  ## resolve pyproject.toml into the locks and workflow/envs
	printf 'hatchling\neditables\nsetuptools\nwheel\n' | build/uv/bin/uv pip compile \
	pyproject.toml - --universal --python-version 3.11.4 --fork-strategy fewest \
	--extra bench --extra dev --extra export --extra s3 --extra slurm --extra kubernetes \
	--extra hyperqueue --extra keyring --extra login \
	--generate-hashes --no-emit-index-url --no-annotate \
	--custom-compile-command 'make lock' --quiet $(UPGRADE) --output-file requirements.lock
	printf 'hatchling\nsetuptools\nwheel\n' | build/uv/bin/uv pip compile \
	pyproject.toml - --universal --python-version 3.11.4 --fork-strategy fewest \
	--extra s3 --extra kubernetes --extra login --constraint requirements.lock \
	--generate-hashes --no-emit-index-url --no-annotate \
	--custom-compile-command 'make lock' --quiet --output-file requirements-container.lock
	$(call pin,cellpose3,,$(NETWORKS))
	$(call pin,voxelmill,,)
	$(call pin,cellpose-sam,--extra cellpose-sam,torch==$(TORCH_VERSION))
	$(call pin,bioimageio,--extra bioimageio,)

# Write the versions of an environment for --use-conda anew: those of the lock; of what the lock
# leaves out, those that it has, or newer ones (UPGRADE). They are the same in all of them.
# Snakemake copies the file elsewhere, so it cannot name the lock by its path.
define pin
@mkdir -p build/envs
$(PINS) $(ENVS)/$(1).yaml > build/envs/$(1).txt
printf '%s\n' $(3) | build/uv/bin/uv pip compile pyproject.toml - $(2) --universal \
--python-version 3.11.4 --fork-strategy fewest --constraint requirements.lock \
$(if $(filter-out cellpose3,$(1)),--constraint build/envs/cellpose3.txt) --no-header \
--no-emit-index-url --no-annotate --quiet $(UPGRADE) --output-file build/envs/$(1).txt
version=$$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml) && \
sed "s/^\( *- voxelmill[^=]*\).*/\1==$$version/; /- voxelmill/q" $(ENVS)/$(1).yaml > build/envs/$(1) && \
sed 's/^/      - /' build/envs/$(1).txt >> build/envs/$(1) && mv build/envs/$(1) $(ENVS)/$(1).yaml
endef

browser:
	@command -v chromedriver >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	&& apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y \
	--no-install-recommends chromium chromium-driver >/dev/null; } \
	|| echo "make test: no chromedriver and no right to install it; the report's browser test skips"

clean:  ## remove the environment, caches and everything that a run made
	rm -rf $(VENV) build dist demo real results .snakemake .pytest_cache .mypy_cache .ruff_cache \
	.hypothesis

build/uv/bin/uv:
	$(PYTHON) -m venv build/uv
	build/uv/bin/python -m pip install --quiet uv==$(UV_VERSION)

# Build tools come first and from the lock too, so that the one dependency that has no wheel
# builds with them and pip fetches nothing that the lock does not name.
$(VENV)/.locked: requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit("make: %s is Python %d.%d; voxelmill needs 3.11 or newer. \
	Name one: make PYTHON=python3.12" % (sys.executable, *sys.version_info[:2]) \
	if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv --clear $(VENV)
	@awk '/^[a-z]/ { build = /^(setuptools|wheel)==/ } build' requirements.lock > $(VENV)/build.lock
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r $(VENV)/build.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-compile --require-hashes \
	--no-build-isolation -r requirements.lock
	@# On all cores, where pip would use one. A package may carry templates that are no Python.
	@$(BIN)/python -m compileall -q -j 0 $(VENV)/lib >/dev/null || true
	@touch $@

$(READY): $(VENV)/.locked pyproject.toml
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@echo "compiling kernels (once) ..." && $(BIN)/python -m voxelmill.warm
	@touch $@
