# syntax=docker/dockerfile:1
# Two images of one binary, for any platform that Go and Debian know. The binary is built as scripts/dist does it, on the builder's own platform for the
# image's.
#
#   docker buildx build --platform linux/amd64,linux/arm64 --build-arg VERSION=TAG --target siren        -t …/siren:TAG .
#   docker buildx build --platform linux/amd64,linux/arm64 --build-arg VERSION=TAG --target siren-worker -t …/siren-worker:TAG .

FROM --platform=$BUILDPLATFORM golang:1.26-bookworm AS build
ARG TARGETOS TARGETARCH VERSION=dev
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY cmd cmd
COPY internal internal
COPY lanes lanes
COPY scaler scaler
COPY worker worker
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath -buildvcs=false -tags disable_grpc_modules -ldflags "-s -w -X github.com/polyglot-media/siren/cmd/siren/app.version=$VERSION" -o /siren ./cmd/siren

# The control side: the scaler, and the command line for kubectl exec.
FROM gcr.io/distroless/static-debian12:nonroot AS siren
COPY --from=build /siren /usr/local/bin/siren
ARG VERSION=dev
LABEL org.opencontainers.image.title="siren" \
      org.opencontainers.image.description="Siren's scaler and command line" \
      org.opencontainers.image.source="https://github.com/polyglot-media/siren" \
      org.opencontainers.image.version="$VERSION"
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/siren"]

# The workers: the same with ffmpeg, ffprobe and libvips' programs.
FROM debian:bookworm-slim AS siren-worker
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates ffmpeg libvips-tools \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /siren /usr/local/bin/siren
ARG VERSION=dev
LABEL org.opencontainers.image.title="siren-worker" \
      org.opencontainers.image.description="Siren's workers: siren with ffmpeg and libvips" \
      org.opencontainers.image.source="https://github.com/polyglot-media/siren" \
      org.opencontainers.image.version="$VERSION"
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/siren"]
