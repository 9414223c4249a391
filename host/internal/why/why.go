// Package why says what the numbers of a run point to when something is wrong: that the
// spread of an ensemble or the observation error is too small or too large, that forecasts
// are biased, that a value has another unit or does not change any more. It knows only what
// a run with real observations knows too: observations, innovations, and what the members
// and the observation error let expect of them. It never reads a truth.
//
// With the innovations d of a cycle, the variance P of the members' predictions and the
// error variance R, S = P + R is the expected variance of d, and innovations of
// neighbouring cycles are uncorrelated (Kailath 1968, doi:10.1109/TAC.1968.1099025). If the
// gain P/S does not fit, they are correlated: positively if too little of an innovation is
// used (Mehra 1970, doi:10.1109/TAC.1970.1099422). With V and C, the mean of d² and of the
// products of d in neighbouring cycles,
//
//	R' = V R/S - C,   P' = V P/S + C
//
// are the variances that the innovations ask for. They are exact for a scalar random walk;
// without C they are those of Desroziers et al. (2005, doi:10.1256/qj.05.108).
// Decision 53 says which rules follow, and how they were tried.
package why

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/compare"
	"github.com/plume-da/plume/host/internal/score"
)

// Setup is what an explanation takes from the workflow of a run.
type Setup struct {
	BurnIn  int
	Cycles  int                       // of every trial; 0: as many as there are observations for
	Params  map[string]map[string]any // of filters, by label
	Every   map[string]int            // cycles from one analysis to the next, by filter; 0: 1
	Streams []Stream
}

// Stream is a stream of observations in a workflow.
type Stream struct {
	Label   string // empty: the only one
	Error   string // key of the error, such as observations.error.sd; empty: none that one number sets
	Checked bool   // by the background check
	Tails   bool   // the distribution of the error has heavier tails than the normal one
}

// Cause is what a verdict says is wrong.
type Cause string

// The causes.
const (
	None         Cause = "none"
	Unknown      Cause = "unknown" // something is wrong, or too little is known
	SpreadSmall  Cause = "spread too small"
	SpreadLarge  Cause = "spread too large"
	ErrorSmall   Cause = "error too small"
	ErrorLarge   Cause = "error too large"
	Localization Cause = "localization"
	Bias         Cause = "bias"
	Unit         Cause = "unit"
	Stuck        Cause = "stuck sensor"
	Outlier      Cause = "outlier"
	Idle         Cause = "observations ignored"
	Unfit        Cause = "posterior does not fit"
)

// Verdict is what the numbers of a filter, with one setting, point to.
type Verdict struct {
	*compare.Group
	Cause    Cause
	Text     string // one line
	Brief    string // shorter, for a hint; empty if there is none
	Evidence []Evidence
	Try      []string // what may help, one line each
	Doubts   []string // what limits the verdict, likewise

	weight float64 // of the verdict among others
}

// Evidence is a number that a verdict is based on.
type Evidence struct {
	Name  string
	Value score.Mean // the standard error is NaN if it is not known
	About string     // what it is, and what it should be
}

// Explain reads what the groups of scores say, in their order.
func Explain(reader *archive.Reader, scores *compare.Run, setup Setup) ([]Verdict, error) {
	studies, err := studyAll(reader, scores, setup)
	if err != nil {
		return nil, err
	}
	unfit, err := misfits(reader)
	if err != nil {
		return nil, err
	}
	var list []Verdict
	for _, g := range scores.Groups {
		var of, diverged []*study // a filter that has lost track looks the same for any reason
		for _, t := range g.Trials {
			switch s := studies[t.Trial]; {
			case s == nil:
			case t.Status == archive.Diverged:
				diverged = append(diverged, s)
			default:
				of = append(of, s)
			}
		}
		where := "in the others "
		if len(diverged) > len(of) {
			of, where = diverged, ""
		}
		j := &judge{Verdict: Verdict{Group: g, Cause: None, Text: "nothing stands out"}, setup: setup, axes: scores.Axes, study: pool(of), where: where}
		for _, t := range g.Trials {
			if m, ok := unfit[t.Trial]; ok {
				j.misfits = append(j.misfits, m)
			}
		}
		j.partial(reader.Info)
		if err := j.decide(scores); err != nil {
			return nil, err
		}
		list = append(list, j.Verdict)
	}
	return list, nil
}

// partial says that the run has not ended, and how much of it is known.
func (j *judge) partial(run *archive.Info) {
	why, open, cycles := run.Unended(), 0, 0
	for _, t := range j.Trials {
		if slices.Contains([]archive.Status{archive.Running, archive.Stopped, archive.Interrupted, archive.Waiting}, t.Status) {
			open, cycles = open+1, max(cycles, t.Cycles)
		}
	}
	if why == "" || open == 0 {
		return
	}
	of := ""
	if j.setup.Cycles > 0 {
		of = fmt.Sprintf(" of %d", j.setup.Cycles)
	}
	if len(j.Trials) > 1 {
		why += fmt.Sprintf("; %d of %d trials have not ended, which have at most", open, len(j.Trials))
	} else {
		why += "; there are"
	}
	j.doubt("this is partial: %s %d%s cycles", why, cycles, of)
}

// Hint returns the line that stands below the scores of a run: what stands out most; empty
// if nothing does.
func Hint(verdicts []Verdict) string {
	out := slices.DeleteFunc(slices.Clone(verdicts), func(v Verdict) bool { return v.Brief == "" })
	if len(out) == 0 {
		return ""
	}
	most := slices.MaxFunc(out, func(a, b Verdict) int { return cmp.Compare(a.weight, b.weight) })
	text := most.Filter + ": " + most.Brief
	switch n := len(out) - 1; n {
	case 0:
		return text
	case 1:
		return text + "; another one stands out too"
	default:
		return fmt.Sprintf("%s; %d others stand out too", text, n)
	}
}

// judge decides on one group.
type judge struct {
	Verdict
	*study
	setup Setup
	axes  []string

	misfits []misfit // of trials over whole records

	where string // before what is said, if trials diverged: the study is of the others
}

// fewest is the number of cycles that are needed to say anything about means.
const fewest = 10

// decide looks for causes, those first that explain all others.
func (j *judge) decide(run *compare.Run) error {
	j.status()
	if len(j.misfits) > 0 {
		j.fits()
		return j.scores(run)
	}
	if j.study == nil {
		if j.Cause == None {
			j.say(Unknown, "there are no innovations: the operator makes no predictions, or no cycle has been run")
		}
		return j.scores(run)
	}
	if v := math.Abs(math.Log(j.nis.Value)); v > 0 { // not NaN
		j.weight = v
	}
	for _, rule := range []func() bool{j.units, j.stuck, j.rejecting, j.idle, j.short, j.biased, j.balance, j.outlier} {
		if rule() {
			break
		}
	}
	if text := j.diverged(); text != "" && !strings.HasPrefix(j.Text, text) {
		j.Text = text + "; " + j.where + j.Text
	}
	if j.Cause == None {
		j.doubt("%s", j.shows())
	}
	return j.scores(run)
}

func (j *judge) say(c Cause, format string, args ...any) bool {
	j.Cause, j.Text = c, fmt.Sprintf(format, args...)
	return true
}

func (j *judge) add(name string, v score.Mean, format string, args ...any) {
	j.Evidence = append(j.Evidence, Evidence{name, v, fmt.Sprintf(format, args...)})
}

func number(v float64) score.Mean { return score.Mean{Value: v, SE: math.NaN()} }

func (j *judge) try(format string, args ...any) { j.Try = append(j.Try, fmt.Sprintf(format, args...)) }

func (j *judge) doubt(format string, args ...any) {
	j.Doubts = append(j.Doubts, fmt.Sprintf(format, args...))
}

// diverged says how many trials diverged; empty: none.
func (j *judge) diverged() string {
	counts := map[archive.Status]int{}
	for _, t := range j.Trials {
		counts[t.Status]++
	}
	return archive.DivergedText(counts)
}

// shows says how large a fault the numbers could show. The standard error of a mean square
// grows with it: with the relative standard error r, a mean square v is beyond three of them
// if v > 1/(1 - 3r), or v < 1/(1 + 3r).
func (j *judge) shows() string {
	r, text := 3*j.nis.SE/j.nis.Value, "however large"
	if r < 1 {
		text = fmt.Sprintf("%.2g times as large as expected or more", math.Sqrt(max(2, 1/(1-r))))
	}
	return fmt.Sprintf("%d innovations in %d cycles; what would stand out: innovations %s, or %.2g times or less; a mean of %.1g expected standard deviations",
		j.used, j.nis.Count, text, math.Sqrt(min(0.4, 1/(1+r))), max(5*j.all.bias.SE, 0.3))
}

// status says what trials that have not ended well say themselves.
func (j *judge) status() {
	for _, t := range j.Trials {
		if t.Status == archive.Failed {
			j.failed(t.Error)
			break
		}
	}
	if text := j.diverged(); text != "" {
		j.say(Unknown, "%s, for a reason that the innovations do not show", text)
		j.Brief = text
	}
}

// failed says why a trial has no result.
func (j *judge) failed(reason string) {
	of, ok := strings.CutPrefix(reason, "truth: ")
	if !ok {
		j.say(Unknown, "it failed: %s", reason)
		return
	}
	j.say(Unknown, "it has not begun, because the truth could not be made: %s", of)
	if strings.Contains(of, "members failed") { // in the model, and not a plugin that cannot be reached
		j.try("another truth.init or truth.spin_up, a shorter time.step, or other params of the model that the truth is made with")
	}
}

// units says that observations have another unit than the operator.
func (j *judge) units() bool {
	u := j.unit
	failed := slices.ContainsFunc(j.Trials, func(t *compare.Trial) bool { return t.Status == archive.Failed })
	if u == nil || !failed && !far(j.nis, 4, 0.25) && !(j.rejected > 0.2) { // an initial ensemble may be far away too
		return false
	}
	j.say(Unit, "observations of %s seem to be in another unit: %s", u.variable, u.about)
	j.Brief = fmt.Sprintf("observations of %s seem to be in another unit", u.variable)
	j.add("first innovations", number(u.before), "root mean square, before anything was assimilated")
	j.add("converted", number(u.after), "the same, in the other unit")
	j.add("nis", j.nis, aboutNIS)
	j.try("convert %s in the file, or choose an operator that predicts it in the unit of the file", u.variable)
	if u.values < 10 {
		j.doubt("other units fit %d first values nearly as well", u.values)
	}
	j.doubt("other numbers of this filter say nothing as long as the unit is wrong")
	return true
}

// stuck says that a value does not change any more.
func (j *judge) stuck() bool {
	s := j.still
	if s == nil {
		return false
	}
	j.say(Stuck, "%s is stuck: it has the same value in %d observations in a row, from cycle %d", s.name, s.length, s.from)
	j.Brief = fmt.Sprintf("%s has not changed since cycle %d", s.name, s.from)
	j.add("unchanged", number(float64(s.length)), "observations in a row; of the others %.2g %% equal the one before", 100*s.usual)
	j.add("its innovations", number(s.ratio), "mean square there, in expected variances; 1 is expected")
	j.try("remove these values from the file, mark them as missing, or try qc.background = 4")
	j.doubt("other numbers of this filter say little as long as these values are assimilated")
	return true
}

// rejecting says that the background check rejects much.
func (j *judge) rejecting() bool {
	if !(j.rejected > 0.2) {
		return false
	}
	j.say(Unknown, "the background check rejects %.0f %% of the observations", 100*j.rejected)
	j.Brief = j.Text
	j.add("rejected", number(j.rejected), "share of the observations; innovations are those of the others")
	j.try("run without qc.background and ask again: the spread may be too small, or the observations wrong")
	return true
}

// idle says that the analysis is the forecast.
func (j *judge) idle() bool {
	if !j.unmoved {
		return false
	}
	j.say(Idle, "it ignores its observations: every analysis is its forecast")
	j.Brief = "every analysis is its forecast"
	j.add("nis", j.nis, aboutNIS)
	j.try("check that the filter changes the members it is given, plume plugins test FILTER, and its cutoff")
	return true
}

// short says that there are too few cycles.
func (j *judge) short() bool {
	if j.nis.Count >= fewest {
		return false
	}
	if j.Cause == None {
		j.say(Unknown, "too few cycles with observations after burn_in to say anything: %d, want %d", j.nis.Count, fewest)
	}
	return true
}

const (
	aboutNIS   = "normalised innovation squared; 1 is expected"
	aboutAgain = "of innovations of neighbouring cycles; 0 is expected"
)

// biased says that innovations have a mean.
func (j *judge) biased() bool {
	a := j.all
	shifted := math.Abs(a.bias.Value) > max(5*a.bias.SE, 0.3, 0.15*math.Sqrt(a.ratio.Value))
	if len(j.few) > 0 && !shifted {
		return j.biasedValues()
	}
	if shifted {
		j.say(Bias, "the forecasts are biased: the model, or all observations")
		j.Brief = "the forecasts are biased"
		j.add("mean innovation", a.bias, "in expected standard deviations; 0 is expected")
	} else if a.climate.SE > 0 && a.unexplained > weak && math.Abs(a.climate.Value-1) > max(5*a.climate.SE, 0.33) {
		j.say(Bias, "the model does not vary as the observations do: it is biased or has a wrong parameter")
		j.Brief = "the model does not vary as the observations do"
		j.add("forecast variance", a.climate, "in time, of that of the observations without error; 1 is expected")
	} else {
		return false
	}
	j.add("nis", j.nis, aboutNIS)
	j.again()
	j.try("check parameters, forcing and time step of the model; estimate a parameter with [model.estimate]; [model.noise] hides a small bias")
	if len(j.streams) == 1 {
		j.doubt("a single stream cannot say whether the model or its observations are biased")
	}
	return true
}

// biasedValues says that the innovations of a few values have a mean.
func (j *judge) biasedValues() bool {
	b := j.few[0]
	names := b.name
	if n := len(j.few) - 1; n > 0 {
		names = fmt.Sprintf("%s and %d more", names, n)
	}
	j.say(Bias, "%d of %d observed values have a bias, or their operator: %s", len(j.few), j.all.values, names)
	j.Brief = fmt.Sprintf("observations of %s are biased", names)
	j.add("mean innovation", b.mean, "of %s, in expected standard deviations; 0 is expected", b.name)
	j.add("nis", j.nis, aboutNIS)
	j.try("correct the offset in the file, or leave the value out of map")
	return true
}

// again adds the correlation of innovations.
func (j *judge) again() {
	a := j.all
	j.add("correlation", score.Mean{Value: a.lagged.Value / a.ratio.Value, SE: a.lagged.SE / a.ratio.Value}, aboutAgain)
}

// The variance of innovations, divided by that of the observations in time, is 1 for
// forecasts that know nothing, and 2 for another trajectory of the same model: above lost
// the filter has lost track. Above weak it may have.
const lost, weak = 1.1, 0.7

// far reports whether a normalised square is far from 1, beyond its sampling error.
func far(m score.Mean, large, small float64) bool {
	return (m.Value > large || m.Value < small) && !(math.Abs(m.Value-1) < 3*m.SE)
}

// balance says that spread or error do not explain the innovations.
func (j *judge) balance() bool {
	a := j.all
	if far(j.nis, 2, 0.4) && far(a.ratio, 1.5, 0.6) && (j.nis.Value > 1) == (a.ratio.Value > 1) {
		j.blame(a, j.nis)
		return true
	}
	worst := (*numbers)(nil)
	for _, s := range j.streams {
		if len(j.streams) > 1 && far(s.ratio, 2.5, 0.33) && (worst == nil || math.Abs(math.Log(s.ratio.Value)) > math.Abs(math.Log(worst.ratio.Value))) {
			worst = s
		}
	}
	if worst == nil {
		return false
	}
	j.blame(worst, worst.ratio)
	return true
}

// blame decides between spread and error for the innovations of a, whose normalised square
// is far from 1.
func (j *judge) blame(a *numbers, square score.Mean) {
	of := ""
	if a.name != "" && len(j.streams) > 1 {
		of = " of " + a.name
	}
	j.Brief = fmt.Sprintf("innovations%s are %.2g times what spread and error explain", of, math.Sqrt(square.Value))
	who, large := a.blame(), a.ratio.Value > 1
	switch {
	case math.IsNaN(a.share):
		j.say(Unknown, "%s; how much the error explains is stored when a trial ends", j.Brief)
	case who == theError && large:
		j.say(ErrorSmall, "the observation error%s is too small", of)
	case who == theError:
		j.say(ErrorLarge, "the observation error%s is too large", of)
	case who == theSpread && large && j.crowded():
		j.say(Localization, "the spread is too small: too few members for what each value is updated with")
	case who == theSpread && large:
		j.say(SpreadSmall, "the spread is too small")
	case who == theSpread:
		j.say(SpreadLarge, "the spread is too large")
	default:
		j.say(Unknown, "%s; spread and error could both be the cause", j.Brief)
	}
	j.add("nis", j.nis, aboutNIS)
	if a.name != "" && of != "" {
		j.add("the same"+of, a.ratio, "without covariances")
	}
	j.again()
	if a.unexplained > 0 {
		j.add("unexplained", number(a.unexplained), "share of the observations' variance in time; above 1 the filter has lost track")
	}
	if !math.IsNaN(a.share) {
		asked, wanted := a.asked()
		j.add("error sd", number(a.deviation(asked)), "that the innovations ask for; given is %.3g", a.error)
		j.add("forecast spread", number(a.deviation(wanted)), "that the innovations ask for; it is %.3g", a.spread)
	}
	if j.Cause == Localization {
		j.add("directions", number(j.all.modes), "of the innovations%s; the members span %d", j.within(), j.Size-1)
	}
	j.remedy(a)
}

// crowded reports whether innovations vary in many more directions than the members span.
func (j *judge) crowded() bool { return j.all.modes > 1.25*float64(j.Size-1) }

func (j *judge) within() string {
	if c, ok := j.param("cutoff").(float64); ok && c > 0 {
		return " within a third of the cutoff"
	}
	return ""
}

// param returns a parameter of the filter in its setting; nil if it has none of this name.
func (j *judge) param(name string) any {
	return paramOf(j.setup, j.axes, j.Group, name)
}

func paramOf(setup Setup, axes []string, g *compare.Group, name string) any {
	v, ok := setup.Params[g.Filter][name]
	if !ok {
		return nil
	}
	var x float64
	if _, err := fmt.Sscan(swept(axes, g, "params."+name), &x); err == nil {
		return x
	}
	if n, ok := v.(int64); ok {
		return float64(n)
	}
	return v
}

// everyOf returns the number of cycles from one analysis of a group to the next; 0 stands for 1.
func everyOf(setup Setup, axes []string, g *compare.Group) int {
	every := setup.Every[g.Filter]
	_, _ = fmt.Sscan(swept(axes, g, "every"), &every) // as it is, unless it is swept
	return every
}

// swept returns the value that a key of the filter of a group has by an axis; empty if there is no
// such axis.
func swept(axes []string, g *compare.Group, key string) string {
	if k := slices.Index(axes, "filter."+g.Filter+"."+key); k >= 0 {
		return g.Values[k]
	}
	return ""
}

// remedy adds what may help.
func (j *judge) remedy(a *numbers) {
	key := "filter." + j.Filter + ".params."
	inflation, inflates := j.param("inflation").(float64)
	cutoff, localizes := j.param("cutoff").(float64)
	jitter, jitters := j.param("jitter").(float64)
	switch j.Cause {
	case Localization:
		switch {
		case localizes && cutoff > 0:
			j.try("--set %scutoff=%.2g (it is %g), or more members: --set ensemble.size=%d", key, cutoff/2, cutoff, 2*j.Size)
		case j.param("cutoff") == "auto":
			j.try("more members: --set ensemble.size=%d; the cutoff is chosen", 2*j.Size)
		case localizes:
			j.try("localize: set %scutoff (it is 0, which is none), or more members: --set ensemble.size=%d", key, 2*j.Size)
		default:
			j.try("more members, --set ensemble.size=%d, or a filter with a cutoff", 2*j.Size)
		}
		if inflates {
			j.doubt("inflation may help too: --set %sinflation=%.4g", key, inflation+0.05)
		}
	case SpreadSmall:
		switch on, there := j.param("adaptive_inflation").(bool); {
		case inflates && there && !on:
			j.try("--set %sinflation=%.4g (it is %g), or adaptive_inflation=true", key, max(inflation, 1)+0.05, inflation)
		case inflates:
			j.try("--set %sinflation=%.4g (it is %g)", key, max(inflation, 1)+0.05, inflation)
		case jitters:
			j.try("--set %sjitter=%.2g (it is %g), or more members: --set ensemble.size=%d", key, max(0.1, 1.5*jitter), jitter, 2*j.Size)
		default:
			j.try("more members: --set ensemble.size=%d", 2*j.Size)
		}
		if a.unexplained > weak {
			j.doubt("a filter that has lost track looks like this for any reason: the model may be wrong too, or the observation error too small")
		}
		j.doubt("[model.noise] tells the filter that the model is imperfect")
	case SpreadLarge:
		if inflates && inflation > 1 {
			j.try("--set %sinflation=%.4g (it is %g)", key, 1+(inflation-1)/2, inflation)
		} else {
			j.try("less [model.noise], or less jitter or relaxation of the filter")
		}
	case ErrorSmall, ErrorLarge:
		j.tryError(a)
	case Unknown:
		if !math.IsNaN(a.share) {
			j.tryError(a)
		}
	}
}

// tryError suggests the error that the innovations ask for.
func (j *judge) tryError(a *numbers) {
	k := slices.IndexFunc(j.setup.Streams, func(s Stream) bool { return s.Label == a.name || len(j.setup.Streams) == 1 })
	asked, _ := a.asked()
	if k < 0 || j.setup.Streams[k].Error == "" || !(asked > 0) {
		j.try("multiply the standard deviations of the error by %.2g", math.Sqrt(max(0, asked/a.share)))
		return
	}
	v := a.deviation(asked)
	if strings.HasSuffix(j.setup.Streams[k].Error, ".variance") {
		v *= v
	}
	j.try("--set %s=%.2g", j.setup.Streams[k].Error, v)
}

// outlier says that a value is far from its forecast where all others are not.
func (j *judge) outlier() bool {
	o := j.extreme
	if o == nil || o.tails || j.Cause != None {
		return false
	}
	j.say(Outlier, "%s is %.0f standard deviations from its forecast in cycle %d", o.name, math.Abs(o.largest), o.at)
	j.Brief = j.Text
	j.add("its innovation", number(o.largest), "in expected standard deviations")
	j.add("nis", j.nis, aboutNIS)
	if !o.checked {
		j.try("qc.background = 4, which rejects such values")
	}
	return true
}

// scores adds the scores that say the same, or more: those of held-out values, and of
// estimates that do not use observations and are better than the filter.
func (j *judge) scores(run *compare.Run) error {
	if err := j.heldOut(run); err != nil {
		return err
	}
	m := run.Opening("")
	if m.Name != "held_out_rmse" && m.Name != "rmse" {
		return nil
	}
	mine, err := run.Mean(j.Group, m)
	if err != nil || mine.OK == 0 {
		return err
	}
	for _, b := range run.Baselines {
		about, fair := knownBefore(b.Filter, m.Name)
		if !fair || !sameSetting(b.Values, j.Values) {
			continue
		}
		its, err := run.Mean(b, m)
		if err != nil {
			return err
		}
		if !(mine.Value-its.Value > 3*math.Hypot(mine.SE, its.SE)) {
			continue
		}
		j.add(b.Filter, its.Mean, "%s of %s, without filter; the filter has %s", m.Name, about, mine.Text())
		if j.Cause == None {
			j.say(Unknown, "%s is better than the filter, and the innovations do not say why", b.Filter)
		}
		if j.Brief == "" {
			j.Brief = fmt.Sprintf("%s is better", b.Filter)
		}
	}
	return nil
}

// knownBefore says what a baseline with a score is computed from, and whether a filter should be better. That of the
// truth starts from the true state of the cycle before, which no filter is given: over a short interval the best
// one is worse.
func knownBefore(baseline, metric string) (about string, fair bool) {
	switch {
	case metric == "rmse" && baseline == "persistence":
		return "", false
	case metric == "rmse":
		return "the time mean of the truth", true
	case baseline == "persistence":
		return "the last assimilated value before", true
	}
	return "the mean of the assimilated values", true
}

// heldOut compares the errors of held-out values with those that are expected.
func (j *judge) heldOut(run *compare.Run) error {
	stage := j.Group.StageOf("held_out_rmse")
	rmse, err := run.Mean(j.Group, compare.Metric{Name: "held_out_rmse", Stage: stage})
	if err != nil || rmse.OK == 0 {
		return err
	}
	expected, err := run.Mean(j.Group, compare.Metric{Name: "held_out_spread", Stage: stage})
	if err != nil || expected.OK == 0 {
		return err
	}
	beyond := rmse.Value > 2*expected.Value && rmse.Value-expected.Value > 3*math.Hypot(rmse.SE, expected.SE)
	if j.Cause == None && beyond {
		j.say(Unknown, "held-out values are further away than expected, and those that are assimilated are not")
		j.Brief = "held-out values are further away than expected"
		j.try("a shorter cutoff, if the filter has one; more members; a model error, [model.noise]")
	}
	if j.Cause != None {
		j.add("held_out_rmse", rmse.Mean, "of values that are never assimilated; expected is %s", expected.Text())
	}
	return nil
}

// sameSetting reports whether a baseline, whose values are empty for axes of filters, is of
// the truth of a setting.
func sameSetting(baseline, setting []string) bool {
	for k, v := range baseline {
		if v != "" && v != setting[k] {
			return false
		}
	}
	return true
}
