"""The ensemble transform Kalman filter in the symmetric form of Hunt, Kostelich and
Szunyogh (2007), doi:10.1016/j.physd.2006.11.008, equations 20 to 25, as a plume plugin."""

import numpy as np
from plume import Array, Filter, Param, Problem, serve


class Etkf(Filter):
    """Ensemble transform Kalman filter in Python."""

    name = "filter-etkf-python"
    needs = ("predicted", "error_variance")
    inflation: float = Param(1.0, ge=1.0, doc="factor of the forecast anomalies")

    def analyse(self, problem: Problem) -> Array:
        y, predicted, r = problem.observed()  # of the components that are not missing
        n = len(problem.ensemble)
        mean = problem.ensemble.mean(axis=0)
        anomalies = self.inflation * (problem.ensemble - mean)
        observed = self.inflation * (predicted - predicted.mean(axis=0))
        values, vectors = np.linalg.eigh((n - 1) * np.eye(n) + (observed / r) @ observed.T)
        weight = vectors @ ((vectors.T @ (observed / r @ (y - predicted.mean(axis=0)))) / values)
        root = (vectors * np.sqrt((n - 1) / values)) @ vectors.T
        analysis: Array = mean + (weight + root) @ anomalies
        return analysis


if __name__ == "__main__":
    serve(Etkf)
