package report

import (
	"encoding/base64"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/plume-da/plume/host/internal/archive"
)

// pageData is what the charts of the page draw. Numbers have five digits; what is not
// a finite number is null.
type pageData struct {
	Axes        []dataAxis       `json:"axes"`
	Filters     []string         `json:"filters"`
	Trials      []dataTrial      `json:"trials"`
	Points      []dataPoint      `json:"points"` // scores of settings
	Metrics     []string         `json:"metrics"`
	BurnIn      *number          `json:"burnIn,omitempty"` // model time at its end
	Baseline    string           `json:"baseline"`
	Differences []dataDifference `json:"differences"`
	Shown       []dataComponent  `json:"shown"`
	Field       *dataField       `json:"field,omitempty"`
	Thinned     bool             `json:"thinned"`
}

type dataAxis struct {
	Name    string   `json:"name"`
	Label   string   `json:"label"`
	Values  []string `json:"values"`
	Numbers numbers  `json:"numbers"` // null: no numbers
}

type dataTrial struct {
	Number      int                      `json:"number"`
	Replicate   string                   `json:"replicate"`
	Truth       string                   `json:"truth"` // which of the field's truths
	Filter      int                      `json:"filter"`
	Size        int                      `json:"size"`
	Setting     []int                    `json:"setting"`
	Status      archive.Status           `json:"status"`
	Scores      map[string]*dataSeries   `json:"scores"` // by stage
	Innovations *dataSeries              `json:"innovations,omitempty"`
	Ranks       map[string]*dataRanks    `json:"ranks,omitempty"`
	Curves      map[string][]*dataSeries `json:"curves,omitempty"`
	Fields      map[string]dataFieldMap  `json:"fields,omitempty"`
	Phase       map[string]dataPhase     `json:"phase,omitempty"`
	Seconds     numbers                  `json:"seconds"`
}

type dataSeries struct {
	Time   numbers            `json:"time"`
	Values map[string]numbers `json:"values"`
}

type dataPhase struct {
	Truth []numbers `json:"truth"`
	Mean  []numbers `json:"mean"`
}

type dataRanks struct {
	Members int     `json:"members"`
	Centres numbers `json:"centres"`
	Heights numbers `json:"heights"`
	Low     number  `json:"low"` // of the band of a flat histogram
	High    number  `json:"high"`
}

type dataPoint struct {
	Filter  int                           `json:"filter"`
	Setting []int                         `json:"setting"`
	Scores  map[string]map[string]numbers `json:"scores"` // by stage and metric: value, standard error, used, of
}

type dataDifference struct {
	Label  string             `json:"label"`
	Filter int                `json:"filter"`
	Scores map[string]numbers `json:"scores"` // by metric: value, standard error
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
	Mean  dataHeat `json:"mean"`
	Error dataHeat `json:"error"`
}

// dataHeat is a field in 255 steps between low and high, a byte a value, column by
// column; the byte 255 stands for a value that is not finite.
type dataHeat struct {
	Time numbers `json:"time"`
	Low  number  `json:"low"`
	High number  `json:"high"`
	Data string  `json:"data"`
}

type number float64

func (n number) MarshalJSON() ([]byte, error) { return appendNumber(nil, float64(n)), nil }

type numbers []float64

func (n numbers) MarshalJSON() ([]byte, error) {
	if n == nil {
		return []byte("null"), nil
	}
	text := []byte{'['}
	for i, v := range n {
		if i > 0 {
			text = append(text, ',')
		}
		text = appendNumber(text, v)
	}
	return append(text, ']'), nil
}

func appendNumber(text []byte, v float64) []byte {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return append(text, "null"...)
	}
	return strconv.AppendFloat(text, v, 'g', 5, 64)
}

func (r *run) data() *pageData {
	d := &pageData{Filters: r.filters(), Baseline: r.baselineLabel(), Trials: []dataTrial{}, Points: []dataPoint{}, Differences: []dataDifference{}, Shown: []dataComponent{}, Axes: []dataAxis{}}
	for _, a := range r.axes {
		d.Axes = append(d.Axes, dataAxis{a.name, a.label, a.values, a.numbers})
	}
	for _, c := range r.shown {
		d.Shown = append(d.Shown, dataComponent{c.label(), c.unit})
	}
	if f := r.field; f != nil {
		d.Field = &dataField{Name: f.variable, Unit: f.unit, Dim: f.dim, Rows: f.rows, Truths: map[string]dataHeat{}}
		for k, h := range r.truths {
			d.Field.Truths[k.String()] = h.data()
		}
	}
	points := r.budget()
	for _, t := range r.trials {
		d.Trials = append(d.Trials, t.data(slices.Index(d.Filters, t.filter), points))
		for _, s := range t.stages {
			d.Thinned = d.Thinned || len(s.time) > points
			if at := slices.IndexFunc(s.cycle, func(k int32) bool { return int(k) > r.setup.BurnIn }); at > 0 && d.BurnIn == nil {
				end := number(s.time[at-1])
				d.BurnIn = &end
			}
		}
	}
	d.Metrics = r.addPoints(d)
	for _, x := range r.differences(archive.Analysis) {
		list := dataDifference{Label: r.label(x.row), Filter: slices.Index(d.Filters, x.row.filter), Scores: map[string]numbers{}}
		for metric, p := range x.scores {
			list.Scores[metric] = numbers{p.mean.Value, p.mean.SE}
		}
		d.Differences = append(d.Differences, list)
	}
	return d
}

// addPoints adds the scores of all settings and returns the names of the scores.
func (r *run) addPoints(d *pageData) []string {
	names := []string{}
	for _, w := range r.rows() {
		p := dataPoint{Filter: slices.Index(d.Filters, w.filter), Setting: w.trials[0].setting, Scores: map[string]map[string]numbers{}}
		for _, stage := range []string{archive.Forecast, archive.Analysis} {
			p.Scores[stage] = map[string]numbers{}
			for _, m := range metricAbout {
				c := w.cell(stage, m.Text)
				if c.used == 0 {
					continue
				}
				p.Scores[stage][m.Text] = numbers{c.mean.Value, c.mean.SE, float64(c.used), float64(c.of)}
				if !slices.Contains(names, m.Text) {
					names = append(names, m.Text)
				}
			}
		}
		d.Points = append(d.Points, p)
	}
	return names
}

// label names a setting in a few words.
func (r *run) label(w *row) string {
	text := w.filter
	for i, a := range r.axes {
		if v := r.at(w.trials[0], i); v != "" {
			name := strings.TrimPrefix(a.label, w.filter+" ")
			if a.name == sizeAxis {
				name = "N"
			}
			text += ", " + name + " " + v
		}
	}
	return text
}

func (k truthKey) String() string { return strconv.Itoa(k.replicate) + "/" + strconv.Itoa(k.truth) }

func (t *trial) data(filter, points int) dataTrial {
	d := dataTrial{Number: t.number, Replicate: t.repetition(), Truth: truthKey{t.replicate, t.truth}.String(), Filter: filter, Size: t.size, Setting: t.setting, Status: t.status,
		Scores: map[string]*dataSeries{}, Seconds: t.seconds[:]}
	for stage, s := range t.stages {
		d.Scores[stage] = s.data(points, shownScores)
	}
	if t.innovations != nil {
		d.Innovations = t.innovations.data(points, nil)
	}
	for stage, counts := range t.ranks {
		if d.Ranks == nil {
			d.Ranks = map[string]*dataRanks{}
		}
		h := histogramOf(counts, t.metrics[stage]["spread"].Count)
		d.Ranks[stage] = &dataRanks{len(counts) - 1, h.centres(), h.heights, number(h.low), number(h.high)}
	}
	for stage, curves := range t.curves {
		if d.Curves == nil {
			d.Curves = map[string][]*dataSeries{}
		}
		for _, c := range curves {
			d.Curves[stage] = append(d.Curves[stage], c.data(points, nil))
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
	for stage, m := range t.fields {
		if d.Fields == nil {
			d.Fields = map[string]dataFieldMap{}
		}
		d.Fields[stage] = dataFieldMap{m.mean.data(), m.error.data()}
	}
	return d
}

// data returns the shortened series with the values of those names, or all.
func (s *series) data(points int, names []string) *dataSeries {
	thin := s.thin(points)
	d := &dataSeries{Time: thin.time, Values: map[string]numbers{}}
	for name, values := range thin.values {
		if names == nil || slices.Contains(names, name) {
			d.Values[name] = values
		}
	}
	return d
}

func (h *heat) data() dataHeat {
	low, high := math.Inf(1), math.Inf(-1)
	for _, v := range h.values {
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			low, high = min(low, v), max(high, v)
		}
	}
	bytes := make([]byte, len(h.values))
	for i, v := range h.values {
		switch {
		case math.IsNaN(v) || math.IsInf(v, 0):
			bytes[i] = 255
		case high > low:
			bytes[i] = byte(math.Round(254 * (v - low) / (high - low)))
		}
	}
	return dataHeat{Time: h.times, Low: number(low), High: number(high), Data: base64.StdEncoding.EncodeToString(bytes)}
}
