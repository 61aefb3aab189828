"""Calibration: parameters fitted to recorded values, what the data say of each, and a check that the fit can be trusted.

Parameters are sampled on the scale of their priors' normal scores z: value = quantile(Phi(z)), so that every prior is exactly a
standard normal in z and no bound can be crossed. Errors of the records are those of `outturns` (measurement by grade, disturbances of
single years shared by all that they touch); statements such as "more than" enter as one-sided likelihoods. Parameters that are
not fitted stay at their medians in the fit, and the spread that they give the predictions is added to the errors (exact where
the model is linear in them).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from simulate import outturns, setups
from simulate.distributions import Distribution, uniforms
from simulate.errors import InvalidInput, MissingExtra, Problem, nearest
from simulate.model import Array
from simulate.outturns import Link, Point
from simulate.registry import Registry
from simulate.runs import BLOCK, Trajectories, project
from simulate.scenarios import Scenario, load_scenario
from simulate.setups import Setup

MOST = 12
"""Parameters fitted unless others are named: more than a few dozen would be too many for the sampler."""
SHARE = 0.01
"""Part of all that the data could tell which a parameter must have to be fitted by default."""
LEARNT = 0.05
"""Contraction below which the data are said to tell nothing of a parameter."""
R_HAT, LENGTHS, ENOUGH = 1.01, 20.0, 400.0
"""Converged: R-hat below this and at least as many effective draws (Vehtari et al. 2021), from chains so many autocorrelation times
long. (For the time's own estimate emcee's authors ask for 50 with a few walkers; here it is the mean over more than a hundred.)"""
ENSEMBLES = 2


def _ndtr(z: Array) -> Array:
    from scipy.special import ndtr

    return np.asarray(ndtr(z))


def _ndtri(u: Array) -> Array:
    from scipy.special import ndtri

    return np.asarray(ndtri(u))


@dataclass(frozen=True)
class Posterior:
    """What is fitted to what: the log-probability of normal scores z of the parameters `names`.

    Observations are `points`, then `bounds`, then `links`; `observed` and predictions are on the scale of errors. `noise` is the
    covariance of their errors. `root` is the lower Cholesky factor of that of points and links together, `bound_sd` the bounds'
    standard deviation, both with the spread that parameters not fitted give; `offset` is what those add on average, `medians`
    where they stand.
    """

    registry: Registry
    setup: Setup
    names: tuple[str, ...]
    points: tuple[Point, ...]
    bounds: tuple[Point, ...]
    links: tuple[Link, ...]
    observed: Array
    noise: Array
    root: Array
    bound_sd: Array
    offset: Array
    medians: Mapping[str, Array]

    @cached_property
    def priors(self) -> dict[str, Distribution]:
        """Priors of the parameters that are fitted."""
        return {n: self.setup.drawn[n] for n in self.names}

    def values(self, z: Array) -> dict[str, Array]:
        """Turn normal scores of shape (runs, parameters) into values by name, each (runs,)."""
        return {n: d.quantile(_ndtr(z[:, k]).clip(2.0**-54, 1 - 2.0**-53)) for k, (n, d) in enumerate(self.priors.items())}

    def predict(self, z: Array) -> Array:
        """Return predictions of all observations on their scale, (observations, runs): parameters not fitted at their medians."""
        drawn = {**self.medians, **self.values(z)}
        return _predict(self.registry, self.setup, (*self.points, *self.bounds), self.links, drawn, len(z)) + self.offset[:, None]

    def _parts(self, told: Array) -> tuple[Array, Array]:
        """Return whitened residuals of points and links (rows, runs), and how many standard deviations each bound is satisfied by."""
        from scipy.linalg import solve_triangular

        n, m = len(self.points), len(self.bounds)
        exact = np.r_[0:n, n + m : len(told)]
        # a run that left the finite numbers gets a residual that no other run feels
        residual = np.nan_to_num(self.observed[exact, None] - told[exact], nan=1e6, posinf=1e6, neginf=-1e6)
        white = solve_triangular(self.root, residual, lower=True) if len(exact) else residual
        sign = np.array([1.0 if p.low_side else -1.0 for p in self.bounds])
        beyond = np.nan_to_num((told[n : n + m] - self.observed[n : n + m, None]) * (sign / self.bound_sd)[:, None], nan=-1e6)
        return white, beyond

    def log_likelihood(self, told: Array) -> Array:
        """Return the log-likelihood of predictions (observations, runs), up to a constant: shape (runs,)."""
        from scipy.special import log_ndtr

        white, beyond = self._parts(told)
        return np.asarray(-0.5 * np.sum(white**2, axis=0) + np.sum(log_ndtr(beyond), axis=0))

    def log_probability(self, z: Array) -> Array:
        """Return the log posterior density of scores (runs, parameters), up to a constant: shape (runs,)."""
        return np.asarray(self.log_likelihood(self.predict(z)) - 0.5 * np.sum(z**2, axis=1))

    def residuals(self, z: Array) -> Array:
        """Return what least squares makes small, (residuals, runs): whitened errors, bounds, and the scores themselves (the prior)."""
        from scipy.special import log_ndtr

        white, beyond = self._parts(self.predict(z))
        return np.concatenate([white, np.sqrt(-2 * log_ndtr(beyond)), z.T])

    def maximum(self) -> tuple[Array, Array]:
        """Return the mode in z and the covariance of its normal approximation, by least squares (Gauss-Newton curvature).

        Finite differences are evaluated as one block of runs.
        """
        from scipy.optimize import least_squares

        d = len(self.names)
        step = 1e-3

        def slope(z: Array) -> Array:
            moved = z + step * np.concatenate([np.eye(d), -np.eye(d)])
            told = self.residuals(moved)
            return (told[:, :d] - told[:, d:]) / (2 * step)

        found = least_squares(lambda z: self.residuals(z[None])[:, 0], np.zeros(d), jac=slope, method="trf", x_scale=1.0)
        return np.asarray(found.x), np.linalg.inv(found.jac.T @ found.jac)


def _predict(registry: Registry, setup: Setup, points: Sequence[Point], links: Sequence[Link], drawn: Mapping[str, Array],
             runs: int) -> Array:
    """Return predictions on the scale of errors, (points and links, runs), for runs whose uncertain values are `drawn`."""
    rows = []
    if points:
        values = project(setup, drawn, runs, outturns.variables(setup, points))
        years = setup.base_year + np.arange(len(values["gdp"]) + 0.0)
        told = outturns.predicted(Trajectories(setup, registry, years, values, drawn, 0), points)
        with np.errstate(all="ignore"):
            rows += [outturns.on_error_scale(p, x) for p, x in zip(points, told, strict=True)]
    parameters = {n: drawn[n] if n in drawn else np.array([setup.values[n]]) for k in links for n in (*k.rates, *k.logarithms)}
    rows += [np.broadcast_to(k.predicted(parameters), (runs,)) for k in links]
    return np.array(rows).reshape(len(rows), runs)


def observations(registry: Registry, scenario: Scenario | str, until: int | None = None) -> tuple[list[Point], list[Link]]:
    """Return what `scenario` may be fitted to: recorded values up to `until` (all, if None), and what the base-year record says.

    Values that the scenario was fitted to before, that set an input, speak for part of a year or stand on another basis are left out.
    """
    chosen = load_scenario(scenario) if isinstance(scenario, str) else scenario
    base = registry.base_year(chosen.region)
    if until is not None and until < base:
        raise InvalidInput(Problem(f"until: {until} is before the base year {base}.",
                                   f"Give {base} (only what is known up to the base year) or a later year."))
    setup = setups.resolve(registry, chosen)
    last = chosen.horizon if until is None else min(until, chosen.horizon)
    points = [p for p in outturns.recorded(registry, setup, base, last) if p.status in ("counted", "bound")]
    return points, [] if chosen.fitted else [k for k in outturns.links(registry, setup) if k.used]


def posterior(registry: Registry, scenario: Scenario | str, given: tuple[Sequence[Point], Sequence[Link]] | None = None, *,
              until: int | None = None, parameters: Sequence[str] | None = None, seed: int = 1, runs: int = 2000) -> Posterior:
    """Return what is to be fitted. `parameters` default to those that the data can tell most of (at most `MOST`).

    `runs` prior draws measure what each parameter does to the predictions. Raises InvalidInput where nothing is recorded that could
    be fitted to, and for unknown or certain parameters.
    """
    chosen = load_scenario(scenario) if isinstance(scenario, str) else scenario
    points, links = given if given is not None else observations(registry, chosen, until)
    exact, bounds = [p for p in points if p.status == "counted"], [p for p in points if p.status == "bound"]
    base = registry.base_year(chosen.region)
    if not points and not links:
        when = f" up to {until}" if until else ""
        raise InvalidInput(Problem(f"region {chosen.region!r}: nothing is recorded{when} that its parameters could be fitted to.",
                                   "Add outturns: to a seed file (see --data), or choose a later year or another region."))
    horizon = max([base + 1, *(p.year for p in points)])
    setup = setups.resolve(registry, dataclasses.replace(chosen, horizon=horizon, report_years=(horizon,)))
    free = {n: d for n, d in setup.drawn.items() if d.kind != "choice"}
    if parameters is not None:
        unknown = [n for n in parameters if n not in free]
        if unknown or not parameters:
            raise InvalidInput([Problem(f"parameters: {n!r} is not an uncertain parameter of this scenario.", nearest(n, free, "Uncertain"))
                                for n in unknown] or Problem("parameters: none is named.", "Name at least one, or leave the option out."))
    ordered = [*exact, *bounds]
    full = np.zeros((len(ordered) + len(links),) * 2)
    full[: len(ordered), : len(ordered)] = outturns.error_covariance(ordered, base)
    full[len(ordered) :, len(ordered) :] = np.diag([k.sd**2 for k in links])
    names = (tuple(dict.fromkeys(parameters)) if parameters is not None
             else _telling(registry, setup, ordered, links, full, free, seed, runs))
    # what the parameters left out do to the predictions, those fitted at their medians
    medians = {n: np.array([d.centre]) for n, d in setup.drawn.items()}
    others = {n: d.quantile(uniforms(seed, n, 0, runs)) if n not in names else medians[n] for n, d in setup.drawn.items()}
    spread = _predict(registry, setup, ordered, links, others, runs)
    spread = spread[:, np.isfinite(spread).all(axis=0)]
    offset = spread.mean(axis=1) - _predict(registry, setup, ordered, links, medians, 1)[:, 0]
    noise, full = full, full + np.atleast_2d(np.cov(spread))
    kept = np.r_[0 : len(exact), len(ordered) : len(full)]
    observed = np.array([*(p.observed for p in ordered), *(k.observed for k in links)])
    return Posterior(registry, setup, names, tuple(exact), tuple(bounds), tuple(links), observed, noise,
                     np.linalg.cholesky(full[np.ix_(kept, kept)]), np.sqrt(np.diag(full))[len(exact) : len(ordered)], offset, medians)


def _telling(registry: Registry, setup: Setup, points: Sequence[Point], links: Sequence[Link], covariance: Array,
             free: Mapping[str, Distribution], seed: int, runs: int) -> tuple[str, ...]:
    """Return the parameters that move the predictions most, in standard deviations of the errors: what the data can tell of."""
    u = {n: uniforms(seed, n, 0, runs) for n in setup.drawn}
    told = _predict(registry, setup, points, links, {n: setup.drawn[n].quantile(u[n]) for n in u}, runs)
    good = np.isfinite(told).all(axis=0)
    white = np.linalg.solve(np.linalg.cholesky(covariance), told[:, good])
    white = white - white.mean(axis=1, keepdims=True)
    score = {n: float(np.sum((white @ _ndtri(u[n][good]) / good.sum()) ** 2)) for n in free}
    noise = float(np.sum(white.var(axis=1))) / good.sum()  # what chance alone gives a parameter that does nothing
    total = sum(score.values())
    best = sorted(score, key=lambda n: -score[n])[:MOST]
    return tuple(n for n in best if score[n] > max(SHARE * total, 4 * noise)) or (best[0],)


# ---------------------------------------------------------------- sampling

@dataclass(frozen=True)
class Chains:
    """Draws of ensemble samplers: `z` (ensembles, steps, walkers, parameters) after `burnt` steps, and how far they can be trusted.

    `times`: integrated autocorrelation times in steps; `r_hat`: rank-normalised split R-hat of ensembles and halves (Gelman and
    Rubin 1992; Vehtari et al. 2021), the larger of bulk and tail; `effective`: draws that independent ones would be worth.
    """

    z: Array
    burnt: int
    times: Array
    r_hat: Array
    effective: Array
    acceptance: float

    @property
    def flat(self) -> Array:
        """All draws, (draws, parameters)."""
        return self.z.reshape(-1, self.z.shape[-1])

    @property
    def converged(self) -> bool:
        """Whether every R-hat is below `R_HAT`, effective draws are `ENOUGH`, and chains `LENGTHS` autocorrelation times long."""
        return bool(self.r_hat.max() < R_HAT and self.effective.min() >= ENOUGH and self.z.shape[1] >= LENGTHS * self.times.max())


def split_r_hat(chains: Array) -> float:
    """Return the rank-normalised split R-hat of chains (chains, draws), the larger of bulk and tail; 1 where they agree.

    Each chain is cut in halves; R-hat compares the variance of the parts' means with that within them.
    """
    from scipy.stats import rankdata

    half = chains.shape[1] // 2
    parts = np.concatenate([chains[:, :half], chains[:, half : 2 * half]])

    def of(x: Array) -> float:
        scores = _ndtri((rankdata(x).reshape(x.shape) - 0.375) / (x.size + 0.25))
        within, between = float(scores.var(axis=1, ddof=1).mean()), float(scores.mean(axis=1).var(ddof=1))
        return float(np.sqrt((half - 1) / half + between / within)) if within > 0 else float("inf")

    return max(of(parts), of(np.abs(parts - np.median(parts))))


def sample(log_probability: Callable[[Array], Array], mode: Array, covariance: Array, *, walkers: int = 128, steps: int = 1000,
           ensembles: int = ENSEMBLES, seed: int = 1, progress: Callable[[int, int], None] | None = None) -> Chains:
    """Sample a density by emcee's ensemble sampler; all walkers are evaluated as one call of `log_probability` ((n, d) -> (n,)).

    Independent ensembles start spread twice as wide as the normal approximation at the mode; the first third is burnt. Moves are
    mostly differential evolution (ter Braak and Vrugt 2008), which mixes better here than stretches. Raises InvalidInput for too
    few walkers or steps.
    """
    try:
        import emcee
    except ModuleNotFoundError:
        raise MissingExtra("emcee", "calibration") from None
    d = len(mode)
    if walkers < max(2 * d + 2, 8) or walkers % 2:
        least = max(2 * d + 2, 8)
        raise InvalidInput(Problem(f"walkers: {walkers} is too few or odd for {d} parameters.", f"Give an even number, at least {least}."))
    if steps < 30:
        raise InvalidInput(Problem(f"steps: {steps} is too few to say anything.", "Give at least 30; 1000 is usual."))
    burnt = steps // 3
    moves = [(emcee.moves.DEMove(), 0.8), (emcee.moves.DESnookerMove(), 0.1), (emcee.moves.StretchMove(), 0.1)]
    root = np.linalg.cholesky(covariance)
    kept, times, accepted = [], [], []
    for e in range(ensembles):
        rng = np.random.default_rng([seed, e])
        sampler = emcee.EnsembleSampler(walkers, d, log_probability, moves=moves, vectorize=True)
        start = emcee.State(mode + 2 * rng.standard_normal((walkers, d)) @ root.T,
                            random_state=np.random.RandomState(int(rng.integers(2**32))).get_state())
        for k, _ in enumerate(sampler.sample(start, iterations=steps), 1):
            if progress:
                progress(e * steps + k, ensembles * steps)
        chain = np.asarray(sampler.get_chain(discard=burnt))
        kept.append(chain)
        with np.errstate(invalid="ignore"):  # a walker that never moved has no autocorrelation: as bad as the chain is long
            times.append(np.nan_to_num(emcee.autocorr.integrated_time(chain, tol=0, quiet=True), nan=float(len(chain))))
        accepted.append(float(np.mean(sampler.acceptance_fraction)))
    z = np.stack(kept)
    tau = np.maximum(np.mean(times, axis=0), 1.0)
    r_hat = np.array([split_r_hat(z[..., k].reshape(ensembles, -1)) for k in range(d)])
    return Chains(z, burnt, tau, r_hat, z.shape[0] * z.shape[1] * walkers / tau, float(np.mean(accepted)))


# ---------------------------------------------------------------- the result

@dataclass(frozen=True)
class Learnt:
    """What the data say of one parameter: (mean, standard deviation) before and after; contraction = 1 - variance after/before."""

    name: str
    prior: tuple[float, float]
    posterior: tuple[float, float]
    quantiles: tuple[float, float, float]
    contraction: float
    r_hat: float | None = None
    effective: float | None = None


@dataclass(frozen=True)
class Calibration:
    """Fitted parameters: `draws` (draws, parameters) in the model's units, in the order of `posterior.names`.

    `chains` is None for the quick fit, whose draws come from the normal approximation at the mode (in z).
    """

    posterior: Posterior
    scenario: Scenario
    mode: Array
    z: Array = field(repr=False)
    draws: Array = field(repr=False)
    chains: Chains | None
    seed: int

    @property
    def converged(self) -> bool | None:
        """Whether the sampler converged; None for the quick fit."""
        return None if self.chains is None else self.chains.converged

    @cached_property
    def learnt(self) -> tuple[Learnt, ...]:
        """What the data say of each parameter, most first."""
        u = (np.arange(4000) + 0.5) / 4000
        found = []
        for k, (n, d) in enumerate(self.posterior.priors.items()):
            before, x = d.quantile(u), self.draws[:, k]
            low, middle, high = np.quantile(x, (0.05, 0.5, 0.95))
            trust = (float(self.chains.r_hat[k]), float(self.chains.effective[k])) if self.chains else (None, None)
            found.append(Learnt(n, (float(before.mean()), float(before.std())), (float(x.mean()), float(x.std())),
                                (float(low), float(middle), float(high)), 1 - float(x.var() / before.var()), *trust))
        return tuple(sorted(found, key=lambda row: -row.contraction))

    @cached_property
    def correlations(self) -> dict[tuple[str, str], float]:
        """Correlations of the fitted parameters' normal scores, by pair, largest first."""
        names = self.posterior.names
        matrix = np.atleast_2d(np.corrcoef(self._scores.T))
        pairs = {(names[i], names[j]): float(matrix[i, j]) for i in range(len(names)) for j in range(i)}
        return dict(sorted(pairs.items(), key=lambda item: -abs(item[1])))

    @property
    def _scores(self) -> Array:
        """Normal scores of the draws within the posterior's own marginals: those of a Gaussian copula."""
        from scipy.stats import rankdata

        return _ndtri((rankdata(self.z, axis=0) - 0.5) / len(self.z))

    @cached_property
    def comparison(self) -> list[dict[str, Any]]:
        """Every observation with median and 90 % band of its prediction before and after, in its own unit (links: per cent a year)."""
        p = self.posterior
        rng = np.random.default_rng(self.seed)
        before = p.predict(rng.standard_normal((1000, len(p.names))))
        after = p.predict(self.z[rng.integers(len(self.z), size=1000)])
        rows: list[dict[str, Any]] = []
        every: list[Point | Link] = [*p.points, *p.bounds, *p.links]
        for k, o in enumerate(every):
            bands = [np.nanquantile(x[k], (0.05, 0.5, 0.95)) for x in (before, after)]
            if isinstance(o, Point):
                row: dict[str, Any] = {"indicator": o.indicator, "year": o.year, "recorded": o.value,
                                       "sense": o.sense, "grade": o.grade, "unit": o.unit}
                bands = [outturns.from_error_scale(o, q) for q in bands]
            else:
                row = {"label": {lang: o.label(lang) for lang in ("zh", "en")},
                       "recorded": 100 * o.observed, "sense": "equal", "grade": "", "unit": "%"}
                bands = [100 * q for q in bands]
            rows.append({"observation": o.name, **row, "prior": bands[0].tolist(), "fitted": bands[1].tolist()})
        return rows

    @property
    def fitted(self) -> dict[str, tuple[int, ...]]:
        """Years fitted to by indicator, with those that the scenario had been fitted to before."""
        found: dict[str, set[int]] = {n: set(years) for n, years in self.scenario.fitted.items()}
        for p in (*self.posterior.points, *self.posterior.bounds):
            found.setdefault(p.indicator, set()).add(p.year)
        if not found:  # the base-year record alone
            found = {"gdp": {self.posterior.setup.base_year}}
        return {n: tuple(sorted(years)) for n, years in found.items()}

    @property
    def marginals(self) -> dict[str, Distribution]:
        """Posterior of each parameter as a distribution that a scenario can state: same support as its prior, same mean and spread."""
        return {n: marginal(d, self.draws[:, k]) for k, (n, d) in enumerate(self.posterior.priors.items())}


def marginal(prior: Distribution, draws: Array) -> Distribution:
    """Return a distribution on the prior's support with the draws' mean and standard deviation (beta; normal and lognormal stay so)."""
    if prior.kind == "normal":
        return Distribution(normal=(float(draws.mean()), float(draws.std())))
    if prior.kind == "lognormal":
        logs = np.log(draws)
        return Distribution(lognormal=(float(np.exp(logs.mean())), float(logs.std())))
    low, high = prior.support
    x = (draws - low) / (high - low)
    mean, variance = float(x.mean()), float(x.var())
    strength = max(mean * (1 - mean) / variance - 1, 1e-3)
    return Distribution(beta=(mean * strength, (1 - mean) * strength, low, high))


def calibrate(registry: Registry, scenario: Scenario | str, *, observed: tuple[Sequence[Point], Sequence[Link]] | None = None,
              until: int | None = None, parameters: Sequence[str] | None = None, quick: bool = False, walkers: int = 128, steps: int = 1000,
              seed: int = 1, progress: Callable[[int, int], None] | None = None) -> Calibration:
    """Fit parameters of `scenario` to recorded values up to `until` (or those `observed`).

    `quick`: least squares and the normal approximation at the mode; else the posterior is sampled by emcee. Raises InvalidInput for
    wrong years, parameters, walkers, steps or seed, and MissingExtra without emcee.
    """
    if seed < 0:
        raise InvalidInput(Problem(f"seed: {seed} is negative.", "Give a whole number from 0 on."))
    chosen = load_scenario(scenario) if isinstance(scenario, str) else scenario
    target = posterior(registry, chosen, observed, until=until, parameters=parameters, seed=seed)
    mode, covariance = target.maximum()
    chains, z = None, by_least_squares(target, seed) if quick else mode[None]
    if not quick:
        chains = sample(target.log_probability, mode, covariance, walkers=walkers, steps=steps, seed=seed, progress=progress)
        z = chains.flat[:: max(1, len(chains.flat) // 40_000)]
    return Calibration(target, chosen, mode, z, np.column_stack(list(target.values(z).values())), chains, seed)


# ---------------------------------------------------------------- can the fit be trusted?

@dataclass(frozen=True)
class Check:
    """Simulation-based check of a fit (Cook, Gelman and Rubin 2006; Talts et al. 2018).

    `ranks` (replications, parameters): share of posterior draws below the value that made the data; uniform if all is well.
    `effective`: the fewest effective draws of any replication, where fits are by importance sampling.
    """

    names: tuple[str, ...]
    ranks: Array
    effective: float | None = None

    def covered(self, band: float) -> dict[str, tuple[int, tuple[int, int]]]:
        """Return, by parameter, how many central `band` (0 to 1) intervals held the true value, and the range if all is well.

        The range holds for all parameters together in 99 % of checks (Bonferroni).
        """
        from scipy.stats import binom

        n, tail = len(self.ranks), 0.005 / len(self.names)
        low, high = binom.ppf((tail, 1 - tail), n, band)
        inside = np.abs(self.ranks - 0.5) <= band / 2
        return {name: (int(inside[:, k].sum()), (int(low), int(high))) for k, name in enumerate(self.names)}

    def uniformity(self, bins: int = 5) -> dict[str, float]:
        """Return, by parameter, the p-value of a chi-square test that the ranks are uniform."""
        from scipy.stats import chisquare

        return {name: float(chisquare(np.histogram(self.ranks[:, k], bins, (0, 1))[0]).pvalue) for k, name in enumerate(self.names)}

    @property
    def passed(self) -> bool:
        """Whether both bands cover within their ranges and no ranks are far from uniform (1 % for all parameters together)."""
        inside = all(low <= n <= high for band in (0.5, 0.9) for n, (low, high) in self.covered(band).values())
        return inside and min(self.uniformity().values()) > 0.01 / len(self.names)


Fitting = Callable[[Posterior, int], Array]
"""A way to fit: draws of z, (draws, parameters), from a posterior and a seed."""


def by_sampler(walkers: int = 32, steps: int = 400) -> Fitting:
    """Return the fit by one ensemble of the sampler."""
    return lambda target, seed: sample(target.log_probability, *target.maximum(), walkers=walkers, steps=steps, ensembles=1, seed=seed).flat


def by_least_squares(target: Posterior, seed: int) -> Array:
    """Fit by the normal approximation at the mode."""
    mode, covariance = target.maximum()
    return np.asarray(mode + np.random.default_rng(seed).standard_normal((2000, len(mode))) @ np.linalg.cholesky(covariance).T)


def sbc(target: Posterior, replications: int = 200, *, fit: Fitting | None = None, draws: int = 20_000, seed: int = 1,
        progress: Callable[[int, int], None] | None = None) -> Check:
    """Draw all parameters from their priors, make data with the errors of the records, fit, and see where the truth lies in the fit.

    Parameters that are not fitted are drawn too, so that their treatment is checked with the rest. Without `fit`, posteriors are
    those of one set of prior `draws` weighed by each replication's likelihood: exact but for Monte Carlo error, and quick. Raises
    InvalidInput for fewer than 20 replications.
    """
    if replications < 20:
        raise InvalidInput(Problem(f"check: {replications} replications show nothing.", "Give at least 20; 200 is usual."))
    rng = np.random.default_rng([seed, 7])
    d = len(target.names)
    z = rng.standard_normal((replications, d))
    others = {n: p.quantile(rng.uniform(size=replications).clip(1e-12, 1)) for n, p in target.setup.drawn.items() if n not in target.names}
    ordered = (*target.points, *target.bounds)
    truth = _predict(target.registry, target.setup, ordered, target.links, others | target.values(z), replications)
    made = truth + np.linalg.cholesky(target.noise) @ rng.standard_normal(truth.shape)
    prior = rng.standard_normal((draws, d)) if fit is None else np.empty((0, d))
    told = np.concatenate([target.predict(prior[k : k + BLOCK]) for k in range(0, len(prior), BLOCK)], axis=1) if fit is None else prior.T
    ranks, fewest = np.empty_like(z), float(draws)
    n, m = len(target.points), len(target.bounds)
    for r in range(replications):
        data = made[:, r].copy()
        bounds = tuple(dataclasses.replace(p, sense="more_than" if x > p.observed else "less_than")
                       for p, x in zip(target.bounds, data[n : n + m], strict=True))
        data[n : n + m] = [p.observed for p in bounds]
        this = dataclasses.replace(target, observed=data, bounds=bounds)
        if fit is None:
            logs = this.log_likelihood(told)
            weights = np.exp(logs - logs.max())
            weights /= weights.sum()
            fewest = min(fewest, float(1 / np.sum(weights**2)))
            ranks[r] = weights @ (prior < z[r])
        else:
            ranks[r] = np.mean(fit(this, int(rng.integers(2**31))) < z[r], axis=0)
        if progress:
            progress(r + 1, replications)
    return Check(target.names, ranks, fewest if fit is None else None)


# ---------------------------------------------------------------- the fit as a scenario

def overlay(found: Calibration, extends: str) -> str:
    """Return the fit as a scenario file that extends `extends`: marginals as uncertainties, correlations, origin as comments."""
    chains, how = found.chains, "least squares, normal approximation at the mode"
    if chains is not None:
        ensembles, steps, walkers, _ = chains.z.shape
        how = (f"emcee, {ensembles} ensembles of {walkers} walkers, {steps + chains.burnt} steps, {chains.burnt} burnt;\n"
               f"# R-hat at most {chains.r_hat.max():.3f}, autocorrelation time at most {chains.times.max():.0f} steps, acceptance "
               f"{chains.acceptance:.2f}: {'converged' if chains.converged else 'NOT CONVERGED'}")
    lines = [f"# Fitted by `simulate calibrate` ({found.scenario.region}): {how}; seed {found.seed}.", "# Observations:"]
    lines += [f"#   {row['observation']}: {row['sense'].replace('_', ' ')} {row['recorded']:.7g} {row['unit']} {row['grade']}; fitted "
              "{1:.5g} ({0:.5g} to {2:.5g})".format(*row["fitted"]) for row in found.comparison]
    span = ", ".join(f"{n} {' '.join(map(str, years))}" for n, years in found.fitted.items())
    label = found.scenario.label
    zh, en = _quoted(label.zh + "（拟合）"), _quoted(label.en + " (fitted)")
    lines += [f"extends: {_quoted(extends)}", f"label: {{zh: {zh}, en: {en}}}",
              f"description: {{zh: {_quoted('参数拟合于：' + span)}, en: {_quoted('Parameters fitted to: ' + span)}}}", "fitted:"]
    lines += [f"  {n}: [{', '.join(map(str, years))}]" for n, years in found.fitted.items()]
    lines.append("uncertainties:")
    for row in found.learnt:
        d = found.marginals[row.name]
        numbers = ", ".join(f"{x:.6g}" for x in d.numbers)
        lines.append(f"  {row.name}: {{{d.kind}: [{numbers}]}}  # prior {row.prior[0]:.4g} ± {row.prior[1]:.2g}, "
                     f"fitted {row.posterior[0]:.4g} ± {row.posterior[1]:.2g}")
    pairs = _correlations(found)
    if pairs:
        lines += ["sweep:", "  sample: random", "  correlations:"]
        lines += [f"    - {{between: [{_quoted(a)}, {_quoted(b)}], value: {r:.3f}}}" for (a, b), r in pairs.items()]
    return "\n".join(lines) + "\n"


def _correlations(found: Calibration) -> dict[tuple[str, str], float]:
    """Return the correlations worth stating, leaving out the least ones as far as the matrix stays one of correlations."""
    from simulate.designs import Correlated, Correlation, Random

    for least in (0.1, 0.05, 0.0):
        pairs = {names: r for names, r in found.correlations.items() if abs(r) > least}
        try:
            Correlated(Random(1), tuple(Correlation(between=names, value=round(r, 3)) for names, r in pairs.items()))
        except InvalidInput:
            continue
        return pairs
    return {}


def _quoted(text: str) -> str:
    """Return `text` as a YAML string: JSON strings are YAML."""
    import json

    return json.dumps(text, ensure_ascii=False)
