package cli

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/score"
	"github.com/plume-da/plume/host/internal/workflow"
	"github.com/plume-da/plume/sdk/wire/table"
)

// scored is one score of the trials of a run.
type scored struct {
	dir           string
	metric, stage string
	baseline      string // of the workflow; empty: none, or one that was not run
	burnIn        int32
	truths        map[string]string // checksums by path
	axes          []string          // keys of the sweep's axes
	groups        []*group          // in the order of their first trials
	baselines     []*group          // climatology and persistence

	series map[int32][]cycleScore // by trial, in the order of cycles, after burn-in; nil: not read
}

// group is the trials that differ in nothing but the replicate.
type group struct {
	filter string
	size   int32    // 0: a baseline that is no trial
	values []string // by axis; empty where the axis does not concern the filter
	trials []scoredTrial
}

// scoredTrial is the score of one trial.
type scoredTrial struct {
	number           int32
	replicate, truth int32
	status           string
	mean             score.Mean // zero when it has none
}

// cycleScore is the score of one cycle.
type cycleScore struct {
	cycle int32
	value float64
}

// ok returns the trials that have not diverged, failed or been interrupted.
func (g *group) ok() []scoredTrial {
	return slices.DeleteFunc(slices.Clone(g.trials), func(t scoredTrial) bool { return t.status != string(archive.OK) || t.mean.Count == 0 })
}

// readScored reads a score of a run that has ended. An empty metric is the first that the run
// shows, and an empty stage that of which it shows the metric.
func readScored(dir, metric, stage string) (*scored, error) {
	info, err := archive.ReadStatus(dir)
	if err != nil {
		return nil, err
	}
	if info.Status == archive.Stopped {
		return nil, fmt.Errorf("%s: the run was stopped; plume resume %s goes on with it, and compare takes one that has ended", dir, dir)
	}
	if info.Status == archive.Running {
		return nil, fmt.Errorf("%s: the run is %q; compare takes one that has ended", dir, info.Status)
	}
	w, found := workflow.Load(filepath.Join(dir, archive.ResolvedFile), workflow.Options{})
	if len(found) > 0 {
		return nil, &findings{found, "human"}
	}
	r := &scored{dir: dir, metric: metric, stage: stage, baseline: w.Verify.Baseline, burnIn: int32(w.Time.BurnIn), truths: info.Files}
	maps.DeleteFunc(r.truths, func(name, _ string) bool { return !strings.HasPrefix(name, "truth/") })
	if !w.Runs(r.baseline) {
		r.baseline = ""
	}
	means, baselines, err := r.readMetrics(w.Verify.Metrics)
	if err != nil {
		return nil, err
	}
	return r, r.readTrials(means, baselines)
}

// scoredBaseline is the score of a baseline in one truth.
type scoredBaseline struct {
	filter string
	scoredTrial
}

// readMetrics returns the time means by trial, and those of baselines. chosen are the
// scores that the workflow names.
func (r *scored) readMetrics(chosen []string) (map[int32]score.Mean, []scoredBaseline, error) {
	t, err := table.Read(filepath.Join(r.dir, "metrics.arrow"))
	if err != nil {
		return nil, nil, err
	}
	trial, ok1 := t.Column("trial").([]int32)
	filter, ok2 := t.Column("filter").([]string)
	metric, ok3 := t.Column("metric").([]string)
	stage, ok4 := t.Column("stage").([]string)
	value, ok5 := t.Column("value").([]float64)
	se, ok6 := t.Column("se").([]float64)
	cycles, ok7 := t.Column("cycles").([]int32)
	replicate, ok8 := t.Column("replicate").([]int32)
	truth, ok9 := t.Column("truth").([]int32)
	if !ok1 || !ok2 || !ok3 || !ok4 || !ok5 || !ok6 || !ok7 || !ok8 || !ok9 {
		return nil, nil, fmt.Errorf("%s: metrics.arrow does not have the columns of this version", r.dir)
	}
	if r.metric == "" {
		var all []archive.Metric
		for i := range t.Rows {
			all = append(all, archive.Metric{Metric: metric[i], Stage: stage[i]})
		}
		if shown := shownMetrics(chosen, all); len(shown) > 0 {
			r.metric = shown[0]
		}
	}
	r.stage = cmp.Or(r.stage, score.StageOf(r.metric))
	var baselines []scoredBaseline
	means, isTrial, known := map[int32]score.Mean{}, t.Valid[slices.Index(t.Names, "trial")], map[string]bool{}
	for i := range t.Rows {
		known[metric[i]] = known[metric[i]] || stage[i] == r.stage && isTrial[i]
		if metric[i] != r.metric || stage[i] != r.stage {
			continue
		}
		m := score.Mean{Value: value[i], SE: se[i], Count: int(cycles[i])}
		if isTrial[i] {
			means[trial[i]] = m
		} else {
			baselines = append(baselines, scoredBaseline{filter[i], scoredTrial{replicate: replicate[i], truth: truth[i], status: string(archive.OK), mean: m}})
		}
	}
	if len(means) == 0 {
		maps.DeleteFunc(known, func(_ string, ofStage bool) bool { return !ofStage })
		if len(known) == 0 {
			return nil, nil, fmt.Errorf("%s: there is nothing to compare: no trial has finished", r.dir)
		}
		return nil, nil, usage("--metric: %s has no %s of the %s; it has %s", r.dir, r.metric, r.stage, strings.Join(slices.Sorted(maps.Keys(known)), ", "))
	}
	return means, baselines, nil
}

// readTrials makes the groups. Baselines of truths that differ in the replicate or the
// seed alone, those that the same settings met first, are one.
func (r *scored) readTrials(means map[int32]score.Mean, baselines []scoredBaseline) error {
	t, err := table.Read(filepath.Join(r.dir, "trials.arrow"))
	if err != nil {
		return err
	}
	number, ok1 := t.Column("trial").([]int32)
	replicate, ok2 := t.Column("replicate").([]int32)
	size, ok3 := t.Column("size").([]int32)
	filter, ok4 := t.Column("filter").([]string)
	status, ok5 := t.Column("status").([]string)
	truth, ok6 := t.Column("truth").([]int32)
	last := slices.Index(t.Names, "error") // axes follow
	if !ok1 || !ok2 || !ok3 || !ok4 || !ok5 || !ok6 || last < 0 {
		return fmt.Errorf("%s: trials.arrow does not have the columns of this version", r.dir)
	}
	r.axes = withoutSeed(t.Names[last+1:])
	byKey, met := map[string]*group{}, map[[2]int32]string{}
	for i := range t.Rows {
		values := make([]string, len(r.axes))
		for k, axis := range r.axes {
			if column := slices.Index(t.Names, axis); t.Valid[column][i] {
				values[k] = axisText(t.Columns[column], i)
			}
		}
		key := fmt.Sprintf("%q %d %q", filter[i], size[i], values)
		g := byKey[key]
		if g == nil {
			g = &group{filter: filter[i], size: size[i], values: values}
			byKey[key], r.groups = g, append(r.groups, g)
		}
		g.trials = append(g.trials, scoredTrial{number[i], replicate[i], truth[i], status[i], means[number[i]]})
		if at := [2]int32{replicate[i], truth[i]}; met[at] == "" {
			met[at] = key
		}
	}
	for _, b := range baselines {
		key := b.filter + " " + met[[2]int32{b.replicate, b.truth}]
		if byKey[key] == nil {
			byKey[key] = &group{filter: b.filter}
			r.baselines = append(r.baselines, byKey[key])
		}
		byKey[key].trials = append(byKey[key].trials, b.scoredTrial)
	}
	return nil
}

// withoutSeed returns axes but for the seed: what differs in it alone is repeated, as
// replicates are.
func withoutSeed(axes []string) []string {
	return slices.DeleteFunc(slices.Clone(axes), func(axis string) bool { return axis == archive.SeedAxis })
}

func axisText(column any, row int) string {
	switch v := column.(type) {
	case []int64:
		return fmt.Sprint(v[row])
	case []float64:
		return fmt.Sprint(v[row])
	case []string:
		return v[row]
	}
	return ""
}

// readCycles reads the scores of all cycles after burn-in, once. A metric that is no
// score of cycles has none.
func (r *scored) readCycles() error {
	if r.series != nil {
		return nil
	}
	r.series = map[int32][]cycleScore{}
	return table.Scan(filepath.Join(r.dir, "cycles.arrow"), func(t *table.Table) error {
		trial, ok1 := t.Column("trial").([]int32)
		cycle, ok2 := t.Column("cycle").([]int32)
		stage, ok3 := t.Column("stage").([]string)
		if !ok1 || !ok2 || !ok3 {
			return fmt.Errorf("does not have the columns of this version")
		}
		value, ok := t.Column(r.metric).([]float64)
		if !ok {
			return nil
		}
		valid := t.Valid[slices.Index(t.Names, r.metric)]
		for i := range t.Rows {
			if stage[i] != r.stage || cycle[i] <= r.burnIn || !valid[i] {
				continue
			}
			r.series[trial[i]] = append(r.series[trial[i]], cycleScore{cycle[i], value[i]})
		}
		return nil
	})
}
