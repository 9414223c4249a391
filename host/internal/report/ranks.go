package report

import "math"

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
