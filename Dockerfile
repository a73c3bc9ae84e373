# The production image: the hub from its hashed locks, as an ordinary user, without compilers, npm or the sandbox.
# PostgreSQL and Redis are given by HUB_DATABASE_URL and HUB_REDIS_URL (see compose.yaml).

FROM python:3.11-slim-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends make && rm -rf /var/lib/apt/lists/*
WORKDIR /hub
COPY Makefile package.json package-lock.json .npmrc requirements-assets.lock requirements.lock ./
# Node.js comes with the first command and must not stay in the environment that is handed on.
RUN make assets && rm -rf .venv && UV_COMPILE_BYTECODE=1 make setup
COPY . .

FROM python:3.11-slim-bookworm
RUN useradd --uid 10001 --home-dir /var/lib/hub --create-home hub
WORKDIR /hub
COPY --from=build /hub /hub
ENV PATH=/hub/.venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HUB_VAR_DIR=/var/lib/hub
# Keys live here: keep it on a volume.
VOLUME /var/lib/hub
USER hub
EXPOSE 8000 8443
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["python", "-c", \
    "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/health', timeout=4)"]
CMD ["python", "-m", "gateway", "serve", "--host", "0.0.0.0"]
