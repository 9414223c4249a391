package report

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/score"
)

// row is one setting of a filter: all its trials that differ in the replicate or the seed alone.
type row struct {
	filter string
	trials []*trial
}

// cell is a score of a setting: with one trial its time mean, with several the mean
// over those that did not fail or diverge and its standard error over replicates.
type cell struct {
	mean     score.Mean
	used, of int
}

// rows returns the settings in the order of their first trials.
func (r *run) rows() []*row {
	var rows []*row
	byKey := map[string]*row{}
	for _, t := range r.trials {
		key := fmt.Sprint(t.filter, t.size, t.setting)
		if byKey[key] == nil {
			byKey[key] = &row{filter: t.filter}
			rows = append(rows, byKey[key])
		}
		byKey[key].trials = append(byKey[key].trials, t)
	}
	return rows
}

// lost says whether a trial's scores must not enter a mean.
func (t *trial) lost() bool { return t.status == archive.Diverged || t.status == archive.Failed }

func (w *row) cell(stage, metric string) cell {
	c := cell{of: len(w.trials), mean: score.Mean{Value: math.NaN(), SE: math.NaN()}}
	var values []float64
	for _, t := range w.trials {
		m, ok := t.metrics[stage][metric]
		if !ok || len(w.trials) > 1 && t.lost() {
			continue
		}
		c.used++
		c.mean = m
		values = append(values, m.Value)
	}
	if len(w.trials) > 1 {
		c.mean = over(values)
	}
	return c
}

// over returns the mean over replicates and its standard error.
func over(values []float64) score.Mean {
	m := score.Mean{Value: math.NaN(), SE: math.NaN(), Count: len(values)}
	if len(values) == 0 {
		return m
	}
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	n := float64(len(values))
	m.Value = sum / n
	if len(values) < 2 {
		return m
	}
	square := 0.0
	for _, v := range values {
		square += (v - m.Value) * (v - m.Value)
	}
	m.SE = math.Sqrt(square / (n - 1) / n)
	return m
}

// status says how the trials of a setting ended.
func (w *row) status() string {
	count := map[archive.Status]int{}
	for _, t := range w.trials {
		count[t.status]++
	}
	if len(w.trials) == 1 {
		return string(w.trials[0].status)
	}
	var parts []string
	for _, s := range slices.Sorted(maps.Keys(count)) {
		parts = append(parts, fmt.Sprintf("%d %s", count[s], s))
	}
	return strings.Join(parts, ", ")
}

// difference is how a setting differs from the baseline's on the same truth and
// observations.
type difference struct {
	row     *row
	against *row
	scores  map[string]paired // by metric
}

// paired is a mean of paired differences. With one replicate the pairs are the cycles
// after burn-in and the standard error allows for autocorrelation; with several the
// pairs are the replicates and their time means.
type paired struct {
	mean score.Mean
	wins float64 // share of pairs in which it is smaller; ties count half
}

// losses lists the scores of which less is better, as far as they are compared.
var losses = []string{"rmse", "crps_fair", "w2_reference"}

// baselineLabel is the filter the others are compared with.
func (r *run) baselineLabel() string {
	labels := r.filters()
	if slices.Contains(labels, r.setup.Baseline) {
		return r.setup.Baseline
	}
	if len(labels) == 0 {
		return ""
	}
	return labels[0]
}

// differences pairs every setting with one of the baseline: of those that agree on
// all axes both have, the first.
func (r *run) differences(stage string) []difference {
	rows, label := r.rows(), r.baselineLabel()
	var list []difference
	for _, w := range rows {
		i := slices.IndexFunc(rows, func(b *row) bool { return b.filter == label && b != w && agree(b, w) })
		if w.filter == label || i < 0 {
			continue
		}
		d := difference{row: w, against: rows[i], scores: map[string]paired{}}
		for _, metric := range losses {
			if p, ok := w.minus(rows[i], stage, metric, r.setup.BurnIn); ok {
				d.scores[metric] = p
			}
		}
		if len(d.scores) > 0 {
			list = append(list, d)
		}
	}
	return list
}

// agree says whether two settings have the same value on every axis that both have.
func agree(a, b *row) bool {
	for i, v := range a.trials[0].setting {
		if w := b.trials[0].setting[i]; v >= 0 && w >= 0 && v != w {
			return false
		}
	}
	return true
}

func (w *row) minus(b *row, stage, metric string, burnIn int) (paired, bool) {
	var values []float64
	for _, t := range w.trials {
		i := slices.IndexFunc(b.trials, func(u *trial) bool { return u.repetition() == t.repetition() && u.truth == t.truth })
		if i < 0 {
			continue
		}
		if len(w.trials) == 1 {
			values = t.minus(b.trials[i], stage, metric, burnIn)
			break
		}
		m, ok1 := t.metrics[stage][metric]
		n, ok2 := b.trials[i].metrics[stage][metric]
		if ok1 && ok2 && !t.lost() && !b.trials[i].lost() {
			values = append(values, m.Value-n.Value)
		}
	}
	if len(values) == 0 {
		return paired{}, false
	}
	p := paired{mean: over(values)}
	if len(w.trials) == 1 {
		p.mean = score.TimeMean(values)
	}
	for _, v := range values {
		switch {
		case v < 0:
			p.wins++
		case v == 0:
			p.wins += 0.5
		}
	}
	p.wins /= float64(len(values))
	return p, true
}

// minus returns the differences of a score over the cycles after burn-in that both
// trials have.
func (t *trial) minus(o *trial, stage, metric string, burnIn int) []float64 {
	a, b := t.stages[stage], o.stages[stage]
	if a == nil || b == nil || a.values[metric] == nil || b.values[metric] == nil {
		return nil
	}
	other := map[int32]float64{}
	for i, k := range b.cycle {
		other[k] = b.values[metric][i]
	}
	var values []float64
	for i, k := range a.cycle {
		if v, ok := other[k]; ok && int(k) > burnIn {
			values = append(values, a.values[metric][i]-v)
		}
	}
	return values
}

// histogram is a rank histogram relative to a flat one.
type histogram struct {
	heights   []float64 // of the bars; a flat histogram has height 1
	edges     []float64 // of the bars in ranks, one more; rank r reaches from r - 1/2 to r + 1/2
	low, high float64   // band of a calibrated ensemble; NaN: not known
}

// Ranks are put together when there are more than mostRanks.
const (
	mostRanks = 60
	fewBars   = 25
)

// histogramOf puts many ranks together to few bars. In the band are 95 %
// of the heights of a bar when the truth has every rank with the same probability and
// the counts are worth so many independent ranks: by the normal approximation of a
// binomial, for the mean width of a bar.
func histogramOf(counts []float64, independent int) histogram {
	n := len(counts)
	bars := n
	if n > mostRanks {
		bars = fewBars
	}
	h := histogram{edges: []float64{-0.5}, low: math.NaN(), high: math.NaN()}
	total := 0.0
	for _, c := range counts {
		total += c
	}
	for b := range bars {
		from, to := b*n/bars, (b+1)*n/bars
		sum := 0.0
		for _, c := range counts[from:to] {
			sum += c
		}
		height := 0.0
		if total > 0 {
			height = sum / total * float64(n) / float64(to-from)
		}
		h.heights, h.edges = append(h.heights, height), append(h.edges, float64(to)-0.5)
	}
	if independent > 0 {
		p := 1 / float64(bars)
		sd := math.Sqrt((1 - p) / p / float64(independent)) // relative to p
		h.low, h.high = max(0, 1-1.96*sd), 1+1.96*sd
	}
	return h
}

func (h histogram) centres() []float64 {
	centres := make([]float64, len(h.heights))
	for i := range centres {
		centres[i] = (h.edges[i] + h.edges[i+1]) / 2
	}
	return centres
}
