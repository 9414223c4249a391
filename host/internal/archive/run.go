// Package archive is the run directory: the tables a run leaves, its manifest, and
// how to find and compare runs. Its files and their columns are listed in schema.go,
// from which docs/run-directory.md is made.
//
// Files under way are called NAME.part, see package table. Tables of all trials
// are written as one part per trial and put together in the order of trials when
// the run ends, so that their bytes do not depend on which trial was faster.
package archive

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/plume-da/plume/host/internal/cycle"
	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/wire/table"
	"gonum.org/v1/gonum/mat"
)

// Run is a run directory that is being written.
type Run struct {
	Dir  string
	info Info
}

// Create makes a run directory below root and writes its manifest and workflow.
func Create(root string, info Info, given, resolved []byte) (*Run, error) {
	info.Format, info.Status, info.Started = 1, Running, time.Now().UTC()
	r := &Run{info: info}
	var err error
	if r.Dir, err = newDir(filepath.Join(root, info.Name), info.Started); err != nil {
		return nil, err
	}
	return r, errors.Join(
		writeInfo(r.Dir, &r.info),
		os.WriteFile(filepath.Join(r.Dir, "workflow.toml"), given, 0o644),
		os.WriteFile(filepath.Join(r.Dir, "workflow.resolved.toml"), resolved, 0o644),
	)
}

// newDir makes a directory that nobody else has, named by the time.
func newDir(parent string, at time.Time) (string, error) {
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return "", err
	}
	stamp := at.Format("20060102T150405Z")
	for i := range 1 << 16 {
		dir := filepath.Join(parent, fmt.Sprintf("%s-%04x", stamp, (at.Nanosecond()/1000+i)&0xffff))
		if err := os.Mkdir(dir, 0o755); !errors.Is(err, os.ErrExist) {
			return dir, err
		}
	}
	return "", fmt.Errorf("%s: no name is free for %s", parent, stamp)
}

// Path returns the path of a file of the run, whose folders it makes.
func (r *Run) Path(parts ...string) (string, error) {
	path := filepath.Join(append([]string{r.Dir}, parts...)...)
	return path, os.MkdirAll(filepath.Dir(path), 0o755)
}

// write writes a table in one go.
func (r *Run) write(columns []table.Column, rows int, values []any, path ...string) error {
	file, err := r.Path(path...)
	if err != nil {
		return err
	}
	w, err := table.Create(file, columns, nil)
	if err != nil {
		return err
	}
	if err := w.Append(rows, values...); err != nil {
		return errors.Join(err, w.Abandon())
	}
	return w.Close()
}

// Twin writes the true trajectory, from cycle 0, and the observations.
func (r *Run) Twin(t *cycle.Twin, times func(cycle int) float64, state, observed *sdk.Layout) error {
	rows, _ := t.Truth.Dims()
	return errors.Join(
		r.write(slices.Concat(clockColumns, table.Variables(state)), rows,
			append(ticks(0, rows, times), table.Block{Matrix: t.Truth}), "truth", "replicate=001", "part-00000.arrow"),
		r.write(slices.Concat(clockColumns, table.Variables(observed)), rows-1,
			append(ticks(1, rows, times), table.Block{Matrix: t.Observations, Null: true}), "observations.arrow"),
	)
}

// ticks returns the columns cycle and time of cycles [from, to).
func ticks(from, to int, times func(int) float64) []any {
	cycles, at := make([]int32, to-from), make([]float64, to-from)
	for k := range cycles {
		cycles[k], at[k] = int32(from+k), times(from+k)
	}
	return []any{cycles, at}
}

// Reference opens the table of the brute-force posterior's members.
func (r *Run) Reference(state *sdk.Layout) (*Members, error) {
	return r.members(state, "reference", "part-00000.arrow")
}

// Members is a table of ensemble members.
type Members struct {
	table *table.Writer

	rows      int // there is room for
	cycle     []int32
	time      []float64
	stage     []string
	index     []int32
	logWeight []float64
	parent    table.Nullable[int32]
	values    *mat.Dense // of several stages
}

func (r *Run) members(state *sdk.Layout, path ...string) (*Members, error) {
	file, err := r.Path(path...)
	if err != nil {
		return nil, err
	}
	columns := slices.Concat(membersColumns, table.Variables(state))
	w, err := table.Create(file, columns, nil)
	return &Members{table: w}, err
}

// Stage is the members of one stage of a cycle.
type Stage struct {
	Name string
	cycle.Ensemble
	Parents []int // nil: the filter moves its members
}

// stackedValues is the largest size of stages that are copied to stand in one batch. Of
// larger ones each has its own, and its members are not copied.
const stackedValues = 1 << 16

// Append writes the members of one cycle: as one batch, or one for each stage when
// they are large.
func (m *Members) Append(k int, time float64, stages ...Stage) error {
	rows, n := 0, 0
	for _, s := range stages {
		r, c := s.Members.Dims()
		rows, n = rows+r, c
	}
	if len(stages) > 1 && rows*n > stackedValues {
		for _, s := range stages {
			if err := m.Append(k, time, s); err != nil {
				return err
			}
		}
		return nil
	}
	m.resize(rows)
	at := 0
	for _, s := range stages {
		r, _ := s.Members.Dims()
		m.describe(at, r, k, time, s)
		at += r
	}
	values := stages[0].Members
	if len(stages) > 1 {
		values = m.stacked(rows, n, stages)
	}
	return m.table.Append(rows, m.cycle, m.time, m.stage, m.index, m.logWeight, m.parent, table.Block{Matrix: values})
}

// resize makes room for rows members.
func (m *Members) resize(rows int) {
	if m.rows == rows {
		return
	}
	m.rows, m.cycle, m.time, m.stage, m.index = rows, make([]int32, rows), make([]float64, rows), make([]string, rows), make([]int32, rows)
	m.logWeight, m.parent = make([]float64, rows), table.Nullable[int32]{Values: make([]int32, rows), Valid: make([]bool, rows)}
}

// describe fills the columns that say what the rows members of s from at on are.
func (m *Members) describe(at, rows, k int, time float64, s Stage) {
	equal := -math.Log(float64(rows))
	for i := range rows {
		m.cycle[at+i], m.time[at+i], m.stage[at+i], m.index[at+i] = int32(k), time, s.Name, int32(i)
		m.logWeight[at+i], m.parent.Values[at+i], m.parent.Valid[at+i] = equal, 0, s.Parents != nil
		if s.LogWeights != nil {
			m.logWeight[at+i] = s.LogWeights[i]
		}
		if s.Parents != nil {
			m.parent.Values[at+i] = int32(s.Parents[i])
		}
	}
}

// stacked returns the members of all stages, one below the other.
func (m *Members) stacked(rows, n int, stages []Stage) *mat.Dense {
	if m.values == nil || m.values.RawMatrix().Rows != rows {
		m.values = mat.NewDense(rows, n, nil)
	}
	to := m.values.RawMatrix().Data
	for _, s := range stages {
		to = to[copy(to, s.Members.RawMatrix().Data):]
	}
	return m.values
}

// Close finishes the table.
func (m *Members) Close() error { return m.table.Close() }

// TrialRow describes a trial and how it ended.
type TrialRow struct {
	Trial  int
	Filter string
	Plugin string
	Size   int
	Status Status
	Error  string
	Cycles int // completed
}

// Metric is one time mean.
type Metric struct {
	Trial  int // 0: a baseline that is no trial
	Filter string
	Metric string
	Stage  string
	Value  float64
	SE     float64 // NaN: not known
	Cycles int     // averaged over
	Status Status
}

// Finish puts the tables of all trials together, writes trials and metrics, and
// closes the manifest with the checksums of all files. It takes what there is: a
// run that was stopped is finished like any other.
func (r *Run) Finish(trials []TrialRow, metrics []Metric, status Status, cause error) error {
	err := errors.Join(r.merge("cycles"), r.merge("variables"), r.merge("innovations"), r.merge("rank_histogram"), r.merge("diagnostics"), r.merge("timings"), r.writeTrials(trials), r.writeMetrics(metrics))
	now := time.Now().UTC()
	r.info.Status, r.info.Finished = status, &now
	if cause != nil {
		r.info.Error = cause.Error()
	}
	var sumErr error
	r.info.Files, sumErr = checksums(r.Dir)
	return errors.Join(err, sumErr, writeInfo(r.Dir, &r.info))
}

// merge writes NAME.arrow from the parts of all trials below NAME/, in order, and
// removes them.
func (r *Run) merge(name string) error {
	parts, err := filepath.Glob(filepath.Join(r.Dir, name, "trial=*.arrow"))
	if err != nil || len(parts) == 0 {
		return err
	}
	slices.Sort(parts)
	if err := table.Concat(filepath.Join(r.Dir, name+".arrow"), parts); err != nil {
		return err
	}
	return os.RemoveAll(filepath.Join(r.Dir, name))
}

func (r *Run) writeTrials(trials []TrialRow) error {
	n := len(trials)
	trial, replicate, size, cycles := make([]int32, n), make([]int32, n), make([]int32, n), make([]int32, n)
	filter, plugin, status := make([]string, n), make([]string, n), make([]string, n)
	failure := table.Nullable[string]{Values: make([]string, n), Valid: make([]bool, n)}
	for i, t := range trials {
		trial[i], replicate[i], filter[i], plugin[i], size[i], status[i], cycles[i] = int32(t.Trial), 1, t.Filter, t.Plugin, int32(t.Size), string(t.Status), int32(t.Cycles)
		failure.Values[i], failure.Valid[i] = strings.ToValidUTF8(t.Error, "?"), t.Error != ""
	}
	return r.write(trialsColumns, n, []any{trial, replicate, filter, plugin, size, status, cycles, failure}, "trials.arrow")
}

func (r *Run) writeMetrics(metrics []Metric) error {
	n := len(metrics)
	trial := table.Nullable[int32]{Values: make([]int32, n), Valid: make([]bool, n)}
	replicate, cycles := make([]int32, n), make([]int32, n)
	filter, metric, stage, status := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	value, se := make([]float64, n), make([]float64, n)
	for i, m := range metrics {
		trial.Values[i], trial.Valid[i] = int32(m.Trial), m.Trial > 0
		replicate[i], filter[i], metric[i], stage[i], status[i] = 1, m.Filter, m.Metric, m.Stage, string(m.Status)
		value[i], se[i], cycles[i] = m.Value, m.SE, int32(m.Cycles)
	}
	return r.write(metricsColumns, n, []any{trial, replicate, filter, metric, stage, value, se, cycles, status}, "metrics.arrow")
}
