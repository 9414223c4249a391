package report

import (
	"math"
	"slices"

	"github.com/plume-da/plume/host/internal/archive"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// histogram is a rank histogram relative to a flat one.
type histogram struct {
	heights   []float64 // of the bars; a flat histogram has height 1
	edges     []float64 // of the bars in ranks, one more; rank r reaches from r - 1/2 to r + 1/2
	low, high float64   // band of a calibrated ensemble; NaN if not known
}

// Ranks are pooled if there are more than mostRanks.
const (
	mostRanks = 60
	fewBars   = 25
)

// histogramOf pools many ranks into few bars. The band contains the height of a bar with
// probability 95 % if the truth has every rank with the same probability and the counts
// are worth the given number of independent ranks: by the normal approximation of a
// binomial distribution, for the mean width of a bar.
func histogramOf(counts []float64, independent float64) histogram {
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
		sd := math.Sqrt((1 - p) / p / independent) // relative to p
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

// mostLevels is at how many levels coverage is shown.
const mostLevels = 20

// coverage returns what share of the truths the central intervals between members contain, and
// the share that a calibrated ensemble has: the interval from the k-th smallest to the k-th
// largest of N members contains (N + 1 - 2 k) / (N + 1) of its truths.
func coverage(counts []float64) (expected, share []float64) {
	total := 0.0
	for _, c := range counts {
		total += c
	}
	bins := len(counts)
	step := max(1, (bins-1)/2/mostLevels)
	for k := (bins - 1) / 2; k >= 1; k -= step {
		inside := 0.0
		for _, c := range counts[k : bins-k] {
			inside += c
		}
		expected, share = append(expected, float64(bins-2*k)/float64(bins)), append(share, inside/total)
	}
	return expected, share
}

// coverageFigure draws the share of truths in central intervals against the share that a
// calibrated ensemble has.
func (r *Report) coverageFigure(trials []*trial) *figure {
	p := panel("", "expected share of the truths", "share inside the interval")
	drawn := 0
	for _, t := range trials {
		counts := t.Ranks[archive.Analysis]
		if !slices.ContainsFunc(counts, func(c float64) bool { return c > 0 }) || len(counts) < 4 {
			continue
		}
		drawn++
		expected, share := coverage(counts)
		addLine(p, expected, share, r.style(t.Filter))
		p.Legend.Add(t.Filter, thumb(r.style(t.Filter)))
	}
	if drawn == 0 {
		return nil
	}
	addLine(p, []float64{0, 1}, []float64{0, 1}, draw.LineStyle{Color: ink, Width: vg.Points(.6), Dashes: []vg.Length{vg.Points(3), vg.Points(2)}})
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = 0, 1, 0, 1
	p.Legend.Left = true
	return &figure{"coverage", [][]*plot.Plot{{p}}, columnWidth, 7.5 * vg.Centimeter}
}
