"""The workflow language as typed dicts. Made from its JSON Schema by workflow_types.py; do not edit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Literal, TypedDict


class WorkflowEnsembleInit(TypedDict, total=False):
    """distribution that the members are drawn from, or file that they are read from"""

    around: Literal['truth', 'truth_init']
    """centre of the distribution: the truth at the start, or the truth before its spin-up"""

    columns: Mapping[str, str | Sequence[str]]
    """column of each variable whose column has another name; a list of columns for a variable of
    several values"""

    comment: str
    """start of the lines of a text file that are skipped, one character"""

    cycle: int | str
    """cycle whose members are taken from a file of a run, -1 for the last one that it holds (see
    output.ensemble_every); required if it has several"""

    decimal: str
    """decimal mark of the numbers of a text file, one character; if omitted, a point"""

    delimiter: str
    """separator of the columns of a text file, one character; a blank stands for any number of blanks
    and tabs; if omitted, a tab for .tsv and .rdb and a comma otherwise"""

    dist: Literal['normal', 'lognormal', 'uniform', 'samples']
    """name of the distribution"""

    file: str
    """file with one member per row, of which the first are taken; its extension determines the format.
    With trial, the directory of a run"""

    high: float | str | Sequence[float | str] | Mapping[str, float | str | Sequence[float | str]]
    """upper end, not below the lower one; one for all values, a list with one for each, or a table by
    variable"""

    ignore: Sequence[str]
    """columns that are not used; any other column must be that of a variable, or one that a run writes"""

    low: float | str | Sequence[float | str] | Mapping[str, float | str | Sequence[float | str]]
    """lower end; one for all values, a list with one for each, or a table by variable"""

    mean: float | str | Sequence[float | str] | Mapping[str, float | str | Sequence[float | str]]
    """mean; one for all values, a list with one for each, or a table by variable"""

    median: float | str | Sequence[float | str] | Mapping[str, float | str | Sequence[float | str]]
    """median; one for all values, a list with one for each, or a table by variable"""

    missing: Sequence[str]
    """texts, numbers or patterns, such as '/.*\\*/', that mean a missing value: members with a missing
    value are skipped; if omitted, no value may be missing"""

    names: Sequence[str]
    """names of the columns of a text file without a line of names"""

    sd: float | str | Sequence[float | str] | Mapping[str, float | str | Sequence[float | str]]
    """standard deviation; one for all values, a list with one for each, or a table by variable"""

    skip_lines: int | str
    """lines of a text file before the line of names"""

    skip_rows: int | str
    """rows of a text file after the line of names that have no values, such as a row of units"""

    stage: Literal['forecast', 'analysis']
    """stage of which the members are taken; required if the file has both"""

    thousands: str
    """separator of groups of three digits in a text file, one character; if omitted, nothing"""

    trial: int | str
    """number of the trial of a run whose stored members are taken; file is then the directory of the
    run"""


class WorkflowEnsemble(TypedDict, total=False):
    """the members and their initial states"""

    init: WorkflowEnsembleInit
    """distribution that the members are drawn from, or file that they are read from"""

    on_divergence: Literal['fail', 'restart', 'climatology']
    """what to do if the model cannot integrate a member, or a filter cannot compute with the numbers:
    fail, as without it, ends the trial; restart draws new members as at the start in place of the
    forecast; climatology takes states of the truth at random times. The score divergences counts
    the restarts"""

    size: int | str
    """number of members"""


class WorkflowExpectScore(TypedDict, total=False):
    """one expected number"""

    filter: str
    """label of a filter, or climatology, persistence or reference"""

    metric: str
    """a score of the result table"""

    note: str
    """how the tolerance is derived"""

    relative: float | str
    """largest allowed difference from value, as a fraction of value"""

    stage: Literal['forecast', 'analysis', 'smoothed']
    """stage of the score; if omitted, that of the result table, which is the analysis for most scores"""

    tolerance: float | str
    """largest allowed difference from value"""

    value: float | str
    """expected value"""


class WorkflowExpect(TypedDict, total=False):
    """the numbers that the experiment must give"""

    score: Sequence[WorkflowExpectScore] | WorkflowExpectScore
    """one expected number"""

    source: str
    """where the numbers come from"""


class WorkflowExperiment(TypedDict, total=False):
    """name and seed of the experiment"""

    description: str
    """description in one line"""

    name: str
    """name of the folder of the results"""

    seed: int | str
    """seed of all random numbers of the run"""


class WorkflowFilterSmooth(TypedDict, total=False):
    """the filter also gives the states of earlier times, stage smoothed: those in its window, and
    older ones that are moved along with the analysis, without a model run (a fixed-lag smoother);
    if omitted, it does not"""

    lag: int | str
    """cycles of observations after a state that change it. The time of an analysis and its memory grow
    in proportion to 1 + lag"""


class WorkflowFilterWindow(TypedDict, total=False):
    """the filter moves the states at the start of a window of cycles, from which the model is run
    again (an iterated smoother); if omitted, each observation is used once. auto: plume chooses all
    of its keys"""

    length: int | str
    """cycles from the states that are moved to the newest observations; 0 moves those of the cycle
    itself, without a model run. all: the states and parameters at the start are moved by all
    observations at once, and the model runs over the whole record in each pass (ES-MDA). Each run
    of the model costs as much as a cycle without a window. If omitted, auto: by how fast the spread
    grows, and shorter where innovations do not fit"""

    passes: int | str
    """calls of the filter in a cycle, each with the same fraction of the likelihood; with gauss-newton
    steps, each with all of it. If omitted, auto: by how many members the likelihood leaves, or by
    the data misfit; with gauss-newton until a step is small"""

    scheme: Literal['auto', 'mda', 'sda', 'gauss-newton']
    """mda: observations count in parts, at each shift of the window (multiple data assimilation). sda:
    the newest one counts in full (single). gauss-newton, only with length = "all": each pass is a
    step of Gauss-Newton in the space of the ensemble, for models that are smooth. If omitted, auto:
    mda if the filter takes fractions of the likelihood"""


class WorkflowFilter(TypedDict, total=False):
    """the filters to compare"""

    every: int | str
    """number of cycles from one analysis to the next. It assimilates the observations of all of these
    cycles together, each predicted by the states at its own time (asynchronous observations); in
    the cycles in between the analysis is the forecast. If omitted, 1"""

    executor: str
    """where the processes of the plugin run: the name of an executor of the site file or of an engine,
    or local; if omitted, on this machine. Results do not depend on it"""

    label: str
    """name of the filter in results and in --set filter.LABEL.size=10"""

    on_failure: Literal['fail', 'retry']
    """what to do if the plugin dies or fails for a reason that may be temporary: fail ends the trial,
    retry repeats the call, drop_member repeats it and then drops the members that still fail; if
    omitted, retry with replicas and fail without"""

    params: Mapping[str, Any]
    """parameters of the plugin; see its own reference"""

    plugin: str
    """name of the filter plugin: one of [plugins], or one on the plugin path"""

    retries: int | str
    """how many times a call is repeated; if omitted, 2"""

    size: int | str
    """number of members; if omitted, ensemble.size"""

    smooth: WorkflowFilterSmooth
    """the filter also gives the states of earlier times, stage smoothed: those in its window, and
    older ones that are moved along with the analysis, without a model run (a fixed-lag smoother);
    if omitted, it does not"""

    timeout: str
    """how long one call of the plugin, which is for all members, may take; if omitted, 60s for up to a
    million values, members times size of the state, and for up to 100 million values times time
    steps of a model that has steps, and in proportion longer for more"""

    window: WorkflowFilterWindow | str
    """the filter moves the states at the start of a window of cycles, from which the model is run
    again (an iterated smoother); if omitted, each observation is used once. auto: plume chooses all
    of its keys"""


class WorkflowForecastExceed(TypedDict, total=False):
    """thresholds: forecasts have the probability of exceeding each"""

    above: float | str | Sequence[float | str]
    """thresholds"""

    variable: str
    """a variable of the state, or an observed one"""


class WorkflowForecast(TypedDict, total=False):
    """free forecasts, which assimilate nothing, from analyses after burn_in; they have tables of their
    own and are verified when their times come"""

    every: int | str
    """cycles from one forecast to the next; there is also one from the analysis of the last
    observations"""

    exceed: Sequence[WorkflowForecastExceed] | WorkflowForecastExceed
    """thresholds: forecasts have the probability of exceeding each"""

    horizon: float | str
    """how far each forecast goes"""

    members: int | str
    """members of a forecast, drawn from the analysis; if omitted, all of them"""

    step: float | str
    """model time from one described lead time to the next, a multiple of time.interval if there is
    one; if omitted, time.interval"""


class WorkflowModelBounds(TypedDict, total=False):

    lower: float | str
    """values are above this; if omitted, the limit of the parameter, which is 0 if its `init` is
    lognormal, and otherwise none"""

    transform: Literal['auto', 'none']
    """auto, or none: a parameter is not transformed although it has limits"""

    upper: float | str
    """values are below this; if omitted, the limit of the parameter, or none"""


class WorkflowModelEstimateInit(TypedDict, total=False):
    """distribution that its initial values are drawn from. If omitted, the file of ensemble.init has a
    column with the name of the parameter"""

    around: Literal['truth', 'truth_init']
    """centre of the distribution: the truth at the start, or the truth before its spin-up"""

    dist: Literal['normal', 'lognormal', 'uniform']
    """name of the distribution"""

    high: float | str | Sequence[float | str] | Mapping[str, float | str | Sequence[float | str]]
    """upper end, not below the lower one; one for all values, a list with one for each, or a table by
    variable"""

    low: float | str | Sequence[float | str] | Mapping[str, float | str | Sequence[float | str]]
    """lower end; one for all values, a list with one for each, or a table by variable"""

    mean: float | str | Sequence[float | str] | Mapping[str, float | str | Sequence[float | str]]
    """mean; one for all values, a list with one for each, or a table by variable"""

    median: float | str | Sequence[float | str] | Mapping[str, float | str | Sequence[float | str]]
    """median; one for all values, a list with one for each, or a table by variable"""

    sd: float | str | Sequence[float | str] | Mapping[str, float | str | Sequence[float | str]]
    """standard deviation; one for all values, a list with one for each, or a table by variable"""


class WorkflowModelEstimate(TypedDict, total=False):

    init: WorkflowModelEstimateInit
    """distribution that its initial values are drawn from. If omitted, the file of ensemble.init has a
    column with the name of the parameter"""

    walk_sd: float | str
    """standard deviation of the random step that the parameter takes in every cycle"""


class WorkflowModelNoise(TypedDict, total=False):
    """normal noise that plume adds to every forecast member of any model, in addition to the noise of
    the model itself. For a variable in [model.bounds] it is a step of its logarithm or log-odds
    that has the stated length near the value, so that it stays inside"""

    length: float | str
    """the noise of the values of a variable at a distance of d has correlation exp(-d/length), for
    models with coordinates; if omitted, values are independent"""

    memory: float | str
    """correlation of the noise of a value from one cycle to the next (autoregression of first order),
    below 1; sd stays what it is. Ensemble Kalman filters do not correct what is remembered; they do
    where it is a variable of the model"""

    per: Literal['cycle', 'sqrt_time']
    """what sd refers to: one cycle of any length, or the square root of model time; variance is then
    per unit of time"""

    sd: float | str | Sequence[float | str] | Mapping[str, float | str | Sequence[float | str]]
    """standard deviation; one for all values, a list with one for each, or a table by variable"""

    variance: float | str | Sequence[float | str] | Mapping[str, float | str | Sequence[float | str]]
    """variance, instead of sd"""


class WorkflowModel(TypedDict, total=False):
    """the model that makes the forecasts"""

    bounds: Mapping[str, WorkflowModelBounds]
    """bounds of variables of the state, estimated parameters among them: filters get such a variable
    as the logarithm of its distance from the bound, or as log-odds between two bounds, so that
    analyses stay inside"""

    dir: str
    """folder at which relative paths in params start; if omitted, that of the file that names the
    plugin"""

    estimate: Mapping[str, WorkflowModelEstimate]
    """parameters of the model to estimate: each becomes a variable of the state with the name of the
    parameter"""

    executor: str
    """where the processes of the plugin run: the name of an executor of the site file or of an engine,
    or local; if omitted, on this machine. Results do not depend on it"""

    max_failed: int | str
    """with drop_member: how many members a trial may lose before it fails"""

    noise: WorkflowModelNoise
    """normal noise that plume adds to every forecast member of any model, in addition to the noise of
    the model itself. For a variable in [model.bounds] it is a step of its logarithm or log-odds
    that has the stated length near the value, so that it stays inside"""

    on_failure: Literal['fail', 'retry', 'drop_member']
    """what to do if the plugin dies or fails for a reason that may be temporary: fail ends the trial,
    retry repeats the call, drop_member repeats it and then drops the members that still fail; if
    omitted, retry with replicas and fail without"""

    params: Mapping[str, Any]
    """parameters of the plugin; see its own reference"""

    plugin: str
    """name of the model plugin: one of [plugins], or one on the plugin path"""

    precision: Literal['float32', 'float64']
    """of the states that go to the model and come back: with float32 each value is rounded to 24 bits,
    about 7 digits, in both directions, wherever the model runs, and large states take half the
    bytes on their way. Filters, noise, parameters, scores and the truth have float64"""

    replicas: int | str
    """number of processes of the plugin, which share the members; results do not depend on it"""

    retries: int | str
    """how many times a call is repeated; if omitted, 2"""

    timeout: str
    """how long one call of the plugin, which is for all members, may take; if omitted, 60s for up to a
    million values, members times size of the state, and for up to 100 million values times time
    steps of a model that has steps, and in proportion longer for more"""


class WorkflowObservationsDropout(TypedDict, total=False):
    """simulated observations that are missing at random"""

    fraction: float | str
    """fraction of the values that are missing in the long run; must be below 1"""

    outage: float | str
    """mean number of cycles that a value is missing for; at least fraction / (1 - fraction). If
    omitted, cycles are independent"""

    per: Literal['value', 'stream']
    """what drops out: each value by itself, or all of the stream's values together"""


class WorkflowObservationsErrorCorrelation(TypedDict, total=False):
    """correlations of the errors of a stream in one cycle, which are normal. Filters that localize
    cannot use them"""

    lags: float | str | Sequence[float | str]
    """correlations of values that are one, two and so on places apart in the order of the components;
    0 beyond"""

    length: float | str
    """the correlation is exp(-d/length) for observations at a distance of d"""


class WorkflowObservationsError(TypedDict, total=False):
    """distribution of the observation error"""

    correlation: WorkflowObservationsErrorCorrelation
    """correlations of the errors of a stream in one cycle, which are normal. Filters that localize
    cannot use them"""

    df: float | str
    """degrees of freedom of student_t"""

    dist: str
    """a distribution that the operator supports"""

    relative: float | str
    """the standard deviation is this fraction of the predicted value, at least `sd`, which is the
    floor; errors are normal"""

    sd: float | str | Sequence[float | str]
    """standard deviation: one number, or one per observed component"""

    variance: float | str | Sequence[float | str]
    """variance, instead of sd"""


class WorkflowObservationsHoldOut(TypedDict, total=False):
    """values that are never assimilated, only used for scores"""

    column: str
    """column that is true, yes or 1 in the rows that are held out"""

    every: int | str
    """hold out one value in this many, in order of time"""

    fraction: float | str
    """fraction of the values, drawn at random with the seed; must be below 1"""


class WorkflowObservationsLocation(TypedDict, total=False):
    """where each row was observed: one of the locations of the observed variable"""

    coordinates: Sequence[str]
    """columns with the coordinates, one per axis; the nearest location is taken"""

    index: str
    """column with the number of the location, from 0"""

    within: float | str
    """values further than this from every location are rejected"""


class WorkflowObservationsLong(TypedDict, total=False):
    """for files with one value per row: the columns with the names and the values. `map.column` then
    is one of these names"""

    name: str
    """column with the name of what was observed"""

    value: str
    """column with the observed value"""


class WorkflowObservationsMap(TypedDict, total=False):
    """which column holds which observed value; if omitted, every observed variable is read from the
    column of its name"""

    column: str
    """column of the file; in a long file, the name of what was observed"""

    flag: str
    """column with the flag of each value, instead of qc.flag.column"""

    index: int | str
    """which of the variable's values, from 0; if omitted, the one at the location of the row, or 0
    without `location`"""

    range: float | str | Sequence[float | str]
    """smallest and largest plausible value; others are rejected"""

    sd: str
    """column with the standard deviation of the error of each value, instead of error.sd"""

    variable: str
    """name of the observed variable in the operator; if omitted, the name of the column"""


class WorkflowObservationsOutliers(TypedDict, total=False):
    """gross errors that plume adds to simulated observations"""

    fraction: float | str
    """fraction of the values that have one; must be below 1"""

    sd: float | str
    """standard deviation of these normal errors, which add to the other error"""


class WorkflowObservationsOver(TypedDict, total=False):
    """the mean or the sum of the predictions in several cycles is observed, such as the daily mean of
    hourly states; if omitted, the state at one time is"""

    cycles: int | str
    """cycles of an interval. Intervals follow each other from the start; an observation is that of the
    interval that ends in its cycle"""

    take: Literal['mean', 'sum']
    """what is observed: the mean of the predictions in these cycles, or their sum"""


class WorkflowObservationsQcFlag(TypedDict, total=False):
    """values that the file marks as good; others are rejected"""

    accept: Sequence[str]
    """flags of good values: texts, or patterns such as '/A.*/'"""

    column: str
    """column with the flags; if omitted, only columns with a flag in `map` have flags"""


class WorkflowObservationsQc(TypedDict, total=False):
    """quality control: which values are rejected"""

    background: float | str
    """reject a value if |innovation| exceeds this times sqrt(S), where S is the variance of the
    innovation: forecast and error variance. 4 is a good choice if members start near the truth; if
    omitted, no value is rejected"""

    correlation: float | str
    """correlation of the errors of the values that duplicates = "mean" averages: 1 if they share one
    error, which the mean then has too; 0 if they are independent, so that the mean of n has that of
    one divided by sqrt(n); if omitted, 1"""

    duplicates: Literal['refuse', 'first', 'last', 'mean']
    """several values for one component in one cycle: refuse the file, or keep the first, the last or
    their mean, weighted by 1/sd²; those held out are settled apart"""

    early: Literal['refuse', 'reject']
    """values at or before time.start: refuse the file, or reject these values"""

    flag: WorkflowObservationsQcFlag
    """values that the file marks as good; others are rejected"""


class WorkflowObservationsTime(TypedDict, total=False):
    """when each row was observed"""

    calendar: Literal['standard', 'noleap', '360_day']
    """calendar of the times: Gregorian, Gregorian without 29 February, or twelve months of 30 days;
    climate models use the last two, whose times have no time zone"""

    column: str
    """column of the file with the times"""

    columns: Sequence[str]
    """columns of the file whose texts, joined by blanks, are the times: date and time of day, or a
    time and its zone"""

    format: str | date | datetime
    """`iso`, with an offset or a zone if there is one; a pattern such as %d.%m.%Y %H:%M; `number` for
    model time; `unix`, `unix_ms`, `unix_us` or `unix_ns` for seconds and their parts since 1970; or
    `excel` for days as Excel counts them. If omitted, number when time.start is a number and iso
    when it is a date"""

    timezone: str
    """time zone of times without an offset, and of abbreviations such as EST: an IANA name such as
    Europe/Oslo, or an offset such as -08:00; if omitted, UTC"""


class WorkflowObservationsTrueErrorCorrelation(TypedDict, total=False):
    """correlations of the errors of a stream in one cycle, which are normal. Filters that localize
    cannot use them"""

    lags: float | str | Sequence[float | str]
    """correlations of values that are one, two and so on places apart in the order of the components;
    0 beyond"""

    length: float | str
    """the correlation is exp(-d/length) for observations at a distance of d"""


class WorkflowObservationsTrueError(TypedDict, total=False):
    """distribution of the errors of simulated observations, if it is not `error`, which is what
    filters believe"""

    correlation: WorkflowObservationsTrueErrorCorrelation
    """correlations of the errors of a stream in one cycle, which are normal. Filters that localize
    cannot use them"""

    df: float | str
    """degrees of freedom of student_t"""

    dist: str
    """a distribution that the operator supports"""

    relative: float | str
    """the standard deviation is this fraction of the predicted value, at least `sd`, which is the
    floor; errors are normal"""

    sd: float | str | Sequence[float | str]
    """standard deviation: one number, or one per observed component"""

    variance: float | str | Sequence[float | str]
    """variance, instead of sd"""


_WorkflowObservations = TypedDict("_WorkflowObservations", {'from': 'int | str'}, total=False)


class WorkflowObservations(_WorkflowObservations, total=False):
    """what is observed, and with which error"""

    comment: str
    """start of the lines of a text file that are skipped, one character"""

    cutoff: float | str
    """distance at which the weight of these observations is 0, in the unit of the coordinates, for
    filters that localize, in place of their own cutoff, which applies where this is omitted.
    Filters that do not localize use all observations"""

    decimal: str
    """decimal mark of the numbers of a text file, one character; if omitted, a point"""

    delimiter: str
    """separator of the columns of a text file, one character; a blank stands for any number of blanks
    and tabs; if omitted, a tab for .tsv and .rdb and a comma otherwise"""

    dropout: WorkflowObservationsDropout
    """simulated observations that are missing at random"""

    error: WorkflowObservationsError
    """distribution of the observation error"""

    every: int | str
    """number of cycles from one observation to the next; if omitted, 1, or that of an interval of
    `over`"""

    executor: str
    """where the processes of the plugin run: the name of an executor of the site file or of an engine,
    or local; if omitted, on this machine. Results do not depend on it"""

    file: str
    """file with real observations, relative to the workflow's folder; its extension determines the
    format. Without a file the truth is observed"""

    hold_out: WorkflowObservationsHoldOut
    """values that are never assimilated, only used for scores"""

    label: str
    """name of the stream; required in [[observations]]"""

    late: Literal['refuse', 'ignore', 'rerun']
    """what plume continue does with rows that arrive when later ones have been assimilated: refuse
    them, leave them out, or go back to their cycle; if omitted, refuse. With rerun, it also goes
    back to rows that have changed"""

    location: WorkflowObservationsLocation
    """where each row was observed: one of the locations of the observed variable"""

    long: WorkflowObservationsLong
    """for files with one value per row: the columns with the names and the values. `map.column` then
    is one of these names"""

    map: Sequence[WorkflowObservationsMap] | WorkflowObservationsMap
    """which column holds which observed value; if omitted, every observed variable is read from the
    column of its name"""

    missing: Sequence[str]
    """texts, numbers or patterns, such as '/.*\\*/', that mean a missing value; if omitted, "", "NA",
    "NaN", "nan" and "null\""""

    names: Sequence[str]
    """names of the columns of a text file without a line of names"""

    offset: int | str
    """first observed cycle, if it is not cycle `every`; must be less than `every`"""

    on_failure: Literal['fail', 'retry']
    """what to do if the plugin dies or fails for a reason that may be temporary: fail ends the trial,
    retry repeats the call, drop_member repeats it and then drops the members that still fail; if
    omitted, retry with replicas and fail without"""

    outliers: WorkflowObservationsOutliers
    """gross errors that plume adds to simulated observations"""

    over: WorkflowObservationsOver
    """the mean or the sum of the predictions in several cycles is observed, such as the daily mean of
    hourly states; if omitted, the state at one time is"""

    params: Mapping[str, Any]
    """parameters of the plugin; see its own reference"""

    plugin: str
    """name of the observation operator plugin: one of [plugins], or one on the plugin path"""

    qc: WorkflowObservationsQc
    """quality control: which values are rejected"""

    repeats: int | str
    """number of simulated observations of each member in a cycle, for an operator that only simulates.
    What is to be expected of a state is learnt from the readings of all members in the latest
    cycles, and the error variance from what they scatter, so that filters that need these can be
    used; if omitted, nothing is learnt, and filters get a single one"""

    replicas: int | str
    """number of processes of the plugin, which share the members; results do not depend on it"""

    retries: int | str
    """how many times a call is repeated; if omitted, 2"""

    skip_lines: int | str
    """lines of a text file before the line of names"""

    skip_rows: int | str
    """rows of a text file after the line of names that have no values, such as a row of units"""

    thousands: str
    """separator of groups of three digits in a text file, one character; if omitted, nothing"""

    time: WorkflowObservationsTime
    """when each row was observed"""

    timeout: str
    """how long one call of the plugin, which is for all members, may take; if omitted, 60s for up to a
    million values, members times size of the state, and for up to 100 million values times time
    steps of a model that has steps, and in proportion longer for more"""

    true_error: WorkflowObservationsTrueError
    """distribution of the errors of simulated observations, if it is not `error`, which is what
    filters believe"""

    until: int | str
    """last cycle in which the truth may be observed; if omitted, the last one"""


class WorkflowOutput(TypedDict, total=False):
    """what is written"""

    ensemble: Literal['none', 'forecast', 'analysis', 'both']
    """ensembles to store"""

    ensemble_every: int | str
    """store the ensembles of cycles that are multiples of it, none if it is above their number; if
    omitted, of every cycle"""

    ensemble_members: int | str
    """number of members to store of an ensemble: all of them if there are no more, otherwise this many
    at even distances; if omitted, all. They are chosen once, of the members at the start: fewer are
    stored when some of them are lost, as drop_member of on_failure allows"""

    ensemble_variables: Sequence[str]
    """variables whose values are stored of ensembles; if omitted, all of the state"""

    precision: Literal['float32', 'float64']
    """type of the values of ensembles in files; float32 takes half the room and rounds each value to
    24 bits, about 7 digits. Scores are those of the values before, and checkpoints have them"""

    variables: int | str
    """number of values of each variable that variables.arrow describes: all of them if there are no
    more, otherwise this many at even distances"""


class WorkflowPlugins(TypedDict, total=False):

    command: Sequence[str]
    """program and its arguments; a relative program path starts at the workflow's folder"""

    network: Literal['unix', 'tcp']
    """where the plugin listens: on a Unix socket of this machine, or on TCP with mutual TLS, for a
    command that starts it on another machine"""

    python: str
    """Python script, relative to the workflow's folder"""

    sha256: str
    """SHA-256 checksum that the program must have"""


class WorkflowPublishedScore(TypedDict, total=False):
    """one published number"""

    filter: str
    """label of a filter, or climatology, persistence or reference"""

    method: str
    """name of a method that is not run here"""

    metric: str
    """a score of the result table"""

    size: int | str
    """number of members; if omitted, that of the filter"""

    value: float | str
    """published value"""


class WorkflowPublished(TypedDict, total=False):
    """numbers that others published for the experiment; plume compare shows them next to those of the
    run"""

    differs: str
    """what is different there"""

    score: Sequence[WorkflowPublishedScore] | WorkflowPublishedScore
    """one published number"""

    source: str
    """where the numbers come from"""


class WorkflowReference(TypedDict, total=False):
    """a brute-force filter that the others are scored against"""

    executor: str
    """where the processes of the plugin run: the name of an executor of the site file or of an engine,
    or local; if omitted, on this machine. Results do not depend on it"""

    on_failure: Literal['fail', 'retry']
    """what to do if the plugin dies or fails for a reason that may be temporary: fail ends the trial,
    retry repeats the call, drop_member repeats it and then drops the members that still fail; if
    omitted, retry with replicas and fail without"""

    params: Mapping[str, Any]
    """parameters of the plugin; see its own reference"""

    plugin: str
    """name of the filter plugin: one of [plugins], or one on the plugin path"""

    retries: int | str
    """how many times a call is repeated; if omitted, 2"""

    size: int | str
    """number of members"""

    store: int | str
    """number of members stored for each cycle; if omitted, all, but at most 1000"""

    timeout: str
    """how long one call of the plugin, which is for all members, may take; if omitted, 60s for up to a
    million values, members times size of the state, and for up to 100 million values times time
    steps of a model that has steps, and in proportion longer for more"""


class WorkflowSweep(TypedDict, total=False):
    """trials in addition to one of every filter"""

    axes: Mapping[str, Mapping[str, Any]]
    """lists of values for other keys, such as "ensemble.size" = [20, 50]; an axis below filter.LABEL
    applies to that filter alone"""

    exclude: Sequence[Mapping[str, Any]]
    """combinations of axis values to leave out"""

    filter: Sequence[str]
    """labels of the filters that run; if omitted, all"""

    replicate: Sequence[int] | str
    """numbers of the replicates, each with a truth, observations and members of its own; if omitted, 1"""


class WorkflowTime(TypedDict, total=False):
    """when observations are made"""

    burn_in: int | str
    """number of first cycles that are excluded from every time mean; must be less than cycles"""

    cycles: int | str
    """number of assimilation cycles"""

    first: float | str
    """model time from the start to the first cycle of a twin experiment; if omitted, interval. With 0
    the initial ensemble is analysed before any forecast"""

    interval: float | str
    """model time between observations"""

    start: float | str | date | datetime
    """model time of the initial ensemble, or the date that is model time 0; without an offset, a date
    is in observations.time.timezone"""

    step: float | str
    """time step of the model; if omitted, the default of the plugin"""

    unit: str | date | datetime
    """duration of one unit of model time; required with dates and durations"""

    until: float | str | date | datetime
    """model time, or a date if time.start is one, that no cycle is after, in place of cycles"""

    window: float | str
    """observations from files that are at most this far apart form one cycle; with interval, how long
    before a cycle its observations may be"""


class WorkflowTruthInit(TypedDict, total=False):
    """initial state: a number for each value, or one for all, the same in every replicate; or the
    distribution that it is drawn from"""

    dist: Literal['normal', 'lognormal', 'uniform']
    """name of the distribution"""

    high: float | str | Sequence[float | str] | Mapping[str, float | str | Sequence[float | str]]
    """upper end, not below the lower one; one for all values, a list with one for each, or a table by
    variable"""

    low: float | str | Sequence[float | str] | Mapping[str, float | str | Sequence[float | str]]
    """lower end; one for all values, a list with one for each, or a table by variable"""

    mean: float | str | Sequence[float | str] | Mapping[str, float | str | Sequence[float | str]]
    """mean; one for all values, a list with one for each, or a table by variable"""

    median: float | str | Sequence[float | str] | Mapping[str, float | str | Sequence[float | str]]
    """median; one for all values, a list with one for each, or a table by variable"""

    sd: float | str | Sequence[float | str] | Mapping[str, float | str | Sequence[float | str]]
    """standard deviation; one for all values, a list with one for each, or a table by variable"""


class WorkflowTruthNoise(TypedDict, total=False):
    """normal noise that plume adds to the truth, within [model.bounds] as that of the model; if
    omitted, none"""

    length: float | str
    """the noise of the values of a variable at a distance of d has correlation exp(-d/length), for
    models with coordinates; if omitted, values are independent"""

    memory: float | str
    """correlation of the noise of a value from one cycle to the next (autoregression of first order),
    below 1; sd stays what it is. Ensemble Kalman filters do not correct what is remembered; they do
    where it is a variable of the model"""

    per: Literal['cycle', 'sqrt_time']
    """what sd refers to: one cycle of any length, or the square root of model time; variance is then
    per unit of time"""

    sd: float | str | Sequence[float | str] | Mapping[str, float | str | Sequence[float | str]]
    """standard deviation; one for all values, a list with one for each, or a table by variable"""

    variance: float | str | Sequence[float | str] | Mapping[str, float | str | Sequence[float | str]]
    """variance, instead of sd"""


class WorkflowTruth(TypedDict, total=False):
    """the true trajectory of the twin experiment"""

    init: float | str | Sequence[float | str] | WorkflowTruthInit
    """initial state: a number for each value, or one for all, the same in every replicate; or the
    distribution that it is drawn from"""

    noise: WorkflowTruthNoise
    """normal noise that plume adds to the truth, within [model.bounds] as that of the model; if
    omitted, none"""

    params: Mapping[str, Any]
    """parameters of the model that differ for the truth (model error); if the truth has its own
    plugin, all parameters of that plugin"""

    plugin: str
    """another model plugin that simulates the truth; its state must have the same variables"""

    spin_up: float | str
    """model time to integrate before the start"""

    step: float | str
    """time step of the truth; if omitted, that of the model, or the default of the truth's own plugin"""

    timeout: str
    """how long one call of the truth's own plugin may take; if omitted, the timeout of the model"""


class WorkflowVerify(TypedDict, total=False):
    """what is scored"""

    baseline: str
    """label of the filter that the others are compared with"""

    metrics: Sequence[str]
    """scores to compute, store and show in addition to rmse; rmse_NAME is that of the variable NAME;
    if omitted, all that apply"""


class Workflow(TypedDict, total=False):
    """A workflow: its tables, as in a TOML file. plume.validate says what is missing."""

    ensemble: WorkflowEnsemble
    """the members and their initial states"""

    expect: WorkflowExpect
    """the numbers that the experiment must give"""

    experiment: WorkflowExperiment
    """name and seed of the experiment"""

    filter: Sequence[WorkflowFilter] | WorkflowFilter
    """the filters to compare"""

    forecast: WorkflowForecast
    """free forecasts, which assimilate nothing, from analyses after burn_in; they have tables of their
    own and are verified when their times come"""

    format: int | str
    """version of the workflow language; this plume reads 1"""

    include: Sequence[str]
    """files whose values this file overrides; a later file overrides those before it. Tables merge key
    by key, arrays of tables by label. A relative path starts at the folder of the file that
    contains it"""

    model: WorkflowModel
    """the model that makes the forecasts"""

    observations: Sequence[WorkflowObservations] | WorkflowObservations
    """what is observed, and with which error"""

    output: WorkflowOutput
    """what is written"""

    plugins: Mapping[str, WorkflowPlugins]
    """plugins that are not on the plugin path, by name; checks start them too, except for plume
    validate --offline"""

    profile: Mapping[str, Mapping[str, Any]]
    """other values for some keys, chosen with --profile NAME"""

    published: WorkflowPublished
    """numbers that others published for the experiment; plume compare shows them next to those of the
    run"""

    reference: WorkflowReference
    """a brute-force filter that the others are scored against"""

    sweep: WorkflowSweep
    """trials in addition to one of every filter"""

    time: WorkflowTime
    """when observations are made"""

    truth: WorkflowTruth
    """the true trajectory of the twin experiment"""

    verify: WorkflowVerify
    """what is scored"""
