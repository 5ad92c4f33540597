"""Serves a model with llama.cpp's own server until it is ended: ``python llama_server.py MODEL PORT CONTEXT``.

It runs in an environment that has the package xllamacpp.
"""

from __future__ import annotations

import signal
import sys


def main(model: str, port: str, context: str) -> None:
    """Serve it, one conversation at a time, each of so many tokens."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = model
    params.hostnames, params.port = ["127.0.0.1"], int(port)
    params.n_ctx, params.n_parallel, params.cpuparams.n_threads = int(context), 1, 1
    params.chat_template, params.sampling.seed = "chatml", 5
    params.fit_params = params.warmup = params.ui = False
    server = xllamacpp.Server(params)
    sys.stdout.write(f"{server.listening_address}\n")
    signal.pause()


if __name__ == "__main__":
    main(*sys.argv[1:])
