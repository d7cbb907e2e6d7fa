# The build stage holds uv and hatchling; the image gets the finished environment and no installer.
FROM python:3.13-slim-trixie AS build
WORKDIR /srv/prospect-fit
COPY requirements-build.lock ./
RUN python -m pip install --no-cache-dir --no-compile --require-hashes --no-deps -r requirements-build.lock \
    && python -m venv --without-pip /srv/venv
COPY requirements.lock ./
RUN uv pip install --python /srv/venv --compile-bytecode --require-hashes --no-deps -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY migrations migrations
COPY app app
RUN uv pip install --python /srv/venv --compile-bytecode --no-deps --build-constraints requirements-build.lock . \
    && mkdir -m 700 /data

FROM python:3.13-slim-trixie
RUN python -m pip uninstall --yes pip
COPY --from=build /srv/venv /srv/venv
COPY --from=build --chown=10001:10001 /data /data
# The default database, sqlite:///data/prospect_fit.db, is on the volume when seen from here. Naming it in
# ENV instead would outrank DATABASE_URL and PROSPECT_FIT_DATABASE_URL_FILE, and data would go astray.
WORKDIR /
VOLUME /data
ENV PATH=/srv/venv/bin:$PATH \
    HOME=/tmp \
    PYTHONUNBUFFERED=1 \
    PROSPECT_FIT_HOST=0.0.0.0 \
    PROSPECT_FIT_PORT=8000
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["python", "-c", "\
import http.client, os, sys; \
service = http.client.HTTPConnection('127.0.0.1', int(os.environ['PROSPECT_FIT_PORT']), timeout=4); \
service.request('GET', '/readyz'); \
sys.exit(service.getresponse().status != 200)"]
ENTRYPOINT ["prospect-fit"]
CMD ["serve"]
