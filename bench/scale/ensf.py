"""The ensemble score filter (EnSF) in numpy, for benchmarks.

Written from the formulas of Bao, Zhang and Zhang (2024), doi:10.1016/j.cma.2024.117447: a member is noised
towards N(0, 1) with alpha(t) = 1 - (1 - eps_alpha) t and beta(t)^2 = eps_beta + (1 - eps_beta) t, and the reverse
equation is integrated from 1 to 0 by Euler steps, with the score of that one member (their mini-batch has one) and,
damped by 1 - t, that of the likelihood. It knows that every value of the state is seen through its arc tangent. Sites
and members do not meet but in the start of a site, which has mean 0 and variance 1 over the members.
"""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray
from plume import Array, ConfigError, Filter, Param, Problem, serve

BLOCK = 4096  # sites: what is needed of them stays in the cache of a processor
MOST = 1000  # of a score, in absolute value

Single = NDArray[np.float32]


class EnSF(Filter):
    """Ensemble score filter for states that are seen through their arc tangent."""

    name = "filter-ensf-numpy"
    needs = ("error_variance",)
    steps: int = Param(500, ge=1, doc="Euler steps of the reverse equation")
    eps_alpha: float = Param(0.5, gt=0.0, lt=1.0, doc="what is left of a member at t = 1")
    eps_beta: float = Param(0.025, gt=0.0, lt=1.0, doc="variance of the noise at t = 0")

    def setup(self) -> None:
        """Refuses observations of parts of the state."""
        if self.state.size != self.observations.size:
            raise ConfigError(
                f"there are {self.observations.size} observations of {self.state.size} values; want one of each",
                where="observations",
            )

    def analyse(self, problem: Problem) -> Array:
        """Returns samples of the posterior, one for each member."""
        assert problem.error_variance is not None
        y, variance = problem.observation.astype(np.float32), problem.error_variance.astype(np.float32)
        analysis = np.empty_like(problem.ensemble)
        starts = range(0, self.state.size, BLOCK)

        def block(first: int, seed: int) -> None:
            of, rng = slice(first, first + BLOCK), np.random.default_rng(seed)
            analysis[:, of] = self.sample(problem.ensemble[:, of].astype(np.float32), y[of], variance[of], rng)

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(block, starts, problem.rng.integers(1 << 63, size=len(starts))))
        return analysis

    def sample(self, members: Single, y: Single, variance: Single, rng: np.random.Generator) -> Single:
        """Returns samples for a block of sites."""
        z: Single = rng.standard_normal(members.shape, np.float32)
        z = (z - z.mean(0)) / z.std(0, ddof=1)
        score, seen, noise = np.empty_like(z), np.empty_like(z), np.empty_like(z)
        dt = 1 / self.steps
        for t in np.linspace(1, 0, self.steps, endpoint=False):
            alpha, beta2 = 1 - (1 - self.eps_alpha) * t, self.eps_beta + (1 - self.eps_beta) * t
            drift = -(1 - self.eps_alpha) / alpha
            diffusion2 = (1 - self.eps_beta) - 2 * drift * beta2
            np.multiply(members, np.float32(alpha), out=score)
            score -= z
            score /= np.float32(beta2)
            np.arctan(z, out=seen)
            np.subtract(y, seen, out=seen)
            seen *= (1 - t) / variance
            np.multiply(z, z, out=noise)
            noise += 1
            seen /= noise
            score += seen
            np.clip(score, -MOST, MOST, out=score)
            score *= np.float32(dt * diffusion2)
            z *= np.float32(1 - dt * drift)
            z += score
            rng.standard_normal(out=noise, dtype=np.float32)
            noise *= np.float32(np.sqrt(dt * diffusion2))
            z += noise
        return z


if __name__ == "__main__":
    serve(EnSF)
