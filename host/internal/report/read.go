package report

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/score"
	"github.com/plume-da/plume/sdk/wire/table"
)

// run is what a report knows of a run.
type run struct {
	dir       string
	info      *archive.Info
	setup     Setup
	notes     []string // what is missing, and why
	given     string   // the workflow
	resolved  string
	axes      []axis
	trials    []*trial // in the order of their numbers
	baselines []baseline
	failures  *table.Table       // of members and calls
	truths    map[truthKey]*heat // of the field
	field     *field             // nil: no variable is one
	shown     []component        // values whose trajectories are shown
	points    int                // how many of a series are kept
}

// axis is something that differs between trials besides the filter and the replicate.
type axis struct {
	name    string // as in the workflow
	label   string
	values  []string  // in order
	numbers []float64 // of values; nil when some are no numbers
}

// trial is one trial and its series.
type trial struct {
	number, replicate int
	truth             int    // among those of the replicate
	seed              string // where an axis changes it: such trials are repeated as replicates are
	filter, plugin    string
	size              int // 0: not known
	status            archive.Status
	cycles            int
	failure           string
	setting           []int // index of its value on every axis; -1: the axis is of other filters

	stages      map[string]*series   // scores by cycle
	innovations *series              // of the forecast
	metrics     map[string]means     // by stage
	ranks       map[string][]float64 // counts by stage
	seconds     [3]float64           // medians of forecast, observe, analyse; NaN: not known
	curves      map[string][]*series // by stage and shown value
	fields      map[string]*fieldMap // by stage
	phase       map[string]phase
}

// means holds time means by name.
type means map[string]score.Mean

// series is values by cycle.
type series struct {
	cycle  []int32
	time   []float64
	values map[string][]float64
}

// baseline is a score of an estimate that knows no observations.
type baseline struct {
	name, stage, metric string
	mean                score.Mean
	replicate           int
}

// The axis of ensemble sizes.
const (
	sizeAxis  = "ensemble.size"
	sizeLabel = "ensemble size N"
)

// shownScores lists the scores of cycles.arrow that the page shows over time.
var shownScores = []string{"rmse", "spread", "bias", "crps_fair", "energy_score_fair", "w2_reference", "weights_ess", "unique_ancestors"}

func read(dir string, setup *Setup) (*run, error) {
	info, err := archive.ReadStatus(dir)
	if err != nil {
		return nil, err
	}
	r := &run{dir: dir, info: info}
	if setup != nil {
		r.setup = *setup
	} else {
		r.notes = append(r.notes, "The workflow cannot be read by this version of plume: the burn-in is taken to be 0 where the run did not store time means.")
	}
	r.given, r.resolved = r.text("workflow.toml"), r.text("workflow.resolved.toml")
	if r.failures, err = r.table("failures"); err != nil {
		return nil, err
	}
	steps := []func() error{r.readTrials, r.readCycles, r.readInnovations, r.readMetrics, r.readRanks, r.readTimings, r.readVariables}
	for _, step := range steps {
		if err := step(); err != nil {
			return nil, err
		}
	}
	r.complete()
	return r, nil
}

// text returns a text file of the run, or nothing.
func (r *run) text(name string) string {
	text, err := os.ReadFile(filepath.Join(r.dir, name))
	if err != nil {
		return ""
	}
	return string(text)
}

// table returns a table of the run, without rows when the run left none.
func (r *run) table(name string) (*table.Table, error) {
	t, err := archive.Table(r.dir, name)
	if r.hasNone(name, err) {
		return &table.Table{}, nil
	}
	return t, err
}

// hasNone says whether a table that was looked for with err is one that the run left none of.
func (r *run) hasNone(name string, err error) bool {
	_, left := r.info.Files[name+".arrow"]
	return !left && errors.Is(err, os.ErrNotExist)
}

// column returns a column, or nil when the table has none of that name and type.
func column[T any](t *table.Table, name string) []T {
	values, _ := t.Column(name).([]T)
	return values
}

// trial returns the trial of a number; a run under way has no table of them yet.
func (r *run) trial(number int32, filter string, replicate int) *trial {
	for _, t := range r.trials {
		if t.number == int(number) {
			return t
		}
	}
	t := &trial{number: int(number), replicate: replicate, filter: filter, status: r.info.Status}
	r.trials = append(r.trials, t)
	return t
}

// trialColumns lists the columns of trials.arrow that are no axes.
var trialColumns = []string{"trial", "replicate", "filter", "plugin", "size", "status", "cycles", "error", "truth", "reference", sizeAxis, archive.SeedAxis}

func (r *run) readTrials() error {
	t, err := r.table("trials")
	if err != nil {
		return err
	}
	if t.Names == nil {
		r.planTrials()
		return nil
	}
	number, replicate, filter := column[int32](t, "trial"), column[int32](t, "replicate"), column[string](t, "filter")
	plugin, size, status := column[string](t, "plugin"), column[int32](t, "size"), column[string](t, "status")
	cycles, failure, truth := column[int32](t, "cycles"), column[string](t, "error"), column[int32](t, "truth")
	if t.Rows > 0 && (number == nil || replicate == nil || filter == nil || size == nil || status == nil) {
		return fmt.Errorf("trials.arrow: got the columns %v, want trial, replicate, filter, size and status", t.Names)
	}
	for i := range t.Rows {
		trial := &trial{number: int(number[i]), replicate: int(replicate[i]), filter: filter[i], size: int(size[i]), status: archive.Status(status[i])}
		if plugin != nil {
			trial.plugin = plugin[i]
		}
		if cycles != nil {
			trial.cycles = int(cycles[i])
		}
		if truth != nil {
			trial.truth = int(truth[i])
		}
		if failure != nil {
			trial.failure = failure[i]
		}
		r.trials = append(r.trials, trial)
	}
	sizes := make([]string, t.Rows)
	for i := range t.Rows {
		sizes[i] = strconv.Itoa(int(size[i]))
	}
	r.addAxis(sizeAxis, sizeLabel, sizes, nil)
	if at := slices.Index(t.Names, archive.SeedAxis); at >= 0 {
		for i, seed := range texts(t.Columns[at]) {
			r.trials[i].seed = seed
		}
	}
	for c, name := range t.Names {
		if !slices.Contains(trialColumns, name) {
			r.addAxis(name, axisLabel(name), texts(t.Columns[c]), t.Valid[c])
		}
	}
	return nil
}

// waiting is the status of a trial that has not begun.
const waiting archive.Status = "waiting"

// planTrials takes the trials from the workflow.
func (r *run) planTrials() {
	for _, t := range r.setup.Trials {
		planned := &trial{number: t.Number, replicate: t.Replicate, filter: t.Filter, plugin: t.Plugin, size: t.Size, status: waiting}
		if seed, ok := t.Values[archive.SeedAxis]; ok {
			planned.seed = fmt.Sprint(seed)
		}
		r.trials = append(r.trials, planned)
	}
	add := func(key, label string, of func(Trial) (any, bool)) {
		values, valid := make([]string, len(r.trials)), make([]bool, len(r.trials))
		for i, t := range r.setup.Trials {
			v, ok := of(t)
			values[i], valid[i] = fmt.Sprint(v), ok
		}
		r.addAxis(key, label, values, valid)
	}
	add(sizeAxis, sizeLabel, func(t Trial) (any, bool) { return t.Size, t.Size > 0 })
	for _, key := range r.setup.Axes {
		if key != sizeAxis && key != archive.SeedAxis {
			add(key, axisLabel(key), func(t Trial) (any, bool) { v, ok := t.Values[key]; return v, ok })
		}
	}
}

// axisLabel shortens a key of the workflow: filter.enkf.params.inflation is the
// inflation of enkf.
func axisLabel(key string) string {
	words := strings.Split(strings.TrimPrefix(key, "filter."), ".")
	words = slices.DeleteFunc(words, func(w string) bool { return w == "params" })
	return strings.Join(words, " ")
}

// addAxis adds an axis with the values of every trial, unless every filter has but one.
func (r *run) addAxis(name, label string, values []string, valid []bool) {
	a := axis{name: name, label: label}
	there := func(i int) bool { return values[i] != "" && (valid == nil || valid[i]) }
	for i := range values {
		if there(i) && !slices.Contains(a.values, values[i]) {
			a.values = append(a.values, values[i])
		}
	}
	if !r.differs(values, there) {
		return
	}
	a.sort()
	r.axes = append(r.axes, a)
	for i, t := range r.trials {
		at := -1
		if there(i) {
			at = slices.Index(a.values, values[i])
		}
		t.setting = append(t.setting, at)
	}
}

// differs says whether some filter has several values.
func (r *run) differs(values []string, there func(int) bool) bool {
	first := map[string]string{}
	for i, t := range r.trials {
		if v, ok := first[t.filter]; there(i) && ok && v != values[i] {
			return true
		} else if there(i) && !ok {
			first[t.filter] = values[i]
		}
	}
	return false
}

// sort orders the values by size when they are numbers; else they stay in the order
// of the trials.
func (a *axis) sort() {
	numbers := make(map[string]float64, len(a.values))
	for _, v := range a.values {
		x, err := strconv.ParseFloat(v, 64)
		if err != nil {
			return
		}
		numbers[v] = x
	}
	slices.SortStableFunc(a.values, func(v, w string) int {
		switch x, y := numbers[v], numbers[w]; {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	})
	for _, v := range a.values {
		a.numbers = append(a.numbers, numbers[v])
	}
}

// texts writes the values of a column as text.
func texts(values any) []string {
	var out []string
	switch values := values.(type) {
	case []string:
		return values
	case []int32:
		for _, v := range values {
			out = append(out, strconv.Itoa(int(v)))
		}
	case []int64:
		for _, v := range values {
			out = append(out, strconv.FormatInt(v, 10))
		}
	case []float64:
		for _, v := range values {
			out = append(out, strconv.FormatFloat(v, 'g', -1, 64))
		}
	}
	return out
}

func (r *run) readCycles() error {
	t, err := r.table("cycles")
	if err != nil {
		return err
	}
	number, replicate, filter := column[int32](t, "trial"), column[int32](t, "replicate"), column[string](t, "filter")
	cycle, time, stage := column[int32](t, "cycle"), column[float64](t, "time"), column[string](t, "stage")
	if t.Rows > 0 && (number == nil || replicate == nil || filter == nil || cycle == nil || time == nil || stage == nil) {
		return fmt.Errorf("cycles.arrow: got the columns %v, want trial, replicate, filter, cycle, time and stage", t.Names)
	}
	scores := map[string][]float64{}
	for c, name := range t.Names {
		if values, ok := t.Columns[c].([]float64); ok && name != "time" && slices.Contains(t.Valid[c], true) {
			scores[name] = values
		}
	}
	for i := range t.Rows {
		trial := r.trial(number[i], filter[i], int(replicate[i]))
		if trial.stages == nil {
			trial.stages = map[string]*series{}
		}
		s := trial.stages[stage[i]]
		if s == nil {
			s = &series{values: map[string][]float64{}}
			trial.stages[stage[i]] = s
		}
		s.cycle, s.time = append(s.cycle, cycle[i]), append(s.time, time[i])
		for name, values := range scores {
			s.values[name] = append(s.values[name], values[i])
		}
	}
	return nil
}

// readInnovations keeps the root mean square of the innovations of a cycle, what it
// should be, and the normalised square. Trials may observe different variables.
func (r *run) readInnovations() error {
	return r.scan("innovations", func(t *table.Table) error {
		number, filter, replicate := column[int32](t, "trial"), column[string](t, "filter"), column[int32](t, "replicate")
		cycle, time, nis, expected := column[int32](t, "cycle"), column[float64](t, "time"), column[float64](t, "nis"), column[float64](t, "rms_expected")
		if number == nil || filter == nil || replicate == nil || cycle == nil || time == nil || nis == nil || expected == nil {
			return nil // of an older version
		}
		variables := t.Columns[slices.Index(t.Names, "rms_expected")+1:]
		for i := range t.Rows {
			trial := r.trial(number[i], filter[i], int(replicate[i]))
			if trial.innovations == nil {
				trial.innovations = &series{values: map[string][]float64{}}
			}
			s := trial.innovations
			s.cycle, s.time = append(s.cycle, cycle[i]), append(s.time, time[i])
			s.add("rms", rms(variables, i))
			s.add("expected", expected[i])
			s.add("nis", nis[i])
		}
		return nil
	})
}

// scan calls each with the batches of a table, of which there are none when the run left
// none.
func (r *run) scan(name string, each func(*table.Table) error) error {
	paths, err := archive.Files(r.dir, name)
	if r.hasNone(name, err) {
		return nil
	}
	for _, path := range paths {
		if err == nil {
			err = table.Scan(path, each)
		}
	}
	return err
}

func (s *series) add(name string, v float64) { s.values[name] = append(s.values[name], v) }

// rms returns the root mean square of the values of a row that are there.
func rms(columns []any, row int) float64 {
	sum, n := 0.0, 0.0
	for _, c := range columns {
		var values []float64
		switch c := c.(type) {
		case []float64:
			values = c[row : row+1]
		case [][]float64:
			values = c[row]
		}
		for _, v := range values {
			if !math.IsNaN(v) {
				sum, n = sum+v*v, n+1
			}
		}
	}
	return math.Sqrt(sum / n) // NaN when nothing was observed
}

func (r *run) readMetrics() error {
	t, err := r.table("metrics")
	if err != nil {
		return err
	}
	number, replicate, filter := column[int32](t, "trial"), column[int32](t, "replicate"), column[string](t, "filter")
	metric, stage := column[string](t, "metric"), column[string](t, "stage")
	value, se, cycles := column[float64](t, "value"), column[float64](t, "se"), column[int32](t, "cycles")
	if number == nil || replicate == nil || filter == nil || metric == nil || stage == nil || value == nil || se == nil || cycles == nil {
		return nil
	}
	isTrial := t.Valid[slices.Index(t.Names, "trial")]
	for i := range t.Rows {
		m := score.Mean{Value: value[i], SE: se[i], Count: int(cycles[i])}
		if !isTrial[i] {
			r.baselines = append(r.baselines, baseline{filter[i], stage[i], metric[i], m, int(replicate[i])})
			continue
		}
		r.trial(number[i], filter[i], int(replicate[i])).set(stage[i], metric[i], m)
	}
	return nil
}

func (t *trial) set(stage, metric string, m score.Mean) {
	if t.metrics == nil {
		t.metrics = map[string]means{}
	}
	if t.metrics[stage] == nil {
		t.metrics[stage] = means{}
	}
	t.metrics[stage][metric] = m
}

func (r *run) readRanks() error {
	t, err := r.table("rank_histogram")
	if err != nil {
		return err
	}
	number, replicate, filter := column[int32](t, "trial"), column[int32](t, "replicate"), column[string](t, "filter")
	stage, rank, count := column[string](t, "stage"), column[int32](t, "rank"), column[float64](t, "count")
	if number == nil || replicate == nil || filter == nil || stage == nil || rank == nil || count == nil {
		return nil
	}
	for i := range t.Rows {
		trial := r.trial(number[i], filter[i], int(replicate[i]))
		if trial.ranks == nil {
			trial.ranks = map[string][]float64{}
		}
		trial.ranks[stage[i]] = append(trial.ranks[stage[i]], count[i])
	}
	return nil
}

func (r *run) readTimings() error {
	t, err := r.table("timings")
	if err != nil {
		return err
	}
	for _, trial := range r.trials {
		trial.seconds = [3]float64{math.NaN(), math.NaN(), math.NaN()}
	}
	number := column[int32](t, "trial")
	for part, name := range []string{"forecast_s", "observe_s", "analyse_s"} {
		values := column[float64](t, name)
		if number == nil || values == nil {
			continue
		}
		byTrial := map[int][]float64{}
		for i, v := range values {
			byTrial[int(number[i])] = append(byTrial[int(number[i])], v)
		}
		for _, trial := range r.trials {
			trial.seconds[part] = median(byTrial[trial.number])
		}
	}
	return nil
}

func median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	values = slices.Sorted(slices.Values(values))
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}

// complete makes time means of the trials that the run has none of because it goes
// on, was killed or was stopped, and puts the trials in order.
func (r *run) complete() {
	slices.SortStableFunc(r.trials, func(a, b *trial) int { return a.number - b.number })
	for _, t := range r.trials {
		if t.setting == nil {
			t.setting = slices.Repeat([]int{-1}, len(r.axes))
		}
		if t.status == waiting && len(t.stages) > 0 {
			t.status = r.info.Status
		}
		for stage, s := range t.stages {
			t.cycles = max(t.cycles, len(s.cycle))
			if t.metrics[stage] == nil {
				t.timeMeans(stage, s, r.setup.BurnIn)
			}
		}
	}
}

// timeMeans takes the time means of a stage over the cycles after burn-in.
func (t *trial) timeMeans(stage string, s *series, burnIn int) {
	from := slices.IndexFunc(s.cycle, func(k int32) bool { return int(k) > burnIn })
	if from < 0 {
		return
	}
	for name, values := range s.values {
		if m := score.TimeMean(values[from:]); !math.IsNaN(m.Value) {
			t.set(stage, name, m)
		}
	}
	rmse, known := t.metrics[stage]["rmse"]
	if spread := t.metrics[stage]["spread"]; known && t.size > 0 {
		t.set(stage, "spread_skill", score.Mean{Value: score.SpreadSkill(spread.Value, rmse.Value, t.size), SE: math.NaN(), Count: rmse.Count})
	}
}

// repetition names the replicate and, where there are several, the seed.
func (t *trial) repetition() string {
	if t.seed == "" {
		return strconv.Itoa(t.replicate)
	}
	return fmt.Sprintf("%d, seed %s", t.replicate, t.seed)
}

// at returns the label of a trial's value on axis i, or nothing.
func (r *run) at(t *trial, i int) string {
	if t.setting[i] < 0 {
		return ""
	}
	return r.axes[i].values[t.setting[i]]
}

// filters returns the labels of the filters in the order of the trials.
func (r *run) filters() []string {
	labels := []string{}
	for _, t := range r.trials {
		if !slices.Contains(labels, t.filter) {
			labels = append(labels, t.filter)
		}
	}
	return labels
}
