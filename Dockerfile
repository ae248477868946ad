# docker build --target cpu -t wt_jax .          docker run --rm --init wt_jax train --config experiments/quick.py
# docker build --target cuda -t wt_jax:cuda .    more: docs/cloud.md

FROM python:3.12-slim AS base
# What MediaPipe and OpenCV open at run time, and a slim Debian lacks.
RUN apt-get update \
    && apt-get install -y --no-install-recommends libegl1 libgl1 libgles2 libglib2.0-0 \
    && rm -rf /var/lib/apt/lists/*
RUN useradd --create-home --uid 1000 wt \
    && install -d -m 1777 /cache /work
ENV WT_JAX_CACHE=/cache MPLCONFIGDIR=/cache/matplotlib PYTHONUNBUFFERED=1
WORKDIR /work
COPY pyproject.toml README.md /src/
COPY wt_jax /src/wt_jax
COPY experiments experiments
VOLUME /cache
ENTRYPOINT ["wt-jax"]

# JAX brings CUDA itself: of NVIDIA the machine needs the driver (580 or later) and the container toolkit.
FROM base AS cuda
RUN pip install --no-cache-dir '/src[cuda,s3,gcs]'
USER wt

FROM base AS cpu
RUN pip install --no-cache-dir '/src[s3,gcs]'
USER wt
