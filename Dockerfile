# One image for the web server, the collector and one-shot commands.
#
# Python 3.11: the version that the tests use. Debian 12 (bookworm): Microsoft's driver 18 is built for it, and pyodbc's
# wheels were tested with its libodbc2. The slim variant is enough, because the portal compiles nothing. For a
# reproducible build, add your registry's digest to the tag.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

# --- The build stage. Only /opt/venv and /app of it are in the image.
FROM ${PYTHON_IMAGE} AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PYTHONDONTWRITEBYTECODE=1

RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH

# The pins first, so that a change of code does not rebuild this layer.
COPY requirements.txt /tmp/requirements.txt
RUN pip install --only-binary=:all: --requirement /tmp/requirements.txt \
    && python -m compileall -q /opt/venv/lib

WORKDIR /app
COPY manage.py ./
COPY etlportal ./etlportal
COPY monitoring ./monitoring
COPY demo ./demo
COPY templates ./templates
COPY static ./static
COPY locale ./locale
COPY sql ./sql

# Django needs a key to start. This one is used for collectstatic only; because it is set, no key is generated, and the image
# contains none.
RUN SECRET_KEY=only-for-collectstatic PORTAL_DATA_DIR=/tmp/portal PORTAL_STATIC_ROOT=/app/staticfiles \
    python manage.py collectstatic --noinput --verbosity 0 \
    && rm -rf /tmp/portal \
    && python -m compileall -q etlportal monitoring demo manage.py

# --- The image.
FROM ${PYTHON_IMAGE}

LABEL org.opencontainers.image.title="ETL Portal" \
      org.opencontainers.image.description="The operations portal for SQL Server ETL pipelines" \
      org.opencontainers.image.version="0.1.0"

# libodbc2 is the driver manager that pyodbc loads; the driver itself comes from pip. The other libraries are linked by the
# driver (Kerberos, the C++ run-time) or opened by name (OpenSSL to encrypt, curl for Entra ID).
# ca-certificates: trusted authorities. krb5-user: kinit, for integrated authentication with a keytab.
# No versions: Debian's archive keeps only the newest, so a pin would fail with the next security update.
# hadolint ignore=DL3008
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
        ca-certificates \
        krb5-user \
        libcurl4 \
        libgssapi-krb5-2 \
        libkrb5-3 \
        libodbc2 \
        libssl3 \
        libstdc++6 \
    && rm -rf /var/lib/apt/lists/*

# An id that is unlikely on the host. Kubernetes needs a numeric one (runAsNonRoot).
RUN groupadd --gid 10001 portal \
    && useradd --uid 10001 --gid portal --no-create-home --home-dir /data --shell /usr/sbin/nologin portal \
    && install --directory --owner=portal --group=portal --mode=0700 /data

COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app

# MALLOC_ARENA_MAX: with a heap for each of eight threads a worker would keep 15 MB more of freed memory.
# The portal writes only to /data, /tmp and /dev/shm: the root file system may be read-only.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DJANGO_SETTINGS_MODULE=etlportal.settings \
    LOG_FORMAT=json \
    COLLECTOR_METRICS_ADDRESS=0.0.0.0 \
    MALLOC_ARENA_MAX=2 \
    PORTAL_DATA_DIR=/data \
    PORTAL_STATIC_ROOT=/app/staticfiles

WORKDIR /app
VOLUME ["/data"]
USER 10001:10001
EXPOSE 8000

# gunicorn and the collector shut down gracefully on SIGTERM.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-m", "etlportal.healthcheck"]

# The collector: docker run ... python manage.py collect
CMD ["gunicorn", "--config", "python:etlportal.gunicorn_settings", "etlportal.wsgi"]
