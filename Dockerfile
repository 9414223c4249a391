# plume and its Python package, from the wheels of make dist:
#   make dist PLATFORMS=linux-amd64 && docker build -t plume .
#   docker run --rm -v "$PWD:/work" -u "$(id -u):$(id -g)" plume plume run workflow.toml
FROM python:3.13-slim-bookworm
# hadolint ignore=DL3013
RUN --mount=type=bind,source=dist,target=/dist \
    pip install --no-cache-dir "plume-da[pandas,xarray] @ file://$(echo /dist/plume_da-*linux*_"$(uname -m)".whl)"
WORKDIR /work
CMD ["plume"]
