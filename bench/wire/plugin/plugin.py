"""The model x -> x + 1 in Python; see main.go."""

from plume import Model, Param, Variable, serve


class PlusOne(Model):
    """x -> x + 1: as little work as a model can do, to measure the way there and back."""

    step = 1.0
    n: int = Param(3, ge=1, doc="number of values of a state")

    def setup(self):
        self.variables = [Variable("x", "1", (self.n,), ("site",))]

    def forecast(self, x, t0, t1, rng):
        return x + 1


serve(PlusOne)
