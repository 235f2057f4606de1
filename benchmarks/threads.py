"""One thread for everything, or as many as OMP_NUM_THREADS says: read when NumPy, SciPy and the peers are imported."""

from __future__ import annotations

import os

THREADS = os.environ.setdefault("OMP_NUM_THREADS", "1")
for library in ("OPENBLAS", "MKL", "RAYON"):
    os.environ[f"{library}_NUM_THREADS"] = THREADS
os.environ["XLA_FLAGS"] = (
    f"--xla_cpu_multi_thread_eigen={str(THREADS != '1').lower()} intra_op_parallelism_threads={THREADS}"
)
