package compare_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/archive/archivetest"
	"github.com/plume-da/plume/host/internal/compare"
	"github.com/plume-da/plume/host/internal/score"
)

// rmse is the metric of most tests.
var rmse = compare.Metric{Name: "rmse", Stage: archive.Analysis}

// trial returns a trial of 10 members with an rmse for every cycle.
func trial(number, replicate int, filter string, values ...float64) archivetest.Trial {
	t := archivetest.Trial{TrialRow: archive.TrialRow{TrialID: archive.TrialID{Trial: number, Replicate: replicate, Filter: filter}, Reference: -1, Plugin: "filter", Size: 10,
		Status: archive.OK, Cycles: len(values), Values: map[string]any{}}, Scores: map[string][]map[string]float64{}}
	for _, v := range values {
		for _, stage := range []string{archive.Forecast, archive.Analysis} {
			t.Scores[stage] = append(t.Scores[stage], map[string]float64{"rmse": v, "spread": 1, "weights_ess": 10})
		}
	}
	return t
}

// with returns t at values of axes, given as pairs.
func with(t archivetest.Trial, pairs ...any) archivetest.Trial {
	for i := 0; i < len(pairs); i += 2 {
		t.Values[pairs[i].(string)] = pairs[i+1]
	}
	return t
}

func ended(t archivetest.Trial, status archive.Status) archivetest.Trial {
	t.Status = status
	return t
}

// read writes a run and reads its scores.
func read(t *testing.T, setup compare.Setup, trials ...archivetest.Trial) *compare.Run {
	t.Helper()
	run := archivetest.Run{BurnIn: setup.BurnIn, Trials: trials}
	for _, x := range trials {
		for axis := range x.Values {
			if !slices.Contains(run.Axes, axis) {
				run.Axes = append(run.Axes, axis)
			}
		}
	}
	slices.Sort(run.Axes)
	return open(t, run.Write(t, t.TempDir()), setup)
}

func open(t *testing.T, dir string, setup compare.Setup) *compare.Run {
	t.Helper()
	reader, err := archive.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	r, err := compare.Read(reader, setup)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// rows compares runs and returns a line for every row: the group, its mean and its
// difference.
func rows(t *testing.T, m compare.Metric, against string, runs ...*compare.Run) []string {
	t.Helper()
	c, err := compare.Compare(runs, m, against)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, r := range c.Rows {
		line := fmt.Sprintf("%s%v: %s; %s", r.Filter, r.Values, r.Mean.Text(), r.Status())
		if d := r.Difference; d != nil {
			line += fmt.Sprintf("; %s, %s to %s%v", d.Text(), d.WinsText(), d.Partner.Filter, d.Partner.Values)
		}
		lines = append(lines, line)
	}
	return lines
}

func want(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// A trial that diverged, failed or was interrupted is in no mean, of several trials or of
// one, and is not hidden.
func TestMeansLeaveOutWhatDidNotEndWell(t *testing.T) {
	r := read(t, compare.Setup{},
		trial(1, 1, "a", 2), ended(trial(2, 2, "a", 1e6), archive.Diverged), trial(3, 3, "a", 4), ended(trial(4, 4, "a", 9), archive.Failed),
		ended(trial(5, 1, "b", 7, 8, 9), archive.Diverged), ended(trial(6, 1, "c"), archive.Interrupted), trial(7, 1, "d", 1, 2, 3, 4, 5))
	want(t, rows(t, rmse, "", r), "a[]: 3.0 ± 1.0 (2/4); 2 ok, 1 diverged, 1 failed", "b[]: – (0/1); diverged", "c[]: – (0/1); interrupted", "d[]: 3.0 ± 3.5; ok; +1, 0/1 to a[]")
}

// The pairs of single trials are cycles: here their differences are constant, so that they
// have no error however much the scores vary. Ties are halves, and what is undefined wins
// nothing.
func TestDifferencesByCycle(t *testing.T) {
	setup := compare.Setup{BurnIn: 1}
	r := read(t, setup, trial(1, 1, "a", 99, 1, 5, 3, 2), trial(2, 1, "b", 0, 0.5, 4.5, 2.5, 1.5))
	want(t, rows(t, rmse, "", r), "a[]: 2.75 ± 0.85; ok", "b[]: 2.25 ± 0.85; ok; -0.5 ± 0, 100 % to a[]")

	short := read(t, setup, trial(1, 1, "a", 99, 1, 5, 3, 2), trial(2, 1, "b", 0, 0.5, 4.5))
	want(t, rows(t, rmse, "", short)[1:], "b[]: 2.5; ok; -0.5, 100 % to a[]")

	other := read(t, setup, trial(1, 1, "a", 99, 1, 4, 4, math.NaN()))
	want(t, rows(t, rmse, "", r, other)[2:], "a[]: –; ok; –, 38 % to a[]") // a tie, a win, a loss, and what is undefined
	want(t, rows(t, rmse, "b", r, other)[:1], "a[]: 2.75 ± 0.85; ok; +0.5 ± 0, 0 % to b[]")
}

// A mean over trials is that of their means, and pairs are of the same truth.
func TestDifferencesByTrial(t *testing.T) {
	r := read(t, compare.Setup{}, trial(1, 1, "a", 1), trial(2, 2, "a", 2), trial(3, 3, "a", 6), trial(4, 1, "b", 2), trial(5, 2, "b", 2), ended(trial(6, 3, "b", 1), archive.Diverged))
	want(t, rows(t, rmse, "b", r), "a[]: 3.0 ± 1.5; ok; -0.50 ± 0.50, 1.5/2 to b[]", "b[]: 2 ± 0 (2/3); 2 ok, 1 diverged")
}

// The partner is the best setting of the baseline, of as many members, that has the same
// values of the axes that concern both; the first that agrees is not asked for.
func TestPartner(t *testing.T) {
	const inflation, sd = "filter.enkf.params.inflation", "observations.error.sd"
	larger := func(x archivetest.Trial) archivetest.Trial { x.Size = 20; return x }
	r := read(t, compare.Setup{Baseline: "enkf"},
		with(trial(1, 1, "enkf", 5), inflation, 1.6, sd, 1.0), with(trial(2, 1, "enkf", 3), inflation, 1.02, sd, 1.0), with(trial(3, 1, "enkf", 1), inflation, 1.02, sd, 2.0),
		larger(with(trial(4, 1, "enkf", 2), inflation, 1.02, sd, 1.0)), with(trial(5, 1, "joint", 4), sd, 1.0), larger(with(trial(6, 1, "joint", 4), sd, 1.0)), with(trial(7, 1, "joint", 4), sd, 2.0))
	want(t, rows(t, rmse, "", r),
		"enkf[1.6 1]: 5; ok; +2, 0 % to enkf[1.02 1]", "enkf[1.02 1]: 3; ok", "enkf[1.02 2]: 1; ok", "enkf[1.02 1]: 2; ok",
		"joint[ 1]: 4; ok; +1, 0 % to enkf[1.02 1]", "joint[ 1]: 4; ok; +2, 0 % to enkf[1.02 1]", "joint[ 2]: 4; ok; +3, 0 % to enkf[1.02 2]")
}

// More trials that are ok count before a smaller mean.
func TestPartnerThatEndedWell(t *testing.T) {
	r := read(t, compare.Setup{}, with(trial(1, 1, "a", 1), "filter.a.params.x", int64(1)), with(ended(trial(2, 2, "a", 1), archive.Diverged), "filter.a.params.x", int64(1)),
		with(trial(3, 1, "a", 9), "filter.a.params.x", int64(2)), with(trial(4, 2, "a", 9), "filter.a.params.x", int64(2)), trial(5, 1, "b", 5), trial(6, 2, "b", 5))
	want(t, rows(t, rmse, "", r)[2:], "b[]: 5 ± 0; ok; -4 ± 0, 2/2 to a[2]")
}

// Trials that differ in the seed alone are one group, as those of several replicates are,
// and so are the estimates of their truths. An estimate says of which setting its truth is.
func TestSeedsAndBaselines(t *testing.T) {
	const sd = "observations.error.sd"
	var trials []archivetest.Trial
	run := archivetest.Run{Axes: []string{archive.SeedAxis, sd}}
	for i, v := range []float64{1, 3, 10, 30} {
		x := with(trial(i+1, 1, "a", v), archive.SeedAxis, int64(i%2), sd, float64(1+i/2))
		x.Truth = i
		trials = append(trials, x)
		run.Baselines = append(run.Baselines, archive.Metric{TrialID: archive.TrialID{Replicate: 1, Filter: "climatology"}, Truth: i, Metric: "rmse", Stage: archive.Analysis, Value: 2 * v, Status: archive.OK})
	}
	run.Trials = trials
	r := open(t, run.Write(t, t.TempDir()), compare.Setup{})
	want(t, rows(t, rmse, "", r), "a[1]: 2.0 ± 1.0; ok", "a[2]: 20 ± 10; ok", "climatology[1]: 4.0 ± 2.0; ok", "climatology[2]: 40 ± 20; ok")
	if got := r.Trials[1].Repetition(); got != "1, seed 1" {
		t.Errorf("got %q", got)
	}
}

// Of p-values there is no mean: the ranks of all trials together have one. Each of these
// histograms could be flat; together they cannot.
func TestFlatnessIsPooled(t *testing.T) {
	var trials []archivetest.Trial
	for i := range 8 {
		x := trial(i+1, i+1, "a", slices.Repeat([]float64{1}, 40)...)
		x.Ranks = map[string][]float64{archive.Analysis: {14, 13, 13, 0, 0, 0, 0}}
		if i%2 == 1 {
			x.Ranks = map[string][]float64{archive.Analysis: {10, 6, 6, 6, 6, 6, 0}}
		}
		trials = append(trials, x)
	}
	trials = append(trials, ended(trials[0], archive.Diverged))
	trials[8].Trial, trials[8].Replicate = 9, 9
	r := read(t, compare.Setup{}, trials...)
	p := compare.Metric{Name: "rank_flatness_p", Stage: archive.Analysis}
	m, err := r.Mean(r.Groups[0], p)
	pooled := score.FlatnessOf([]float64{96, 76, 76, 24, 24, 24, 0}, 320).P
	if err != nil || m.Value != pooled || !math.IsNaN(m.SE) || m.OK != 8 || m.Trials != 9 || pooled > 1e-6 {
		t.Errorf("got %+v, %v, want %v", m, err, pooled)
	}
	c, err := compare.Compare([]*compare.Run{r, r}, p, "")
	if err != nil || c.Rows[0].Difference != nil {
		t.Errorf("a difference of p-values: %+v, %v", c, err)
	}
}

// A run under way shows means over the cycles it has, but only where no trial has ended.
func TestUnfinishedRun(t *testing.T) {
	run := archivetest.Run{Open: true, BurnIn: 1, Trials: []archivetest.Trial{trial(1, 1, "a", 9, 1, 2, 3), trial(2, 1, "b", 9, 5)}}
	rows := []archive.TrialRow{{TrialID: run.Trials[0].TrialID, Size: 10}, {TrialID: run.Trials[1].TrialID, Size: 10}, {TrialID: archive.TrialID{Trial: 3, Replicate: 2, Filter: "b"}, Size: 10}}
	r := open(t, run.Write(t, t.TempDir()), compare.Setup{BurnIn: 1, Trials: rows})
	if err := r.EachCycle(func(*archive.CycleScores, []archive.StageRows) {}); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, g := range r.Groups {
		m, err := r.Mean(g, rmse)
		got = append(got, fmt.Sprint(g.Filter, " ", m.Text(), " ", g.Status(), " ", err))
	}
	want(t, got, "a 2.00 ± 0.82 stopped <nil>", "b 5 (1/2) 1 stopped, 1 waiting <nil>")
	if m, _ := r.Mean(r.Groups[0], compare.Metric{Name: "spread_skill", Stage: archive.Analysis}); m.Value != score.SpreadSkill(1, 2, 10) {
		t.Errorf("spread_skill %v", m)
	}
}

// A published number is next to the score of its filter with as many members, of a baseline, or of
// nothing; at values of other axes than that of sizes it is that of another experiment.
func TestPublished(t *testing.T) {
	const sd, size = "observations.error.sd", "filter.b.size"
	if !compare.IsSize(size) || !compare.IsSize("ensemble.size") || compare.IsSize("filter.b.params.size") || compare.IsSize("size") {
		t.Error("sizes are taken for other axes, or other axes for sizes")
	}
	setup := compare.Setup{Published: []compare.Published{
		{Filter: "a", Size: 10, Metric: "rmse", Value: 0.5}, {Filter: "b", Size: 20, Metric: "rmse", Value: 0.25}, {Filter: "a", Size: 10, Metric: "crps", Value: 9},
		{Filter: "climatology", Metric: "rmse", Value: 3.5}, {Filter: "other", Size: 25, Metric: "rmse", Value: 0.125, Absent: true},
		{Filter: "a", Size: 40, Metric: "rmse", Value: 1}, {Filter: "persistence", Metric: "rmse", Value: 1},
	}}
	larger := func(x archivetest.Trial) archivetest.Trial { x.Size = 20; return x }
	run := archivetest.Run{Axes: []string{sd, size}, Trials: []archivetest.Trial{trial(1, 1, "a", 1), with(trial(2, 1, "b", 2), size, int64(10)),
		with(larger(trial(3, 1, "b", 2)), size, int64(20)), with(trial(4, 1, "a", 3), sd, 2.0)},
		Baselines: []archive.Metric{{TrialID: archive.TrialID{Replicate: 1, Filter: "climatology"}, Metric: "rmse", Stage: archive.Analysis, Value: 4, Status: archive.OK}}}
	c, err := compare.Compare([]*compare.Run{open(t, run.Write(t, t.TempDir()), setup)}, rmse, "a")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range c.Rows {
		line := fmt.Sprintf("%s %d%v: %s, %s", r.Filter, r.Size, r.Values, r.Mean.Text(), r.Status())
		if r.Published != nil {
			line += fmt.Sprintf("; %v", *r.Published)
		}
		got = append(got, line)
	}
	want(t, got, "a 10[ ]: 1, ok; 0.5", "b 10[ 10]: 2, ok", "b 20[ 20]: 2, ok; 0.25", "a 10[2 ]: 3, ok",
		"climatology 0[ ]: 4 ± 0, ok; 3.5", "other 25[ ]: , ; 0.125")
	var unshown []string
	for _, p := range c.Rows[0].Run.Unshown() {
		unshown = append(unshown, p.Text())
	}
	want(t, unshown, "rmse of a with 40 members", "rmse of persistence")
	if last := c.Rows[len(c.Rows)-1].Mean; !math.IsNaN(last.Value) {
		t.Errorf("a method that did not run has the score %v", last.Value)
	}
}

// What a run does not have is named, with what it has.
func TestChoices(t *testing.T) {
	r := read(t, compare.Setup{}, trial(1, 1, "a", 1), trial(2, 1, "b", 1))
	for text, choose := range map[string]func() error{
		"metric: " + r.Dir + " has no score crps of the analysis; it has rmse, spread, weights_ess": func() error {
			_, err := compare.Compare([]*compare.Run{r}, compare.Metric{Name: "crps", Stage: archive.Analysis}, "")
			return err
		},
		"against: " + r.Dir + ` has no filter "c"; it has a, b`: func() error {
			_, err := compare.Compare([]*compare.Run{r}, rmse, "c")
			return err
		},
	} {
		if err := choose(); !errors.Is(err, compare.ErrChoice) || err.Error() != text {
			t.Errorf("got %v, want %s", err, text)
		}
	}
	none := read(t, compare.Setup{}, ended(trial(1, 1, "a"), archive.Failed))
	if _, err := compare.Compare([]*compare.Run{none}, none.Opening(""), ""); err == nil || !strings.HasSuffix(err.Error(), "there is nothing to compare: no trial has finished") {
		t.Errorf("got %v", err)
	}
	other := trial(1, 1, "a", 1)
	other.Truth = 1
	if _, err := compare.Compare([]*compare.Run{r, read(t, compare.Setup{}, other)}, rmse, ""); err == nil || !strings.Contains(err.Error(), "different truths") {
		t.Errorf("another truth: got %v", err)
	}
}

// A comparison opens at what the run is about.
func TestOpening(t *testing.T) {
	named := func(names ...string) archivetest.Trial {
		x := trial(1, 1, "a", 1)
		for _, scores := range x.Scores[archive.Analysis] {
			delete(scores, "rmse")
			for _, name := range names {
				scores[name] = 1
			}
		}
		delete(x.Scores, archive.Forecast)
		return x
	}
	for opening, x := range map[string]archivetest.Trial{
		"w2_reference analysis": named("rmse", "spread", "w2_reference"), "rmse analysis": named("spread", "rmse"),
		"held_out_rmse analysis": named("held_out_crps", "held_out_rmse"), "spread analysis": named(),
	} {
		if m := read(t, compare.Setup{}, x).Opening(""); m.Name+" "+m.Stage != opening {
			t.Errorf("got %v, want %s", m, opening)
		}
	}
}

// A mean that leaves trials out is not as expected, whatever it is.
func TestJudge(t *testing.T) {
	run := archivetest.Run{Trials: []archivetest.Trial{trial(1, 1, "a", 1), trial(2, 2, "a", 2), trial(3, 1, "b", 1), ended(trial(4, 2, "b", 9), archive.Diverged), ended(trial(5, 1, "c"), archive.Failed)},
		Baselines: []archive.Metric{{TrialID: archive.TrialID{Replicate: 1, Filter: "climatology"}, Metric: "rmse", Stage: archive.Analysis, Value: 7, SE: 0.5, Status: archive.OK}}}
	r := open(t, run.Write(t, t.TempDir()), compare.Setup{})
	for _, tt := range []struct {
		filter, metric   string
		value, tolerance float64
		want             string
	}{
		{"a", "rmse", 1.45, 0.1, "1.50 ± 0.50: ok"}, {"a", "rmse", 1.3, 0.1, "1.50 ± 0.50: outside"}, {"b", "rmse", 1, 0.1, "1 (1/2): trials: 1 ok, 1 diverged"},
		{"c", "rmse", 1, 0.1, "– (0/1): trials: failed"}, {"climatology", "rmse", 7, 0.1, "7.00 ± 0.50: ok"}, {"climatology", "spread", 7, 0.1, ": there is no such score"},
		{"a", "crps", 1, 1, ": there is no such score"}, {"d", "rmse", 1, 1, ": there is no such score"},
	} {
		m, verdict, err := r.Judge(compare.Expected{Filter: tt.filter, Metric: tt.metric, Value: tt.value, Tolerance: tt.tolerance})
		if got := m.Text() + ": " + verdict; err != nil || got != tt.want {
			t.Errorf("%s of %s: got %q, %v, want %q", tt.metric, tt.filter, got, err, tt.want)
		}
	}
}

// A score is the best if it is the lowest of those that can be compared: of settings of which all trials ended
// well, on the same truths.
func TestBest(t *testing.T) {
	const lost, truths = "trials were lost, stopped early or have not ended", "the settings have different truths, or observations"
	setting := func(v float64, statuses ...archive.Status) compare.Row {
		g := &compare.Group{Filter: "f", Size: 10}
		ok := 0
		for i, s := range statuses {
			g.Trials = append(g.Trials, &compare.Trial{TrialRow: archive.TrialRow{TrialID: archive.TrialID{Replicate: i + 1}, Status: s}})
			if s != archive.Diverged {
				ok++ // of a trial that has not ended there is a mean as well
			}
		}
		return compare.Row{Group: g, Mean: compare.Mean{Mean: score.Mean{Value: v}, OK: ok, Trials: len(statuses)}}
	}
	two := func(v float64) compare.Row { return setting(v, archive.OK, archive.OK) }
	other := two(1)
	other.Trials[1].Truth = 1
	baseline := two(1)
	baseline.Size = 0
	with := func(status archive.Status) compare.Row { return setting(1, archive.OK, status) }
	one := read(t, compare.Setup{}, trial(1, 1, "a", 1, 2))
	for name, test := range map[string]struct {
		rows []compare.Row
		want int
		why  string
	}{
		"the lowest":                      {[]compare.Row{two(3), two(1), two(2)}, 1, ""},
		"of those without a lost trial":   {[]compare.Row{two(3), with(archive.Diverged), two(2)}, 2, ""},
		"nor one that was stopped":        {[]compare.Row{two(3), with(archive.Stopped), two(2)}, 2, ""},
		"nor one that is running":         {[]compare.Row{with(archive.Running), with(archive.Running)}, -1, lost},
		"nor one that was interrupted":    {[]compare.Row{with(archive.Interrupted), two(2)}, -1, lost},
		"one is not the best of anything": {[]compare.Row{two(3), with(archive.Diverged)}, -1, lost},
		"none if two are as low":          {[]compare.Row{two(1), two(1), two(2)}, -1, ""},
		"not of what is unknown":          {[]compare.Row{two(math.NaN()), two(2), two(3)}, 1, ""},
		"not of different truths":         {[]compare.Row{two(3), other, two(2)}, -1, truths},
		"nor a baseline":                  {[]compare.Row{two(3), baseline, two(2)}, 2, ""},
		"none":                            {nil, -1, ""},
	} {
		for i := range test.rows {
			test.rows[i].Run = one
		}
		if got, why := compare.Best(test.rows); got != test.want || why != test.why {
			t.Errorf("%s: got %d, %q, want %d, %q", name, got, why, test.want, test.why)
		}
	}
}
