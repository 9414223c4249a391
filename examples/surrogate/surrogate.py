"""A network in an ONNX file as a model: all members go through it in one call."""

from pathlib import Path
from typing import Any

import numpy as np
from plume import Array, ConfigError, Model, Param, Streams, serve


class Surrogate(Model):
    """A network in an ONNX file that moves states by an interval."""

    example = {
        "params": {"network": str(Path(__file__).with_name("lorenz63.onnx"))},
        "state": [1.5, -1.5, 25.5],
        "interval": 0.05,
    }

    network: str = Param(
        path="input",
        doc="file, (members, values) to (members, values), whose metadata name the variables and the interval",
    )
    device: str = Param("cpu", choices=["cpu", "cuda"], doc="where it is computed")

    def setup(self) -> None:
        import onnxruntime

        provider = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}[self.device]
        if provider not in onnxruntime.get_available_providers():
            raise ConfigError(
                "this onnxruntime has no support for it", where="device", hint="pip install onnxruntime-gpu"
            )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # Plume has threads of its own: replicas, trials
        try:
            path = Path(self.dir, self.network)
            self.session: Any = onnxruntime.InferenceSession(path, options, providers=[provider])
            about = self.session.get_modelmeta().custom_metadata_map
            self.variables = {name.strip(): "1" for name in about["variables"].split(",")}
            self.interval = float(about["interval"])
        except Exception as e:
            raise ConfigError(
                f"is not a network with variables and interval in its metadata: {e}", where="network"
            ) from e

    def forecast(self, x: Array, t0: float, t1: float, rng: Streams) -> Array:
        steps = (t1 - t0) / self.interval
        if abs(steps - round(steps)) > 1e-6:
            raise ConfigError(f"the network moves states by {self.interval:g}, not by {t1 - t0:g}", where="network")
        states = x.astype(np.float32)
        for _ in range(round(steps)):
            (states,) = self.session.run(None, {"x": states})
        return states.astype(float)


if __name__ == "__main__":
    serve(Surrogate)
