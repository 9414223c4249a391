package report

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/compare"
	"github.com/plume-da/plume/host/internal/score"
)

// pageData is the data of the charts of the page. Series have five digits, times ten, scores and
// differences all digits; values that are not finite numbers are null.
type pageData struct {
	Axes        []dataAxis        `json:"axes"`
	Filters     []string          `json:"filters"`
	Trials      []dataTrial       `json:"trials"`
	Points      []dataPoint       `json:"points"` // scores of settings
	Metrics     []string          `json:"metrics"`
	Losses      []string          `json:"losses"`           // those of which less is better
	Opening     string            `json:"opening"`          // the score that charts show first
	Units       map[string]string `json:"units"`            // of scores that have one
	OverTime    []string          `json:"overTime"`         // scores of cycles that have no chart of their own
	BurnIn      *float64          `json:"burnIn,omitempty"` // model time at its end
	Baseline    string            `json:"baseline"`
	Differences []dataDifference  `json:"differences"`
	Shown       []dataComponent   `json:"shown"`
	Parameters  []int             `json:"parameters"` // those of the shown values that are estimated parameters
	Field       *dataField        `json:"field,omitempty"`
	Members     *dataMembers      `json:"members,omitempty"`
	Lags        []dataLags        `json:"lags,omitempty"`
	Forecasts   *dataForecasts    `json:"forecasts,omitempty"`
	Usage       []dataUsage       `json:"usage,omitempty"`
	Thinned     bool              `json:"thinned"`
	Clock       string            `json:"clock"`           // label of axes of time
	Dates       *dataDates        `json:"dates,omitempty"` // nil: times are not dates
	Block       int               `json:"block"`           // cycles of a mean of series; 0: none are long
}

type dataAxis struct {
	Name    string   `json:"name"`
	Label   string   `json:"label"`
	Values  []string `json:"values"`
	Numbers numbers  `json:"numbers"` // null: no numbers
}

type dataTrial struct {
	Number      int                       `json:"number"` // on the page
	Replicate   string                    `json:"replicate"`
	Truth       string                    `json:"truth"` // which of the field's truths
	Filter      int                       `json:"filter"`
	Size        int                       `json:"size"`
	Sized       string                    `json:"sized"` // the size for titles, and how many members are stored
	Setting     []int                     `json:"setting"`
	Status      archive.Status            `json:"status"`
	Scores      map[string]*dataSeries    `json:"scores"`            // by stage
	Skill       map[string][2]numbers     `json:"skill,omitempty"`   // by stage: spread and error of bins of cycles
	Reports     *dataSeries               `json:"reports,omitempty"` // diagnostics of the filter
	Innovations *dataSeries               `json:"innovations,omitempty"`
	Ranks       map[string]*dataRanks     `json:"ranks,omitempty"`
	Curves      map[string][]*dataSeries  `json:"curves,omitempty"`
	Fields      map[string]dataFieldMap   `json:"fields,omitempty"`
	Phase       map[string]dataPhase      `json:"phase,omitempty"`
	Members     map[string]*dataSnapshots `json:"members,omitempty"`
	Reference   int                       `json:"reference"`           // which of the members' references
	Residuals   map[string]*dataResiduals `json:"residuals,omitempty"` // by observed variable
	NIS         [2]numbers                `json:"nis"`                 // bands of nis: of single cycles, and of means over blocks
	Profiles    map[string]dataProfile    `json:"profiles,omitempty"`
	Seconds     numbers                   `json:"seconds"`
	Record      *dataMatching             `json:"record,omitempty"`
	Fans        [][]*dataFan              `json:"fans,omitempty"`  // free forecasts by analysis and value
	Leads       []*dataLeads              `json:"leads,omitempty"` // and their scores by lead time
	Reliability []dataReliability         `json:"reliability,omitempty"`
}

type dataMembers struct {
	Cycles     []int32                   `json:"cycles"`
	At         times                     `json:"at"`      // model times of the cycles
	Opening    int                       `json:"opening"` // index of the cycle that is shown first
	Latest     []int32                   `json:"latest"`
	Times      times                     `json:"times"` // of the latest cycles
	Grids      []grid                    `json:"grids"`
	Truths     map[string]*dataSnapshots `json:"truths"`
	References map[int]*dataSnapshots    `json:"references"`
}

type dataSnapshots struct {
	Cycles []*dataCloud `json:"cycles"`
	Latest []*dataCloud `json:"latest"`
	Maps   []*dataMaps  `json:"maps,omitempty"` // by grid
}

type dataCloud struct {
	Values  []numbers `json:"values"`  // of every shown value
	Weights numbers   `json:"weights"` // null: all are equal
}

// dataDates says which dates times are, both in seconds, the start since 1970.
type dataDates struct {
	Start float64 `json:"start"`
	Unit  float64 `json:"unit"`
	Clock bool    `json:"clock"` // they need the time of day
}

type dataSeries struct {
	Time   times              `json:"time"`
	Values map[string]numbers `json:"values"`
	Means  *dataSeries        `json:"means,omitempty"` // over blocks of cycles
}

type dataPhase struct {
	Truth []numbers `json:"truth"`
	Mean  []numbers `json:"mean"`
}

type dataRanks struct {
	Members  int     `json:"members"`
	Centres  numbers `json:"centres"`
	Heights  numbers `json:"heights"`
	Low      number  `json:"low"` // of the band of a flat histogram
	High     number  `json:"high"`
	Expected numbers `json:"expected"` // shares of truths in central intervals
	Share    numbers `json:"share"`
}

type dataPoint struct {
	Label   string                        `json:"label"`
	Cost    number                        `json:"cost"` // seconds a cycle
	Filter  int                           `json:"filter"`
	Setting []int                         `json:"setting"`
	Scores  map[string]map[string]scores  `json:"scores"` // by stage and metric: value, standard error, used, of
	Each    map[string]map[string]numbers `json:"each"`   // the values of the trials, if there are several

	Uncertainty number `json:"uncertainty"` // CRPS of the climatology
	Comparable  int    `json:"comparable"`  // points with the same number can be compared; -1: with none
}

type dataDifference struct {
	Label   string            `json:"label"`
	Filter  int               `json:"filter"`
	Scores  map[string]scores `json:"scores"`  // by metric: value, standard error, wins, pairs
	Against map[string]string `json:"against"` // by metric: the setting it is compared with
}

type dataComponent struct {
	Label string `json:"label"`
	Unit  string `json:"unit"`
}

type dataField struct {
	Name   string              `json:"name"`
	Unit   string              `json:"unit"`
	Dim    string              `json:"dim"`
	Rows   []int               `json:"rows"`
	Truths map[string]dataHeat `json:"truths"`
}

type dataFieldMap struct {
	Mean   dataHeat `json:"mean"`
	Error  dataHeat `json:"error"`
	Spread dataHeat `json:"spread"`
}

// dataHeat is a field in 255 steps between low and high, one byte per value, column by
// column; the byte 255 means a value that is not finite.
type dataHeat struct {
	Time times  `json:"time"`
	Low  number `json:"low"`
	High number `json:"high"`
	Data string `json:"data"`
}

type number float64

func (n number) MarshalJSON() ([]byte, error) { return appendNumber(nil, float64(n), 5), nil }

type numbers []float64

func (n numbers) MarshalJSON() ([]byte, error) { return listOf(n, 5) }

// times are numbers with as many digits as tell a second of ten years.
type times []float64

func (n times) MarshalJSON() ([]byte, error) { return listOf(n, 10) }

func listOf(values []float64, digits int) ([]byte, error) {
	if values == nil {
		return []byte("null"), nil
	}
	text := []byte{'['}
	for i, v := range values {
		if i > 0 {
			text = append(text, ',')
		}
		text = appendNumber(text, v, digits)
	}
	return append(text, ']'), nil
}

func appendNumber(text []byte, v float64, digits int) []byte {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return append(text, "null"...)
	}
	return strconv.AppendFloat(text, v, 'g', digits, 64)
}

// scores are numbers with all their digits.
type scores []float64

func (n scores) MarshalJSON() ([]byte, error) {
	finite := make([]*float64, len(n))
	for i := range n {
		if !math.IsNaN(n[i]) && !math.IsInf(n[i], 0) {
			finite[i] = &n[i]
		}
	}
	return json.Marshal(finite)
}

func (r *Report) data() *pageData {
	d := &pageData{
		Filters: r.filters, Baseline: r.against, Opening: r.opening, Clock: r.timeLabel(), OverTime: r.withoutChart(),
		Units: map[string]string{}, Trials: []dataTrial{}, Shown: []dataComponent{}, Axes: []dataAxis{},
	}
	for _, a := range r.axes {
		d.Axes = append(d.Axes, dataAxis{a.name, a.label, a.values, a.numbers})
	}
	for _, c := range r.shown {
		if slices.Contains(r.setup.Parameters, c.variable) {
			d.Parameters = append(d.Parameters, len(d.Shown))
		}
		d.Shown = append(d.Shown, dataComponent{c.label(), c.unit})
	}
	if f := r.field; f != nil {
		d.Field = &dataField{Name: f.variable, Unit: f.unit, Dim: f.dim, Rows: f.rows, Truths: map[string]dataHeat{}}
		for k, h := range r.truths {
			d.Field.Truths[k.String()] = h.data()
		}
	}
	d.Members, d.Lags, d.Forecasts, d.Usage = r.membersData(), r.lagsData(), r.forecastsData(), r.usageData()
	if dates := r.dates(); dates != nil {
		d.Dates = &dataDates{float64(dates.Start.Unix()), dates.Seconds, r.clock()}
	}
	points := r.budget()
	for i, t := range r.trials {
		data := t.data(slices.Index(d.Filters, t.Filter), points, r.members.truths[t.truthKey()])
		data.Number = i + 1
		t.ahead.data(&data, r)
		d.Trials = append(d.Trials, data)
		for _, stage := range stages {
			s := t.scores[stage]
			if s == nil {
				continue
			}
			if s.long() {
				d.Block = max(d.Block, s.n/blocks)
			}
			if skill, ok := t.skill[stage]; ok {
				data.Skill[stage] = [2]numbers{skill[0], skill[1]}
			}
			d.Thinned = d.Thinned || s.n > points
			if d.BurnIn == nil && !math.IsNaN(s.burnIn) {
				d.BurnIn = &s.burnIn
			}
		}
	}
	d.Points, d.Metrics = r.points(d.Filters)
	for _, name := range slices.Concat(d.Metrics, r.overTime, []string{"rmse", "spread", "innovation_rms"}) {
		if unit := r.scoreUnit(name); unit != "" && unit != "1" {
			d.Units[name] = unit
		}
	}
	d.Losses = slices.DeleteFunc(slices.Clone(d.Metrics), func(name string) bool { return !score.IsLoss(name) })
	d.Differences = r.differences(d.Filters)
	return d
}

// withoutChart returns the scores of cycles that have no chart of their own.
func (r *Report) withoutChart() []string {
	return slices.DeleteFunc(slices.Clone(r.overTime), func(name string) bool { return name == "rmse" || name == "spread" || name == "weights_ess" })
}

// points returns the scores of all settings and the names of the scores.
func (r *Report) points(filters []string) (points []dataPoint, names []string) {
	points, names = []dataPoint{}, []string{}
	for _, m := range r.metrics {
		if !slices.Contains(names, m.Name) {
			names = append(names, m.Name)
		}
	}
	var keys []string
	for _, w := range r.rows {
		alike := -1
		if key := (&compare.Row{Group: w.Group, Run: w.run}).Comparable(); key != "" {
			if alike = slices.Index(keys, key); alike < 0 {
				alike, keys = len(keys), append(keys, key)
			}
		}
		p := dataPoint{
			Comparable: alike,
			Label:      r.label(w), Cost: number(r.cost(w)), Filter: slices.Index(filters, w.Filter), Setting: w.setting, Uncertainty: number(r.uncertainty(w)),
			Scores: map[string]map[string]scores{archive.Forecast: {}, archive.Analysis: {}},
			Each:   map[string]map[string]numbers{archive.Forecast: {}, archive.Analysis: {}},
		}
		for m, c := range w.cells {
			if c.Applies {
				p.Scores[m.Stage][m.Name] = scores{c.Value, c.SE, float64(c.OK), float64(c.Trials)}
			}
			if values := w.Each(m); len(values) > 1 {
				p.Each[m.Stage][m.Name] = values
			}
		}
		points = append(points, p)
	}
	return points, names
}

// differences returns the differences of settings from their partners.
func (r *Report) differences(filters []string) []dataDifference {
	list := []dataDifference{}
	for _, w := range r.rows {
		d := dataDifference{
			Label: r.label(w), Filter: slices.Index(filters, w.Filter), Scores: map[string]scores{}, Against: map[string]string{},
		}
		for _, c := range r.comparisons {
			if x := c.Of(w.Group); x != nil {
				d.Scores[c.Name], d.Against[c.Name] = scores{x.Value, x.SE, x.Wins, float64(x.Count)}, r.labelOf(x.Partner)
			}
		}
		if len(d.Scores) > 0 {
			list = append(list, d)
		}
	}
	return list
}

func (k truthKey) String() string { return fmt.Sprintf("%d/%d/%d", k.run, k.replicate, k.truth) }

func (t *trial) data(filter, points int, truth *snapshots) dataTrial {
	d := dataTrial{
		Replicate: t.Repetition(), Truth: t.truthKey().String(), Filter: filter, Size: t.Size, Sized: t.sizeText(),
		Record: t.matching.data(), Setting: t.row.setting, Status: t.Status, Scores: map[string]*dataSeries{}, Skill: map[string][2]numbers{}, Seconds: t.seconds[:], Reference: t.Reference,
	}
	for _, stage := range stages {
		if s := t.scores[stage]; s != nil {
			d.Scores[stage] = withMeans(s, points)
		}
	}
	if t.reports != nil {
		d.Reports = withMeans(t.reports, points)
	}
	if t.innovations != nil {
		d.Innovations = withMeans(t.innovations, points)
		if t.observed > 0 {
			for i, cycles := range []int{1, max(1, t.innovations.n/blocks)} {
				low, high := score.NISBand(t.observed * cycles)
				d.NIS[i] = numbers{low, high}
			}
		}
	}
	for name, s := range t.residuals {
		if d.Residuals == nil {
			d.Residuals = map[string]*dataResiduals{}
		}
		d.Residuals[name] = s.data()
	}
	for stage, p := range t.profiles {
		if d.Profiles == nil {
			d.Profiles = map[string]dataProfile{}
		}
		error, spread := p.rms()
		d.Profiles[stage] = dataProfile{error, spread}
	}
	for stage, counts := range t.Ranks {
		if d.Ranks == nil {
			d.Ranks = map[string]*dataRanks{}
		}
		h := histogramOf(counts, t.IndependentRanks(stage))
		expected, share := coverage(counts)
		d.Ranks[stage] = &dataRanks{len(counts) - 1, h.centres(), h.heights, number(h.low), number(h.high), expected, share}
	}
	for stage, curves := range t.curves {
		if d.Curves == nil {
			d.Curves = map[string][]*dataSeries{}
		}
		for _, c := range curves {
			d.Curves[stage] = append(d.Curves[stage], dataOf(c, points))
		}
	}
	for stage, p := range t.phase {
		if d.Phase == nil {
			d.Phase = map[string]dataPhase{}
		}
		var q dataPhase
		for i := range p.truth {
			q.Truth, q.Mean = append(q.Truth, p.truth[i]), append(q.Mean, p.mean[i])
		}
		d.Phase[stage] = q
	}
	for stage, c := range t.members {
		if d.Members == nil {
			d.Members = map[string]*dataSnapshots{}
		}
		d.Members[stage] = c.data(truth)
	}
	for stage, m := range t.fields {
		if d.Fields == nil {
			d.Fields = map[string]dataFieldMap{}
		}
		d.Fields[stage] = dataFieldMap{m.mean.data(), m.error.data(), m.spread.data()}
	}
	return d
}

// withMeans returns a series, shortened, and its means over blocks if it is long.
func withMeans(s *sampled, points int) *dataSeries {
	d := dataOf(s.short(), points)
	if s.long() {
		d.Means = dataOf(s.means(), blocks)
	}
	return d
}

// dataOf returns a series, shortened.
func dataOf(s *series, points int) *dataSeries {
	short := thin(s, points)
	d := &dataSeries{Time: short.Time, Values: map[string]numbers{}}
	for name, values := range short.Values {
		d.Values[name] = values
	}
	return d
}

func (h *heat) data() dataHeat {
	low, high, text := coded(h.values)
	return dataHeat{Time: h.times, Low: number(low), High: number(high), Data: base64.StdEncoding.EncodeToString(text)}
}

// coded returns values in 255 steps between the smallest and the largest; 255 means one that
// is not finite.
func coded(values []float64) (low, high float64, steps []byte) {
	low, high = finite(values)
	steps = make([]byte, len(values))
	for i, v := range values {
		switch {
		case math.IsNaN(v) || math.IsInf(v, 0):
			steps[i] = 255
		case high > low:
			steps[i] = byte(math.Round(254 * (v - low) / (high - low)))
		}
	}
	return low, high, steps
}
