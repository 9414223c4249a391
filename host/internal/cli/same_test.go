package cli

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/archive/archivetest"
	"github.com/plume-da/plume/host/internal/compare"
	"github.com/plume-da/plume/host/internal/score"
)

// comparedJSON is a row as compare prints it for machines.
type comparedJSON struct {
	Filter     string
	Members    int
	Setting    map[string]string
	Value, SE  *float64
	Trials     int
	OK         int `json:"trials_ok"`
	Status     string
	Difference *struct {
		Baseline        string
		BaselineMembers int               `json:"baseline_members"`
		BaselineSetting map[string]string `json:"baseline_setting"`
		Value, SE, Wins *float64
		Pairs           int
		Of              string
	}
}

// pageJSON is what of a page's data has numbers that other commands have too.
type pageJSON struct {
	Filters []string
	Axes    []struct {
		Name   string
		Values []string
	}
	Metrics []string
	Points  []struct {
		Filter  int
		Setting []int
		Scores  map[string]map[string][]*float64
	}
	Differences []struct {
		Filter int
		Scores map[string][]*float64
	}
}

// Every number that the tables of run, compare, verify and report have in common is the
// same in all of them, to the last digit, and what it should be.
func TestSameNumbers(t *testing.T) {
	t.Run("a baseline with several settings", func(t *testing.T) {
		same(t, settings())
	})
	t.Run("replicates that diverged", func(t *testing.T) {
		same(t, diverged())
	})
	n := 24
	if testing.Short() {
		n = 8
	}
	for seed := range n {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			same(t, random(rand.New(rand.NewPCG(7, uint64(seed)))))
		})
	}
}

const enkfInflation = "filter.enkf.params.inflation"

// settings is a run of one replicate of joint and particle, and of enkf at two inflations,
// of which the first is the worse one by far. The page took the first for the partner of
// joint, and compare the second.
func settings() *archivetest.Run {
	r := rand.New(rand.NewPCG(1, 1))
	run := &archivetest.Run{BurnIn: 5, Axes: []string{enkfInflation}}
	for _, x := range []struct {
		filter    string
		inflation float64
		rmse      float64
	}{{"joint", 0, 0.52}, {"enkf", 1.6, 1.05}, {"enkf", 1.02, 0.63}, {"particle", 0, 0.59}} {
		values := map[string]any{}
		if x.inflation > 0 {
			values[enkfInflation] = x.inflation
		}
		add(run, r, archive.TrialRow{TrialID: archive.TrialID{Replicate: 1, Filter: x.filter}, Size: 100, Values: values, Status: archive.OK}, 40, x.rmse)
	}
	run.Workflow = archivetest.Workflow(5, []string{"joint", "enkf", "particle"}, "[verify]\nbaseline = \"enkf\"\n"+archivetest.Sweep(map[string][]any{enkfInflation: {1.6, 1.02}}))
	return run
}

// diverged is a run of six replicates of enkf at two inflations and of denkf. At the
// first inflation all trials of enkf diverged, at the second three, which the table of the
// run took into its means.
func diverged() *archivetest.Run {
	r := rand.New(rand.NewPCG(1, 2))
	run := &archivetest.Run{BurnIn: 5, Axes: []string{enkfInflation}}
	for replicate := 1; replicate <= 6; replicate++ {
		for _, inflation := range []float64{1, 1.01} {
			row := archive.TrialRow{TrialID: archive.TrialID{Replicate: replicate, Filter: "enkf"}, Size: 17, Values: map[string]any{enkfInflation: inflation}, Status: archive.OK}
			rmse := 0.7
			if inflation == 1 || replicate > 3 {
				row.Status, rmse = archive.Diverged, 3.6
			}
			add(run, r, row, 40, rmse)
		}
		add(run, r, archive.TrialRow{TrialID: archive.TrialID{Replicate: replicate, Filter: "denkf"}, Size: 40, Status: archive.OK}, 40, 0.18)
	}
	run.Workflow = archivetest.Workflow(5, []string{"enkf", "denkf"}, archivetest.Sweep(map[string][]any{enkfInflation: {1.0, 1.01}}))
	return run
}

// add adds a trial whose rmse is around a value, unless there is one of its scenario
// already.
func add(run *archivetest.Run, r *rand.Rand, row archive.TrialRow, cycles int, rmse float64) {
	row.Trial, row.Reference, row.Plugin, row.Cycles = len(run.Trials)+1, -1, "filter", cycles
	if row.Status == archive.Failed {
		row.Cycles, row.Error = r.IntN(cycles), "it broke"
	}
	x := archivetest.Trial{TrialRow: row, Scores: map[string][]map[string]float64{}, Ranks: map[string][]float64{}}
	for _, stage := range []string{archive.Forecast, archive.Analysis} {
		for range row.Cycles {
			v := rmse * (1 + math.Round(10*r.NormFloat64())/50) // there are ties
			scores := map[string]float64{"rmse": v, "spread": 1, "crps_fair": v * (0.5 + 0.1*r.Float64()), "weights_ess": float64(row.Size)}
			if row.Filter == "joint" && r.IntN(3) > 0 {
				scores["unique_ancestors"] = float64(r.IntN(row.Size))
			}
			if row.Status == archive.Diverged && r.IntN(20) == 0 {
				scores["rmse"] = math.Inf(1)
			}
			x.Scores[stage] = append(x.Scores[stage], scores)
		}
		x.Ranks[stage] = make([]float64, row.Size+1)
		for range row.Cycles {
			x.Ranks[stage][r.IntN(row.Size+1)]++
		}
	}
	run.Trials = append(run.Trials, x)
	id := archive.TrialID{Replicate: row.Replicate, Filter: "climatology"}
	if !slices.ContainsFunc(run.Baselines, func(m archive.Metric) bool { return m.TrialID == id && m.Truth == row.Truth }) {
		run.Baselines = append(run.Baselines, archive.Metric{TrialID: id, Truth: row.Truth, Metric: "rmse", Stage: archive.Analysis, Value: 5 + r.Float64(), SE: 0.1, Cycles: cycles, Status: archive.OK})
	}
}

// random returns a random sweep: some filters, perhaps with settings of their own, sizes,
// an axis that changes the observations, seeds and replicates, of trials of which some
// diverged, failed or were interrupted.
func random(r *rand.Rand) *archivetest.Run {
	const sd = "observations.error.sd"
	filters := []string{"enkf", "joint", "particle", "etkf", "denkf", "kde", "stochastic", "letkf", "mixture"}[:1+r.IntN(9)]
	pick := func(values ...any) []any { return values[:1+r.IntN(len(values))] }
	axes, own := map[string][]any{}, map[string][]any{}
	choose := func(key string, values ...any) []any {
		if r.IntN(2) == 0 {
			return []any{nil}
		}
		axes[key] = pick(values...)
		return axes[key]
	}
	seeds, sizes, errors := choose(archive.SeedAxis, int64(1), int64(2), int64(3)), choose("ensemble.size", int64(10), int64(20)), choose(sd, 1.0, 2.0)
	for _, f := range filters[:min(2, len(filters))] {
		key := "filter." + f + ".params.inflation"
		own[f] = choose(key, 1.0, 1.05, 1.1)
	}
	run := &archivetest.Run{BurnIn: r.IntN(4)}
	for replicate := range 1 + r.IntN(4) {
		for s, seed := range seeds {
			for _, size := range sizes {
				for e, err := range errors {
					for k, f := range filters {
						settings := own[f]
						if settings == nil {
							settings = []any{nil}
						}
						for _, inflation := range settings {
							row := archive.TrialRow{TrialID: archive.TrialID{Replicate: replicate + 1, Filter: f}, Truth: s*len(errors) + e, Size: 12, Values: map[string]any{}, Status: archive.OK}
							for key, v := range map[string]any{archive.SeedAxis: seed, "ensemble.size": size, sd: err, "filter." + f + ".params.inflation": inflation} {
								if v != nil {
									row.Values[key] = v
								}
							}
							if n, ok := size.(int64); ok {
								row.Size = int(n)
							}
							switch r.IntN(8) {
							case 0:
								row.Status = archive.Diverged
							case 1:
								row.Status = archive.Failed
							}
							add(run, r, row, 4+r.IntN(12), 1+0.1*float64(k)+0.3*r.Float64())
						}
					}
				}
			}
		}
	}
	for key := range axes {
		run.Axes = append(run.Axes, key)
	}
	slices.Sort(run.Axes)
	more := ""
	if r.IntN(2) == 0 {
		more = fmt.Sprintf("[verify]\nbaseline = %q\n", filters[r.IntN(len(filters))])
	}
	if len(axes) > 0 {
		more += archivetest.Sweep(axes)
	} else {
		for _, f := range append(filters, "climatology") {
			more += fmt.Sprintf("[[expect.score]]\nfilter = %q\nmetric = \"rmse\"\nvalue = 1.2\ntolerance = 0.1\n", f)
		}
	}
	run.Workflow = archivetest.Workflow(run.BurnIn, filters, more)
	return run
}

// same writes a run and holds the outputs of all commands to one another.
func same(t *testing.T, run *archivetest.Run) {
	dir := run.Write(t, t.TempDir())
	if !slices.ContainsFunc(run.Trials, func(x archivetest.Trial) bool { return len(x.Metrics(run.BurnIn)) > 0 }) {
		out(t, exitFailed, "compare", dir)
		return
	}
	out(t, exitOK, "compare", dir) // finds no fault with the workflow
	table := resultTable(t, dir)
	page := readPage(t, dir)
	differences := map[int]map[string][]*float64{} // of the page, by row
	for _, metric := range page.Metrics {
		for _, stage := range []string{archive.Forecast, archive.Analysis} {
			if !slices.ContainsFunc(run.Trials, func(x archivetest.Trial) bool {
				return slices.ContainsFunc(x.Metrics(run.BurnIn), func(m archive.Metric) bool { return m.Metric == metric && m.Stage == stage })
			}) {
				continue
			}
			args := []string{"compare", dir, "--metric", metric, "--stage", stage}
			var rows []comparedJSON
			text, _ := out(t, exitOK, append(args, "--format", "json")...)
			if err := json.Unmarshal([]byte(text), &rows); err != nil {
				t.Fatal(err)
			}
			sameAsText(t, rows, append(args, "--format", "markdown"))
			sameAsCSV(t, rows, append(args, "--format", "csv"))
			if stage == archive.Analysis {
				sameAsTable(t, rows, metric, table)
				for i, row := range rows {
					if d := row.Difference; d != nil && score.IsLoss(metric) {
						if differences[i] == nil {
							differences[i] = map[string][]*float64{}
						}
						pairs := float64(d.Pairs)
						differences[i][metric] = []*float64{d.Value, d.SE, d.Wins, &pairs}
					}
				}
			}
			sameAsPage(t, rows, metric, stage, page)
			if score.IsLoss(metric) {
				bestPartners(t, rows)
			}
			sameAsTold(t, rows, metric, stage, run)
		}
	}
	sameDifferences(t, differences, page)
	sameAsVerify(t, run, dir)
	for _, x := range run.Trials {
		if !slices.Contains(page.Filters, x.Filter) {
			t.Errorf("the page has the filters %v, not %s", page.Filters, x.Filter)
		}
	}
}

// resultTable returns the table that plume run prints of a run, its head first.
func resultTable(t *testing.T, dir string) [][]string {
	t.Helper()
	s, err := openRun(dir)
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.scores()
	if err != nil {
		t.Fatal(err)
	}
	columns, rows, err := scoreTable(r, r.Shown(nil), false)
	if err != nil {
		t.Fatal(err)
	}
	var head []string
	for _, c := range columns {
		head = append(head, c.head)
	}
	return append([][]string{head}, rows...)
}

func readPage(t *testing.T, dir string) *pageJSON {
	t.Helper()
	out(t, exitOK, "report", dir)
	page := &pageJSON{}
	readPageData(t, filepath.Join(dir, archive.ReportFile), page)
	return page
}

// readPageData reads the data of a page into a value.
func readPageData(t *testing.T, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), `id="data">`)
	data, _, _ := strings.Cut(rest, "</script>")
	if err := json.Unmarshal([]byte(data), into); err != nil {
		t.Fatal(err)
	}
}

// equal says whether two numbers are the same to the last digit, or both null.
func equal(a, b *float64) bool {
	return a == nil && b == nil || a != nil && b != nil && math.Float64bits(*a) == math.Float64bits(*b)
}

// meanText writes a mean as all tables for people do.
func meanText(row comparedJSON) string {
	switch {
	case row.Value == nil && row.OK == 0:
		return fmt.Sprintf("– (0/%d)", row.Trials)
	case row.Value == nil:
		return "?" // not finite: JSON does not say what it is
	}
	text := withError(*row.Value, row.SE)
	if row.OK < row.Trials {
		text += fmt.Sprintf(" (%d/%d)", row.OK, row.Trials)
	}
	return text
}

// withError writes numbers of JSON, where an unknown standard error is null.
func withError(value float64, se *float64) string {
	m := score.Mean{Value: value, SE: math.NaN()}
	if se != nil {
		m.SE = *se
	}
	return m.Text()
}

// sameAsText holds the rows to the table for people. A cell is empty where a score does not
// apply.
func sameAsText(t *testing.T, rows []comparedJSON, args []string) {
	t.Helper()
	text, _ := out(t, exitOK, args...)
	lines := strings.Split(strings.TrimSpace(text), "\n")
	head := cells(lines[0])
	mean := slices.Index(head, "difference") - 1
	for i, line := range lines[2:] {
		got, row := cells(line), rows[i]
		if want := meanText(row); got[mean] != want && got[mean] != "" && want != "?" || got[mean] == "" && row.OK > 0 {
			t.Errorf("%s, row %d: got %q, want %q", args[3], i, got[mean], want)
		}
		if got[0] != row.Filter || got[len(got)-1] != row.Status {
			t.Errorf("row %d: got %q, want %s ... %s", i, got, row.Filter, row.Status)
		}
		d := row.Difference
		if (d == nil) != (got[mean+1] == "") {
			t.Errorf("row %d: got the difference %q, want %v", i, got[mean+1], d)
		}
		if d == nil || d.Value == nil {
			continue
		}
		want := withError(*d.Value, d.SE)
		if *d.Value > 0 {
			want = "+" + want
		}
		wins := ""
		switch {
		case d.Wins != nil && d.Of == "cycles":
			wins = fmt.Sprintf("%.0f %%", 100**d.Wins/float64(d.Pairs))
		case d.Wins != nil:
			wins = fmt.Sprintf("%g/%d", *d.Wins, d.Pairs)
		}
		if got[mean+1] != want || got[mean+2] != wins {
			t.Errorf("row %d: got %q, want %s and %s", i, got, want, wins)
		}
	}
}

func cells(line string) []string {
	parts := strings.Split(strings.Trim(line, "|"), "|")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return parts
}

func sameAsCSV(t *testing.T, rows []comparedJSON, args []string) {
	t.Helper()
	text, _ := out(t, exitOK, args...)
	lines, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil || len(lines) != len(rows)+1 {
		t.Fatalf("%d lines, %v", len(lines), err)
	}
	for i, row := range rows {
		got := map[string]string{}
		for k, name := range lines[0] {
			got[name] = lines[1+i][k]
		}
		numbers := map[string]*float64{"value": row.Value, "se": row.SE}
		if d := row.Difference; d != nil {
			numbers["difference"], numbers["difference_se"], numbers["wins"] = d.Value, d.SE, d.Wins
			if got["baseline"] != d.Baseline || got["pairs"] != fmt.Sprint(d.Pairs) {
				t.Errorf("row %d: got %v, want %+v", i, got, d)
			}
		}
		for name, want := range numbers {
			v, err := strconv.ParseFloat(got[name], 64)
			if want == nil && err == nil && !math.IsInf(v, 0) || want != nil && !equal(&v, want) {
				t.Errorf("row %d, %s: got %s, want %v", i, name, got[name], want)
			}
		}
		if got["trials"] != fmt.Sprint(row.Trials) || got["trials_ok"] != fmt.Sprint(row.OK) || got["status"] != row.Status || got["filter"] != row.Filter {
			t.Errorf("row %d: got %v, want %+v", i, got, row)
		}
		for axis, v := range row.Setting {
			if !compare.IsSize(axis) && got[axis] != v {
				t.Errorf("row %d, %s: got %s, want %s", i, axis, got[axis], v)
			}
		}
	}
}

// sameAsTable holds the rows to the table of the run.
func sameAsTable(t *testing.T, rows []comparedJSON, metric string, table [][]string) {
	t.Helper()
	k := slices.Index(table[0], metric)
	if len(table) != len(rows)+1 {
		t.Fatalf("the table of the run has %d rows, want %d", len(table)-1, len(rows))
	}
	for i, row := range rows {
		line := table[1+i]
		if line[0] != row.Filter || line[len(line)-1] != row.Status {
			t.Errorf("row %d: got %q, want %+v", i, line, row)
		}
		if want := meanText(row); k >= 0 && line[k] != "" && line[k] != want && want != "?" {
			t.Errorf("row %d: got %q, want %q", i, line, want)
		}
	}
}

func sameAsPage(t *testing.T, rows []comparedJSON, metric, stage string, page *pageJSON) {
	t.Helper()
	for i, p := range page.Points {
		row, s := rows[i], p.Scores[stage][metric]
		if page.Filters[p.Filter] != row.Filter {
			t.Fatalf("point %d: got %s, want %s", i, page.Filters[p.Filter], row.Filter)
		}
		for k, axis := range page.Axes {
			want := row.Setting[axis.Name]
			if compare.IsSize(axis.Name) {
				want = fmt.Sprint(row.Members)
			}
			if at := p.Setting[k]; at < 0 && want != "" || at >= 0 && axis.Values[at] != want {
				t.Errorf("point %d: %s is not %s", i, axis.Name, want)
			}
		}
		switch {
		case s == nil && row.OK == 0: // it does not apply
		case s == nil || !equal(s[0], row.Value) || !equal(s[1], row.SE) || *s[2] != float64(row.OK) || *s[3] != float64(row.Trials):
			t.Errorf("point %d, %s of the %s: got %v, want %+v", i, metric, stage, s, row)
		}
	}
}

func sameDifferences(t *testing.T, want map[int]map[string][]*float64, page *pageJSON) {
	t.Helper()
	if len(page.Differences) != len(want) {
		t.Fatalf("%d differences, want %d", len(page.Differences), len(want))
	}
	k := 0
	for i := range page.Points {
		if want[i] == nil {
			continue
		}
		got := page.Differences[k]
		k++
		if got.Filter != page.Points[i].Filter || len(got.Scores) != len(want[i]) {
			t.Errorf("difference of point %d: got %v, want %v", i, got, want[i])
		}
		for metric, numbers := range want[i] {
			for n, v := range numbers {
				if s := got.Scores[metric]; s == nil || !equal(s[n], v) {
					t.Errorf("difference of point %d, %s: got %v, want %v", i, metric, s, numbers)
				}
			}
		}
	}
}

func sameAsVerify(t *testing.T, run *archivetest.Run, dir string) {
	t.Helper()
	if !strings.Contains(run.Workflow, "[[expect.score]]") {
		return
	}
	var o strings.Builder
	Main([]string{"verify", dir, "--json"}, &o, &strings.Builder{})
	var v verdict
	if err := json.Unmarshal([]byte(o.String()), &v); err != nil || len(v.Differences) > 0 || len(v.Expected) == 0 {
		t.Fatalf("%v, %v in %s", v, err, o.String())
	}
	var rows []comparedJSON
	text, _ := out(t, exitOK, "compare", dir, "--metric", "rmse", "--format", "json")
	if err := json.Unmarshal([]byte(text), &rows); err != nil {
		t.Fatal(err)
	}
	for _, e := range v.Expected {
		i := slices.IndexFunc(rows, func(r comparedJSON) bool { return r.Filter == e.Filter })
		if i < 0 || !equal(e.Got, rows[i].Value) || !equal(e.SE, rows[i].SE) {
			t.Errorf("verify: got %+v, want %+v", e, rows)
			continue
		}
		if ok := rows[i].OK == rows[i].Trials && e.Got != nil && math.Abs(*e.Got-e.Expected) <= e.Tolerance; ok != (e.Verdict == "ok") {
			t.Errorf("verify: got %+v of %+v", e, rows[i])
		}
	}
}

// bestPartners holds partners to what they should be: of the rows of the baseline that have
// the same values of the axes that concern both, and as many members where there is one,
// none has more trials that are ok, or as many and a lower mean.
func bestPartners(t *testing.T, rows []comparedJSON) {
	t.Helper()
	for _, row := range rows {
		d := row.Difference
		if d == nil {
			continue
		}
		agrees := func(o comparedJSON) bool {
			for axis, v := range row.Setting {
				if w, ok := o.Setting[axis]; ok && v != w && !strings.HasPrefix(axis, "filter.") && !compare.IsSize(axis) {
					return false
				}
			}
			return o.Filter == d.Baseline && (o.Members == row.Members || d.BaselineMembers != row.Members)
		}
		partner := slices.IndexFunc(rows, func(o comparedJSON) bool {
			return o.Filter == d.Baseline && o.Members == d.BaselineMembers && fmt.Sprint(o.Setting) == fmt.Sprint(d.BaselineSetting)
		})
		if partner < 0 || !agrees(rows[partner]) {
			t.Errorf("%+v has a partner that does not agree: %+v", row, d)
			continue
		}
		for _, o := range rows {
			if p := rows[partner]; agrees(o) && (o.OK > p.OK || o.OK == p.OK && o.Value != nil && p.Value != nil && *o.Value < *p.Value) {
				t.Errorf("%+v is compared with %+v, but %+v is better", row, p, o)
			}
		}
	}
}

// sameAsTold holds means to what they should be, from the trials that were written: the
// mean of the time means of those that are ok.
func sameAsTold(t *testing.T, rows []comparedJSON, metric, stage string, run *archivetest.Run) {
	t.Helper()
	used := 0
	for i, row := range rows {
		var values []float64
		var ranks []float64
		cycles, all := 0, 0
		for _, x := range run.Trials {
			if x.Filter != row.Filter || x.Size != row.Members || slices.ContainsFunc(run.Axes, func(axis string) bool {
				v, ok := x.Values[axis]
				return axis != archive.SeedAxis && (ok && fmt.Sprint(v) != row.Setting[axis] || !ok && row.Setting[axis] != "")
			}) {
				continue
			}
			all++
			if x.Status != archive.OK {
				continue
			}
			for _, m := range x.Metrics(run.BurnIn) {
				if m.Metric == metric && m.Stage == stage {
					values, cycles = append(values, m.Value), cycles+m.Cycles
					for k, c := range x.Ranks[stage] {
						ranks = append(ranks, make([]float64, max(0, k+1-len(ranks)))...)
						ranks[k] += c
					}
				}
			}
		}
		if row.Members == 0 {
			continue // an estimate
		}
		used += all
		if row.Trials != all || row.OK != len(values) {
			t.Errorf("row %d: %d of %d trials, want %d of %d", i, row.OK, row.Trials, len(values), all)
		}
		sum := 0.0
		for _, v := range values {
			sum += v
		}
		want := sum / float64(len(values))
		if metric == "rank_flatness_p" && all > 1 {
			want = score.FlatnessOf(ranks, float64(cycles)).P
		}
		switch {
		case len(values) == 0 || math.IsNaN(want) || math.IsInf(want, 0):
			if row.Value != nil {
				t.Errorf("row %d, %s: got %v, want none", i, metric, *row.Value)
			}
		case row.Value == nil || math.Abs(*row.Value-want) > 1e-12*math.Abs(want):
			t.Errorf("row %d, %s: got %v, want %v", i, metric, row.Value, want)
		}
	}
	if used != len(run.Trials) {
		t.Errorf("the rows are of %d trials, want %d", used, len(run.Trials))
	}
}
