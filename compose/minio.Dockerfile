# The S3 store of docker-compose.yml. MinIO is published as source only; this is the version
# that the tests run against.
FROM golang:1.26-alpine AS build
ARG MINIO_VERSION=v0.0.0-20260212201848-7aac2a2c5b7c
RUN CGO_ENABLED=0 go install -ldflags '-s -w' "github.com/minio/minio@${MINIO_VERSION}"

FROM alpine:3.22
COPY --from=build /go/bin/minio /usr/local/bin/minio
RUN mkdir /data && chown 65532:65532 /data
USER 65532:65532
VOLUME ["/data"]
EXPOSE 9000
HEALTHCHECK --interval=5s --timeout=5s --start-period=60s \
    CMD ["wget", "-q", "-O", "/dev/null", "http://127.0.0.1:9000/minio/health/cluster"]
# A bucket is a directory of the drive.
ENTRYPOINT ["/bin/sh", "-c", "mkdir -p \"/data/$MINIO_BUCKET\" && exec minio server /data --address :9000 --certs-dir /tmp/certificates --quiet"]
