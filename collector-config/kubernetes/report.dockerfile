# The image of the CronJob in report.yaml:
#
#   docker build -f report.dockerfile -t otel-dbmon-report:0.1.0 .
FROM python:3.12-slim
RUN pip install --no-cache-dir "otel-dbmon[report]==0.1.0"
USER 65534
ENTRYPOINT ["otel-dbmon"]
