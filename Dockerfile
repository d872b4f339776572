# The command `inlaid` in a small image, with libjpeg-turbo, more image formats and object stores:
#
#   docker build --tag inlaid .
#   docker run --rm --user "$(id -u):$(id -g)" --volume "$PWD:/data" inlaid convert photos --out dataset --size 224
#
# `--user` makes what it writes yours. The Rust of the first image builds it, a stable one as in rust-toolchain.toml,
# which .dockerignore leaves out, so that no other is fetched. It has to be 1.92 or later, for the feature `formats`.
FROM rust:1.95.0-slim-bookworm AS build
# For libjpeg-turbo; nasm assembles its SIMD code.
RUN apt-get update \
  && apt-get install --yes --no-install-recommends cmake g++ make nasm \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN cargo build --release --locked --package inlaid --bin inlaid --features turbojpeg,formats,remote

FROM debian:bookworm-slim
LABEL org.opencontainers.image.title="inlaid" \
  org.opencontainers.image.description="Turns folders of images into Parquet datasets" \
  org.opencontainers.image.source="https://github.com/inlaid/inlaid" \
  org.opencontainers.image.licenses="MIT OR Apache-2.0"
# Certificates are for object stores.
RUN apt-get update \
  && apt-get install --yes --no-install-recommends ca-certificates \
  && rm -rf /var/lib/apt/lists/* \
  && useradd --create-home --uid 1000 inlaid \
  && install --directory --owner inlaid --group inlaid /data
COPY LICENSE-APACHE LICENSE-MIT NOTICE /usr/share/doc/inlaid/
COPY --from=build /src/target/release/inlaid /usr/local/bin/inlaid
USER inlaid
WORKDIR /data
ENTRYPOINT ["inlaid"]
