package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/compare"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Limits on the free forecasts that are shown.
const (
	shownIssues    = 12      // forecasts of a trial
	shownLeads     = 96      // lead times of one; of more, those at even distances
	forecastBudget = 200_000 // values of all trials
	leadBudget     = 100_000 // scores by lead time and reliabilities of all trials
)

// forecasts is what the free forecasts of all trials share.
type forecasts struct {
	issues  []issue // whose forecasts are shown
	opening int     // index of the one that is shown first
	leads   []float64
	ahead   []aheadValue             // that are shown
	came    map[truthKey][]*cameTrue // by shown value

	allLeads    int       // number of lead times
	scoredLeads []float64 // those of which charts show scores
}

// issue is an analysis from which forecasts start.
type issue struct {
	cycle int32
	time  float64
}

// aheadName names a value of free forecasts.
type aheadName struct {
	of, variable string
	index        int32
}

// aheadValue is a value of free forecasts as it is shown.
type aheadValue struct {
	aheadName
	label, unit string
	shown       int       // index of its trajectory; -1: none
	above       []float64 // thresholds
}

// cameTrue is the values that came, in order of time.
type cameTrue struct{ times, values []float64 }

// fan is what one forecast says of a value by lead time; NaN where it says nothing.
type fan struct {
	mean      []float64
	quantiles [5][]float64 // as [archive.Quantiles]
	exceed    [][]float64  // probabilities by threshold
}

// ahead is the free forecasts of a trial.
type ahead struct {
	fans        [][]*fan             // by issue and value; nil: none
	leadScores  []compare.LeadScores // by value and lead time
	reliability []reliability
}

// reliability is how often values exceeded a threshold, by tenth of the probability of it.
type reliability struct {
	of, variable           string
	above, lead, brier     float64
	probability, frequency []float64
	count                  []float64
}

// readForecasts reads the free forecasts, what came of them, and their scores.
func (r *Report) readForecasts() error {
	all, err := r.forecastKeys()
	if err != nil || len(all.issues) == 0 {
		return err
	}
	r.chooseForecasts(all)
	for _, step := range []func() error{r.readFans, r.readExceedances, r.readVerification, r.readReliability} {
		if err := step(); err != nil {
			return err
		}
	}
	scores, err := compare.ForecastScores(r.reader)
	for _, s := range scores {
		if t := r.trial(int32(s.Trial)); t != nil {
			t.leadScores = append(t.leadScores, s)
		}
	}
	each := 0 // values of a lead time
	for _, t := range r.trials {
		each += (2*len(leadMetrics)*len(t.leadScores) + 3*tenths*len(t.reliability)) / len(all.leads)
	}
	r.allLeads, r.scoredLeads = len(all.leads), evenly(all.leads, min(shownLeads, max(4, leadBudget/max(1, each))))
	return err
}

// tenths is how many points a reliability has at most.
const tenths = 10

// forecastKeys returns all analyses, lead times and values of forecasts, in order.
func (r *Report) forecastKeys() (all forecasts, err error) {
	issues, leads, names := map[issue]bool{}, map[float64]bool{}, map[aheadName]bool{}
	for b, err := range r.reader.Forecasts() {
		if err != nil {
			return all, err
		}
		for i := range b.Trial {
			at, name := issue{b.Cycle[i], b.Time[i]}, aheadName{b.Of[i], b.Variable[i], b.Index[i]}
			if !issues[at] {
				issues[at], all.issues = true, append(all.issues, at)
			}
			if !leads[b.Lead[i]] {
				leads[b.Lead[i]], all.leads = true, append(all.leads, b.Lead[i])
			}
			if !names[name] {
				names[name], all.ahead = true, append(all.ahead, aheadValue{aheadName: name})
			}
		}
	}
	slices.SortFunc(all.issues, func(a, b issue) int { return cmp.Compare(a.cycle, b.cycle) })
	slices.Sort(all.leads)
	return all, nil
}

// chooseForecasts chooses which forecasts are shown: the last one and some before it, of values of
// the state that have trajectories and of as many that are observed.
func (r *Report) chooseForecasts(all forecasts) {
	f := &r.forecasts
	kinds := []string{archive.State, archive.Observed}
	if !r.truthful() {
		slices.Reverse(kinds)
	}
	for _, of := range kinds {
		var there []aheadValue
		for _, v := range all.ahead {
			if v.of == of {
				there = append(there, r.described(v, all.ahead))
			}
		}
		if traced := slices.DeleteFunc(slices.Clone(there), func(v aheadValue) bool { return v.shown < 0 }); len(traced) > 0 {
			there = traced
		}
		f.ahead = append(f.ahead, evenly(there, r.mostShown())...)
	}
	each := max(1, len(r.trials)) * len(f.ahead) * (1 + len(archive.Quantiles)) // no trials are known if all have started since they were read
	f.leads = evenly(all.leads, min(shownLeads, max(12, forecastBudget/each)))
	f.issues = evenly(all.issues, min(shownIssues, max(1, forecastBudget/(each*len(f.leads)))))
	f.opening, f.came = len(f.issues)-1, map[truthKey][]*cameTrue{}
}

// mostShown is how many values have trajectories.
func (r *Report) mostShown() int {
	if len(r.trials) > manyTrials {
		return fewComponents
	}
	return mostComponents
}

// evenly returns so many elements of a list at even distances, of which the last is one.
func evenly[E any](list []E, most int) (some []E) {
	for _, k := range spaced(len(list), most) {
		some = append(some, list[k-1])
	}
	return some
}

// described returns v with its label, unit and trajectory.
func (r *Report) described(v aheadValue, all []aheadValue) aheadValue {
	c := component{variable: v.variable, index: int(v.index), unit: r.unitOf(v.of, v.variable)}
	c.scalar = !slices.ContainsFunc(all, func(w aheadValue) bool { return w.of == v.of && w.variable == v.variable && w.index > 0 })
	v.shown = -1
	if v.of == archive.State {
		v.shown = slices.IndexFunc(r.shown, func(s component) bool { return s.variable == c.variable && s.index == c.index })
	}
	v.label, v.unit = aheadLabel(v.of, c.label()), c.unit
	return v
}

// aheadLabel is the label of a value, or a variable, of forecasts.
func aheadLabel(of, name string) string {
	if of == archive.Observed {
		return name + ", observed"
	}
	return name
}

// value returns the index of a value among those that are shown; -1: it is not.
func (f *forecasts) value(name aheadName) int {
	return slices.IndexFunc(f.ahead, func(v aheadValue) bool { return v.aheadName == name })
}

// place returns which forecast, value and lead time a row of a table is of; the forecast is nil if
// it is not shown.
func (r *Report) place(trial int32, name aheadName, cycle int32, lead float64) (of *fan, value, at int) {
	f, t := &r.forecasts, r.trial(trial)
	value, at = f.value(name), slices.Index(f.leads, lead)
	issued := slices.IndexFunc(f.issues, func(s issue) bool { return s.cycle == cycle })
	if t == nil || value < 0 || issued < 0 || at < 0 {
		return nil, value, at
	}
	return t.fan(f, issued, value), value, at
}

func (r *Report) readFans() error {
	for b, err := range r.reader.Forecasts() {
		if err != nil {
			return err
		}
		for i, number := range b.Trial {
			fan, _, at := r.place(number, aheadName{b.Of[i], b.Variable[i], b.Index[i]}, b.Cycle[i], b.Lead[i])
			if fan == nil {
				continue
			}
			fan.mean[at] = b.Mean[i]
			for k, q := range [5]float64{b.Q05[i], b.Q25[i], b.Q50[i], b.Q75[i], b.Q95[i]} {
				fan.quantiles[k][at] = q
			}
		}
	}
	return nil
}

// fan returns the forecast of a value from an analysis, which may be empty.
func (a *ahead) fan(f *forecasts, issued, value int) *fan {
	if a.fans == nil {
		a.fans = make([][]*fan, len(f.issues))
	}
	if a.fans[issued] == nil {
		a.fans[issued] = make([]*fan, len(f.ahead))
	}
	if a.fans[issued][value] == nil {
		empty := func() []float64 { return slices.Repeat([]float64{math.NaN()}, len(f.leads)) }
		made := &fan{mean: empty()}
		for k := range made.quantiles {
			made.quantiles[k] = empty()
		}
		a.fans[issued][value] = made
	}
	return a.fans[issued][value]
}

func (r *Report) readExceedances() error {
	f := &r.forecasts
	for b, err := range r.reader.Exceedances() {
		if err != nil {
			return err
		}
		for i, number := range b.Trial {
			fan, value, at := r.place(number, aheadName{b.Of[i], b.Variable[i], b.Index[i]}, b.Cycle[i], b.Lead[i])
			if fan == nil {
				continue
			}
			v := &f.ahead[value]
			k := slices.Index(v.above, b.Above[i])
			if k < 0 {
				k, v.above = len(v.above), append(v.above, b.Above[i])
			}
			for len(fan.exceed) <= k {
				fan.exceed = append(fan.exceed, slices.Repeat([]float64{math.NaN()}, len(f.leads)))
			}
			fan.exceed[k][at] = b.Probability[i]
		}
	}
	return nil
}

// readVerification reads what came within a horizon of the forecasts that are shown. If the truth
// is known, charts open at the last forecast all of whose times have come.
func (r *Report) readVerification() error {
	type row struct {
		key          truthKey
		value        int
		time, number float64
	}
	f, seen, through := &r.forecasts, map[row]bool{}, map[int32]float64{}
	horizon := f.leads[len(f.leads)-1] * (1 + 1e-9)
	for b, err := range r.reader.Verification() {
		if err != nil {
			return err
		}
		for i, number := range b.Trial {
			through[b.Issued[i]] = max(through[b.Issued[i]], b.Lead[i])
			value, t := f.value(aheadName{b.Of[i], b.Variable[i], b.Index[i]}), r.trial(number)
			near := slices.ContainsFunc(f.issues, func(s issue) bool { return math.Abs(b.Time[i]-s.time) <= horizon })
			if value < 0 || t == nil || !near {
				continue
			}
			at := row{t.truthKey(), value, b.Time[i], b.Value[i]}
			if seen[at] {
				continue
			}
			seen[at] = true
			if f.came[at.key] == nil {
				f.came[at.key] = make([]*cameTrue, len(f.ahead))
				for k := range f.ahead {
					f.came[at.key][k] = &cameTrue{}
				}
			}
			c := f.came[at.key][value]
			c.add(at.time, at.number)
		}
	}
	if r.truthful() {
		whole := func(s issue) bool { return through[s.cycle] >= f.leads[len(f.leads)-1] }
		for k, s := range slices.Backward(f.issues) {
			if whole(s) {
				f.opening = k
				break
			}
		}
	}
	return nil
}

// add inserts a value, mostly at the end.
func (c *cameTrue) add(time, value float64) {
	at, _ := slices.BinarySearch(c.times, time)
	c.times, c.values = slices.Insert(c.times, at, time), slices.Insert(c.values, at, value)
}

func (r *Report) readReliability() error {
	for b, err := range r.reader.Reliability() {
		if err != nil {
			return err
		}
		for i, number := range b.Trial {
			t := r.trial(number)
			if t == nil {
				continue
			}
			if b.Bin[i] < 0 { // all of them: the first row
				t.reliability = append(t.reliability, reliability{of: b.Of[i], variable: b.Variable[i], above: b.Above[i], lead: b.Lead[i], brier: b.Brier[i]})
				continue
			}
			if len(t.reliability) == 0 {
				continue // of a table that is not ours
			}
			s := &t.reliability[len(t.reliability)-1]
			s.probability, s.frequency, s.count = append(s.probability, b.Probability[i]), append(s.frequency, b.Frequency[i]), append(s.count, float64(b.Count[i]))
		}
	}
	return nil
}

// joinForecasts adds the forecasts of a run. Those of other values or times are left out, and the
// page says so; scores by lead time are always shown.
func (r *Report) joinForecasts(run int, p *Report) {
	names := func(list []aheadValue) (names []aheadName) {
		for _, v := range list {
			names = append(names, v.aheadName)
		}
		return names
	}
	if len(p.issues) == 0 {
		return
	}
	r.scoredLeads = slices.Compact(slices.Sorted(slices.Values(slices.Concat(r.scoredLeads, p.scoredLeads))))
	alike := slices.Equal(p.issues, r.issues) && slices.Equal(p.leads, r.leads) && slices.Equal(names(p.ahead), names(r.ahead))
	if !alike {
		r.omitted = append(r.omitted, fmt.Sprintf("%s: forecasts are not drawn, because they are of other values or times than those of A; their scores are.", letter(run)))
		for _, t := range p.trials {
			t.fans = nil
		}
		return
	}
	for key, list := range p.came {
		key.run = run
		r.came[key] = list
	}
}

// leadUnit returns the unit of lead times, empty if times are not dates, and how many of them are a
// unit of model time: the largest of which the shortest lead time has at least one.
func (r *Report) leadUnit(shortest float64) (name string, each float64) {
	d := r.dates()
	if d == nil {
		return "", 1
	}
	for _, u := range []struct {
		name    string
		seconds float64
	}{{"days", day}, {"hours", hour}, {"minutes", minute}} {
		if shortest*d.Seconds >= u.seconds*(1-1e-9) {
			return u.name, d.Seconds / u.seconds
		}
	}
	return "seconds", d.Seconds
}

// leadLabel is the label of an axis of lead times.
func leadLabel(unit string) string { return withUnit("lead time", unit) }

// predicts reports whether a trial has free forecasts.
func predicts(r *Report) bool { return len(r.issues) > 0 }

// verified reports whether any forecast has scores.
func verified(r *Report) bool {
	return slices.ContainsFunc(r.trials, func(t *trial) bool { return len(t.leadScores) > 0 })
}

// dataForecasts is what the page shows of [forecasts].
type dataForecasts struct {
	Times    times                 `json:"times"` // of the analyses
	Opening  int                   `json:"opening"`
	Leads    times                 `json:"leads"`
	Values   []dataAhead           `json:"values"`
	Came     map[string][]dataCame `json:"came"`     // by truth and value
	LeadUnit string                `json:"leadUnit"` // of axes; empty: model time
	LeadEach float64               `json:"leadEach"` // such units in one of model time
}

type dataAhead struct {
	Label string  `json:"label"`
	Unit  string  `json:"unit"`
	Shown int     `json:"shown"`
	Above numbers `json:"above"`
}

type dataCame struct {
	Time  times   `json:"time"`
	Value numbers `json:"value"`
}

// dataFan is a forecast of a value, by lead time.
type dataFan struct {
	Mean   numbers   `json:"mean"`
	Q05    numbers   `json:"q05"`
	Q25    numbers   `json:"q25"`
	Q50    numbers   `json:"q50"`
	Q75    numbers   `json:"q75"`
	Q95    numbers   `json:"q95"`
	Exceed []numbers `json:"exceed"` // probabilities by threshold
}

// dataLeads is the scores of the forecasts of a variable, by lead time.
type dataLeads struct {
	Label  string            `json:"label"`
	Unit   string            `json:"unit"`
	Lead   times             `json:"lead"`
	Count  []int             `json:"count"`
	Scores map[string]scores `json:"scores"`
	Errors map[string]scores `json:"errors"` // standard errors
}

type dataReliability struct {
	Label       string  `json:"label"` // variable and threshold
	Lead        number  `json:"lead"`
	Brier       number  `json:"brier"`
	Probability numbers `json:"probability"`
	Frequency   numbers `json:"frequency"`
	Count       numbers `json:"count"`
}

// forecastsData returns the forecasts for the page; nil if there are none.
func (r *Report) forecastsData() *dataForecasts {
	f := &r.forecasts
	if len(f.issues) == 0 {
		return nil
	}
	d := &dataForecasts{Opening: f.opening, Leads: f.leads, Values: []dataAhead{}, Came: map[string][]dataCame{}}
	d.LeadUnit, d.LeadEach = r.leadUnit(f.leads[0])
	for _, s := range f.issues {
		d.Times = append(d.Times, s.time)
	}
	for _, v := range f.ahead {
		d.Values = append(d.Values, dataAhead{v.label, v.unit, v.shown, v.above})
	}
	for key, list := range f.came {
		for _, c := range list {
			d.Came[key.String()] = append(d.Came[key.String()], dataCame{c.times, c.values})
		}
	}
	return d
}

// data sets what the page shows of the forecasts of a trial.
func (a *ahead) data(d *dataTrial, r *Report) {
	for _, list := range a.fans {
		var fans []*dataFan
		for _, f := range list {
			var of *dataFan
			if f != nil {
				of = &dataFan{Mean: f.mean, Q05: f.quantiles[0], Q25: f.quantiles[1], Q50: f.quantiles[2], Q75: f.quantiles[3], Q95: f.quantiles[4]}
				for _, p := range f.exceed {
					of.Exceed = append(of.Exceed, p)
				}
			}
			fans = append(fans, of)
		}
		d.Fans = append(d.Fans, fans)
	}
	d.Leads = a.leads(r)
	for _, s := range a.reliability {
		if !slices.Contains(r.scoredLeads, s.lead) {
			continue
		}
		d.Reliability = append(d.Reliability, dataReliability{s.label(), number(s.lead), number(s.brier), s.probability, s.frequency, s.count})
	}
}

// label names the threshold.
func (s *reliability) label() string {
	return fmt.Sprintf("%s > %g", aheadLabel(s.of, s.variable), s.above)
}

func (r *Report) unitOf(of, variable string) string {
	if of == archive.Observed {
		return r.observedUnits[variable]
	}
	return r.unit(variable)
}

// leadMetrics are the scores by lead time that are shown.
var leadMetrics = []string{"rmse", "spread", "bias", "crps_fair", "coverage_50", "coverage_90", "persistence_rmse", "climatology_rmse", "persistence_crps", "climatology_crps"}

// leads returns the scores by lead time that charts show, one list a variable.
func (a *ahead) leads(r *Report) (list []*dataLeads) {
	var of *dataLeads
	for _, s := range a.leadScores {
		if !slices.Contains(r.scoredLeads, s.Lead) {
			continue
		}
		if label := aheadLabel(s.Of, s.Variable); of == nil || of.Label != label {
			of = &dataLeads{Label: label, Unit: r.unitOf(s.Of, s.Variable), Scores: map[string]scores{}, Errors: map[string]scores{}}
			list = append(list, of)
		}
		of.Lead, of.Count = append(of.Lead, s.Lead), append(of.Count, s.Count)
		for _, name := range leadMetrics {
			value, err := math.NaN(), math.NaN()
			if m, ok := s.Scores[name]; ok {
				value, err = m.Value, m.SE
			}
			of.Scores[name], of.Errors[name] = append(of.Scores[name], value), append(of.Errors[name], err)
		}
	}
	return list
}

// mostLeadRows is the number of rows of the table of scores by lead time.
const mostLeadRows = 400

// leadsTable returns the scores by lead time, as plume forecast prints them.
func (r *Report) leadsTable() *textTable {
	t := &textTable{ID: "leads-table", Caption: "Scores of the forecasts by lead time", Head: []headCell{{"trial", ""}}}
	t.Head = append(append(t.Head, r.settingHead()...), headCell{"variable", ""}, headCell{"lead", "model time"}, headCell{"forecasts", "that were compared with what came"})
	for _, name := range leadMetrics {
		t.Head = append(t.Head, headCell{name, ""})
	}
	all := 0
	for i, of := range r.trials {
		for _, s := range of.leadScores {
			if all++; all > mostLeadRows {
				continue
			}
			line := append([]textCell{{Text: fmt.Sprint(i + 1), Number: true}}, r.settingCells(of.row)...)
			line = append(line, textCell{Text: aheadLabel(s.Of, s.Variable)}, textCell{Text: typeset(fmt.Sprintf("%.6g", s.Lead)), Key: key(s.Lead), Number: true}, textCell{Text: fmt.Sprint(s.Count), Number: true})
			for _, name := range leadMetrics {
				cell := textCell{Number: true}
				if m, ok := s.Scores[name]; ok {
					cell.Text, cell.Key = typeset(m.Text()), key(m.Value)
				}
				line = append(line, cell)
			}
			t.Rows = append(t.Rows, line)
		}
	}
	if all == 0 {
		return nil
	}
	t.Note = "Means over all forecasts of a lead time ± standard error, corrected for autocorrelation, as plume forecast --scores prints them. Forecasts of the state are compared with the truth, those of what is observed with observations, whose errors are part of rmse and spread."
	if r.parts == nil && len(r.scoredLeads) < r.allLeads {
		t.Note += fmt.Sprintf(" Charts show %d lead times of the table.", len(r.scoredLeads))
	}
	if all > mostLeadRows {
		t.Note += fmt.Sprintf(" The first %d of %d rows; all are in forecast_scores.arrow.", mostLeadRows, all)
	}
	return t
}

// fansFigure draws the forecast of the first values from the analysis at which the page opens.
func (r *Report) fansFigure(t *trial) *figure {
	const mostPanels = 3
	f := &r.forecasts
	if t.fans == nil || t.fans[f.opening] == nil {
		return nil
	}
	from, own := f.issues[f.opening].time, r.style(t.Filter)
	xs, horizon := make([]float64, len(f.leads)), f.leads[len(f.leads)-1]
	for k, lead := range f.leads {
		xs[k] = from + lead
	}
	var panels [][]*plot.Plot
	for k, v := range f.ahead {
		fan := t.fans[f.opening][k]
		if fan == nil || len(panels) == mostPanels {
			continue
		}
		p := panel("", "", withUnit(v.label, v.unit))
		p.X.Min, p.X.Max = from-horizon, from+horizon
		band(p, xs, fan.quantiles[0], fan.quantiles[4], faded(own.Color, 0.25))
		band(p, xs, fan.quantiles[1], fan.quantiles[3], faded(own.Color, 0.5))
		addLine(p, xs, fan.mean, own)
		if came := f.came[t.truthKey()]; came != nil {
			c := came[k].between(from-horizon, from+horizon)
			if v.of == archive.State {
				addLine(p, c.times, c.values, draw.LineStyle{Color: ink, Width: vg.Points(.8)})
			} else {
				dots(p, c.times, c.values, draw.GlyphStyle{Color: ink, Radius: vg.Points(1.2), Shape: draw.CircleGlyph{}})
			}
		}
		addLine(p, []float64{from, from}, []float64{p.Y.Min, p.Y.Max}, draw.LineStyle{Color: soft, Width: vg.Points(.6), Dashes: []vg.Length{vg.Points(3), vg.Points(2)}})
		room(p, 0.03, 0.03)
		if panels == nil {
			p.Title.Text = fmt.Sprintf("%s: forecast from %s, 50 and 90 %%", t.Filter, r.timeText(from))
		}
		panels = append(panels, []*plot.Plot{p})
	}
	if panels == nil {
		return nil
	}
	r.timeAxes(panels)
	return &figure{"forecast-" + fileName(t.Filter), panels, columnWidth, 3.8 * vg.Centimeter}
}

// between returns the values of a span of time.
func (c *cameTrue) between(first, last float64) *cameTrue {
	slack := 1e-9 * (last - first)
	from, _ := slices.BinarySearch(c.times, first-slack)
	to, _ := slices.BinarySearch(c.times, last+slack)
	return &cameTrue{c.times[from:to], c.values[from:to]}
}

// ofTrial is the scores of a variable by lead time of a trial.
type ofTrial struct {
	*trial
	*dataLeads
}

// leadsOf returns the scores by lead time of trials, by variable in the order of the first one.
func (r *Report) leadsOf(trials []*trial) (lists [][]ofTrial) {
	for _, t := range trials {
		for _, l := range t.leads(r) {
			k := slices.IndexFunc(lists, func(list []ofTrial) bool { return list[0].Label == l.Label })
			if k < 0 {
				k, lists = len(lists), append(lists, nil)
			}
			lists[k] = append(lists[k], ofTrial{t, l})
		}
	}
	return lists
}

// leadsFigure draws the rmse and the CRPS of the first variables by lead time, with persistence and
// climatology.
func (r *Report) leadsFigure(trials []*trial) *figure {
	const mostVariables = 3
	var panels [][]*plot.Plot
	for _, list := range r.leadsOf(trials) {
		if len(panels) < mostVariables {
			panels = append(panels, []*plot.Plot{r.leadPanel(list, "RMSE", "rmse", "persistence_rmse", "climatology_rmse"), r.leadPanel(list, "CRPS", "crps_fair", "persistence_crps", "climatology_crps")})
		}
	}
	if panels == nil {
		return nil
	}
	panels[0][0].Title.Text = "dashed: persistence"
	panels[0][1].Title.Text = "dotted: climatology"
	return &figure{"forecast-skill", panels, columnWidth / 2, 5 * vg.Centimeter}
}

// leadPanel draws a score of one variable by lead time, and the same of persistence and climatology.
func (r *Report) leadPanel(list []ofTrial, label, metric, persistence, climatology string) *plot.Plot {
	most := list[0] // the one with the most forecasts
	for _, l := range list {
		if slices.Max(l.Count) > slices.Max(most.Count) {
			most = l
		}
	}
	unit, each := r.leadUnit(most.Lead[0])
	p := panel("", leadLabel(unit), withUnit(label+", "+most.Label, most.Unit))
	at := func(l *dataLeads) (xs []float64) {
		for _, lead := range l.Lead {
			xs = append(xs, each*lead)
		}
		return xs
	}
	addLine(p, at(most.dataLeads), most.Scores[persistence], draw.LineStyle{Color: soft, Width: vg.Points(.8), Dashes: []vg.Length{vg.Points(4), vg.Points(2)}})
	addLine(p, at(most.dataLeads), most.Scores[climatology], draw.LineStyle{Color: soft, Width: vg.Points(.8), Dashes: []vg.Length{vg.Points(1), vg.Points(2)}})
	for _, l := range list {
		addLine(p, at(l.dataLeads), l.Scores[metric], r.style(l.Filter))
		dots(p, at(l.dataLeads), l.Scores[metric], draw.GlyphStyle{Color: r.style(l.Filter).Color, Radius: vg.Points(1.2), Shape: draw.CircleGlyph{}})
		p.Legend.Add(l.Filter, thumb(r.style(l.Filter)))
	}
	p.X.Tick.Marker, p.Y.Tick.Marker = roundTicks(4), roundTicks(4)
	p.Y.Min = min(0, p.Y.Min)
	room(p, 0, 0.06+0.09*float64(len(list))) // for the legend
	return p
}

// exceedFigure draws how often thresholds were exceeded against the probabilities of it, at the
// shortest and the longest lead time.
func (r *Report) exceedFigure(trials []*trial) *figure {
	const mostPanels = 6
	var panels []*plot.Plot
	for _, label := range aboveLabels(trials) {
		leads := reliabilityLeads(trials, label)
		for _, lead := range slices.Compact([]float64{leads[0], leads[len(leads)-1]}) {
			if len(panels) < mostPanels {
				panels = append(panels, r.exceedPanel(trials, label, lead))
			}
		}
	}
	if panels == nil {
		return nil
	}
	return &figure{"forecast-reliability", inRows(panels, 2), columnWidth / 2, 5 * vg.Centimeter}
}

// aboveLabels returns the thresholds of trials.
func aboveLabels(trials []*trial) (labels []string) {
	for _, t := range trials {
		for _, s := range t.reliability {
			if label := s.label(); !slices.Contains(labels, label) {
				labels = append(labels, label)
			}
		}
	}
	return labels
}

// reliabilityLeads returns the lead times of a threshold.
func reliabilityLeads(trials []*trial, label string) (leads []float64) {
	for _, t := range trials {
		for _, s := range t.reliability {
			if s.label() == label {
				leads = append(leads, s.lead)
			}
		}
	}
	slices.Sort(leads)
	return slices.Compact(leads)
}

func (r *Report) exceedPanel(trials []*trial, label string, lead float64) *plot.Plot {
	unit, each := r.leadUnit(lead)
	p := panel(strings.TrimSpace(fmt.Sprintf("lead %.4g %s", each*lead, unit)), "P("+label+")", "frequency")
	addLine(p, []float64{0, 1}, []float64{0, 1}, draw.LineStyle{Color: ink, Width: vg.Points(.6), Dashes: []vg.Length{vg.Points(3), vg.Points(2)}})
	drawn := 0
	for _, t := range trials {
		for _, s := range t.reliability {
			if s.label() != label || s.lead != lead {
				continue
			}
			drawn++
			style, most := r.style(t.Filter), slices.Max(s.count)
			addLine(p, s.probability, s.frequency, draw.LineStyle{Color: faded(style.Color, 0.4), Width: vg.Points(.7), Dashes: style.Dashes})
			for i, x := range s.probability { // larger for more forecasts
				radius := vg.Points(.8 + 2.4*math.Sqrt(s.count[i]/most))
				dots(p, []float64{x}, s.frequency[i:i+1], draw.GlyphStyle{Color: style.Color, Radius: radius, Shape: draw.CircleGlyph{}})
			}
			p.Legend.Add(t.Filter, thumb(style))
		}
	}
	p.Legend.Left = true
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = 0, 1, 0, 1.02+0.11*float64(drawn) // for the legend
	p.X.Tick.Marker, p.Y.Tick.Marker = roundTicks(4), valueTicks([]float64{0, 0.5, 1}, []string{"0", "0.5", "1"}, func(x float64) float64 { return x })
	return p
}
