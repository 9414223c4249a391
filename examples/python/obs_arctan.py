"""An observation operator as a plume plugin: h(x) = arctan(scale x) of chosen variables."""

import numpy as np
from plume import Array, ConfigError, ObservationOperator, Param, Variable, serve


class ObsArctan(ObservationOperator):
    """Arctangent of the state, componentwise."""

    name = "obs-arctan-python"
    example = {"params": {"variables_seen": ["x"]}}

    scale: float = Param(0.1, gt=0, doc="factor of the state inside the arctangent")
    variables_seen: list[str] = Param([], doc="variables observed; none named: all")

    def setup(self) -> None:
        known = [v.name for v in self.state.variables]
        for name in self.variables_seen:
            if name not in known:
                raise ConfigError(f'is "{name}"; want some of {", ".join(known)}', where="variables_seen")
        seen = [v for v in self.state.variables if v.name in (self.variables_seen or known)]
        self.columns = np.concatenate([np.r_[self.state.columns(v.name)] for v in seen])
        self.variables = [Variable(v.name, "1", v.shape, v.dims) for v in seen]

    def observe(self, x: Array, t: float) -> Array:  # x: (members, n)
        predicted: Array = np.arctan(self.scale * x[:, self.columns])
        return predicted

    # d: (members, m), one vector a member; offers filters the gradient of log p(y | x)
    def adjoint(self, d: Array, x: Array, t: float) -> Array:
        out = np.zeros_like(x)
        out[:, self.columns] = d * self.scale / (1 + (self.scale * x[:, self.columns]) ** 2)
        return out


if __name__ == "__main__":
    serve(ObsArctan)
