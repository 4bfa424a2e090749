# One image for every role: `docker run smsflow worker person`. The embedded servers of one-machine mode are left out.
FROM python:3.11-slim AS build
RUN python -m venv /opt/smsflow
WORKDIR /src
COPY requirements.runtime.lock .
RUN /opt/smsflow/bin/pip install --no-cache-dir --require-hashes -r requirements.runtime.lock
COPY pyproject.toml README.md LICENSE ./
COPY schemas schemas
COPY processors processors
COPY connectors connectors
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /dist . \
    && /opt/smsflow/bin/pip install --no-cache-dir --no-deps /dist/*.whl

FROM python:3.11-slim
RUN useradd --system --uid 10001 --no-create-home smsflow \
    && install --directory --owner smsflow /var/lib/smsflow
COPY --from=build /opt/smsflow /opt/smsflow
ENV PATH=/opt/smsflow/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    SMSFLOW_DATA_DIR=/var/lib/smsflow
USER smsflow
STOPSIGNAL SIGTERM
ENTRYPOINT ["smsflow"]
CMD ["--help"]
