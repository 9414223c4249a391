"""An FMU with a memory: hares, lynx, and the grass that is no output."""

from pythonfmu import Fmi2Causality, Fmi2Initial, Fmi2Slave, Fmi2Variability, Real


class Hares(Fmi2Slave):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.hares, self.lynx, self.growth, self.grass = 2.0, 1.0, 0.6, 1.0
        about = {"variability": Fmi2Variability.continuous, "initial": Fmi2Initial.exact}
        self.register_variable(Real("hares", causality=Fmi2Causality.output, start=2.0, **about))
        self.register_variable(Real("lynx", causality=Fmi2Causality.output, start=1.0, **about))
        self.register_variable(Real("grass", causality=Fmi2Causality.local, variability=Fmi2Variability.continuous))
        self.register_variable(
            Real("growth", causality=Fmi2Causality.parameter, variability=Fmi2Variability.tunable, start=0.6)
        )

    def do_step(self, time, length):
        for _ in range(20):
            grown = self.growth * self.grass * self.hares - 0.8 * self.hares * self.lynx
            fed = 0.4 * self.hares * self.lynx - 0.4 * self.lynx
            grazed = 0.2 * (2.5 - self.hares * self.grass)
            self.hares += length / 20 * grown
            self.lynx += length / 20 * fed
            self.grass += length / 20 * grazed
        return True
