# Two stages: the toolchain builds the binary, and a small image of the same Debian runs it as a user without rights.
FROM rust:1-bookworm AS build
WORKDIR /src
COPY . .
# The debug information stays here: the image gets the program only.
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --release --locked --package baeum-server \
    && cp target/release/baeum /baeum && strip --strip-debug /baeum

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates curl \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --create-home --home-dir /var/lib/baeum baeum \
    && install --directory --owner baeum --mode 0700 /keys
COPY --from=build /baeum /usr/local/bin/baeum
USER baeum
WORKDIR /var/lib/baeum
# One thread a product: the evaluator is small, and many answers are evaluated at once.
ENV BAEUM_LISTEN=0.0.0.0:8080 BAEUM_DATA=/var/lib/baeum/data RAYON_NUM_THREADS=1
EXPOSE 8080
ENTRYPOINT ["baeum"]
CMD ["serve"]
