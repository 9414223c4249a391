package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/plume-da/plume/host/internal/score"
	"github.com/plume-da/plume/sdk/wire/table"
)

// scoredRun is a run with one replicate of filters a and b.
func scoredRun(dir, truth string, values map[string][]float64) *scored {
	r := &scored{dir: dir, metric: "rmse", truths: map[string]string{"truth/replicate=001/part-00000.arrow": truth}, series: map[int32][]cycleScore{}}
	for i, filter := range []string{"a", "b"} {
		number := int32(i + 1)
		for k, v := range values[filter] {
			r.series[number] = append(r.series[number], cycleScore{int32(k + 1), v})
		}
		r.groups = append(r.groups, &group{filter: filter, size: 20, trials: []scoredTrial{{number, 1, 0, "ok", score.TimeMean(values[filter])}}})
	}
	return r
}

// Differences of a single replicate are of cycles: here constant, so that they have no
// error however much the scores vary. Ties are halves, and what is undefined wins
// nothing.
func TestCompareCycles(t *testing.T) {
	r := scoredRun("one", "x", map[string][]float64{"a": {1, 5, 3, 2}, "b": {0.5, 4.5, 2.5, 1.5}})
	c, err := compareScores([]*scored{r}, "")
	if err != nil {
		t.Fatal(err)
	}
	b := c.rows[1]
	if c.rows[0].difference != nil || b.difference.mean.Value != -0.5 || b.difference.mean.SE != 0 || b.difference.wins != 4 || b.mean.Value != 2.25 {
		t.Errorf("got %+v, difference %+v", c.rows, b.difference)
	}

	short := scoredRun("short", "x", map[string][]float64{"a": {1, 5, 3, 2}, "b": {0.5, 4.5}})
	if c, err = compareScores([]*scored{short}, ""); err != nil || c.rows[1].difference.mean.Count != 2 {
		t.Errorf("a shorter trial: got %+v, %v", c.rows[1].difference, err)
	}

	other := scoredRun("two", "x", map[string][]float64{"a": {1, 4, 4, math.NaN()}, "b": nil})
	if c, err = compareScores([]*scored{r, other}, ""); err != nil {
		t.Fatal(err)
	}
	if a := c.rows[2]; a.run != "two" || a.difference.wins != 1.5 || !math.IsNaN(a.difference.mean.Value) || c.rows[3].difference != nil {
		t.Errorf("two runs: got %+v", c.rows)
	}
	if c, err = compareScores([]*scored{r, other}, "b"); err != nil || c.rows[0].difference.mean.Value != 0.5 {
		t.Errorf("two runs against b: got %+v, %v", c.rows, err)
	}
	if _, err := compareScores([]*scored{r, scoredRun("three", "y", nil)}, ""); err == nil || !strings.Contains(err.Error(), "different truths") {
		t.Errorf("another truth: got %v", err)
	}
	if _, err := compareScores([]*scored{r}, "c"); exitCode(err) != exitUsage {
		t.Errorf("no such filter: got %v", err)
	}
}

// sweep writes what compare reads of a run with the given numbers of replicates and
// sizes: the filters enkf, at three inflations, and joint. Their scores are 1, plus the
// number of the replicate, plus 10 for enkf, plus the distance of the inflation to 1.02.
// In replicate 2 the joint filter of the smallest size has diverged.
func sweep(t testing.TB, replicates, sizes, metrics int) string {
	t.Helper()
	dir := t.TempDir()
	column := func(name string, kind table.Type) table.Column {
		return table.Column{Name: name, Type: kind, Nullable: true}
	}
	var trial, replicate, truth, size []int32
	var filter, status []string
	inflation := table.Nullable[float64]{}
	failure := table.Nullable[string]{}
	var values []float64
	for r := 1; r <= replicates; r++ {
		for s := 1; s <= sizes; s++ {
			for k, f := range []string{"joint", "enkf", "enkf", "enkf"} {
				trial, replicate, truth, size, filter = append(trial, int32(len(trial)+1)), append(replicate, int32(r)), append(truth, 0), append(size, int32(20*s)), append(filter, f)
				inflation.Values, inflation.Valid = append(inflation.Values, 1+0.02*float64(k-1)), append(inflation.Valid, k > 0)
				failure.Values, failure.Valid = append(failure.Values, ""), append(failure.Valid, false)
				state, v := "ok", 1+float64(r)
				switch {
				case k > 0:
					v += 10 + math.Abs(0.02*float64(k-2))
				case r == 2 && s == 1:
					state, v = "diverged", 1e6
				}
				status, values = append(status, state), append(values, v)
			}
		}
	}
	put := func(name string, rows int, columns []table.Column, values ...any) {
		t.Helper()
		w, err := table.Create(filepath.Join(dir, name), columns, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Append(rows, values...); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	put("trials.arrow", len(trial), []table.Column{column("trial", table.Int32), column("replicate", table.Int32), column("truth", table.Int32),
		column("filter", table.Text), column("size", table.Int32), column("status", table.Text), column("error", table.Text), column("filter.enkf.params.inflation", table.Float64)},
		trial, replicate, truth, filter, size, status, failure, inflation)

	var m struct {
		trial     table.Nullable[int32]
		replicate []int32
		filter    []string
		truth     []int32
		metric    []string
		stage     []string
		value, se []float64
		cycles    []int32
	}
	add := func(number int, rep int32, f, metric, stage string, v float64) {
		m.trial.Values, m.trial.Valid, m.replicate = append(m.trial.Values, int32(number)), append(m.trial.Valid, number > 0), append(m.replicate, rep)
		m.truth = append(m.truth, 0)
		m.filter, m.metric, m.stage = append(m.filter, f), append(m.metric, metric), append(m.stage, stage)
		m.value, m.se, m.cycles = append(m.value, v), append(m.se, 0.1), append(m.cycles, 900)
	}
	for r := 1; r <= replicates; r++ {
		add(0, int32(r), "climatology", "rmse", "analysis", 7)
	}
	for i, v := range values {
		for k := range metrics {
			for _, stage := range []string{"forecast", "analysis"} {
				name := "rmse"
				if k > 0 {
					name = fmt.Sprint("metric", k)
				}
				add(i+1, replicate[i], filter[i], name, stage, v)
			}
		}
	}
	put("metrics.arrow", len(m.value), []table.Column{column("trial", table.Int32), column("replicate", table.Int32), column("truth", table.Int32), column("filter", table.Text),
		column("metric", table.Text), column("stage", table.Text), column("value", table.Float64), column("se", table.Float64), column("cycles", table.Int32)},
		m.trial, m.replicate, m.truth, m.filter, m.metric, m.stage, m.value, m.se, m.cycles)

	workflow, err := os.ReadFile("../../../workflows/lorenz63-quick.toml")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"workflow.resolved.toml": string(workflow), "run.json": `{"format": 1, "status": "ok"}`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// A diverged trial is in no mean and is not hidden; pairs are of replicates; the other
// filter is the best of its settings.
func TestCompareReplicates(t *testing.T) {
	r, err := readScored(sweep(t, 3, 2, 2), "rmse", "analysis")
	if err != nil {
		t.Fatal(err)
	}
	c, err := compareScores([]*scored{r}, "enkf")
	if err != nil {
		t.Fatal(err)
	}
	if len(c.rows) != 9 {
		t.Fatalf("got %d rows", len(c.rows))
	}
	joint := c.rows[0]
	if joint.mean.Value != 3 || joint.meanText() != "3 ± 1 (2/3)" || joint.status != "1 diverged" { // replicates 1 and 3: 2 and 4, s / sqrt(2) = 1
		t.Errorf("got %+v, %s", joint, joint.meanText())
	}
	if d := joint.difference; d.mean.Value != -10 || d.mean.SE != 0 || d.wins != 2 || d.mean.Count != 2 || d.winsText() != "2/2" {
		t.Errorf("got %+v", d)
	}
	for i, want := range []string{"params.inflation=1", "", "params.inflation=1.04"} {
		row := c.rows[1+i]
		if (row.difference == nil) != (i == 1) || row.setting["filter.enkf.params.inflation"] == "" {
			t.Errorf("enkf %d, want %s: %+v", i, want, row)
		}
		if d := row.difference; d != nil && (math.Abs(d.mean.Value-0.02) > 1e-12 || d.wins != 0) {
			t.Errorf("a worse setting: %+v", d)
		}
	}
	if last := c.rows[8]; last.filter != "climatology" || last.mean.Value != 7 || last.trials != 3 || last.difference != nil {
		t.Errorf("got %+v", last)
	}
	if _, err := readScored(r.dir, "spread", "analysis"); exitCode(err) != exitUsage || !strings.Contains(err.Error(), "it has metric1, rmse") {
		t.Errorf("no such metric: %v", err)
	}
}

func TestComparisonFormats(t *testing.T) {
	dir := sweep(t, 3, 1, 1)
	for format, wants := range map[string][]string{
		"text":     {"joint        20                       3 ± 1 (2/3)   -10 ± 0     2/2   1 diverged", "enkf         20       inflation=1.02  13 ± 0.58"},
		"markdown": {"| joint | 20 |  | 3 ± 1 (2/3) | -10 ± 0 | 2/2 | 1 diverged |"},
		"latex":    {`joint & 20 &  & 3 $\pm$ 1 (2/3) & $-$10 $\pm$ 0 & 2/2 & 1 diverged \\`},
		"csv":      {",joint,20,,rmse,3,1,3,2,enkf,-10,0,2,2,1 diverged", ",enkf,20,1.02,rmse,13,0.5773502691896", ",climatology,0,,rmse,7,0,3,3,,,,,,ok"},
	} {
		var b strings.Builder
		if code := Main([]string{"compare", dir, "--against", "enkf", "--format", format}, &b, io.Discard); code != exitOK {
			t.Fatalf("%s: exit code %d", format, code)
		}
		for _, want := range wants {
			if !strings.Contains(b.String(), want) {
				t.Errorf("%s: no %q in\n%s", format, want, b.String())
			}
		}
	}
	var b strings.Builder
	Main([]string{"compare", sweep(t, 2, 1, 1), "--against", "enkf", "--format", "csv"}, &b, io.Discard)
	if !strings.Contains(b.String(), ",joint,20,,rmse,2,,2,1,enkf,") || strings.Contains(b.String(), "NaN") { // of the one that did not diverge
		t.Errorf("csv: got\n%s", b.String())
	}
	b.Reset()
	Main([]string{"compare", dir, "--against", "enkf", "--format", "json"}, &b, io.Discard)
	var lines []struct {
		Filter     string
		Value      float64
		OK         int `json:"trials_ok"`
		Difference *struct {
			Baseline, Of string
			Wins         float64
		}
	}
	if err := json.Unmarshal([]byte(b.String()), &lines); err != nil {
		t.Fatalf("%v in\n%s", err, b.String())
	}
	b.Reset()
	Main([]string{"compare", dir, "--against", "enkf", "--json"}, &b, io.Discard)
	if n := strings.Count(b.String(), "\n"); n != len(lines) || !strings.HasPrefix(b.String(), `{"filter":"joint",`) {
		t.Errorf("--json: %d lines of %d\n%s", n, len(lines), b.String())
	}
	if l := lines[0]; l.Filter != "joint" || l.Value != 3 || l.OK != 2 || l.Difference.Baseline != "enkf" || l.Difference.Of != "replicates" || l.Difference.Wins != 2 {
		t.Errorf("got %+v", l)
	}
}

// BenchmarkCompare is compare on a run of the size of a paper's sweep: 10 replicates of
// 4 filters or settings at 8 sizes with 17 metrics in two stages.
func BenchmarkCompare(b *testing.B) {
	dir := sweep(b, 10, 8, 17)
	for b.Loop() {
		if code := Main([]string{"compare", dir, "--against", "enkf"}, io.Discard, io.Discard); code != exitOK {
			b.Fatal(code)
		}
	}
}
