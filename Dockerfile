# flbrecover in an image: for `kubectl debug --image=…` and for the manifests in docs/runbooks.
#
#   docker build -t flbrecover .
#   docker build --build-arg PYTHON=docker.io/library/python@sha256:… -t flbrecover .    pinned to the byte
#
# It runs as user 65532, who may read a mounted bundle and reach S3. On a node the evidence belongs to root: there the
# pod says runAsUser: 0 (the manifests do, and `kubectl debug node/…` is root anyway).
ARG PYTHON=docker.io/library/python:3.12-slim-bookworm

FROM ${PYTHON} AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY flbrecover flbrecover
RUN python -m venv /opt/flbrecover && /opt/flbrecover/bin/pip install --no-cache-dir .

FROM ${PYTHON}
COPY --from=build /opt/flbrecover /opt/flbrecover
ENV PATH=/opt/flbrecover/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1
WORKDIR /work
RUN chown 65532:65532 /work
USER 65532:65532
ENTRYPOINT ["flbrecover"]
CMD ["--help"]
