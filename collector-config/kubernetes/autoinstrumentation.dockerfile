# The image that the OpenTelemetry operator copies /autoinstrumentation from, into pods of services:
#
#   docker build -f autoinstrumentation.dockerfile -t otel-dbmon-autoinstrumentation:0.1.0 .
#
# Add the instrumentations of what your services use to the list. The Python here has to be that of the services.
FROM python:3.12-slim AS packages
RUN pip install --no-cache-dir --target /autoinstrumentation \
    otel-dbmon==0.1.0 \
    opentelemetry-instrumentation-flask \
    opentelemetry-instrumentation-fastapi \
    opentelemetry-instrumentation-django \
    opentelemetry-instrumentation-psycopg2 \
    opentelemetry-instrumentation-asyncpg
RUN chmod -R go+rX /autoinstrumentation

# The operator runs `cp` in it, and nothing else.
FROM busybox:1.37
COPY --from=packages /autoinstrumentation /autoinstrumentation
USER 65534
