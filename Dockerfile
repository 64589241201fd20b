# The image of orb8-exporter, for amd64 and arm64:
#   docker buildx build --platform linux/amd64,linux/arm64 --build-arg VERSION=0.1.0 --tag REGISTRY/orb8-exporter:0.1.0 --push .
# test/image runs the commands of each stage in a bare Debian, where there is no engine.
ARG NODE=24-bookworm-slim
ARG DEBIAN=bookworm-slim

# One object serves all architectures. Compiled by the clang that it is tested with.
FROM --platform=$BUILDPLATFORM node:${NODE} AS objects
RUN apt-get update \
  && apt-get install --yes --no-install-recommends clang-16 llvm-16 libbpf-dev libc6-dev \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /orb8/build
COPY scripts/build.sh scripts/toolchain.sh scripts/
COPY bpf bpf
RUN bash scripts/build.sh bpf

# The exporter and its dependencies in few files; of native code, that of the target's architecture.
FROM --platform=$BUILDPLATFORM node:${NODE} AS program
WORKDIR /orb8/build
COPY package.json package-lock.json .npmrc ./
RUN npm install --prefix /orb8 --no-save --ignore-scripts --no-audit --no-fund \
    "esbuild@$(node --print "require('./package.json').devDependencies.esbuild")"
ARG TARGETARCH
RUN cpu=$(node --print "({ amd64: 'x64', '': process.arch })['${TARGETARCH}'] ?? '${TARGETARCH}'") \
  && npm ci --omit=dev --ignore-scripts --no-audit --no-fund --os=linux --cpu="$cpu"
COPY LICENSE ./
COPY scripts/bundle.ts scripts/healthcheck.ts scripts/
COPY src src
COPY --from=objects /orb8/build/dist/bpf dist/bpf
RUN node scripts/bundle.ts /app

FROM node:${NODE} AS node

# What node's own image is made from, with its node and without npm and yarn: nothing is installed at run time.
FROM debian:${DEBIAN} AS image
RUN apt-get update \
  && apt-get install --yes --no-install-recommends libbpf1 libcrypt1 libstdc++6 \
  && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/debconf/*-old /var/log/apt /var/log/dpkg.log \
  && ln -s /app/dist/cli.js /usr/local/bin/orb8
COPY --from=node /usr/local/bin/node /usr/local/bin/node
COPY --from=node /usr/local/LICENSE /usr/local/share/doc/node/LICENSE
COPY --from=program /app /app
ARG VERSION=unknown
ARG REVISION=unknown
ARG CREATED=unknown
ARG SOURCE=unknown
LABEL org.opencontainers.image.title="orb8-exporter" \
  org.opencontainers.image.description="Counts, at the socket and in the kernel, what each workload sends to whom, for Prometheus and OpenTelemetry" \
  org.opencontainers.image.licenses="Apache-2.0" \
  org.opencontainers.image.base.name="docker.io/library/debian:bookworm-slim" \
  org.opencontainers.image.version="${VERSION}" \
  org.opencontainers.image.revision="${REVISION}" \
  org.opencontainers.image.created="${CREATED}" \
  org.opencontainers.image.source="${SOURCE}"
ENV NODE_ENV=production
# Reads what `orb8 load` has pinned. To load as well, run it as user 0 with the capabilities BPF, PERFMON and NET_ADMIN.
USER 65534:65534
EXPOSE 9091
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s --retries=3 CMD ["node", "/app/healthcheck.js"]
ENTRYPOINT ["orb8"]
CMD ["export"]
