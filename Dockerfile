# The image of the server, with the program that `make release` builds from the same commit by the same Go, byte for byte. For two
# architectures, with a builder that can push:
#   docker buildx build --platform linux/amd64,linux/arm64 --build-arg VERSION=v0.1.0 --build-arg COMMIT="$(git rev-parse HEAD)" --tag NAME:v0.1.0 --push .

# The compiler runs on the builder's own architecture and writes for the one that is wanted: nothing is emulated.
FROM --platform=$BUILDPLATFORM golang:1.26 AS build
WORKDIR /src
# By themselves, so that modules are fetched again only when these two change.
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG TARGETOS
ARG TARGETARCH
# What the server says of itself; empty: that it is not known.
ARG VERSION=""
ARG COMMIT=""
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \
    go build -trimpath -buildvcs=false -ldflags "-s -w -X github.com/shmkeeper/shmkeeper/internal/version.linked=$VERSION -X github.com/shmkeeper/shmkeeper/internal/version.linkedCommit=$COMMIT" -o /shmkeeper ./cmd/shmkeeper

# The program is static and talks to the API server alone, whose CA every Pod is given: there is nothing else to put in.
FROM scratch
ARG VERSION=""
ARG COMMIT=""
LABEL org.opencontainers.image.title="shmkeeper" \
      org.opencontainers.image.description="The admission controller for /dev/shm" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$COMMIT" \
      org.opencontainers.image.source="https://github.com/shmkeeper/shmkeeper" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /shmkeeper /shmkeeper
# A number, so that runAsNonRoot can be checked without a list of users.
USER 65532:65532
ENTRYPOINT ["/shmkeeper"]
