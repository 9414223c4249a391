package cli

import (
	"math"
	"strings"
	"testing"
)

func scoredRun(dir, truth string, values map[string][]float64) *scored {
	r := &scored{dir: dir, truths: map[string]string{"truth/replicate=001/part-00000.arrow": truth, "cycles.arrow": dir}}
	for _, filter := range []string{"a", "b"} {
		t := &scoredTrial{trialKey{filter, 20, 1}, "ok", map[int32]float64{}}
		for k, v := range values[filter] {
			t.values[int32(k+1)] = v
		}
		r.trials = append(r.trials, t)
	}
	return r
}

// Differences are of pairs: here constant, so that they have no error however much
// the scores vary. Ties are halves, and what is undefined wins nothing.
func TestComparisons(t *testing.T) {
	r := scoredRun("one", "x", map[string][]float64{"a": {1, 5, 3, 2}, "b": {0.5, 4.5, 2.5, 1.5}})
	rows, err := comparisons([]*scored{r}, "")
	if err != nil {
		t.Fatal(err)
	}
	b := rows[1]
	if rows[0].difference != nil || b.difference.Value != -0.5 || b.difference.SE != 0 || b.wins != 1 || b.mean.Value != 2.25 {
		t.Errorf("got %+v, difference %+v", rows, b.difference)
	}

	other := scoredRun("two", "x", map[string][]float64{"a": {1, 4, 4, math.NaN()}, "b": nil})
	if rows, err = comparisons([]*scored{r, other}, ""); err != nil {
		t.Fatal(err)
	}
	if a := rows[2]; a.run != "two" || a.wins != 0.375 || !math.IsNaN(a.difference.Value) || rows[3].difference != nil {
		t.Errorf("two runs: got %+v", rows)
	}
	if rows, err = comparisons([]*scored{r, other}, "b"); err != nil || rows[0].difference.Value != 0.5 {
		t.Errorf("two runs against b: got %+v, %v", rows, err)
	}
	if _, err := comparisons([]*scored{r, scoredRun("three", "y", nil)}, ""); err == nil || !strings.Contains(err.Error(), "different truths") {
		t.Errorf("another truth: got %v", err)
	}
	if _, err := comparisons([]*scored{r}, "c"); exitCode(err) != exitUsage {
		t.Errorf("no such filter: got %v", err)
	}
}

func TestComparisonFormats(t *testing.T) {
	r := scoredRun("one", "x", map[string][]float64{"a": {1, 5, 3}, "b": {0.5, 4.5, 2.5}})
	r.trials[1].key.filter = "b_2|"
	rows, err := comparisons([]*scored{r}, "")
	if err != nil {
		t.Fatal(err)
	}
	for format, want := range map[string]string{
		"text":     "b_2|    20       2.5 ± 1.",
		"markdown": `| b_2\| | 20 |`,
		"latex":    `b\_2| & 20 & 2.5 $\pm$ `,
		"csv":      ",b_2|,20,rmse,2.5,",
	} {
		var b strings.Builder
		if err := comparisonFormats[format](&b, "rmse", rows); err != nil || !strings.Contains(b.String(), want) {
			t.Errorf("%s: %v, want %q in\n%s", format, err, want, b.String())
		}
	}
}
