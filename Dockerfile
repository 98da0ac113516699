# Beckon in a container: the pinned dependencies, the engine, and its compiled code; not as root.
FROM python:3.12-slim-bookworm AS build
WORKDIR /build
COPY requirements.lock ./
# Every file is checked against the lock; what only development needs stays in this stage.
RUN pip download --no-cache-dir --require-hashes --no-deps --requirement requirements.lock --dest wheels
COPY pyproject.toml README.md LICENSE ./
COPY config config
COPY connectors connectors
COPY flows flows
COPY state state
RUN python -m venv --without-pip /opt/beckon \
    && pip --python /opt/beckon/bin/python install --no-cache-dir --no-index --find-links wheels .

FROM python:3.12-slim-bookworm
COPY --from=build /opt/beckon /opt/beckon
ENV PATH=/opt/beckon/bin:$PATH \
    BECKON_CACHE=/var/cache/beckon \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin beckon \
    && install --directory --owner=beckon /var/cache/beckon
USER 10001
WORKDIR /tmp
# Compiles the engine for this kind of processor; on another kind the first start does it again.
RUN beckon simulate --users 50 --days 7 --out shop.jsonl \
    && beckon replay shop.jsonl --state profiles --decisions decisions.jsonl --profiles users.jsonl \
    && rm -r shop.jsonl profiles decisions.jsonl users.jsonl
EXPOSE 9464
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=90s CMD \
    ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:9464/healthz', timeout=3)"]
ENTRYPOINT ["beckon"]
CMD ["--help"]
